"""What a network costs: multiplications, accumulates, firing rates, energy, memory and latency.

`audit` counts, layer by layer; `peak_memory` and `latency` measure.
"""

from ranvier.audit.count import alone, audit
from ranvier.audit.latency import Latency, latency
from ranvier.audit.memory import peak_memory
from ranvier.audit.result import Audit, Energy, LayerCost, NeuronCost

__all__ = ["alone", "audit", "Audit", "LayerCost", "NeuronCost", "Energy", "peak_memory", "latency", "Latency"]
