"""A leaky integrator that never fires: the readout of a spiking network."""

import math

from torch import Tensor

from ranvier.carry import Carry
from ranvier.neurons.integrate_and_fire import LIF
from ranvier.neurons.neuron import NeuronOptions, Parameter


class LI(LIF):
    """Leaky integrator: v[t] = (1 - 1/tau) v[t-1] + (r/tau) x[t], or decay v[t-1] + x[t]; the output is v.

    Args:
        tau, decay, r: see `LIF`.

    >>> import torch
    >>> LI(decay=0.5)(torch.ones(3, 1, 1)).flatten()
    tensor([1.0000, 1.5000, 1.7500])
    """

    def __init__(self, tau: Parameter | None = None, *, decay: Parameter | None = None, r: Parameter = 1.0) -> None:
        # An infinite threshold is never reached, and the rectangle is exactly 0 there.
        never_fires: NeuronOptions = {"v_threshold": math.inf, "surrogate": "rectangle", "temperature": 1.0}
        super().__init__(tau, decay=decay, r=r, **never_fires)

    def forward(self, x: Tensor, carry: Carry | None = None) -> Tensor:  # type: ignore[override]
        """Return the membrane `[T, B, ...]` for input current `[T, B, ...]`."""
        out = self.fire(x, self.recall(x, carry), return_v=True, return_state=carry is not None)
        if carry is not None and out.v is not None:
            carry.write(self, {"v": out.v})
        assert out.v_seq is not None
        return out.v_seq

    def extra_repr(self) -> str:
        return self.shown_leak()
