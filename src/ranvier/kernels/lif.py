"""The spiking recurrence of all time steps in one operation (temporal fusion).

    v[t]   = decay * v_post[t-1] + gain * x[t]
    theta  = v_threshold + beta * a[t-1]
    s[t]   = 1 where v[t] >= theta (or >, when strict)
    v_post = v_reset where s (hard)  |  v[t] - theta * s (soft)
    a[t]   = rho * a[t-1] + sign * s[t]

`lif_reference` is the specification, a loop that a student can read. The op `ranvier::lif` has the same outputs and
gradients from C (CPU) and Triton (CUDA). Its backward recomputes the membrane from `x`, so that a training layer keeps
`x`, plus a checkpoint every `CHUNK` steps where T > `CHUNK`, and nothing else of its size.

Sources: Li et al. 2024 (arXiv 2408.00280) for the fusion, Bellec et al. 2018 for the adaptive threshold.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from ranvier.kernels import lif_cpu, lif_cuda
from ranvier.kernels.backend import uses_reference
from ranvier.kernels.lif_call import CHUNK, CONSTANTS, Flag, Options, checkpoint_count, state_dtype
from ranvier.kernels.surrogate import SURROGATES, Surrogate, spike

Reset = Literal["hard", "soft"]
Gradient = Literal["full", "detached", "spatial"]

_RESETS = {"hard": 0, "soft": Flag.SOFT}
_GRADIENTS = {"full": 0, "detached": Flag.DETACHED, "spatial": Flag.SPATIAL}
_SURROGATES = {name: code << Options.SURROGATE_SHIFT for code, name in enumerate(SURROGATES)}


class LIFOutput(NamedTuple):
    """Spikes `[T, ...]`, final membrane and adaptation `[...]`, and the membrane before reset `[T, ...]` on request."""

    s: Tensor
    v: Tensor | None
    a: Tensor | None
    v_seq: Tensor | None


def lif(
    x: Tensor,
    v: Tensor | None = None,
    a: Tensor | None = None,
    *,
    decay: Tensor | float,
    gain: Tensor | float = 1.0,
    v_threshold: Tensor | float = 1.0,
    beta: Tensor | float | None = None,
    rho: Tensor | float = 0.0,
    sign: Literal[1, -1] = 1,
    v_reset: float = 0.0,
    reset: Reset = "hard",
    decay_reset: bool = True,
    gradient: Gradient = "full",
    surrogate: Surrogate = "atan",
    temperature: float = 2.0,
    strict: bool = False,
    return_v: bool = False,
    return_state: bool = True,
) -> LIFOutput:
    """Run a layer of leaky integrate-and-fire neurons over all time steps (equations above).

    Args:
        x: input current `[T, ...]`, float16, bfloat16, float32 or float64; the state is float32 (float64 for float64).
        v: membrane after the last reset `[...]`; `None` is 0.
        a: spike-triggered adaptation `[...]`; `None` is 0.
        decay, gain, v_threshold, rho: a number, a tensor of one element, or one value per channel, `[C]` for
            `x` of `[T, B, C, ...]`. Tensors receive gradients.
        beta: strength of the adaptation, like `decay`; `None` leaves the adaptation out.
        sign: +1, a spike raises the threshold; -1, it lowers it.
        v_reset: where a hard reset puts the membrane.
        reset: "hard" sets the membrane to `v_reset`, "soft" subtracts the threshold.
        decay_reset: whether the reset is decayed on the next step. If not, the stored membrane is the one after the
            leak: v[t] = v_post[t-1] + gain x[t] and v_post = v_reset where s | decay v[t] - theta s.
        gradient: "full"; "detached" (none through the reset); "spatial" (none through time).
        surrogate, temperature: the derivative of the spike, see `ranvier.kernels.surrogate`.
        strict: fire at v > theta instead of v >= theta.
        return_v: also return the membrane before the reset.
        return_state: return the final state; without it, `v` and `a` are `None` and nothing is written for them.

    Returns:
        `LIFOutput(s, v, a, v_seq)`: `s` and `v_seq` in the dtype of `x`, `v` and `a` in the dtype of the state.

    Raises:
        TypeError, ValueError: `x` is not a floating tensor, a state does not fit `x`, a parameter does not fit the
            channels, or an option is unknown.
    """
    options = encode(reset, gradient, surrogate)
    if not decay_reset:
        options |= Flag.LEAK_LAST
    if strict:
        options |= Flag.STRICT
    if return_v:
        options |= Flag.RETURN_V
    if not return_state:
        options |= Flag.STATELESS
    if beta is not None:
        options |= Flag.ADAPTIVE
        if sign < 0:
            options |= Flag.NEGATIVE
    state = state_dtype(x)
    constants = [0.0, 0.0, 0.0, 0.0, 0.0, float(v_reset), float(temperature)]
    tensors: list[Tensor | None] = [None, None, None, None, None]
    for i, value in enumerate((decay, gain, v_threshold, 0.0 if beta is None else beta, rho)):
        if isinstance(value, Tensor):
            tensors[i] = _parameter(value, x, CONSTANTS[i])
        else:
            constants[i] = float(value)
    v, a = _state(v, x, state, "v"), _state(a, x, state, "a")
    if uses_reference():
        s, v_out, a_out, v_seq = lif_reference(x, v, a, tensors, constants, options)
    else:
        s, v_out, a_out, v_seq, _ = torch.ops.ranvier.lif(x, v, a, *tensors, constants, options)
    return LIFOutput(
        s,
        v_out if return_state else None,
        a_out if return_state and beta is not None else None,
        v_seq if return_v else None,
    )


def lif_reference(
    x: Tensor,
    v: Tensor | None,
    a: Tensor | None,
    parameters: Sequence[Tensor | None],
    constants: Sequence[float],
    options: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The specification: one step after the other in plain torch, differentiable any number of times.

    The arguments are those of the op: a parameter (decay, gain, v_threshold, beta, rho) is its tensor, or its entry in
    `constants` where that is `None`.
    Returns `s`, `v`, `a` and the membrane before reset.
    """
    opt = Options(options)
    storage, state = x.dtype, state_dtype(x)
    decay_, gain_, threshold, beta_, rho_ = (
        number if tensor is None else _per_channel(tensor.to(state), x.ndim - 1)
        for tensor, number in zip(parameters, constants, strict=False)
    )
    v_reset, temperature = constants[5], constants[6]
    if v is None:
        v = torch.zeros(x.shape[1:], dtype=state, device=x.device)
    if a is None:
        a = torch.zeros_like(v) if opt.adaptive else v.new_empty(0)
    spikes, membranes = [], []
    for x_t in x.unbind(0):  # x[t] would make the backward quadratic in T
        x_t = x_t.to(state)
        if opt.spatial and not opt.leak_last:
            v = v.detach()
        if opt.spatial and opt.adaptive:
            a = a.detach()
        u = v + gain_ * x_t if opt.leak_last else decay_ * v + gain_ * x_t
        theta = threshold + beta_ * a if opt.adaptive else torch.as_tensor(threshold, dtype=state, device=x.device)
        s = spike(u, theta, surrogate=opt.surrogate, temperature=temperature, strict=opt.strict)
        fired = s if opt.full else s.detach()
        kept = u
        if opt.leak_last:
            kept = decay_ * (u.detach() if opt.spatial else u)
            theta = theta.detach() if opt.spatial else theta
        v = kept - theta * fired if opt.soft else kept * (1 - fired) + v_reset * fired
        if opt.adaptive:
            a = rho_ * a + opt.sign * s
        spikes.append(s.to(storage))
        membranes.append(u.to(storage))
    s_seq = torch.stack(spikes) if spikes else torch.empty_like(x)
    v_seq = torch.stack(membranes) if membranes and opt.return_v else x.new_empty(x.shape if opt.return_v else 0)
    return s_seq, v, a, v_seq


