"""Backpropagation in windows: the whole where one window covers it, else what detached memories give, in their room."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from ranvier import Carry, models
from ranvier.audit.memory import _Live
from ranvier.recipes import SpikingLM, SpikingSSM, load
from ranvier.tasks.windows import in_windows

CONFIG = SpikingSSM(in_channels=2, classes=3, layers=2, width=8, state=4)


def net(**changes) -> nn.Module:
    torch.manual_seed(0)
    return models.build(replace(CONFIG, **changes)).double()


def values(steps: int, batch: int = 2) -> Tensor:
    return torch.randn(steps, batch, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def gradients(network: nn.Module, y: Tensor) -> list[Tensor]:
    """Of a loss that is no sum over steps, as that of a mean readout."""
    loss = y.mean(0).exp().sum()
    return list(torch.autograd.grad(loss, list(network.parameters()), materialize_grads=True))


@pytest.mark.parametrize("window", [12, 50])
def test_one_window_is_full_backpropagation(window: int) -> None:
    network, x = net(), values(12)
    whole, windowed = network(x), in_windows(network, x, window, seed=0)
    assert torch.equal(windowed, whole)
    for pair in zip(gradients(network, windowed), gradients(network, whole), strict=True):
        assert torch.equal(*pair)


@pytest.mark.parametrize("window", [1, 5, 6])
def test_windows_are_chunks_with_a_detached_memory(window: int) -> None:
    network, x = net(), values(12)
    carry, parts = Carry(), []
    for part in x.split(window):
        carry = carry.detach()
        parts.append(network(part, carry))
    plain, windowed = torch.cat(parts), in_windows(network, x, window, seed=0)
    torch.testing.assert_close(windowed, network(x), rtol=1e-10, atol=1e-12)
    found, expected = gradients(network, windowed), gradients(network, plain)
    for pair in zip(found, expected, strict=True):
        torch.testing.assert_close(*pair, rtol=1e-12, atol=1e-14)
    full = gradients(network, network(x))
    assert not all(torch.allclose(*pair) for pair in zip(found, full, strict=True))


def test_silenced_channels_stay_silent_over_the_windows() -> None:
    network, x = net(dropout=0.5), values(12)
    torch.manual_seed(3)
    whole = network(x)
    windowed = in_windows(network, x, 4, seed=3)
    torch.testing.assert_close(windowed, whole, rtol=1e-10, atol=1e-12)
    # The second forward pass drew the same numbers, or the gradients would be those of another network.
    carry, parts = Carry(), []
    for part in x.split(4):
        torch.manual_seed(3)
        carry = carry.detach()
        parts.append(network(part, carry))
    for pair in zip(gradients(network, windowed), gradients(network, torch.cat(parts)), strict=True):
        torch.testing.assert_close(*pair, rtol=1e-12, atol=1e-14)


def peak(network: nn.Module, steps: int, window: int) -> int:
    x = torch.randint(9, (steps, 1), generator=torch.Generator().manual_seed(1))
    with _Live() as live:
        in_windows(network, x, window, seed=0).sum().backward()
    network.zero_grad()
    return live.peak


def test_memory_is_that_of_one_window() -> None:
    torch.manual_seed(0)
    network = models.build(SpikingLM(vocabulary=9, layers=3, width=32, state=4))
    whole, short, long = peak(network, 512, 512), peak(network, 512, 32), peak(network, 1024, 32)
    assert short < whole / 5
    # What grows with the length are the outputs alone: here and in the gradient, in parts and put together.
    assert long - short < 5 * 512 * 32 * 4


def test_what_looks_ahead_is_refused() -> None:
    recipe = load("wikitext2-spikingssm")
    long = replace(recipe, train=replace(recipe.train, window=32))
    assert long.train.window == 32
    digits = load("digits-conv")
    with pytest.raises(ValueError, match=r"no memory that could go on from window to window: type --train\.window 0"):
        replace(digits, model=replace(CONFIG, classes=10, bidirectional=True), train=replace(digits.train, window=8))
    with pytest.raises(ValueError, match="expected window of 0 or more, got -1"):
        replace(recipe.train, window=-1)
