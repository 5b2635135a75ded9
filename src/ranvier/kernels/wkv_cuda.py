"""The `wkv` op on CUDA: launches wkv_triton.py, or lets the reference serve where Triton is missing."""

from typing import Any

import torch
from torch import Tensor

from ranvier.kernels.scan_layout import rows
from ranvier.kernels.triton_kernels import triton_kernels
from ranvier.kernels.wkv_fallback import reference_backward, reference_forward
from ranvier.kernels.wkv_layout import CHUNK, REST, checkpoint_shape

LANES = 32
"""Lanes of a program: one warp, so that few lanes still reach many processors."""


def forward(
    k: Tensor, v: Tensor, w: Tensor, u: Tensor, a: Tensor | None, b: Tensor | None, p: Tensor | None, keep: bool
) -> tuple[Tensor, ...]:
    """Run all time steps; see `ranvier.kernels.wkv`. The last output is the checkpoints for the backward."""
    kernels = triton_kernels("wkv")
    if kernels is None:
        return reference_forward(k, v, w, u, a, b, p, keep)
    k, v = rows(k), rows(v)
    y = k.new_empty(k.shape)
    state = [k.new_empty(k.shape[1:]) for _ in range(3)]
    checkpoints = k.new_empty(checkpoint_shape(k, keep))
    if state[0].numel():
        programs, common = _launch(k)
        with torch.cuda.device_of(k):
            kernels.forward[(programs,)](
                k, v, *map(_plain, (w, u, a, b, p)), y, *state, checkpoints if checkpoints.numel() else None,
                *_sizes(k), k.stride(0), v.stride(0), **common,
            )  # fmt: skip
    return y, *state, checkpoints


def backward(
    k: Tensor,
    v: Tensor,
    w: Tensor,
    u: Tensor,
    a: Tensor | None,
    b: Tensor | None,
    p: Tensor | None,
    checkpoints: Tensor,
    grad_y: Tensor | None,
    grad_a: Tensor | None,
    grad_b: Tensor | None,
) -> tuple[Tensor, ...]:
    """Return the gradients of k, v, w, u, a and b, from a recomputed state."""
    kernels = triton_kernels("wkv")
    if kernels is None:
        return reference_backward(k, v, w, u, a, b, p, grad_y, grad_a, grad_b)
    k, v = rows(k), rows(v)
    grad_y = None if grad_y is None else rows(grad_y)
    grad_k, grad_v = k.new_empty(k.shape), k.new_empty(k.shape)
    by_lane = k.new_zeros(4, *k.shape[1:])  # of w, u, a and b
    if by_lane.numel():
        programs, common = _launch(k)
        seen = k.new_empty(programs, CHUNK, 3, LANES)
        with torch.cuda.device_of(k):
            kernels.backward[(programs,)](
                k, v, *map(_plain, (w, u, a, b, p)), checkpoints, grad_y, *map(_plain, (grad_a, grad_b)),
                grad_k, grad_v, *by_lane, seen,
                *_sizes(k), k.stride(0), v.stride(0), 0 if grad_y is None else grad_y.stride(0), **common,
            )  # fmt: skip
    grad_w, grad_u = by_lane[:2].sum(1, dtype=torch.float64).to(k.dtype)
    start = [k.new_empty(0) if a is None else part.clone() for part in by_lane[2:]]
    return grad_k, grad_v, grad_w, grad_u, *start


def _launch(k: Tensor) -> tuple[int, dict[str, Any]]:
    """Return the number of programs, and the options that both kernels share."""
    import triton.language as tl

    return -(-k.shape[1] * k.shape[2] // LANES), {
        "STATE": tl.float64 if k.dtype == torch.float64 else tl.float32,
        "REST": REST,
        "CHUNK": CHUNK,
        "LANES": LANES,
        "num_warps": 1,
    }


def _sizes(k: Tensor) -> tuple[int, int, int]:
    return k.shape[0], k.shape[1] * k.shape[2], k.shape[2]


def _plain(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.contiguous()
