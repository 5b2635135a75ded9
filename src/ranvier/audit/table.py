"""The table of an audit as text, for the terminal and for the report alike."""

from ranvier.audit.result import Audit
from ranvier.quantity import count, energy

HEADS = ("layer", "kind", "parameters", "MACs", "input active", "accumulates", "energy", "as ANN", "")
NUMBERS = range(2, 8)
"""The columns that hold numbers."""


def rows(cost: Audit) -> list[tuple[str, ...]]:
    """Return one row a layer; the last cell says whether the layer "only adds" or "multiplies"."""
    return [
        (
            layer.name,
            layer.kind,
            f"{layer.parameters:,}",
            count(layer.macs),
            f"{100 * layer.input_rate:.1f} %",
            count(layer.accumulates) if layer.multiplication_free else "",
            energy(layer.energy_pj),
            energy(layer.ann_energy_pj),
            "only adds" if layer.multiplication_free else "multiplies",
        )
        for layer in cost.layers
    ]


def total(cost: Audit) -> tuple[str, ...]:
    """Return the row of the sums."""
    sums = (count(cost.macs), "", count(cost.accumulates), energy(cost.energy_pj), energy(cost.ann_energy_pj))
    return ("a step", "", f"{cost.parameters:,}", *sums, "")
