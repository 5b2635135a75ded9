"""The `lif` op on the CPU: packs one call for lif.c, or lets the reference serve where there is no C library."""

import ctypes
import functools
import struct
from collections.abc import Callable

import torch
from torch import Tensor

from ranvier.kernels import native, pool
from ranvier.kernels.lif_call import Options, checkpoint_count, state_dtype
from ranvier.kernels.lif_fallback import reference_backward, reference_forward
from ranvier.kernels.lif_layout import channel_run, laid_out, sequence_laid_out, step_size, time_major

# The fields of `call` in lif.c: 10 integers, 21 pointers, 1 integer, 7 constants.
_CALL = struct.Struct("10q21qq7d")
_STORAGE = {torch.float32: 0, torch.float64: 1, torch.float16: 2, torch.bfloat16: 3}

GRAIN = 1 << 14
"""Element-steps below which a second thread costs more than it brings."""

STREAM_BYTES = 1 << 22
"""Outputs of this size and more bypass the cache: they would not survive in it until their reader comes."""


@functools.cache
def _functions() -> tuple[Callable[..., None], Callable[..., None]] | None:
    library = native.library()
    if library is None:
        return None
    library.ranvier_lif_call_bytes.restype = ctypes.c_int64
    assert library.ranvier_lif_call_bytes() == _CALL.size, "lif.c and lif_cpu.py disagree about `call`"
    for function in (library.ranvier_lif_forward, library.ranvier_lif_backward):
        function.argtypes = [ctypes.c_char_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64]
        function.restype = None
    return library.ranvier_lif_forward, library.ranvier_lif_backward


