"""The selective scan of Mamba-1: a diagonal linear recurrence whose step, input and read-out depend on the data.

    h[t] = exp(dt[t] a) * h[t-1] + dt[t] x[t] b[t]
    y[t] = (sum over the N modes of c[t] * h[t]) + d x[t]

for every lane and channel alone; b and c are those of a lane, the same for all its channels.
`selective_scan_reference` is the specification, a loop that a student can read. The op `ranvier::selective_scan` has
the same outputs and gradients from C (CPU) and Triton (CUDA). Its backward recomputes `h` from checkpoints every
`CHUNK` steps, so that a training layer keeps its inputs and N numbers for every `CHUNK` of x.

Source: Gu and Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces", 2023.
"""

from typing import Any

import torch
from torch import Tensor

from ranvier.kernels import selective_scan_cpu, selective_scan_cuda
from ranvier.kernels.backend import uses_reference
from ranvier.kernels.scan import ScanOutput
from ranvier.kernels.selective_scan_layout import checkpoint_shape


def selective_scan(
    x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor, h: Tensor | None = None
) -> ScanOutput:
    """Run N modes for each channel over all time steps (equations above).

    Args:
        x: input `[T, B, C]`, float32 or float64.
        dt: length of each step, `[T, B, C]`.
        a: rate of each mode, `[C, N]`; a negative one forgets.
        b: how the input drives each mode, `[T, B, N]`.
        c: how a mode is read out, `[T, B, N]`.
        d: share of the input that passes by, `[C]`.
        h: state before the first step, `[B, C, N]`; `None` is 0.

    Returns:
        `ScanOutput(y, h)`, `[T, B, C]` and `[B, C, N]`. All inputs receive gradients.

    Raises:
        TypeError: types that differ, or that are none of the two.
        ValueError: shapes that do not fit each other.
    """
    _check(x, dt, a, b, c, d, h)
    if uses_reference():
        return ScanOutput(*selective_scan_reference(x, dt, a, b, c, d, h))
    y, h_out, _ = torch.ops.ranvier.selective_scan(x, dt, a, b, c, d, h, False)
    return ScanOutput(y, h_out)


