"""Spiking neurons: parameters and names around one kernel, `ranvier.kernels.lif`.

| neuron | what it adds |
|---|---|
| `IF` | nothing leaks |
| `LIF` | a leak, as time constant `tau` (input scaled) or as plain `decay` |
| `PLIF` | a leak that is learned |
| `AdaptiveLIF` | a threshold that moves with the neuron's own spikes |
| `LI` | no spikes: the membrane is the output (readout) |

Parameters keep the names of NIR: `tau`, `r`, `v_threshold`, `v_reset`.
"""

from ranvier.neurons.adaptive import AdaptiveLIF
from ranvier.neurons.integrate_and_fire import IF, LIF, PLIF
from ranvier.neurons.leaky_readout import LI
from ranvier.neurons.neuron import Neuron

__all__ = ["IF", "LIF", "LI", "PLIF", "AdaptiveLIF", "Neuron"]