def forward(
    x: Tensor,
    v: Tensor | None,
    a: Tensor | None,
    decay: Tensor | None,
    gain: Tensor | None,
    v_threshold: Tensor | None,
    beta: Tensor | None,
    rho: Tensor | None,
    constants: list[float],
    options: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Run all time steps; see `ranvier.kernels.lif`. The last output is the checkpoints for the backward."""
    opt, state = Options(options), state_dtype(x)
    functions = _functions()
    if functions is None:
        return reference_forward(x, v, a, (decay, gain, v_threshold, beta, rho), constants, options)
    x, strides = time_major(x)
    steps, size = x.shape[0], step_size(x)
    s = torch.empty_strided(x.shape, (size, *strides), dtype=x.dtype)
    v_out = torch.empty(0, dtype=state) if opt.stateless else torch.empty_strided(x.shape[1:], strides, dtype=state)
    a_out = torch.empty_like(v_out) if opt.adaptive else torch.empty(0, dtype=state)
    v_seq = torch.empty_like(s) if opt.return_v else torch.empty(0, dtype=x.dtype)
    count = checkpoint_count(steps, opt)
    shape = (count, 2 if opt.adaptive else 1, *x.shape[1:])
    checkpoints = torch.empty_strided(shape, (shape[1] * size, size, *strides), dtype=state)
    v, a = laid_out(v, strides), laid_out(a, strides)
    parameters, channels = _parameters((decay, gain, v_threshold, beta, rho), state)
    packed = _CALL.pack(
        *_geometry(x, channels, options, state, x.stride(0), 0, 0),
        x.data_ptr(), _address(v), _address(a), *map(_address, parameters),
        *map(_address, (s, v_out, a_out, v_seq, checkpoints)),
        0, 0, 0, 0, 0, 0, 0, 0,
        _streams(s), *constants,
    )  # fmt: skip
    _run(functions[0], packed, steps, size)
    return s, v_out, a_out, v_seq, checkpoints


def backward(
    x: Tensor,
    v: Tensor | None,
    a: Tensor | None,
    decay: Tensor | None,
    gain: Tensor | None,
    v_threshold: Tensor | None,
    beta: Tensor | None,
    rho: Tensor | None,
    checkpoints: Tensor,
    grad_s: Tensor | None,
    grad_v: Tensor | None,
    grad_a: Tensor | None,
    grad_v_seq: Tensor | None,
    constants: list[float],
    options: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of x, v, a and of the five parameters `[5, C]`, from a recomputed membrane."""
    opt, state = Options(options), state_dtype(x)
    functions = _functions()
    if functions is None:
        grads = (grad_s, grad_v, grad_a, grad_v_seq)
        return reference_backward(x, v, a, (decay, gain, v_threshold, beta, rho), grads, constants, options)
    x, strides = time_major(x)
    steps, size = x.shape[0], step_size(x)
    grad_x = torch.empty_strided(x.shape, (size, *strides), dtype=x.dtype)
    nothing = torch.empty(0, dtype=state)
    grad_v0 = nothing if v is None else torch.empty_strided(x.shape[1:], strides, dtype=state)
    grad_a0 = nothing.clone() if a is None else torch.empty_strided(x.shape[1:], strides, dtype=state)
    v, a = laid_out(v, strides), laid_out(a, strides)
    grad_v, grad_a = laid_out(grad_v, strides), laid_out(grad_a, strides)
    grad_s, grad_v_seq = sequence_laid_out(grad_s, strides), sequence_laid_out(grad_v_seq, strides)
    parameters, channels = _parameters((decay, gain, v_threshold, beta, rho), state)
    pieces = _pieces(steps, size)
    partial = torch.zeros(len(pieces) if opt.parameter_gradients else 0, 5, channels, dtype=torch.float64)
    packed = _CALL.pack(
        *_geometry(
            x, channels, options, state, x.stride(0),
            0 if grad_s is None else grad_s.stride(0), 0 if grad_v_seq is None else grad_v_seq.stride(0),
        ),
        x.data_ptr(), _address(v), _address(a), *map(_address, parameters),
        0, 0, 0, 0, _address(checkpoints),
        _address(grad_s), _address(grad_v), _address(grad_a), _address(grad_v_seq),
        *map(_address, (grad_x, grad_v0, grad_a0, partial)),
        _streams(grad_x), *constants,
    )  # fmt: skip
    _run(functions[1], packed, steps, size)
    grad_parameters = partial.sum(0).to(state) if opt.parameter_gradients else torch.empty(0, dtype=state)
    return grad_x, grad_v0, grad_a0, grad_parameters


def _run(function: Callable[..., None], packed: bytes, steps: int, size: int) -> None:
    pool.run(lambda index, start, stop: function(packed, index, start, stop), _pieces(steps, size))


def _pieces(steps: int, size: int) -> list[tuple[int, int]]:
    return pool.slices(size, grain=max(64, GRAIN // max(steps, 1)))


def _geometry(x: Tensor, channels: int, options: int, state: torch.dtype, *strides: int) -> tuple[int, ...]:
    return (
        x.shape[0],
        step_size(x),
        channels,
        channel_run(x, channels),
        options,
        _STORAGE[x.dtype],
        state.itemsize,
        *strides,
    )


def _address(tensor: Tensor | None) -> int:
    """Return where a tensor lies; 0 for `None` and for one without elements, which C takes as not wanted."""
    return 0 if tensor is None or tensor.numel() == 0 else tensor.data_ptr()


def _streams(output: Tensor) -> bool:
    # With fewer steps the state, which is read and written once a call, weighs as much as the sequence.
    return output.shape[0] >= 4 and output.numel() * output.element_size() >= STREAM_BYTES


def _parameters(tensors: tuple[Tensor | None, ...], state: torch.dtype) -> tuple[list[Tensor | None], int]:
    """Bring the parameters that are tensors to the state type and to one common number of channels."""
    channels = 1
    for tensor in tensors:
        if tensor is not None and tensor.numel() > channels:
            channels = tensor.numel()
    if channels == 1 and all(tensor is None for tensor in tensors):
        return list(tensors), 1
    return [None if p is None else p.to(state).reshape(-1).expand(channels).contiguous() for p in tensors], channels
