"""Integrate-and-fire neurons without, with and with a learned leak."""

from typing import Unpack

import torch
from torch import Tensor, nn

from ranvier.neurons.neuron import Neuron, NeuronOptions, Parameter, keep, show


class IF(Neuron):
    """Integrate-and-fire: v[t] = v[t-1] + x[t], a spike at `v_threshold`, then the reset.

    >>> IF(v_threshold=1.0)(torch.full((4, 1, 1), 0.5)).flatten()
    tensor([0., 1., 0., 1.])
    """

    def leak(self) -> tuple[Parameter, Parameter]:
        return 1.0, 1.0


class LIF(Neuron):
    """Leaky integrate-and-fire, in either convention of the field.

        v[t] = (1 - 1/tau) v[t-1] + (r/tau) x[t]     with a time constant in steps and NIR's resistance r
        v[t] = decay v[t-1] + x[t]                   with a plain decay

    Args:
        tau: membrane time constant in steps, at least 1; the input is scaled by `r`/`tau`.
        decay: what stays of the membrane, in [0, 1]; the input is not scaled. Give `tau` or `decay`, not both.
        r: resistance, only with `tau`.
        v_threshold, v_reset, reset, decay_reset, gradient, surrogate, temperature, strict: see `Neuron`.

    >>> LIF(decay=0.2, v_threshold=0.5)(torch.full((6, 1, 1), 0.45)).flatten()
    tensor([0., 1., 0., 1., 0., 1.])
    """

    tau: Parameter | None
    decay: Parameter | None
    r: Parameter

    def __init__(
        self,
        tau: Parameter | None = None,
        *,
        decay: Parameter | None = None,
        r: Parameter = 1.0,
        **neuron: Unpack[NeuronOptions],
    ) -> None:
        super().__init__(**neuron)
        if (tau is None) == (decay is None):
            raise ValueError(
                f"expected tau or decay, got tau={tau}, decay={decay}: type LIF(tau=2.0) or LIF(decay=0.5)"
            )
        if isinstance(tau, (int, float)) and tau < 1:
            raise ValueError(f"expected tau of at least 1 step, got {tau}: type LIF(decay=...) for a plain decay")
        if isinstance(decay, (int, float)) and not 0 <= decay <= 1:
            raise ValueError(f"expected a decay in [0, 1], got {decay}")
        for name, value in (("tau", tau), ("decay", decay), ("r", r)):
            if value is None:
                setattr(self, name, None)
            else:
                keep(self, name, value)

    def leak(self) -> tuple[Parameter, Parameter]:
        if self.decay is not None:
            return self.decay, 1.0
        assert self.tau is not None
        return 1 - 1 / self.tau, self.r / self.tau

    def extra_repr(self) -> str:
        return f"{self.shown_leak()}, {super().extra_repr()}"

    def shown_leak(self) -> str:
        """Return the leak as it is given to the constructor, for a repr."""
        name = "tau" if self.decay is None else "decay"
        return f"{name}={show(getattr(self, name))}"


class PLIF(Neuron):
    """Parametric leaky integrate-and-fire (Fang et al. 2021): the leak is learned through w, 1/tau = sigmoid(w).

    v[t] = (1 - sigmoid(w)) v[t-1] + sigmoid(w) x[t], with w = -ln(tau - 1) at the start.

    Args:
        tau: initial time constant in steps, above 1; a tensor gives each channel its own.
        channels: one time constant per channel (axis 2 of the input); `None` shares one in the layer.
        v_threshold, v_reset, reset, decay_reset, gradient, surrogate, temperature, strict: see `Neuron`.

    >>> PLIF(tau=2.0)(torch.ones(3, 1, 1)).shape
    torch.Size([3, 1, 1])
    """

    def __init__(self, tau: Parameter = 2.0, *, channels: int | None = None, **neuron: Unpack[NeuronOptions]) -> None:
        super().__init__(**neuron)
        start = torch.as_tensor(tau, dtype=torch.get_default_dtype()).detach()
        if not start.is_meta and not bool((start > 1).all()):
            raise ValueError(f"expected an initial tau above 1 step, got {show(tau)}")
        self.w = nn.Parameter(-torch.log((start if channels is None else start.expand(channels)) - 1))

    def leak(self) -> tuple[Parameter, Parameter]:
        rate = torch.sigmoid(self.w)
        return 1 - rate, rate

    @property
    def tau(self) -> Tensor:
        """Time constants in steps, as they are now."""
        return 1 / torch.sigmoid(self.w.detach())

    def extra_repr(self) -> str:
        return f"tau={show(self.tau)} (learned), {super().extra_repr()}"
