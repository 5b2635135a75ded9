"""The numbers of an audit and their totals. All counts are per time step and per lane of the batch."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Energy:
    """Picojoules of one operation on 32-bit floats in 45 nm (M. Horowitz, ISSCC 2014).

    A multiply-accumulate is a multiplication (3.7 pJ) and an addition (0.9 pJ).
    """

    mac: float = 4.6
    accumulate: float = 0.9


@dataclass(frozen=True)
class LayerCost:
    """What one layer does in a step.

    `macs` is the dense count and `input_rate` the share of inputs that are not zero. A layer whose input is binary is
    `multiplication_free`: it adds the weights of the inputs that fired, `accumulates = input_rate * macs`.
    `folded` names the batch norm that disappears into the weights in evaluation.
    """

    name: str
    kind: str
    parameters: int
    macs: float
    input_rate: float
    multiplication_free: bool
    accumulates: float
    energy_pj: float
    ann_energy_pj: float
    folded: str | None = None


@dataclass(frozen=True)
class NeuronCost:
    """One layer of neurons: how many there are and the share that fires in a step (`None`: they do not spike)."""

    name: str
    kind: str
    parameters: int
    neurons: float
    firing_rate: float | None


@dataclass(frozen=True)
class Audit:
    """The cost of one network on one input of `steps` time steps, the mean length without padding.

    `uncounted` names modules that own parameters but whose operations this audit does not know, so that nothing is
    left out silently. `parameters` counts the whole network.
    """

    layers: tuple[LayerCost, ...]
    neurons: tuple[NeuronCost, ...]
    uncounted: tuple[str, ...]
    steps: float
    parameters: int
    energy: Energy

    @property
    def macs(self) -> float:
        """Dense multiply-accumulates of a step."""
        return sum(layer.macs for layer in self.layers)

    @property
    def accumulates(self) -> float:
        """Accumulates of a step, over the multiplication-free layers."""
        return sum(layer.accumulates for layer in self.layers)

    @property
    def energy_pj(self) -> float:
        """Energy of a step: accumulates where a layer is multiplication-free, dense MACs where it is not."""
        return sum(layer.energy_pj for layer in self.layers)

    @property
    def ann_energy_pj(self) -> float:
        """Energy of one pass through the ANN of the same shape: every layer pays its dense MACs."""
        return sum(layer.ann_energy_pj for layer in self.layers)

    @property
    def is_ann(self) -> bool:
        """Whether every layer multiplies, so that both energies are one."""
        return not any(layer.multiplication_free for layer in self.layers)

    @property
    def membrane_pj(self) -> float:
        """Energy of one MAC per neuron, the update of the membranes in a step.

        Published energy tables leave it out, and so does `energy_pj`.
        """
        return self.energy.mac * sum(neuron.neurons for neuron in self.neurons)

    @property
    def spiking(self) -> float:
        """Neurons of all layers that spike."""
        return sum(neuron.neurons for neuron in self.neurons if neuron.firing_rate is not None)

    @property
    def firing_rate(self) -> float:
        """Share of them that fires in a step; 0 if there are none."""
        fired = sum(neuron.neurons * (neuron.firing_rate or 0.0) for neuron in self.neurons)
        return fired / max(self.spiking, 1)

    def as_dict(self) -> dict[str, Any]:
        """Return everything, totals included, as plain numbers for JSON."""
        names = ("macs", "accumulates", "energy_pj", "ann_energy_pj", "membrane_pj")
        return asdict(self) | {"totals": {name: getattr(self, name) for name in names}}
