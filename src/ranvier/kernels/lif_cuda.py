"""The `lif` op on CUDA: launches lif_triton.py, or lets the reference serve where Triton is missing."""

import importlib.util
import math
from typing import Any

import torch
from torch import Tensor

from ranvier.kernels.lif_call import CHUNK, Flag, Options, checkpoint_count, state_dtype
from ranvier.kernels.lif_fallback import reference_backward, reference_forward
from ranvier.kernels.lif_layout import channel_run, laid_out, sequence_laid_out, step_size, time_major
from ranvier.kernels.triton_kernels import triton_kernels

WARPS = 4
VECTOR_BYTES = 16
"""What a thread loads at once."""

GROUP = 8
"""Steps that the forward loads together; divides `CHUNK`, so that a checkpoint falls between two groups."""

PART = 32
"""Steps that the backward unrolls, half of it with all options on; divides `CHUNK`."""

REGISTERS = 64
"""Registers of a thread that the backward may fill with what it recomputes."""

FULL_GPU = 1 << 17
"""Threads that keep a GPU busy: smaller layers give each thread fewer neurons rather than leave part of it idle."""

_FORWARD = Flag.SOFT | Flag.LEAK_LAST | Flag.STRICT | Flag.ADAPTIVE | Flag.NEGATIVE
_BACKWARD = _FORWARD | Flag.DETACHED | Flag.SPATIAL


