import copy

import pytest
import torch
from torch import nn

from ranvier import Carry, Temporal
from ranvier.carry import unwrap
from ranvier.layers import Stack
from ranvier.neurons import LIF, AdaptiveLIF


@pytest.fixture
def net() -> Stack:
    torch.manual_seed(0)
    return Stack(nn.Linear(3, 4), LIF(tau=2.0), nn.Linear(4, 4), AdaptiveLIF(tau=2.0, v_threshold=0.1))


def test_a_second_write_in_one_forward_is_an_error() -> None:
    class TwoEyes(Temporal):
        def __init__(self) -> None:
            super().__init__()
            self.eye = LIF(tau=2.0)

        def forward(self, x, carry=None):
            return self.eye(x, carry) + self.eye(2 * x, carry)

    x, carry = torch.ones(2, 1, 3), Carry()
    TwoEyes()(x)
    with pytest.raises(RuntimeError, match=r"LIF was used twice .* torch.cat\(\(left, right\), dim=1\)"):
        TwoEyes()(x, carry)
    assert len(carry) == 0


def test_mapping_and_repr(net: Stack) -> None:
    carry = Carry()
    assert repr(carry) == "Carry(at rest)"
    net(torch.randn(2, 5, 3), carry)
    assert len(carry) == 2
    assert net[1] in carry
    assert carry[net[1]]["v"].shape == (5, 4)
    assert "LIF: v [5, 4]" in repr(carry)
    assert carry != Carry()
    assert len({carry, carry}) == 1


def test_clone_is_independent_and_to_keeps_integers(net: Stack) -> None:
    carry = Carry()
    net(torch.randn(2, 5, 3), carry)
    copied = carry.clone()
    copied[net[1]]["v"].add_(1)
    assert not torch.equal(copied[net[1]]["v"], carry[net[1]]["v"])
    carry.write(net[3], {"position": torch.zeros(5, dtype=torch.long)})
    moved = carry.to(torch.float64)
    assert moved[net[1]]["v"].dtype == torch.float64
    assert moved[net[3]]["position"].dtype == torch.long


def test_names_are_those_of_the_unwrapped_network(net: Stack) -> None:
    compiled = torch.compile(net, backend="eager")
    carry = Carry()
    compiled(torch.randn(2, 5, 3), carry)
    assert unwrap(compiled) is net
    assert list(carry.state_dict(compiled)) == ["1.v", "3.v", "3.a"] == list(carry.state_dict(net))


def test_a_single_neuron_has_names_too() -> None:
    neuron, carry = LIF(tau=2.0), Carry()
    neuron(torch.ones(1, 2, 3), carry)
    saved = carry.state_dict(neuron)
    assert list(saved) == ["v"]
    other, restored = copy.deepcopy(neuron), Carry()
    restored.load_state_dict(other, saved)
    assert torch.equal(restored[other]["v"], saved["v"])


def test_foreign_memory_is_refused(net: Stack) -> None:
    carry = Carry()
    net(torch.randn(2, 5, 3), carry)
    with pytest.raises(KeyError, match="not part of the given network"):
        carry.state_dict(nn.Linear(1, 1))
    before = len(carry)
    with pytest.raises(KeyError, match="no temporal module '9'"):
        carry.load_state_dict(net, {"1.v": torch.zeros(5, 4), "9.v": torch.zeros(5, 4)})
    assert len(carry) == before


@pytest.mark.parametrize("lanes", [[0, 2], torch.tensor([True, False, True])])
def test_reset_lanes(net: Stack, lanes) -> None:
    carry = Carry()
    net(torch.randn(4, 3, 3) + 1, carry)
    kept = carry[net[3]]["a"][1].clone()
    carry.reset(lanes)
    for state in carry.values():
        for tensor in state.values():
            assert not tensor[[0, 2]].any()
    assert torch.equal(carry[net[3]]["a"][1], kept)
    carry.reset()
    assert len(carry) == 0


@pytest.mark.parametrize("lanes", [[3], [-1], torch.tensor([True, False])])
def test_lanes_that_do_not_exist(net: Stack, lanes) -> None:
    carry = Carry()
    net(torch.randn(4, 3, 3), carry)
    with pytest.raises(ValueError, match="expected"):
        carry.reset(lanes)


def test_only_a_carry_is_memory(net: Stack) -> None:
    with pytest.raises(TypeError, match=r"expected a ranvier.Carry as memory, got dict: type net\(x, Carry\(\)\)"):
        net(torch.randn(2, 1, 3), {})


def test_a_trailing_shape_that_does_not_fit(net: Stack) -> None:
    neuron, carry = LIF(tau=2.0), Carry()
    neuron(torch.ones(2, 3, 4), carry)
    with pytest.raises(ValueError, match=r"expected state v of shape \(3, 5\)"):
        neuron(torch.ones(2, 3, 5), carry)


def test_a_module_without_state_has_no_rest(net: Stack) -> None:
    with pytest.raises(NotImplementedError, match="Stack owns no state"):
        net.rest(1, torch.zeros(1))


def test_compiles_with_a_carry(net: Stack) -> None:
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    x = torch.randn(6, 2, 3)
    carry = Carry()
    pieces = [compiled(chunk, carry) for chunk in x.split(3)]
    torch.testing.assert_close(torch.cat(pieces), net(x))
