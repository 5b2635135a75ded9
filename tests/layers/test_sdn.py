"""The surrogate dynamic network: what it sees, what it costs, and its folded form."""

import pytest
import torch
from torch import Tensor

from ranvier import Carry
from ranvier.layers import sdn as file
from ranvier.layers.sdn import SDN, reparameterised
from ranvier.neurons import LIF

SHAPES = [{}, {"width": 4, "kernel_size": 3, "layers": 3}, {"width": 5, "kernel_size": 1}]


def seasoned(**shape: int) -> SDN:
    """A float64 network in evaluation mode whose norms are not the identity."""
    torch.manual_seed(0)
    net = SDN(**shape).double()
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if "norm" in name:
                parameter.add_(torch.randn_like(parameter), alpha=0.3)
        net(currents(64, 8) + 0.5)
    return net.eval()


def currents(steps: int, lanes: int, features: int = 3) -> Tensor:
    return torch.randn(steps, lanes, features, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        ({}, 193),
        ({"width": 16, "kernel_size": 16, "layers": 2}, 1249),
        ({"width": 16, "kernel_size": 32, "layers": 2}, 1761),
    ],
)
def test_parameters(shape: dict[str, int], count: int) -> None:
    assert sum(p.numel() for p in SDN(**shape).parameters()) == count


def test_the_folded_form_has_153_numbers_and_no_parameters() -> None:
    frozen = reparameterised(SDN())
    assert sum(b.numel() for b in frozen.buffers()) == 153
    assert not list(frozen.parameters())


@pytest.mark.parametrize("fold", [False, True], ids=["trained", "folded"])
@pytest.mark.parametrize(("shape", "last"), [({}, 28), ({"width": 4, "kernel_size": 3, "layers": 3}, 27)])
def test_a_current_changes_what_comes_after_it_and_no_more(shape: dict[str, int], last: int, fold: bool) -> None:
    net = seasoned(**shape)
    net = reparameterised(net) if fold else net
    x = currents(40, 16)
    changed = x.clone()
    changed[20] += 1.0
    differs = (net(x) != net(changed)).flatten(1).any(1)
    assert differs.nonzero().flatten().tolist() == list(range(21, last + 1))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_folded_form_computes_the_same(shape: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = seasoned(**shape), currents(30, 4)
    expected = net(x)
    assert expected.std() > 0.01
    for block in (1, 48, file.BLOCK):
        monkeypatch.setattr(file, "BLOCK", block)
        torch.testing.assert_close(reparameterised(net)(x), expected, rtol=1e-10, atol=1e-12)


def test_the_folded_form_is_a_copy_in_the_dtype_of_the_network() -> None:
    net = seasoned().float()
    frozen, x = reparameterised(net), currents(30, 4).float()
    before = frozen(x)
    torch.testing.assert_close(before, net(x), rtol=0, atol=1e-5)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
    assert frozen(x).dtype == torch.float32
    assert torch.equal(frozen(x), before)


@pytest.mark.parametrize("shape", SHAPES[:2], ids=str)
def test_a_stream_goes_on_in_the_other_form(shape: dict[str, int]) -> None:
    net, x = seasoned(**shape), currents(30, 4)
    carry, other = Carry(), Carry()
    net(x[:13], carry)
    frozen = reparameterised(net)
    other.load_state_dict(frozen, carry.state_dict(net))
    torch.testing.assert_close(frozen(x[13:], other), net(x)[13:], rtol=1e-10, atol=1e-12)


def test_what_is_remembered_does_not_keep_the_chunk_alive() -> None:
    for net in (seasoned(layers=2), reparameterised(seasoned(layers=2))):
        carry = Carry()
        net(currents(500, 2), carry)
        for window in carry[net].values():
            assert window.untyped_storage().nbytes() == window.nbytes


def test_without_a_batch_axis_the_error_says_what_to_type() -> None:
    with pytest.raises(ValueError, match=r"got \(10,\): add a batch axis with x.unsqueeze\(1\)"):
        SDN()(torch.zeros(10))


@pytest.mark.parametrize("factor", [0.25, 2.0, 8.0])
def test_one_threshold_serves_all(factor: float) -> None:
    """Why the network needs no threshold: scaled by a power of two, currents and threshold give the same spikes."""
    x = currents(200, 4).float()
    spikes = LIF(decay=0.125, v_threshold=1.0)(x)
    assert 0.1 < spikes.mean() < 0.2
    assert torch.equal(LIF(decay=0.125, v_threshold=factor)(factor * x), spikes)
