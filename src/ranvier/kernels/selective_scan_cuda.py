"""The `selective_scan` op on CUDA: launches selective_scan_triton.py, or lets the reference serve without Triton."""

from typing import Any

import torch
from torch import Tensor

from ranvier.kernels.scan_layout import rows
from ranvier.kernels.selective_scan_fallback import reference_backward, reference_forward
from ranvier.kernels.selective_scan_layout import CHUNK, checkpoint_shape
from ranvier.kernels.triton_kernels import triton_kernels

WARPS = 4

NUMBERS = 8 * WARPS * 32
"""Modes, over all lanes, that a program holds: eight in each of its threads."""


def forward(
    x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor, h: Tensor | None, keep: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Run all steps; see `ranvier.kernels.selective_scan`. The last output is the checkpoints for the backward."""
    kernels = triton_kernels("selective_scan")
    if kernels is None:
        return reference_forward(x, dt, a, b, c, d, h, keep)
    x, dt = rows(x), rows(dt)
    y, h_out = x.new_empty(x.shape), x.new_empty(*x.shape[1:], a.shape[1])
    checkpoints = x.new_empty(checkpoint_shape(x, a, keep))
    if h_out.numel():
        programs, common = _launch(x, a)
        with torch.cuda.device_of(x):
            kernels.forward[programs](
                x, dt, *map(_plain, (a, b, c, d, h)), y, h_out, checkpoints if checkpoints.numel() else None,
                *_sizes(x, a), x.stride(0), dt.stride(0), **common,
            )  # fmt: skip
    return y, h_out, checkpoints


def backward(
    x: Tensor,
    dt: Tensor,
    a: Tensor,
    b: Tensor,
    c: Tensor,
    d: Tensor,
    h: Tensor | None,
    checkpoints: Tensor,
    grad_y: Tensor | None,
    grad_h: Tensor | None,
) -> tuple[Tensor, ...]:
    """Return the gradients of x, dt, a, b, c, d and h, from a recomputed state."""
    kernels = triton_kernels("selective_scan")
    if kernels is None:
        return reference_backward(x, dt, a, b, c, d, h, grad_y, grad_h)
    x, dt = rows(x), rows(dt)
    grad_y = None if grad_y is None else rows(grad_y)
    programs, common = _launch(x, a)
    grad_x, grad_dt = x.new_empty(x.shape), x.new_empty(x.shape)
    of_a, of_d = x.new_empty(*x.shape[1:], a.shape[1]), x.new_empty(x.shape[1:])  # by lane
    of_b, of_c = (x.new_empty(programs[1], *b.shape) for _ in range(2))  # by block of channels
    grad_h0 = x.new_empty(0 if h is None else h.shape)
    if of_a.numel():
        seen = x.new_empty(programs[0] * programs[1], CHUNK, common["LANES"], common["MODES"])
        with torch.cuda.device_of(x):
            kernels.backward[programs](
                x, dt, *map(_plain, (a, b, c, d, h)), checkpoints, grad_y, _plain(grad_h),
                grad_x, grad_dt, of_a, of_b, of_c, of_d, None if h is None else grad_h0, seen,
                *_sizes(x, a), x.stride(0), dt.stride(0), 0 if grad_y is None else grad_y.stride(0), **common,
            )  # fmt: skip
    grad_a, grad_b, grad_c, grad_d = (part.sum(0, dtype=torch.float64).to(x.dtype) for part in (of_a, of_b, of_c, of_d))
    return grad_x, grad_dt, grad_a, grad_b, grad_c, grad_d, grad_h0


def _launch(x: Tensor, a: Tensor) -> tuple[tuple[int, int], dict[str, Any]]:
    """Return the programs, by sample and by block of channels, and the options that both kernels share."""
    import triton
    import triton.language as tl

    modes = triton.next_power_of_2(max(1, a.shape[1]))
    lanes = max(1, min(NUMBERS // modes, triton.next_power_of_2(max(1, x.shape[2]))))
    return (x.shape[1], -(-x.shape[2] // lanes)), {
        "STATE": tl.float64 if x.dtype == torch.float64 else tl.float32,
        "CHUNK": CHUNK,
        "LANES": lanes,
        "MODES": modes,
        "num_warps": WARPS,
    }


def _sizes(x: Tensor, a: Tensor) -> tuple[int, ...]:
    return *x.shape, a.shape[1]


def _plain(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.contiguous()
