"""What all spiking neurons share: threshold, reset, surrogate gradient and the one state `v`."""

from typing import Literal, TypedDict

from torch import Tensor, nn

from ranvier.carry import Carry, State, Temporal
from ranvier.kernels.lif import Gradient, LIFOutput, Reset, encode, lif
from ranvier.kernels.lif_call import state_dtype
from ranvier.kernels.surrogate import Surrogate

Parameter = float | Tensor
"""A number, or a tensor of one value or one per channel; an `nn.Parameter` is trained."""


class NeuronOptions(TypedDict, total=False):
    """The keywords that every neuron accepts; `Neuron` describes them."""

    v_threshold: Parameter
    v_reset: float
    reset: Reset
    decay_reset: bool
    gradient: Gradient
    surrogate: Surrogate
    temperature: float
    strict: bool


class Neuron(Temporal):
    """A layer of spiking neurons; subclasses say how the membrane leaks (`leak`).

    Args:
        v_threshold: where a neuron fires; a number, or a tensor with one value per channel (axis 2 of the input).
        v_reset: where a hard reset puts the membrane.
        reset: "hard" or "soft" (the threshold is subtracted).
        decay_reset: whether the reset is decayed on the next step.
        gradient: "full", "detached" (none through the reset) or "spatial" (none through time).
        surrogate, temperature: derivative of the spike, see `ranvier.kernels.surrogate`.
        strict: fire above the threshold, not at it.

    Raises:
        ValueError: an unknown reset, gradient or surrogate.
    """

    v_threshold: Parameter

    def __init__(
        self,
        *,
        v_threshold: Parameter = 1.0,
        v_reset: float = 0.0,
        reset: Reset = "hard",
        decay_reset: bool = True,
        gradient: Gradient = "full",
        surrogate: Surrogate = "atan",
        temperature: float = 2.0,
        strict: bool = False,
    ) -> None:
        super().__init__()
        encode(reset, gradient, surrogate)  # a wrong name is refused here, not at the first input
        keep(self, "v_threshold", v_threshold)
        self.v_reset = v_reset
        self.reset: Reset = reset
        self.decay_reset = decay_reset
        self.gradient: Gradient = gradient
        self.surrogate: Surrogate = surrogate
        self.temperature = temperature
        self.strict = strict

    def leak(self) -> tuple[Parameter, Parameter]:
        """Return `(decay, gain)` of v[t] = decay v[t-1] + gain x[t]."""
        raise NotImplementedError

    def adaptation(self) -> tuple[Parameter | None, Parameter, Literal[1, -1]]:
        """Return `(beta, rho, sign)` of the threshold's adaptation; beta is `None` where there is none."""
        return None, 0.0, 1

    def rest(self, batch: int, like: Tensor) -> State:
        return {"v": like.new_zeros((batch, *like.shape[1:]), dtype=state_dtype(like))}

    def forward(
        self, x: Tensor, carry: Carry | None = None, *, return_v: bool = False
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Return spikes `[T, B, ...]` for input current `[T, B, ...]`, with the membranes before reset if asked."""
        state = self.recall(x, carry)
        out = self.fire(x, state, return_v=return_v, return_state=carry is not None)
        if carry is not None:
            carry.write(self, {name: kept for name, kept in (("v", out.v), ("a", out.a)) if kept is not None})
        return (out.s, out.v_seq) if out.v_seq is not None else out.s

    def recall(self, x: Tensor, carry: Carry | None) -> State:
        """Return the state at the start of `x`, empty at rest.

        Raises:
            ValueError: `x` has no time and batch axes.
        """
        if x.ndim < 2:
            raise ValueError(f"expected [time, batch, ...], got {tuple(x.shape)}: add a batch axis with x.unsqueeze(1)")
        return (carry.read(self, x) if carry is not None else None) or {}

    def fire(self, x: Tensor, state: State, *, return_v: bool, return_state: bool) -> LIFOutput:
        """Run the kernel from `state`."""
        decay, gain = self.leak()
        beta, rho, sign = self.adaptation()
        return lif(
            x,
            state.get("v"),
            state.get("a"),
            decay=decay,
            gain=gain,
            v_threshold=self.v_threshold,
            beta=beta,
            rho=rho,
            sign=sign,
            v_reset=self.v_reset,
            reset=self.reset,
            decay_reset=self.decay_reset,
            gradient=self.gradient,
            surrogate=self.surrogate,
            temperature=self.temperature,
            strict=self.strict,
            return_v=return_v,
            return_state=return_state,
        )

    def extra_repr(self) -> str:
        fires = ">" if self.strict else ">="
        reset = f"reset to {self.v_reset:g}" if self.reset == "hard" else "soft reset"
        parts = [f"fires at v {fires} {show(self.v_threshold)}", reset, f"{self.surrogate}({self.temperature:g})"]
        return ", ".join(parts if self.gradient == "full" else [*parts, f"{self.gradient} gradient"])


def keep(module: nn.Module, name: str, value: Parameter) -> None:
    """Hold a number as attribute, a tensor as buffer and an `nn.Parameter` as parameter."""
    if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
        module.register_buffer(name, value)
    else:
        setattr(module, name, value)


def show(value: Parameter) -> str:
    """Return a number, or the range and count of a tensor, for a repr."""
    if not isinstance(value, Tensor):
        return f"{value:g}"
    if value.numel() == 1:
        return f"{value.item():g}"
    return f"{value.min().item():g}..{value.max().item():g} [{value.numel()}]"
