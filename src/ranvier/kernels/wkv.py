"""The recurrence of RWKV-4: an average of the values so far, weighted by the exponents of their keys and by their age.

             sum over i < t of exp(k[i] + (t-1-i) w) v[i]  +  exp(u + k[t]) v[t]
    y[t] =  ---------------------------------------------------------------------
             sum over i < t of exp(k[i] + (t-1-i) w)       +  exp(u + k[t])

for every lane and channel alone, w < 0. Neither sum is ever formed: they are kept as a exp(p) and b exp(p), with p the
largest exponent so far: no number overflows, and b is at least 1 after the first step. One step:

    q = max(p, u + k)   y = (exp(p-q) a + exp(u+k-q) v) / (exp(p-q) b + exp(u+k-q))
    q = max(p + w, k)   a = exp(p+w-q) a + exp(k-q) v     b = exp(p+w-q) b + exp(k-q)     p = q

`wkv_reference` is the specification, a loop that a student can read. The op `ranvier::wkv` has the same outputs and
gradients from C (CPU) and Triton (CUDA). Its backward recomputes the state from checkpoints every `CHUNK` steps.

p is a scale and a constant to every gradient: a step in p, with a and b adjusted to it, changes no output.

Sources: Peng et al., "RWKV: Reinventing RNNs for the Transformer Era", EMNLP 2023 findings; BlinkDL/RWKV-LM.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ranvier.kernels import wkv_cpu, wkv_cuda
from ranvier.kernels.backend import uses_reference
from ranvier.kernels.wkv_layout import REST, checkpoint_shape


class WKVState(NamedTuple):
    """What is remembered: the sums a exp(p) of the weighted values and b exp(p) of the weights; each `[B, C]`."""

    a: Tensor
    b: Tensor
    p: Tensor


class WKVOutput(NamedTuple):
    """The averages `[T, B, C]`, and the state after the last step."""

    y: Tensor
    state: WKVState


def at_rest(like: Tensor) -> WKVState:
    """Return the state that remembers nothing, for lanes `[B, C]` like these."""
    zero = torch.zeros_like(like)
    return WKVState(zero, zero, torch.full_like(like, REST))


def wkv(k: Tensor, v: Tensor, w: Tensor, u: Tensor, state: WKVState | None = None) -> WKVOutput:
    """Average the values of all steps so far by the weights of RWKV-4 (equations above).

    In float32 each step rounds p by up to 6e-8 |p|: so exactly is an old value weighed against a new one. With keys
    within 80 and 16,384 steps, outputs and gradients were within 5e-4 of those in float64, relative to the largest.

    Args:
        k: keys `[T, B, C]`, float32 or float64.
        v: values `[T, B, C]` of the same type, as everything here.
        w: what a weight's exponent loses in a step, negative, `[C]`.
        u: what the present is given in place of a loss, `[C]`.
        state: before the first step; `None` is `at_rest`.

    Returns:
        `WKVOutput(y, state)`. All inputs but the exponent p of the state receive gradients.

    Raises:
        TypeError: types that do not fit each other.
        ValueError: shapes that do not fit each other.

    >>> k, v = torch.zeros(3, 1, 1), torch.tensor([1.0, 2.0, 6.0]).view(3, 1, 1)
    >>> wkv(k, v, w=torch.zeros(1), u=torch.zeros(1)).y.flatten()  # equal weights: a plain mean
    tensor([1.0000, 1.5000, 3.0000])
    """
    a, b, p = state or (None, None, None)
    _check(k, v, w, u, a, b, p)
    if uses_reference():
        y, *out = wkv_reference(k, v, w, u, a, b, p)
    else:
        y, *out, _ = torch.ops.ranvier.wkv(k, v, w, u, a, b, p, False)
    return WKVOutput(y, WKVState(*out))


def wkv_reference(
    k: Tensor, v: Tensor, w: Tensor, u: Tensor, a: Tensor | None, b: Tensor | None, p: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The specification: one step after the other in plain torch, differentiable any number of times."""
    if a is None or b is None or p is None:
        a, b, p = at_rest(k.new_empty(k.shape[1:]))
    p, answers = p.detach(), []
    for k_t, v_t in zip(k.unbind(0), v.unbind(0), strict=True):  # k[t] would make the backward quadratic in T
        q = torch.maximum(p, u + k_t).detach()
        past, present = torch.exp(p - q), torch.exp(u + k_t - q)
        answers.append((past * a + present * v_t) / (past * b + present))
        q = torch.maximum(p + w, k_t).detach()
        past, present = torch.exp(p + w - q), torch.exp(k_t - q)
        a, b, p = past * a + present * v_t, past * b + present, q
    return torch.stack(answers) if answers else torch.empty_like(k), a, b, p


