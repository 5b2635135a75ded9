"""Inputs for the `lif` op and the comparison with its reference: what the tests of every version share."""

import contextlib

import torch
from torch import Tensor

from ranvier.kernels import lif, reference

RESETS, GRADIENTS = ("hard", "soft"), ("full", "detached", "spatial")

LAYOUTS = {
    "channels last": lambda x: x.contiguous(memory_format=torch.channels_last_3d),
    "step slices": lambda x: torch.cat([x[-2:], x])[2:],
    "every other step": lambda x: x.repeat_interleave(2, 0)[::2],
    "batch first": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "permuted step": lambda x: x.permute(0, 3, 2, 1, 4).contiguous().permute(0, 3, 2, 1, 4),
    "padded rows": lambda x: torch.nn.functional.pad(x, (0, 3))[..., : x.shape[-1]],
}


def inputs(steps: int, shape: tuple[int, ...], dtype: torch.dtype, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    state = torch.float64 if dtype == torch.float64 else torch.float32
    x = torch.randn(steps, *shape, generator=generator, dtype=torch.float64) + 0.3
    v, a = (torch.rand(shape, generator=generator, dtype=torch.float64) for _ in range(2))
    return x.to(dtype).requires_grad_(), v.to(state).requires_grad_(), a.to(state).requires_grad_()


def parameters(channels: int, dtype: torch.dtype, seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    ranges = {"decay": (0.2, 0.9), "gain": (0.5, 1.5), "v_threshold": (0.3, 1), "beta": (0.05, 0.3), "rho": (0.2, 0.7)}
    shape = () if channels == 0 else (channels,)
    return {
        name: (low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64))
        .to(dtype)
        .requires_grad_()
        for name, (low, high) in ranges.items()
    }


def outputs_and_gradients(arguments: tuple, options: dict, *, in_reference: bool) -> tuple[list[Tensor], list[Tensor]]:
    with reference() if in_reference else contextlib.nullcontext():
        found = [t for t in lif(*arguments, **options) if t is not None]
    leaves = [t for t in (*arguments, *options.values()) if isinstance(t, Tensor) and t.requires_grad]
    loss = sum((0 * leaf).sum() for leaf in leaves)  # an empty sequence has a gradient too: zero
    for seed, tensor in enumerate(found):
        weight = torch.randn(tensor.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        loss = loss + (tensor * weight.to(tensor.device)).sum()
    return found, list(torch.autograd.grad(loss, leaves, materialize_grads=True))


def assert_same(arguments: tuple, options: dict, tolerance: float) -> None:
    fast, fast_grads = outputs_and_gradients(arguments, options, in_reference=False)
    slow, slow_grads = outputs_and_gradients(arguments, options, in_reference=True)
    for mine, theirs in zip(fast, slow, strict=True):
        assert torch.equal(mine, theirs)
    for mine, theirs in zip(fast_grads, slow_grads, strict=True):
        scale = 1 + theirs.abs().max() if theirs.numel() else 1
        torch.testing.assert_close(mine / scale, theirs / scale, rtol=0, atol=tolerance)
