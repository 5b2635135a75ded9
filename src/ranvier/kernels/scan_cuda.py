"""The `scan` op on CUDA: launches scan_triton.py, or lets the reference serve where Triton is missing."""

from typing import Any

import torch
from torch import Tensor

from ranvier.kernels.scan_fallback import reference_backward, reference_forward
from ranvier.kernels.scan_layout import CHUNK, checkpoint_shape, rows
from ranvier.kernels.triton_kernels import triton_kernels

WARPS = 4

NUMBERS = 16 * WARPS * 32
"""Modes, over all lanes, that a program holds: sixteen in each of its threads."""


def forward(x: Tensor, a: Tensor, c: Tensor, h: Tensor | None, keep: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Run all time steps; see `ranvier.kernels.scan`. The last output is the checkpoints for the backward."""
    kernels = triton_kernels("scan")
    if kernels is None:
        return reference_forward(x, a, c, h, keep)
    x = rows(x)
    y, h_out = x.new_empty(x.shape), a.new_empty(*x.shape[1:], a.shape[1])
    checkpoints = x.new_empty(checkpoint_shape(x, a, keep))
    if h_out.numel():
        programs, common = _launch(x, a)
        with torch.cuda.device_of(x):
            kernels.forward[(programs,)](
                x, *map(_plain, (a, c, h)), y, torch.view_as_real(h_out) if a.is_complex() else h_out,
                checkpoints if checkpoints.numel() else None, *_sizes(x, a), x.stride(0), **common,
            )  # fmt: skip
    return y, h_out, checkpoints


def backward(
    x: Tensor,
    a: Tensor,
    c: Tensor,
    h: Tensor | None,
    checkpoints: Tensor,
    grad_y: Tensor | None,
    grad_h: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of x, a, c and h, from a recomputed state."""
    kernels = triton_kernels("scan")
    if kernels is None:
        return reference_backward(x, a, c, h, grad_y, grad_h)
    x = rows(x)
    grad_y = None if grad_y is None else rows(grad_y)
    grad_x = x.new_empty(x.shape)
    parts = 2 if a.is_complex() else 1
    by_lane = x.new_zeros(3, *x.shape[1:], a.shape[1], parts)  # of a, c and h
    if by_lane.numel():
        programs, common = _launch(x, a)
        seen = x.new_empty(programs, parts, CHUNK + 1, common["LANES"], common["MODES"])
        with torch.cuda.device_of(x):
            kernels.backward[(programs,)](
                x, *map(_plain, (a, c, h)), checkpoints, grad_y, _plain(grad_h), grad_x, *by_lane, seen,
                *_sizes(x, a), x.stride(0), 0 if grad_y is None else grad_y.stride(0), **common,
            )  # fmt: skip
    grad_a, grad_c = by_lane[:2].sum(1, dtype=torch.float64).to(x.dtype)
    found = (torch.view_as_complex(g) if a.is_complex() else g.squeeze(-1) for g in (grad_a, grad_c, by_lane[2]))
    grad_a, grad_c, grad_h0 = found
    return grad_x, grad_a, grad_c, a.new_empty(0) if h is None else grad_h0.contiguous()


def _launch(x: Tensor, a: Tensor) -> tuple[int, dict[str, Any]]:
    """Return the number of programs, and the options that both kernels share."""
    import triton
    import triton.language as tl

    modes = triton.next_power_of_2(a.shape[1])
    lanes = max(1, NUMBERS // modes)
    return -(-x.shape[1] * x.shape[2] // lanes), {
        "PARTS": 2 if a.is_complex() else 1,
        "STATE": tl.float64 if x.dtype == torch.float64 else tl.float32,
        "CHUNK": CHUNK,
        "LANES": lanes,
        "MODES": modes,
        "num_warps": WARPS,
    }


def _sizes(x: Tensor, a: Tensor) -> tuple[int, int, int, int]:
    return x.shape[0], x.shape[1] * x.shape[2], x.shape[2], a.shape[1]


def _plain(tensor: Tensor | None) -> Tensor | None:
    """Return complex numbers as pairs of real ones."""
    if tensor is None:
        return None
    tensor = tensor.resolve_conj().resolve_neg().contiguous()
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor
