"""Leaky integrators that never fire: the readout of a spiking network, or a synapse that keeps its current."""

import math

from torch import Tensor

from ranvier.carry import Carry
from ranvier.neurons.integrate_and_fire import LIF, PLIF
from ranvier.neurons.neuron import Neuron, NeuronOptions, Parameter, show

# An infinite threshold is never reached, and the rectangle is exactly 0 there.
NEVER_FIRES: NeuronOptions = {"v_threshold": math.inf, "surrogate": "rectangle", "temperature": 1.0}


class LeakyReadout(Neuron):
    """What all neurons share that never fire: the output is the membrane."""

    def forward(self, x: Tensor, carry: Carry | None = None) -> Tensor:  # type: ignore[override]
        """Return the membrane `[T, B, ...]` for input current `[T, B, ...]`."""
        out = self.fire(x, self.recall(x, carry), return_v=True, return_state=carry is not None)
        if carry is not None and out.v is not None:
            carry.write(self, {"v": out.v})
        assert out.v_seq is not None
        return out.v_seq


class LI(LeakyReadout, LIF):
    """Leaky integrator: v[t] = (1 - 1/tau) v[t-1] + (r/tau) x[t], or decay v[t-1] + x[t]; the output is v.

    Args:
        tau, decay, r: see `LIF`.

    >>> import torch
    >>> LI(decay=0.5)(torch.ones(3, 1, 1)).flatten()
    tensor([1.0000, 1.5000, 1.7500])
    """

    def __init__(self, tau: Parameter | None = None, *, decay: Parameter | None = None, r: Parameter = 1.0) -> None:
        super().__init__(tau, decay=decay, r=r, **NEVER_FIRES)

    def extra_repr(self) -> str:
        return self.shown_leak()


class PLI(LeakyReadout, PLIF):
    """Parametric leaky integrator, whose leak is learned as that of `PLIF`; the output is v.

    Args:
        tau, channels: see `PLIF`.

    >>> import torch
    >>> PLI(tau=2.0)(torch.ones(3, 1, 1)).detach().flatten()
    tensor([0.5000, 0.7500, 0.8750])
    """

    def __init__(self, tau: Parameter = 2.0, *, channels: int | None = None) -> None:
        super().__init__(tau, channels=channels, **NEVER_FIRES)

    def extra_repr(self) -> str:
        return f"tau={show(self.tau)} (learned)"
