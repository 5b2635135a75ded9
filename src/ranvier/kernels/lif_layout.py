"""Memory order for the `lif` op: it is elementwise, so any dense step will do if all tensors share its strides."""

import torch
from torch import Tensor


def step_size(x: Tensor) -> int:
    """Return the number of neurons, elements of one step."""
    return x.numel() // x.shape[0] if x.shape[0] else x[:0].new_empty(x.shape[1:]).numel()


def channel_run(x: Tensor, channels: int) -> int:
    """Return how many neighbours in memory share a channel: that of neuron n is `n // run % channels`."""
    return max(x.stride(2), 1) if channels > 1 else 1


def time_major(x: Tensor) -> tuple[Tensor, tuple[int, ...]]:
    """Return `x` with every time step dense in memory (a copy only if it must be), and the strides of a step."""
    if x.is_contiguous():
        return x, x.stride()[1:]
    expected = 1
    for stride, length in sorted((x.stride(d), x.shape[d]) for d in range(1, x.ndim) if x.shape[d] != 1):
        if stride != expected:
            x = x.contiguous()
            return x, x.stride()[1:]
        expected *= length
    return x, x.stride()[1:]


def laid_out(tensor: Tensor | None, strides: tuple[int, ...]) -> Tensor | None:
    """Return one step in the memory order of x."""
    if tensor is None or tensor.stride() == strides:
        return tensor
    return torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype, device=tensor.device).copy_(tensor)


def sequence_laid_out(tensor: Tensor | None, strides: tuple[int, ...]) -> Tensor | None:
    """Return a sequence whose steps are in the memory order of x; its steps may lie anywhere."""
    if tensor is None or tensor.stride()[1:] == strides:
        return tensor
    return torch.empty_strided(
        tensor.shape, (step_size(tensor), *strides), dtype=tensor.dtype, device=tensor.device
    ).copy_(tensor)
