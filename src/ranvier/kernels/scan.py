"""The diagonal linear recurrence, read out at every step: the memory of S4D and its kin.

    h[t] = a * h[t-1] + x[t]
    y[t] = Re(sum over the N modes of c * h[t])

for every lane and channel alone. `scan_reference` is the specification, a loop that a student can read. The op
`ranvier::scan` has the same outputs and gradients from C (CPU) and Triton (CUDA). Its backward recomputes `h` from
checkpoints every `CHUNK` steps, so that a training layer keeps `x` and N real numbers for every `CHUNK` of its
(2 N for complex modes).

A state-space layer with input matrix B and output matrix C has c = B C; for a pair of conjugate modes, c = 2 B C.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ranvier.kernels import scan_cpu, scan_cuda
from ranvier.kernels.backend import uses_reference
from ranvier.kernels.scan_layout import checkpoint_shape

_REAL = {torch.complex64: torch.float32, torch.complex128: torch.float64}


class ScanOutput(NamedTuple):
    """What was read out, `[T, B, C]`, and the final state `[B, C, N]`."""

    y: Tensor
    h: Tensor


def scan(x: Tensor, a: Tensor, c: Tensor, h: Tensor | None = None) -> ScanOutput:
    """Run N linear modes for each channel over all time steps (equations above).

    Args:
        x: input `[T, B, C]`, float32 or float64.
        a: what a mode keeps of itself in one step, `[C, N]`, real or complex with the precision of `x`.
        c: how a mode is read out, `[C, N]`, of the same type.
        h: state before the first step, `[B, C, N]`, of the same type; `None` is 0.

    Returns:
        `ScanOutput(y, h)`: `y` in the type of `x`, `h` in that of `a`. All inputs receive gradients.

    Raises:
        TypeError: types that do not fit each other.
        ValueError: shapes that do not fit each other.
    """
    _check(x, a, c, h)
    if uses_reference():
        return ScanOutput(*scan_reference(x, a, c, h))
    y, h_out, _ = torch.ops.ranvier.scan(x, a, c, h, False)
    return ScanOutput(y, h_out)


def scan_reference(x: Tensor, a: Tensor, c: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The specification: one step after the other in plain torch, differentiable any number of times."""
    if h is None:
        h = a.new_zeros(*x.shape[1:], a.shape[1])
    answers = []
    for x_t in x.unbind(0):  # x[t] would make the backward quadratic in T
        h = a * h + x_t.unsqueeze(-1)
        read = (c * h).sum(-1)
        answers.append(read.real if read.is_complex() else read)
    return torch.stack(answers) if answers else torch.empty_like(x), h


def _check(x: Tensor, a: Tensor, c: Tensor, h: Tensor | None) -> None:
    if x.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"expected x of float32 or float64, got {x.dtype}: type x.float()")
    if _REAL.get(a.dtype, a.dtype) != x.dtype:
        raise TypeError(f"expected a of {x.dtype}, or complex of that precision, for x of {x.dtype}; got {a.dtype}")
    for name, tensor in (("c", c), ("h", h)):
        if tensor is not None and tensor.dtype != a.dtype:
            raise TypeError(f"expected {name} of {a.dtype}, as a, got {tensor.dtype}")
    if x.ndim != 3 or a.ndim != 2 or a.shape[0] != x.shape[2]:
        raise ValueError(f"expected x [T, B, C] and a [C, N], got {tuple(x.shape)} and {tuple(a.shape)}")
    if c.shape != a.shape:
        raise ValueError(f"expected c of {tuple(a.shape)}, as a, got {tuple(c.shape)}")
    if h is not None and h.shape != (*x.shape[1:], a.shape[1]):
        raise ValueError(
            f"expected the state h of shape {(*x.shape[1:], a.shape[1])} for input {tuple(x.shape)}, got "
            f"{tuple(h.shape)}: start from rest with a new Carry(), or pass the state of this layer"
        )


_library = torch.library.Library("ranvier", "FRAGMENT")
_library.define(
    "scan(Tensor x, Tensor a, Tensor c, Tensor? h, bool keep) -> (Tensor y, Tensor h_out, Tensor checkpoints)"
)
_library.define(
    "scan_backward(Tensor x, Tensor a, Tensor c, Tensor? h, Tensor checkpoints, Tensor? grad_y, Tensor? grad_h)"
    " -> (Tensor grad_x, Tensor grad_a, Tensor grad_c, Tensor grad_h0)"
)
_library.impl("scan", scan_cpu.forward, "CPU")
_library.impl("scan_backward", scan_cpu.backward, "CPU")
_library.impl("scan", scan_cuda.forward, "CUDA")
_library.impl("scan_backward", scan_cuda.backward, "CUDA")


def _shapes(x: Tensor, a: Tensor, c: Tensor, h: Tensor | None, keep: bool) -> tuple[Tensor, ...]:
    return (
        x.new_empty(x.shape),
        a.new_empty(*x.shape[1:], a.shape[1]),
        x.new_empty(checkpoint_shape(x, a, keep)),
    )


def _backward_shapes(x: Tensor, a: Tensor, c: Tensor, h: Tensor | None, *rest: Any) -> tuple[Tensor, ...]:
    return (
        x.new_empty(x.shape),
        a.new_empty(a.shape),
        a.new_empty(a.shape),
        a.new_empty(0 if h is None else h.shape),
    )


torch.library.register_fake("ranvier::scan", _shapes, lib=_library)
torch.library.register_fake("ranvier::scan_backward", _backward_shapes, lib=_library)


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *tensors: Any) -> tuple[Tensor, ...]:
        with torch._C._AutoDispatchBelowAutograd():
            outputs = torch.ops.ranvier.scan(*tensors, True)
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
        found = torch.ops.ranvier.scan_backward(*tensors, checkpoints, *grads[:2])
        return tuple(gradient if wanted else None for gradient, wanted in zip(found, needed, strict=True))


def _reference_gradients(tensors: Any, grads: Any, needed: tuple[bool, ...]) -> tuple[Tensor | None, ...]:
    pairs = [(y, g) for y, g in zip(scan_reference(*tensors), grads, strict=True) if g is not None and y.requires_grad]
    wanted = [tensor for tensor, need in zip(tensors, needed, strict=True) if need]
    found = iter(
        torch.autograd.grad([y for y, _ in pairs], wanted, [g for _, g in pairs], create_graph=True, allow_unused=True)
    )
    return tuple(next(found) if need else None for need in needed)


def _scan_autograd(x: Tensor, a: Tensor, c: Tensor, h: Tensor | None, keep: bool) -> tuple[Tensor, ...]:
    tensors = (x, a, c, h)
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors):
        return _Scan.apply(*tensors)  # type: ignore[return-value]
    with torch._C._AutoDispatchBelowAutograd():
        return torch.ops.ranvier.scan(*tensors, keep)


_library.impl("scan", _scan_autograd, "Autograd")
