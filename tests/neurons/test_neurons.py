import math

import pytest
import torch
from torch import Tensor, nn

from ranvier.neurons import IF, LI, LIF, PLIF, AdaptiveLIF


def loop(x: Tensor, decay, gain, threshold: float = 1.0, reset: float | None = 0.0) -> tuple[Tensor, Tensor]:
    v, spikes, membranes = torch.zeros_like(x[0]), [], []
    for x_t in x.unbind(0):
        v = decay * v + gain * x_t
        membranes.append(v)
        s = (v >= threshold).to(x.dtype)
        spikes.append(s)
        v = v - threshold * s if reset is None else torch.where(s > 0, reset, v)
    return torch.stack(spikes), torch.stack(membranes)


@pytest.fixture
def x() -> Tensor:
    return torch.randn(20, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 0.5


@pytest.mark.parametrize(
    ("neuron", "decay", "gain"),
    [(IF(), 1, 1), (LIF(tau=4.0), 0.75, 0.25), (LIF(tau=4.0, r=2.0), 0.75, 0.5), (LIF(decay=0.3), 0.3, 1),
     (PLIF(tau=4.0).double(), 0.75, 0.25)],
    ids=["IF", "LIF tau", "LIF tau r", "LIF decay", "PLIF"],
)  # fmt: skip
def test_equations(neuron, decay: float, gain: float, x: Tensor) -> None:
    spikes, membranes = neuron(x, return_v=True)
    expected_s, expected_v = loop(x, decay, gain)
    assert torch.equal(spikes, expected_s)
    torch.testing.assert_close(membranes, expected_v)
    torch.testing.assert_close(neuron(x), spikes)


def test_soft_reset(x: Tensor) -> None:
    spikes, membranes = LIF(decay=0.5, reset="soft")(x, return_v=True)
    expected_s, expected_v = loop(x, 0.5, 1.0, reset=None)
    assert torch.equal(spikes, expected_s)
    torch.testing.assert_close(membranes, expected_v)


def test_readout_integrates_and_never_fires(x: Tensor) -> None:
    x = (100 * x).requires_grad_()
    y = LI(tau=4.0)(x)
    torch.testing.assert_close(y, loop(x, 0.75, 0.25, threshold=math.inf)[1])
    mine = torch.autograd.grad(y.square().sum(), x)[0]
    theirs = torch.autograd.grad(loop(x, 0.75, 0.25, threshold=math.inf)[1].square().sum(), x)[0]
    torch.testing.assert_close(mine, theirs)


def test_parametric_leak_learns(x: Tensor) -> None:
    shared, per_channel = PLIF(tau=3.0).double(), PLIF(tau=3.0, channels=4).double()
    assert 1 / torch.sigmoid(shared.w).item() == pytest.approx(3)
    torch.testing.assert_close(shared(x), per_channel(x))
    shared(x).sum().backward()
    per_channel(x).sum().backward()
    assert shared.w.grad.abs() > 0
    torch.testing.assert_close(per_channel.w.grad.sum(), shared.w.grad)


def test_tensors_are_kept_and_parameters_trained(x: Tensor) -> None:
    threshold = nn.Parameter(torch.full((4,), 0.7, dtype=torch.float64))
    neuron = LIF(decay=torch.full((4,), 0.5, dtype=torch.float64), v_threshold=threshold)
    assert [name for name, _ in neuron.named_parameters()] == ["v_threshold"]
    assert [name for name, _ in neuron.named_buffers()] == ["decay"]
    neuron(x).sum().backward()
    assert threshold.grad.abs().sum() > 0
    learned_tau = LIF(tau=nn.Parameter(torch.tensor(2.0, dtype=torch.float64)))
    learned_tau(x).sum().backward()
    assert learned_tau.tau.grad.abs() > 0


def test_adaptation_constant_is_clipped_and_still_learns() -> None:
    neuron = AdaptiveLIF(decay=0.2, v_threshold=0.3, tau_a=5.0)
    assert neuron.rho().item() == pytest.approx(math.exp(-1 / 1.1))
    neuron(torch.full((6, 1, 1), 0.35)).sum().backward()
    assert neuron.tau_a.grad.abs() > 0
    assert neuron.tau_a.item() == 5.0


def test_repr_can_be_read() -> None:
    assert repr(LIF(tau=2.0)) == "LIF(tau=2, fires at v >= 1, reset to 0, atan(2))"
    assert repr(IF(reset="soft", strict=True)) == "IF(fires at v > 1, soft reset, atan(2))"
    assert repr(LI(decay=0.9)) == "LI(decay=0.9)"
    assert "beta=-0.07" in repr(AdaptiveLIF(tau=2.0, sign=-1))
    assert "tau=2 (learned)" in repr(PLIF())
    assert repr(LI(tau=torch.tensor([2.0, 3.0]))) == "LI(tau=2..3 [2])"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LIF(), "expected tau or decay"),
        (lambda: LIF(tau=2.0, decay=0.5), "expected tau or decay"),
        (lambda: LIF(tau=0.5), "at least 1 step"),
        (lambda: LIF(decay=0.5, surrogate="gauss"), "expected surrogate to be one of"),
        (lambda: LIF(decay=1.5), r"in \[0, 1\]"),
        (lambda: PLIF(tau=1.0), "above 1 step"),
        (lambda: AdaptiveLIF(tau=2.0, sign=0), "expected sign 1"),
        (lambda: LIF(tau=2.0)(torch.ones(3)), r"expected \[time, batch, ...\], got \(3,\): add a batch axis"),
    ],
)
def test_bad_arguments_are_named(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
