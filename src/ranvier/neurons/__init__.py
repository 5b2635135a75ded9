"""Spiking neurons: parameters and names around one kernel, `ranvier.kernels.lif`.

| neuron | what it adds |
|---|---|
| `IF` | nothing leaks |
| `LIF` | a leak, as time constant `tau` (input scaled) or as plain `decay` |
| `PLIF` | a leak that is learned |
| `AdaptiveLIF` | a threshold that moves with the neuron's own spikes |
| `LIFWithoutReset` | nothing: it leaks, but a spike leaves the membrane as it is |
| `LI` | no spikes: the membrane is the output (readout) |
| `PLI` | the same with a leak that is learned |

Parameters keep the names of NIR: `tau`, `r`, `v_threshold`, `v_reset`.
"""

from ranvier.neurons.adaptive import AdaptiveLIF
from ranvier.neurons.integrate_and_fire import IF, LIF, PLIF
from ranvier.neurons.leaky_readout import LI, PLI, LeakyReadout
from ranvier.neurons.neuron import Neuron
from ranvier.neurons.without_reset import LIFWithoutReset

__all__ = ["IF", "LIF", "LI", "PLIF", "AdaptiveLIF", "LIFWithoutReset", "LeakyReadout", "Neuron", "PLI"]
