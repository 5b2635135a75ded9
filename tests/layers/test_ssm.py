"""S4D: the equations, both ways to compute them, and what is learned."""

import math

import pytest
import torch

from ranvier import Carry
from ranvier.layers import ssm
from ranvier.layers.ssm import S4D


def layer(seed: int = 0, **options) -> S4D:
    torch.manual_seed(seed)
    return S4D(3, state=6, **options).double()


def response(net: S4D, steps: int, at: int = 0) -> torch.Tensor:
    """What each channel answers to one impulse, [T, H]; the part of D is left out."""
    x = torch.zeros(steps, 1, net.channels, dtype=torch.float64)
    x[at] = 1
    return (net(x) - net.d * x).detach()[:, 0]


@pytest.mark.parametrize("trainable_b", [False, True])
def test_the_impulse_response_is_that_of_the_discretised_system(trainable_b: bool) -> None:
    net = layer(trainable_b=trainable_b)
    if trainable_b:
        torch.nn.init.normal_(net.b)
    a = torch.complex(-net.log_decay.exp(), net.frequency)
    b = torch.view_as_complex(net.b) if trainable_b else 1
    dt = net.log_dt.exp()[:, None]
    t = torch.arange(40, dtype=torch.float64)[:, None, None]
    modes = torch.view_as_complex(net.c)[0] * b * (torch.exp(dt * a) - 1) / a * torch.exp(dt * a * t)
    torch.testing.assert_close(response(net, 40), 2 * modes.sum(-1).real.detach(), rtol=1e-10, atol=1e-12)


def test_it_starts_as_published() -> None:
    net = S4D(2000, state=8, dt_range=(1e-3, 0.1))
    assert torch.equal(net.frequency[5], math.pi * torch.arange(4.0))
    torch.testing.assert_close(net.log_decay.exp(), torch.full((2000, 4), 0.5))
    assert 1e-3 <= net.log_dt.exp().min() < 2e-3
    assert 0.05 < net.log_dt.exp().max() <= 0.1
    assert net.c.var().item() == pytest.approx(0.5, rel=0.05)
    assert net.d.var().item() == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("steps", [1, 7, 150])
def test_convolution_equals_recurrence(steps: int, bidirectional: bool) -> None:
    net = layer(bidirectional=bidirectional)
    found = []
    for method in ("scan", "fft"):
        net.method = method
        x = torch.randn(steps, 2, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()
        y = net(x)
        weight = torch.linspace(-1, 1, y.numel(), dtype=torch.float64).view_as(y)
        found.append((y, *torch.autograd.grad((y * weight).sum(), [x, *net.parameters()])))
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-10)


def test_looking_ahead_excludes_the_present() -> None:
    net = layer(bidirectional=True)
    y = response(net, 9, at=4)
    ahead = layer(bidirectional=False)
    ahead.load_state_dict({name: v[1:] if name == "c" else v for name, v in net.state_dict().items()})
    torch.testing.assert_close(y[:4].flip(0), response(ahead, 4), rtol=1e-10, atol=1e-12)
    forwards = layer(bidirectional=False)
    forwards.load_state_dict({name: v[:1] if name == "c" else v for name, v in net.state_dict().items()})
    torch.testing.assert_close(y[4:], response(forwards, 5), rtol=1e-10, atol=1e-12)


def test_what_is_padded_is_not_seen() -> None:
    net = layer(bidirectional=True)
    x = torch.randn(8, 2, 3, dtype=torch.float64)
    y = net(x, lengths=torch.tensor([8, 5]))
    torch.testing.assert_close(y[:5, 1:], net(x[:5, 1:]))
    torch.testing.assert_close(y[:, :1], net(x[:, :1]))


@pytest.mark.parametrize("bidirectional", [False, True])
def test_frozen_it_answers_alike_and_learns_no_more(bidirectional: bool) -> None:
    net, x = layer(bidirectional=bidirectional, trainable_b=True), torch.randn(6, 2, 3, dtype=torch.float64)
    gain = torch.tensor([2.0, 0.5, 1.0], dtype=torch.float64)
    expected = net(x) * gain
    net.freeze(gain)
    torch.testing.assert_close(net(x), expected)
    net.freeze(gain)  # again: nothing happens
    torch.testing.assert_close(net(x), expected)
    assert not any(p.requires_grad for p in net.parameters())


def test_a_gain_scales_the_output() -> None:
    net, x = layer(), torch.randn(6, 2, 3, dtype=torch.float64)
    gain = torch.tensor([2.0, 0.5, 1.0], dtype=torch.float64)
    torch.testing.assert_close(net(x, gain=gain), net(x) * gain)


def test_autocast_leaves_it_in_float32() -> None:
    torch.manual_seed(0)
    net, x = S4D(3, state=4), torch.randn(20, 2, 3)
    with torch.autocast("cpu", torch.bfloat16):
        y = net(x)
    assert torch.equal(y, net(x))


def test_a_long_stream_neither_grows_nor_fades_into_nan() -> None:
    net, carry = S4D(2, state=4), Carry()
    with torch.inference_mode():
        for _ in range(20):
            y = net(torch.randn(5000, 1, 2), carry)
    assert y.isfinite().all()
    assert [tuple(t.shape) for t in carry[net].values()] == [(1, 2, 2, 2)]


def test_modes_are_learned_slowly_and_without_decay() -> None:
    modes = {name: {"most_lr": 1e-3, "decays": 0.0} for name in ("log_dt", "log_decay", "frequency")}
    assert layer().optimised() == modes | {"d": {"decays": 1.0}}
    assert layer(trainable_b=True).optimised()["c"] == {"most_lr": 1e-3}
    assert set(layer(trainable_b=True).optimised()) <= dict(layer(trainable_b=True).named_parameters()).keys()


def test_what_cannot_work_is_refused() -> None:
    with pytest.raises(ValueError, match="expected an even number of states, 2 or more, got 3"):
        S4D(2, state=3)
    with pytest.raises(ValueError, match=r"expected \[time, batch, 3 channels\], got \(4, 2\)"):
        layer()(torch.zeros(4, 2))
    with pytest.raises(ValueError, match="looks ahead and cannot stream: use bidirectional=False"):
        layer(bidirectional=True)(torch.zeros(4, 1, 3), Carry())


def test_cuda_takes_the_convolution_for_long_sequences() -> None:
    class Elsewhere:
        is_cuda = True

        def __init__(self, steps: int) -> None:
            self.steps = steps

        def __len__(self) -> int:
            return self.steps

    assert layer().picks(torch.zeros(100_000, 1, 3)) == "scan"
    assert layer().picks(Elsewhere(ssm.FFT_FROM)) == "fft"  # type: ignore[arg-type]
    assert layer().picks(Elsewhere(ssm.FFT_FROM - 1)) == "scan"  # type: ignore[arg-type]