def selective_scan_reference(
    x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor, h: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The specification: one step after the other in plain torch, differentiable any number of times."""
    state = a.new_zeros(*x.shape[1:], a.shape[1]) if h is None else h
    answers = []
    for x_t, dt_t, b_t, c_t in zip(*(tensor.unbind(0) for tensor in (x, dt, b, c)), strict=True):
        state = torch.exp(dt_t.unsqueeze(-1) * a) * state + (dt_t * x_t).unsqueeze(-1) * b_t.unsqueeze(1)
        answers.append((state * c_t.unsqueeze(1)).sum(-1) + d * x_t)
    return torch.stack(answers) if answers else torch.empty_like(x), state


def _check(x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor, h: Tensor | None) -> None:
    if x.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"expected x of float32 or float64, got {x.dtype}: type x.float()")
    if x.ndim != 3 or a.ndim != 2 or a.shape[0] != x.shape[2]:
        raise ValueError(f"expected x [T, B, C] and a [C, N], got {tuple(x.shape)} and {tuple(a.shape)}")
    by_step = (*x.shape[:2], a.shape[1])
    shapes = {"dt": x.shape, "a": a.shape, "b": by_step, "c": by_step, "d": x.shape[2:]}
    for (name, shape), tensor in zip(shapes.items(), (dt, a, b, c, d), strict=True):
        if tensor.dtype != x.dtype:
            raise TypeError(f"expected {name} of {x.dtype}, as x, got {tensor.dtype}")
        if tensor.shape != shape:
            raise ValueError(
                f"expected {name} of shape {tuple(shape)} for x {tuple(x.shape)} and a {tuple(a.shape)}, got "
                f"{tuple(tensor.shape)}"
            )
    if h is not None and h.dtype != x.dtype:
        raise TypeError(f"expected h of {x.dtype}, as x, got {h.dtype}")
    if h is not None and h.shape != (*x.shape[1:], a.shape[1]):
        raise ValueError(
            f"expected the state h of shape {(*x.shape[1:], a.shape[1])} for input {tuple(x.shape)}, got "
            f"{tuple(h.shape)}: start from rest with a new Carry(), or pass the state of this layer"
        )


_library = torch.library.Library("ranvier", "FRAGMENT")
_library.define(
    "selective_scan(Tensor x, Tensor dt, Tensor a, Tensor b, Tensor c, Tensor d, Tensor? h, bool keep)"
    " -> (Tensor y, Tensor h_out, Tensor checkpoints)"
)
_library.define(
    "selective_scan_backward(Tensor x, Tensor dt, Tensor a, Tensor b, Tensor c, Tensor d, Tensor? h,"
    " Tensor checkpoints, Tensor? grad_y, Tensor? grad_h) -> (Tensor grad_x, Tensor grad_dt, Tensor grad_a,"
    " Tensor grad_b, Tensor grad_c, Tensor grad_d, Tensor grad_h0)"
)
_library.impl("selective_scan", selective_scan_cpu.forward, "CPU")
_library.impl("selective_scan_backward", selective_scan_cpu.backward, "CPU")
_library.impl("selective_scan", selective_scan_cuda.forward, "CUDA")
_library.impl("selective_scan_backward", selective_scan_cuda.backward, "CUDA")


def _shapes(x: Tensor, dt: Tensor, a: Tensor, *rest: Any) -> tuple[Tensor, ...]:
    keep = rest[-1]
    return x.new_empty(x.shape), x.new_empty(*x.shape[1:], a.shape[1]), x.new_empty(checkpoint_shape(x, a, keep))


def _backward_shapes(*tensors: Any) -> tuple[Tensor, ...]:
    *inputs, h = tensors[:7]
    return *(tensor.new_empty(tensor.shape) for tensor in inputs), inputs[0].new_empty(0 if h is None else h.shape)


torch.library.register_fake("ranvier::selective_scan", _shapes, lib=_library)
torch.library.register_fake("ranvier::selective_scan_backward", _backward_shapes, lib=_library)


class _SelectiveScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *tensors: Any) -> tuple[Tensor, ...]:
        with torch._C._AutoDispatchBelowAutograd():
            outputs = torch.ops.ranvier.selective_scan(*tensors, True)
        ctx.save_for_backward(*tensors, outputs[2])
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(outputs[2])
        return outputs

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        *tensors, checkpoints = ctx.saved_tensors
        needed = ctx.needs_input_grad
        if torch.is_grad_enabled():  # create_graph: only the reference can be differentiated again
            return _reference_gradients(tensors, grads[:2], needed)
        found = torch.ops.ranvier.selective_scan_backward(*tensors, checkpoints, *grads[:2])
        return tuple(gradient if wanted else None for gradient, wanted in zip(found, needed, strict=True))


def _reference_gradients(tensors: Any, grads: Any, needed: tuple[bool, ...]) -> tuple[Tensor | None, ...]:
    outputs = selective_scan_reference(*tensors)
    pairs = [(y, g) for y, g in zip(outputs, grads, strict=True) if g is not None and y.requires_grad]
    wanted = [tensor for tensor, need in zip(tensors, needed, strict=True) if need]
    found = iter(
        torch.autograd.grad([y for y, _ in pairs], wanted, [g for _, g in pairs], create_graph=True, allow_unused=True)
    )
    return tuple(next(found) if need else None for need in needed)


def _autograd(*arguments: Any) -> tuple[Tensor, ...]:
    *tensors, keep = arguments
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors):
        return _SelectiveScan.apply(*tensors)  # type: ignore[return-value]
    with torch._C._AutoDispatchBelowAutograd():
        return torch.ops.ranvier.selective_scan(*tensors, keep)


_library.impl("selective_scan", _autograd, "Autograd")
