"""The table of an audit as text, for the terminal and for the report alike."""

from collections.abc import Iterable

from ranvier.audit.result import Audit
from ranvier.quantity import count, energy

HEADS = ("layer", "kind", "parameters", "MACs", "input active", "adds", "energy", "as ANN", "")
NUMBERS = range(2, 8)
"""The columns that hold numbers."""


def rows(cost: Audit) -> list[tuple[str, ...]]:
    """Return one row a layer; the last cell says whether the layer "only adds" or "multiplies"."""
    names = short(layer.name for layer in cost.layers)
    return [
        (
            names[layer.name],
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


def short(names: Iterable[str]) -> dict[str, str]:
    """Return for each name of a module as little of it as tells it from the others.

    >>> list(short(["net.stem.0", "net.cells.0.edges.0.conv", "net.cells.0.edges.1.conv"]).values())
    ['stem', 'cells.0.edges.0', 'cells.0.edges.1']
    >>> short(["0.0", "1.0", "6"]), short(["net.conv"])
    ({'0.0': '0', '1.0': '1', '6': '6'}, {'net.conv': 'net'})
    """
    paths = {name: name.split(".") for name in names}
    shared = 0
    while len(paths) > 1 and len({tuple(path[: shared + 1]) for path in paths.values()}) == 1:
        shared += 1

    def own(path: list[str]) -> int:
        others = [other for other in paths.values() if other is not path]
        return next((n for n in range(shared + 1, len(path)) if all(o[:n] != path[:n] for o in others)), len(path))

    return {name: ".".join(path[shared : own(path)]) for name, path in paths.items()}