def available() -> tuple[bool, str]:
    """Return whether the Triton kernels serve on this machine, and why: active, no CUDA device, or triton missing."""
    if not torch.cuda.is_available():
        return False, "no CUDA device"
    if importlib.util.find_spec("triton") is None:
        return False, "triton missing"
    return True, "active"


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
    opt, state, kernels = Options(options), state_dtype(x), triton_kernels("lif")
    tensors = (decay, gain, v_threshold, beta, rho)
    if kernels is None:
        return reference_forward(x, v, a, tensors, constants, options)
    x, strides = time_major(x)
    steps, size = x.shape[0], step_size(x)
    s = x.new_empty_strided(x.shape, (size, *strides))
    v_out = x.new_empty(0, dtype=state) if opt.stateless else x.new_empty_strided(x.shape[1:], strides, dtype=state)
    a_out = torch.empty_like(v_out) if opt.adaptive else v_out.new_empty(0)
    v_seq = torch.empty_like(s) if opt.return_v else x.new_empty(0)
    count = checkpoint_count(steps, opt)
    shape = (count, 2 if opt.adaptive else 1, *x.shape[1:])
    checkpoints = v_out.new_empty_strided(shape, (shape[1] * size, size, *strides))
    if size == 0:
        return s, v_out, a_out, v_seq, checkpoints
    parameters, channels, common = _common(tensors, x, state)
    group = min(GROUP, 1 << max(steps - 1, 0).bit_length())
    block = _block(x, kept=0)
    with torch.cuda.device_of(x):
        kernels.forward[(-(-size // block),)](
            x, laid_out(v, strides), laid_out(a, strides), *parameters,
            s, *((None, None) if opt.stateless else (v_out, a_out)), v_seq if opt.return_v else None,
            checkpoints if count else None, *constants[:6], steps, size, x.stride(0), channels,
            channel_run(x, channels),
            OPTIONS=options & _FORWARD, GROUP=group, CHUNK=CHUNK, RAGGED=steps % group > 0, BLOCK=block, **common,
        )  # fmt: skip
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
    opt, state, kernels = Options(options), state_dtype(x), triton_kernels("lif")
    tensors = (decay, gain, v_threshold, beta, rho)
    if kernels is None:
        return reference_backward(x, v, a, tensors, (grad_s, grad_v, grad_a, grad_v_seq), constants, options)
    x, strides = time_major(x)
    steps, size = x.shape[0], step_size(x)
    grad_x = x.new_empty_strided(x.shape, (size, *strides))
    nothing = x.new_empty(0, dtype=state)
    grad_v0 = nothing if v is None else x.new_empty_strided(x.shape[1:], strides, dtype=state)
    grad_a0 = nothing.clone() if a is None else x.new_empty_strided(x.shape[1:], strides, dtype=state)
    parameters, channels, common = _common(tensors, x, state)
    grad_parameters = grad_v0.new_zeros((5, channels) if opt.parameter_gradients else 0)
    if size == 0:
        return grad_x, grad_v0, grad_a0, grad_parameters
    wanted = [k for k, p in enumerate(tensors) if opt.parameter_gradients and p is not None and (k < 3 or opt.adaptive)]
    arrays = 1 + (1 in wanted) + opt.adaptive  # membranes; x too for the gradient of gain; adaptation
    part = min(steps, PART if arrays < 3 else PART // 2)
    kept = part * arrays * state.itemsize // 4
    block = _block(x, kept=kept)
    # Sums of neighbours in one channel, then of all neighbourhoods: no atomics, so the gradient is deterministic.
    run = channel_run(x, channels)
    together = min(block, run & -run) if channels > 1 else block
    groups = -(-size // together)
    sums = grad_v0.new_empty(len(wanted), groups)
    grad_s, grad_v_seq = sequence_laid_out(grad_s, strides), sequence_laid_out(grad_v_seq, strides)
    b = constants[6]
    with torch.cuda.device_of(x):
        kernels.backward[(-(-size // block),)](
            x, laid_out(v, strides), laid_out(a, strides), *parameters, checkpoints if steps > CHUNK else None,
            grad_s, laid_out(grad_v, strides), laid_out(grad_a, strides), grad_v_seq,
            grad_x, None if v is None else grad_v0, None if a is None else grad_a0, sums,
            *constants, 2 * b / math.tanh(b / 2) if b else 4.0,
            steps, size, x.stride(0), 0 if grad_s is None else grad_s.stride(0),
            0 if grad_v_seq is None else grad_v_seq.stride(0), channels, run, groups,
            OPTIONS=options & _BACKWARD, SURROGATE=opt.surrogate, SUMS=sum(1 << k for k in wanted), RUN=together,
            STEPS=part, GROUP=GROUP, CHUNK=CHUNK, PARTED=steps > part, RAGGED=steps > part and steps % part > 0,
            BLOCK=block, **common,
        )  # fmt: skip
    if wanted:
        by_channel = sums.view(len(wanted), -1, channels, run // together if channels > 1 else 1)
        for k, gradient in zip(wanted, by_channel.sum((1, 3), dtype=torch.float64), strict=True):
            grad_parameters[k] = gradient
    return grad_x, grad_v0, grad_a0, grad_parameters


def _common(
    tensors: tuple[Tensor | None, ...], x: Tensor, state: torch.dtype
) -> tuple[list[Tensor | None], int, dict[str, Any]]:
    """Return the parameters beside x, the number of channels, and the launch options that both kernels share."""
    import triton.language as tl

    channels = max([1, *(p.numel() for p in tensors if p is not None)])
    period = channels * channel_run(x, channels)
    return (
        [None if p is None else p.to(x.device).contiguous() for p in tensors],
        channels,
        {
            "STATE": tl.float64 if state == torch.float64 else tl.float32,
            "PER_CHANNEL": sum(1 << k for k, p in enumerate(tensors) if p is not None and p.numel() > 1),
            "INDEX": tl.int32 if period < 1 << 30 else tl.int64,
            "num_warps": WARPS,
            "enable_fp_fusion": False,
        },
    )


def _block(x: Tensor, *, kept: int) -> int:
    """Return the neurons of a program: as many a thread as one load brings, unless `kept` registers for each forbid."""
    neurons = VECTOR_BYTES // x.element_size()
    while neurons > 1 and (neurons * kept > REGISTERS or step_size(x) < neurons * FULL_GPU):
        neurons //= 2
    return neurons * WARPS * 32
