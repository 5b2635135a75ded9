"""The `wkv` op on the CPU: packs one call for wkv.c, or lets the reference serve where there is no C library."""

import ctypes
import functools
import struct
from collections.abc import Callable

import torch
from torch import Tensor

from ranvier.kernels import native, pool
from ranvier.kernels.scan_layout import rows
from ranvier.kernels.wkv_fallback import reference_backward, reference_forward
from ranvier.kernels.wkv_layout import checkpoint_shape

# The fields of `call` in wkv.c: 7 integers, 21 pointers.
_CALL = struct.Struct("7q21q")

GRAIN = 1 << 15
"""Lane-steps below which a second thread costs more than it brings."""


@functools.cache
def _functions() -> tuple[Callable[..., None], Callable[..., None]] | None:
    library = native.library()
    if library is None:
        return None
    library.ranvier_wkv_call_bytes.restype = ctypes.c_int64
    assert library.ranvier_wkv_call_bytes() == _CALL.size, "wkv.c and wkv_cpu.py disagree about `call`"
    for function in (library.ranvier_wkv_forward, library.ranvier_wkv_backward):
        function.argtypes = [ctypes.c_char_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64]
        function.restype = None
    return library.ranvier_wkv_forward, library.ranvier_wkv_backward


def forward(
    k: Tensor, v: Tensor, w: Tensor, u: Tensor, a: Tensor | None, b: Tensor | None, p: Tensor | None, keep: bool
) -> tuple[Tensor, ...]:
    """Run all time steps; see `ranvier.kernels.wkv`. The last output is the checkpoints for the backward."""
    functions = _functions()
    if functions is None:
        return reference_forward(k, v, w, u, a, b, p, keep)
    k, v = rows(k), rows(v)
    given = [_plain(tensor) for tensor in (w, u, a, b, p)]
    y = k.new_empty(k.shape)
    state = [k.new_empty(k.shape[1:]) for _ in range(3)]
    checkpoints = k.new_empty(checkpoint_shape(k, keep))
    packed = _CALL.pack(
        *_geometry(k, v, None), *map(_address, (k, v, *given, y, *state, checkpoints)), *[0] * 9
    )  # fmt: skip
    _run(functions[0], packed, _pieces(k))
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
    functions = _functions()
    if functions is None:
        return reference_backward(k, v, w, u, a, b, p, grad_y, grad_a, grad_b)
    k, v = rows(k), rows(v)
    given = [_plain(tensor) for tensor in (w, u, a, b, p)]
    grad_y = None if grad_y is None else rows(grad_y)
    grad_k, grad_v = k.new_empty(k.shape), k.new_empty(k.shape)
    grad_start = [k.new_empty(0 if a is None else a.shape) for _ in range(2)]
    pieces = _pieces(k)
    partial = torch.zeros(2, len(pieces), k.shape[2], dtype=torch.float64)
    grads = (grad_y, _plain(grad_a), _plain(grad_b), grad_k, grad_v, *grad_start, *partial)
    packed = _CALL.pack(
        *_geometry(k, v, grad_y), *map(_address, (k, v, *given)), 0, 0, 0, 0, *map(_address, (checkpoints, *grads))
    )
    _run(functions[1], packed, pieces)
    grad_w, grad_u = partial.sum(1).to(k.dtype)
    return grad_k, grad_v, grad_w, grad_u, *grad_start


def _run(function: Callable[..., None], packed: bytes, pieces: list[tuple[int, int]]) -> None:
    pool.run(lambda index, start, stop: function(packed, index, start, stop), pieces)


def _pieces(k: Tensor) -> list[tuple[int, int]]:
    return pool.slices(k.shape[1] * k.shape[2], grain=max(64, GRAIN // max(1, k.shape[0])))


def _geometry(k: Tensor, v: Tensor, grad_y: Tensor | None) -> tuple[int, ...]:
    strides = k.stride(0), v.stride(0), 0 if grad_y is None else grad_y.stride(0)
    return k.shape[0], k.shape[1] * k.shape[2], k.shape[2], k.element_size(), *strides


def _plain(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.contiguous()


def _address(tensor: Tensor | None) -> int:
    """Return where a tensor lies; 0 for `None` and for one without elements, which C takes as not wanted."""
    return 0 if tensor is None or tensor.numel() == 0 else tensor.data_ptr()