def _check(k: Tensor, v: Tensor, w: Tensor, u: Tensor, *state: Tensor | None) -> None:
    if k.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"expected k of float32 or float64, got {k.dtype}: type k.float()")
    if k.ndim != 3 or v.shape != k.shape:
        raise ValueError(f"expected k and v [T, B, C] of one shape, got {tuple(k.shape)} and {tuple(v.shape)}")
    for name, tensor, shape in (
        ("v", v, k.shape),
        ("w", w, k.shape[2:]),
        ("u", u, k.shape[2:]),
        *((f"the state {name}", tensor, k.shape[1:]) for name, tensor in zip("abp", state, strict=True)),
    ):
        if tensor is None:
            continue
        if tensor.dtype != k.dtype:
            raise TypeError(f"expected {name} of {k.dtype}, as k, got {tensor.dtype}")
        if tensor.shape != shape:
            raise ValueError(
                f"expected {name} of shape {tuple(shape)} for k {tuple(k.shape)}, got {tuple(tensor.shape)}"
            )


_library = torch.library.Library("ranvier", "FRAGMENT")
_library.define(
    "wkv(Tensor k, Tensor v, Tensor w, Tensor u, Tensor? a, Tensor? b, Tensor? p, bool keep)"
    " -> (Tensor y, Tensor a_out, Tensor b_out, Tensor p_out, Tensor checkpoints)"
)
_library.define(
    "wkv_backward(Tensor k, Tensor v, Tensor w, Tensor u, Tensor? a, Tensor? b, Tensor? p, Tensor checkpoints,"
    " Tensor? grad_y, Tensor? grad_a, Tensor? grad_b)"
    " -> (Tensor grad_k, Tensor grad_v, Tensor grad_w, Tensor grad_u, Tensor grad_a0, Tensor grad_b0)"
)
_library.impl("wkv", wkv_cpu.forward, "CPU")
_library.impl("wkv_backward", wkv_cpu.backward, "CPU")
_library.impl("wkv", wkv_cuda.forward, "CUDA")
_library.impl("wkv_backward", wkv_cuda.backward, "CUDA")


def _shapes(k: Tensor, v: Tensor, w: Tensor, u: Tensor, a: Any, b: Any, p: Any, keep: bool) -> tuple[Tensor, ...]:
    state = tuple(k.new_empty(k.shape[1:]) for _ in range(3))
    return k.new_empty(k.shape), *state, k.new_empty(checkpoint_shape(k, keep))


def _backward_shapes(k: Tensor, v: Tensor, w: Tensor, u: Tensor, a: Tensor | None, *others: Any) -> tuple[Tensor, ...]:
    state = 0 if a is None else a.shape
    return tuple(k.new_empty(shape) for shape in (k.shape, k.shape, w.shape, w.shape, state, state))


torch.library.register_fake("ranvier::wkv", _shapes, lib=_library)
torch.library.register_fake("ranvier::wkv_backward", _backward_shapes, lib=_library)


class _WKV(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *tensors: Any) -> tuple[Tensor, ...]:
        with torch._C._AutoDispatchBelowAutograd():
            outputs = torch.ops.ranvier.wkv(*tensors, True)
        ctx.save_for_backward(*tensors, outputs[4])
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(outputs[3], outputs[4])
        return outputs

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        *tensors, checkpoints = ctx.saved_tensors
        needed = ctx.needs_input_grad
        if torch.is_grad_enabled():  # create_graph: only the reference can be differentiated again
            return _reference_gradients(tensors, grads[:3], needed)
        found = torch.ops.ranvier.wkv_backward(*tensors, checkpoints, *grads[:3])
        return *(g if wanted else None for g, wanted in zip(found, needed[:6], strict=True)), None


def _reference_gradients(tensors: Any, grads: Any, needed: tuple[bool, ...]) -> tuple[Tensor | None, ...]:
    outputs = wkv_reference(*tensors)[:3]
    pairs = [(y, g) for y, g in zip(outputs, grads, strict=True) if g is not None and y.requires_grad]
    wanted = [tensor for tensor, need in zip(tensors, needed, strict=True) if need]
    found = iter(
        torch.autograd.grad([y for y, _ in pairs], wanted, [g for _, g in pairs], create_graph=True, allow_unused=True)
    )
    return tuple(next(found) if need else None for need in needed)


def _wkv_autograd(
    k: Tensor, v: Tensor, w: Tensor, u: Tensor, a: Tensor | None, b: Tensor | None, p: Tensor | None, keep: bool
) -> tuple[Tensor, ...]:
    tensors = (k, v, w, u, a, b, None if p is None else p.detach())
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors):
        return _WKV.apply(*tensors)  # type: ignore[return-value]
    with torch._C._AutoDispatchBelowAutograd():
        return torch.ops.ranvier.wkv(*tensors, keep)


_library.impl("wkv", _wkv_autograd, "Autograd")
