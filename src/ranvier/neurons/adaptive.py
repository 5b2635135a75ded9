"""A leaky integrate-and-fire neuron whose threshold follows its own spikes."""

from typing import Literal, Unpack

import torch
from torch import Tensor, nn

from ranvier.carry import State
from ranvier.neurons.integrate_and_fire import LIF
from ranvier.neurons.neuron import NeuronOptions, Parameter, show


class AdaptiveLIF(LIF):
    """LIF with a spike-triggered threshold (Bellec et al. 2018; SpikeFPN, SpikingEDN).

    theta[t] = v_threshold + beta a[t-1];   a[t] = exp(-1/tau_a) a[t-1] + sign s[t]

    Args:
        tau, decay, r: the membrane's leak, see `LIF`.
        beta: strength of the adaptation.
        tau_a: initial time constant of the adaptation in steps, learned, clipped to `tau_a_range` in every forward;
            who trains calls `project` after each step of the optimiser.
        channels: one `tau_a` per channel (axis 2 of the input); `None` shares one in the layer.
        sign: +1, a spike raises the threshold; -1, it lowers it (SpikeFPN's stem).
        v_threshold, v_reset, reset, decay_reset, gradient, surrogate, temperature, strict: see `Neuron`.

    >>> neuron = AdaptiveLIF(decay=0.2, v_threshold=0.3, sign=1)
    >>> neuron(torch.full((6, 1, 1), 0.35)).detach().flatten()
    tensor([1., 0., 1., 0., 1., 0.])
    """

    def __init__(
        self,
        tau: Parameter | None = None,
        *,
        decay: Parameter | None = None,
        beta: float = 0.07,
        tau_a: float = 0.87,
        tau_a_range: tuple[float, float] = (0.64, 1.1),
        channels: int | None = None,
        sign: Literal[1, -1] = 1,
        **neuron: Unpack[NeuronOptions],
    ) -> None:
        super().__init__(tau, decay=decay, **neuron)
        if sign not in (1, -1):
            raise ValueError(f"expected sign 1 (a spike raises the threshold) or -1 (it lowers it), got {sign}")
        self.beta = beta
        self.sign: Literal[1, -1] = sign
        self.tau_a = nn.Parameter(torch.full(() if channels is None else (channels,), tau_a))
        self.tau_a_range = tau_a_range

    def rest(self, batch: int, like: Tensor) -> State:
        v = super().rest(batch, like)["v"]
        return {"v": v, "a": torch.zeros_like(v)}

    def rho(self) -> Tensor:
        """Return the decay of the adaptation, exp(-1/tau_a); a clipped tau_a still receives its gradient."""
        tau_a = self.tau_a + (self.tau_a.clamp(*self.tau_a_range) - self.tau_a).detach()
        return torch.exp(-1 / tau_a)

    def project(self) -> None:
        """Move `tau_a` back into its range: one that has drifted out would take as many steps to come back."""
        with torch.no_grad():
            self.tau_a.clamp_(*self.tau_a_range)

    def adaptation(self) -> tuple[Parameter, Parameter, Literal[1, -1]]:
        return self.beta, self.rho(), self.sign

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, beta={self.sign * self.beta:+g}, tau_a={show(self.tau_a.detach())} (learned)"