def _per_channel(parameter: Tensor, step_dims: int) -> Tensor:
    """Shape `[C]` so that it broadcasts along axis 1 of one step `[B, C, ...]`."""
    return parameter.reshape(()) if parameter.numel() == 1 else parameter.view(-1, *[1] * (step_dims - 2))


def _parameter(value: Tensor, x: Tensor, name: str) -> Tensor:
    if value.numel() != 1 and (x.ndim < 3 or value.shape != x.shape[2:3]):
        channels = x.shape[2] if x.ndim > 2 else "no"
        raise ValueError(
            f"expected {name} to be one value or one per channel ({channels} channels on axis 2 of x "
            f"{tuple(x.shape)}), got shape {tuple(value.shape)}"
        )
    return value


def _state(state: Tensor | None, x: Tensor, dtype: torch.dtype, name: str) -> Tensor | None:
    if state is None:
        return None
    if state.shape != x.shape[1:]:
        raise ValueError(
            f"expected state {name} of shape {tuple(x.shape[1:])} for input {tuple(x.shape)} = [T, ...], got "
            f"{tuple(state.shape)}: start from rest with a new Carry(), or pass the state of this layer"
        )
    return state if state.dtype == dtype else state.to(dtype)


def encode(reset: Reset, gradient: Gradient, surrogate: Surrogate) -> int:
    """Return the option bits of three choices.

    Raises:
        ValueError: one of them is unknown.
    """
    try:
        return _RESETS[reset] | _GRADIENTS[gradient] | _SURROGATES[surrogate]
    except KeyError as error:
        known = (("reset", reset, _RESETS), ("gradient", gradient, _GRADIENTS), ("surrogate", surrogate, _SURROGATES))
        name, value, choices = next(choice for choice in known if choice[1] == error.args[0])
        raise ValueError(f"expected {name} to be one of {', '.join(choices)}, got {value!r}") from None


