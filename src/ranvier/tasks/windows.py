"""Truncated backpropagation through time: a sequence in windows, with the memory of only one kept for the gradient."""

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ranvier.carry import Carry


def in_windows(net: nn.Module, x: Tensor, window: int, *, seed: int) -> Tensor:
    """Return `net(x)` for `x` `[T, B, ...]`, with gradients that do not reach back beyond windows of so many steps.

    The memory goes on from window to window, cut off from the graph. What comes out is that of all steps, so every
    readout and every loss has its place behind it. Of what the layers say, the backward pass holds one window at a
    time: it computes each once more, so that a step of training has two forward passes. Batch norms see the statistics
    of each window, twice.

    Every window draws the random numbers of `seed`: channels that dropout silences for a whole sequence stay silent in
    all windows of equal length.
    """
    if len(x) <= window:
        return net(x)
    carry, outputs = Carry(), []
    for part in x.split(window):
        torch.manual_seed(seed)
        y, carry = checkpoint(_window, net, part, carry.detach(), use_reentrant=False)  # type: ignore[misc]
        outputs.append(y)
    return torch.cat(outputs)


def _window(net: nn.Module, x: Tensor, start: Carry) -> tuple[Tensor, Carry]:
    # The second forward pass begins where the first did.
    carry = start.detach()
    return net(x, carry), carry
