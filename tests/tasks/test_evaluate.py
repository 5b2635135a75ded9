"""Measuring a network: firing rates, padding, and that nothing is left behind."""

import copy

import pytest
import torch
from torch import nn

from ranvier.data.datasets import Batch
from ranvier.layers import Stack
from ranvier.neurons import IF, LI
from ranvier.recipes import Classify
from ranvier.tasks.classify import Classification
from ranvier.tasks.evaluate import count_spikes, measure
from ranvier.tasks.nonfinite import first_nonfinite


def batch(x: torch.Tensor, lengths: list[int]) -> Batch:
    return Batch(x=x, target=torch.zeros(x.shape[1], dtype=torch.long), lengths=torch.tensor(lengths))


def test_firing_rate_is_spikes_per_neuron_and_step_without_the_padding() -> None:
    net = Stack(IF(), nn.Linear(2, 2))
    x = torch.zeros(4, 2, 2)
    x[:, 0, 0] = 0.5  # fires on every second step
    x[:2, 1, 1] = 1.0  # fires on both steps of its length
    x[2:, 1] = 1.0  # padding fires too, and must not count
    found = measure(net, [batch(x, [4, 2])], Classification(Classify(classes=("a", "b"))))
    assert found["firing_rate"] == {"0": pytest.approx((0.25 + 0.5) / 2)}


def test_a_readout_without_spikes_has_no_firing_rate() -> None:
    net = Stack(IF(), LI(decay=0.5))
    with count_spikes(net) as count:
        net(torch.ones(2, 1, 3))
    assert list(count.rates()) == ["0"]


def test_measuring_leaves_the_network_as_it_was() -> None:
    net = Stack(nn.BatchNorm1d(2), IF(), nn.Dropout(0.5), nn.Linear(2, 2)).train()
    before = copy.deepcopy(net.state_dict())
    x = torch.rand(3, 4, 2)
    first = measure(net, [batch(x, [3] * 4)], Classification(Classify(classes=("a", "b"))))
    assert first == measure(net, [batch(x, [3] * 4)], Classification(Classify(classes=("a", "b"))))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert net.training
    assert not any(module._forward_hooks for module in net.modules())


def test_two_batches_count_like_one() -> None:
    net = Stack(IF(), nn.Linear(2, 2))
    x = torch.rand(3, 5, 2)
    task = Classification(Classify(classes=("a", "b")))
    whole = measure(net, [batch(x, [3] * 5)], task)
    parts = measure(net, [batch(x[:, :2], [3] * 2), batch(x[:, 2:], [3] * 3)], task)
    assert parts["confusion"] == whole["confusion"]
    assert parts["loss"] == pytest.approx(whole["loss"])
    assert parts["firing_rate"]["0"] == pytest.approx(whole["firing_rate"]["0"])


class TestFirstNonfinite:
    def net(self) -> Stack:
        return Stack(nn.Linear(2, 3), IF(), nn.Linear(3, 2))

    def test_a_weight(self) -> None:
        net = self.net()
        net[2].weight.data[0, 0] = float("inf")  # type: ignore[index]
        assert first_nonfinite(net, torch.ones(2, 1, 2)) == "the parameter 'weight' of layer '2' (Linear)"

    def test_an_output(self) -> None:
        net = self.net()
        net[0].weight.data[:] = 3e38  # type: ignore[index]
        assert first_nonfinite(net, torch.full((2, 1, 2), 3e38)) == "the output of layer '0' (Linear)"

    def test_the_input(self) -> None:
        assert first_nonfinite(self.net(), torch.full((2, 1, 2), float("nan"))) == "the input"

    def test_nothing(self) -> None:
        net = self.net()
        assert first_nonfinite(net, torch.ones(2, 1, 2)) is None
        assert not any(module._forward_hooks for module in net.modules())