# The op. Parameters are tensors or, where None, numbers in `constants`; the static options travel as one integer:
# fifteen separate arguments would cost more than the kernel at T = 1.
_PARAMETERS = "Tensor? decay, Tensor? gain, Tensor? v_threshold, Tensor? beta, Tensor? rho"
_library = torch.library.Library("ranvier", "FRAGMENT")
_library.define(
    f"lif(Tensor x, Tensor? v, Tensor? a, {_PARAMETERS}, float[] constants, int options)"
    " -> (Tensor s, Tensor v_out, Tensor a_out, Tensor v_seq, Tensor checkpoints)"
)
_library.define(
    f"lif_backward(Tensor x, Tensor? v, Tensor? a, {_PARAMETERS}, Tensor checkpoints, "
    "Tensor? grad_s, Tensor? grad_v, Tensor? grad_a, Tensor? grad_v_seq, float[] constants, int options)"
    " -> (Tensor grad_x, Tensor grad_v0, Tensor grad_a0, Tensor grad_parameters)"
)
_library.impl("lif", lif_cpu.forward, "CPU")
_library.impl("lif_backward", lif_cpu.backward, "CPU")
_library.impl("lif", lif_cuda.forward, "CUDA")
_library.impl("lif_backward", lif_cuda.backward, "CUDA")


def _shapes(x: Tensor, v: Tensor | None, a: Tensor | None, *rest: Any) -> tuple[Tensor, ...]:
    opt = Options(rest[-1])
    state = x.new_empty(x.shape[1:], dtype=state_dtype(x))
    return (
        torch.empty_like(x),
        state.new_empty(0) if opt.stateless else state,
        torch.empty_like(state) if opt.adaptive and not opt.stateless else state.new_empty(0),
        torch.empty_like(x) if opt.return_v else x.new_empty(0),
        state.new_empty((checkpoint_count(x.shape[0], opt), 2 if opt.adaptive else 1, *state.shape)),
    )


