"""The `selective_scan` op on the CPU: packs one call for selective_scan.c, or lets the reference serve without it."""

import ctypes
import functools
import struct
from collections.abc import Callable

import torch
from torch import Tensor

from ranvier.kernels import native, pool
from ranvier.kernels.scan_layout import rows
from ranvier.kernels.selective_scan_fallback import reference_backward, reference_forward
from ranvier.kernels.selective_scan_layout import checkpoint_shape

# The fields of `call` in selective_scan.c: 8 integers, 19 pointers.
_CALL = struct.Struct("8q19q")

GRAIN = 1 << 15
"""Mode-steps below which a second thread costs more than it brings."""


@functools.cache
def _functions() -> tuple[Callable[..., None], Callable[..., None]] | None:
    library = native.library()
    if library is None:
        return None
    library.ranvier_selective_scan_call_bytes.restype = ctypes.c_int64
    assert library.ranvier_selective_scan_call_bytes() == _CALL.size, (
        "selective_scan.c and selective_scan_cpu.py disagree about `call`"
    )
    for function in (library.ranvier_selective_scan_forward, library.ranvier_selective_scan_backward):
        function.argtypes = [ctypes.c_char_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64]
        function.restype = None
    return library.ranvier_selective_scan_forward, library.ranvier_selective_scan_backward


def forward(
    x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor, h: Tensor | None, keep: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Run all steps; see `ranvier.kernels.selective_scan`. The last output is the checkpoints for the backward."""
    functions = _functions()
    if functions is None:
        return reference_forward(x, dt, a, b, c, d, h, keep)
    x, dt = rows(x), rows(dt)
    given = [_plain(tensor) for tensor in (a, b, c, d, h)]
    y = x.new_empty(x.shape)
    h_out = x.new_empty(*x.shape[1:], a.shape[1])
    checkpoints = x.new_empty(checkpoint_shape(x, a, keep))
    packed = _CALL.pack(*_geometry(x, dt, a, None), *map(_address, (x, dt, *given, y, h_out, checkpoints)), *[0] * 9)
    _run(functions[0], packed, _pieces(x, a))
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
    functions = _functions()
    if functions is None:
        return reference_backward(x, dt, a, b, c, d, h, grad_y, grad_h)
    x, dt = rows(x), rows(dt)
    given = [_plain(tensor) for tensor in (a, b, c, d, h)]
    grad_y, grad_h = None if grad_y is None else rows(grad_y), _plain(grad_h)
    grad_x, grad_dt = x.new_empty(x.shape), x.new_empty(x.shape)
    grad_h0 = x.new_empty(0 if h is None else h.shape)
    pieces = _pieces(x, a)
    # Every slice sums over its own channels, for b and c, and over its own lanes, for a and d.
    of_b, of_c = x.new_zeros(2, len(pieces), *b.shape)
    of_a = torch.zeros(len(pieces), *a.shape, dtype=torch.float64)
    of_d = torch.zeros(len(pieces), *d.shape, dtype=torch.float64)
    grads = (grad_y, grad_h, grad_x, grad_dt, of_b, of_c, grad_h0, of_a, of_d)
    packed = _CALL.pack(
        *_geometry(x, dt, a, grad_y), *map(_address, (x, dt, *given)), 0, 0, *map(_address, (checkpoints, *grads))
    )
    _run(functions[1], packed, pieces)
    grad_a, grad_b, grad_c, grad_d = (part.sum(0).to(x.dtype) for part in (of_a, of_b, of_c, of_d))
    return grad_x, grad_dt, grad_a, grad_b, grad_c, grad_d, grad_h0


def _run(function: Callable[..., None], packed: bytes, pieces: list[tuple[int, int]]) -> None:
    pool.run(lambda index, start, stop: function(packed, index, start, stop), pieces)


def _pieces(x: Tensor, a: Tensor) -> list[tuple[int, int]]:
    return pool.slices(x.shape[1] * x.shape[2], grain=max(64, GRAIN // max(1, x.shape[0] * a.shape[1])))


def _geometry(x: Tensor, dt: Tensor, a: Tensor, grad_y: Tensor | None) -> tuple[int, ...]:
    strides = x.stride(0), dt.stride(0), 0 if grad_y is None else grad_y.stride(0)
    return *x.shape, a.shape[1], x.element_size(), *strides


def _plain(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.contiguous()


def _address(tensor: Tensor | None) -> int:
    """Return where a tensor lies; 0 for `None` and for one without elements, which C takes as not wanted."""
    return 0 if tensor is None or tensor.numel() == 0 else tensor.data_ptr()
