"""The `scan` op on the CPU: packs one call for scan.c, or lets the reference serve where there is no C library."""

import ctypes
import functools
import struct
from collections.abc import Callable

import torch
from torch import Tensor

from ranvier.kernels import native, pool
from ranvier.kernels.scan_fallback import reference_backward, reference_forward
from ranvier.kernels.scan_layout import checkpoint_shape, rows

# The fields of `call` in scan.c: 8 integers, 13 pointers.
_CALL = struct.Struct("8q13q")

GRAIN = 1 << 10
"""Mode-steps of a lane below which a second thread costs more than it brings."""


@functools.cache
def _functions() -> tuple[Callable[..., None], Callable[..., None]] | None:
    library = native.library()
    if library is None:
        return None
    library.ranvier_scan_call_bytes.restype = ctypes.c_int64
    assert library.ranvier_scan_call_bytes() == _CALL.size, "scan.c and scan_cpu.py disagree about `call`"
    for function in (library.ranvier_scan_forward, library.ranvier_scan_backward):
        function.argtypes = [ctypes.c_char_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64]
        function.restype = None
    return library.ranvier_scan_forward, library.ranvier_scan_backward


def forward(x: Tensor, a: Tensor, c: Tensor, h: Tensor | None, keep: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Run all time steps; see `ranvier.kernels.scan`. The last output is the checkpoints for the backward."""
    functions = _functions()
    if functions is None:
        return reference_forward(x, a, c, h, keep)
    x, a, c, h = rows(x), _plain(a), _plain(c), None if h is None else _plain(h)
    y = x.new_empty(x.shape)
    h_out = a.new_empty(*x.shape[1:], a.shape[1])
    checkpoints = x.new_empty(checkpoint_shape(x, a, keep))
    packed = _CALL.pack(
        *_geometry(x, a), x.stride(0), 0,
        *map(_address, (x, a, c, h, y, h_out, checkpoints)), 0, 0, 0, 0, 0, 0,
    )  # fmt: skip
    _run(functions[0], packed, _pieces(x, a))
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
    functions = _functions()
    if functions is None:
        return reference_backward(x, a, c, h, grad_y, grad_h)
    x, a, c, h = rows(x), _plain(a), _plain(c), None if h is None else _plain(h)
    grad_y, grad_h = None if grad_y is None else rows(grad_y), None if grad_h is None else _plain(grad_h)
    grad_x = x.new_empty(x.shape)
    grad_h0 = a.new_empty(0 if h is None else h.shape)
    pieces = _pieces(x, a)
    parts = 2 if a.is_complex() else 1
    partial = torch.zeros(2, len(pieces), *a.shape, parts, dtype=torch.float64)
    packed = _CALL.pack(
        *_geometry(x, a), x.stride(0), 0 if grad_y is None else grad_y.stride(0),
        *map(_address, (x, a, c, h)), 0, 0, _address(checkpoints),
        *map(_address, (grad_y, grad_h, grad_x, grad_h0, partial[0], partial[1])),
    )  # fmt: skip
    _run(functions[1], packed, pieces)
    sums = partial.sum(1)
    grad_a, grad_c = (torch.view_as_complex(s) if a.is_complex() else s.squeeze(-1) for s in sums)
    return grad_x, grad_a.to(a.dtype), grad_c.to(a.dtype), grad_h0


def _run(function: Callable[..., None], packed: bytes, pieces: list[tuple[int, int]]) -> None:
    pool.run(lambda index, start, stop: function(packed, index, start, stop), pieces)


def _pieces(x: Tensor, a: Tensor) -> list[tuple[int, int]]:
    work = max(1, x.shape[0] * a.shape[1])
    return pool.slices(x.shape[1] * x.shape[2], grain=max(64, GRAIN * 64 // work))


def _geometry(x: Tensor, a: Tensor) -> tuple[int, ...]:
    return x.shape[0], x.shape[1] * x.shape[2], x.shape[2], a.shape[1], x.element_size(), a.is_complex()


def _plain(tensor: Tensor) -> Tensor:
    return tensor.resolve_conj().resolve_neg().contiguous()


def _address(tensor: Tensor | None) -> int:
    """Return where a tensor lies; 0 for `None` and for one without elements, which C takes as not wanted."""
    return 0 if tensor is None or tensor.numel() == 0 else tensor.data_ptr()