def _backward_shapes(x: Tensor, v: Tensor | None, a: Tensor | None, *rest: Any) -> tuple[Tensor, ...]:
    opt = Options(rest[-1])
    state = x.new_empty(x.shape[1:], dtype=state_dtype(x))
    channels = max([1, *(p.numel() for p in rest[:5] if p is not None)])
    return (
        torch.empty_like(x),
        state.new_empty(0) if v is None else state,
        state.new_empty(0) if a is None else torch.empty_like(state),
        state.new_empty((5, channels) if opt.parameter_gradients else (0,)),
    )


torch.library.register_fake("ranvier::lif", _shapes, lib=_library)
torch.library.register_fake("ranvier::lif_backward", _backward_shapes, lib=_library)


class _LIF(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[Tensor, ...]:
        *tensors, constants, options = arguments
        if tensors[0].shape[0] > CHUNK:
            options |= Flag.CHECKPOINTS
        with torch._C._AutoDispatchBelowAutograd():
            outputs = torch.ops.ranvier.lif(*tensors, constants, options)
        ctx.save_for_backward(*tensors, outputs[4])
        ctx.constants, ctx.options = constants, options
        ctx.set_materialize_grads(False)
        opt = Options(options)
        unused = [outputs[4]]
        if opt.stateless:
            unused.append(outputs[1])
        if opt.stateless or not opt.adaptive:
            unused.append(outputs[2])
        if not opt.return_v:
            unused.append(outputs[3])
        ctx.mark_non_differentiable(*unused)
        return outputs

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        *tensors, checkpoints = ctx.saved_tensors
        grad_s, grad_v, grad_a, grad_v_seq = grads[:4]
        needed = ctx.needs_input_grad
        if torch.is_grad_enabled():  # create_graph: only the reference can be differentiated again
            return (*_reference_gradients(tensors, ctx.constants, ctx.options, grads[:4], needed), None, None)
        options = ctx.options | (Flag.PARAMETER_GRADIENTS if any(needed[3:8]) else 0)
        grad_x, grad_v0, grad_a0, grad_parameters = torch.ops.ranvier.lif_backward(
            *tensors, checkpoints, grad_s, grad_v, grad_a, grad_v_seq, ctx.constants, options
        )
        parameters = [_reduced(grad_parameters[i], tensors[3 + i]) if needed[3 + i] else None for i in range(5)]
        return (
            grad_x if needed[0] else None,
            grad_v0 if needed[1] else None,
            grad_a0 if needed[2] else None,
            *parameters,
            None,
            None,
        )


def _reduced(grad: Tensor, parameter: Tensor) -> Tensor:
    """The kernel answers per channel; a parameter of one element gets the sum."""
    grad = grad.sum() if parameter.numel() == 1 else grad
    return grad.reshape(parameter.shape).to(parameter.dtype)


def _reference_gradients(
    tensors: list[Tensor | None], constants: list[float], options: int, grads: tuple[Any, ...], needed: tuple[bool, ...]
) -> list[Tensor | None]:
    x, v, a, *parameters = tensors
    assert x is not None
    outputs = lif_reference(x, v, a, parameters, constants, options)
    pairs = [(y, g) for y, g in zip(outputs, grads, strict=True) if g is not None and y.requires_grad]
    wanted = [i for i in range(8) if needed[i]]
    found = torch.autograd.grad(
        [y for y, _ in pairs],
        [tensors[i] for i in wanted],  # type: ignore[misc]
        [g for _, g in pairs],
        create_graph=True,
        allow_unused=True,
    )
    answer: list[Tensor | None] = [None] * 8
    for i, gradient in zip(wanted, found, strict=True):
        answer[i] = gradient
    return answer


def _lif_autograd(*arguments: Any) -> tuple[Tensor, ...]:
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in arguments[:8]):
        return _LIF.apply(*arguments)  # type: ignore[return-value]
    with torch._C._AutoDispatchBelowAutograd():
        return torch.ops.ranvier.lif(*arguments)


_library.impl("lif", _lif_autograd, "Autograd")
