"""The wiring that an architecture search finds and that `ranvier.layers.cell` builds: plain data, no torch.

A cell reads s0, the output of the cell before the last one, and s1, the output of the last one. Its edges are numbered
node by node:

| node | edges |
|---|---|
| 0 | 0 (s0), 1 (s1) |
| 1 | 2 (s0), 3 (s1), 4 (node 0) |
| 2 | 5 (s0), 6 (s1), 7 (node 0), 8 (node 1) |
"""

import itertools
import json
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

Operation = Literal["skip", "conv3x3", "conv3x3_b5", "conv5x5"]
"""What an edge does; `_b5` was found with a surrogate temperature of 5, which only a search can tell from 3."""

DEEPEST = 3
SCHEMA = 1
SHIPPED = Path(__file__).parent


@dataclass(frozen=True)
class Genotype:
    """One cell, and the resolutions at which its copies follow one another; edges are kept in the order of numbers.

    Raises:
        ValueError: something in it cannot be built; the message says what.
    """

    name: str
    """what it is called, such as spikefpn"""
    source: str
    """who found it, on what"""
    edges: tuple[tuple[int, Operation], ...]
    """number and operation of each edge that was kept, two a node"""
    path: tuple[int, ...]
    """level of each cell: level l works at 1/2^l of the stem's resolution with 2^l times its channels"""
    filters: int = 32
    """channels of a node at level 0"""
    nodes: int = 3
    """neurons of a cell; node i may read s0, s1 and the nodes before it"""
    blocks: int = 3
    """last nodes that a cell puts side by side"""

    def __post_init__(self) -> None:
        _check(self)
        # Whole edges are sorted: a search that lists them in another order has found the same cell.
        object.__setattr__(self, "edges", tuple(sorted((number, operation) for number, operation in self.edges)))

    def inputs(self, node: int) -> list[tuple[int, Operation]]:
        """Return what a node reads: pairs of source (0: s0, 1: s1, 2 + j: node j) and operation.

        >>> load("cifar").inputs(2)
        [(2, 'conv3x3'), (3, 'conv3x3')]
        """
        numbers = edge_numbers(node)
        return [(number - numbers.start, operation) for number, operation in self.edges if number in numbers]

    def channels(self, level: int) -> int:
        """Return the channels that a cell at this level puts out."""
        return self.blocks * self.filters * 2**level


def edge_numbers(node: int) -> range:
    """Return the numbers of the edges into a node: from s0, s1, node 0, node 1 and so on.

    >>> edge_numbers(2)
    range(5, 9)
    """
    first = node * (node + 3) // 2
    return range(first, first + node + 2)


def shipped() -> list[str]:
    """Return the names of the published genotypes that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.json"))


def load(file: str | Path) -> Genotype:
    """Return the shipped genotype of this name, or the one in a JSON file.

    >>> load("spikefpn").path
    (0, 0, 1, 1, 1, 2, 2, 2, 3, 3)

    Raises:
        FileNotFoundError: there is neither.
        ValueError: the file holds no genotype that can be built.
    """
    path = SHIPPED / f"{file}.json" if str(file) in shipped() else Path(file)
    if not path.is_file():
        raise FileNotFoundError(f"no genotype {str(file)!r}: expected a file, or one of {', '.join(shipped())}")
    try:
        values = json.loads(path.read_text())
        _check_fields(values)
        del values["schema"]
        values["edges"] = tuple(tuple(edge) for edge in values["edges"])
        return Genotype(**values | {"path": tuple(values["path"])})
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} holds no genotype: {error}") from error


def save(genotype: Genotype, path: Path | str) -> None:
    """Write a genotype as JSON, one field a line."""
    values = {"schema": SCHEMA} | asdict(genotype)
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in values.items()]
    Path(path).write_text("{\n" + ",\n".join(lines) + "\n}\n")


def _check_fields(values: Any) -> None:
    if not isinstance(values, dict):
        raise ValueError(f"expected an object with fields, got {type(values).__name__}")
    if values.get("schema") != SCHEMA:
        raise ValueError(
            f"expected schema {SCHEMA}, got {values.get('schema')!r}: written by another version of ranvier"
        )
    unknown = values.keys() - {"schema", *(field.name for field in fields(Genotype))}
    missing = {field.name for field in fields(Genotype) if field.default is MISSING} - values.keys()
    if unknown or missing:
        raise ValueError(f"unknown fields {sorted(unknown)}, missing fields {sorted(missing)}")


def _check(genotype: Genotype) -> None:
    numbers = (genotype.nodes, genotype.filters, genotype.blocks, *genotype.path)
    if not all(isinstance(number, int) for number in numbers):
        raise ValueError(f"expected whole numbers as nodes, filters, blocks and path, got {numbers}")
    if min(genotype.nodes, genotype.filters) < 1 or not 1 <= genotype.blocks <= genotype.nodes:
        raise ValueError(
            "expected at least one node and one filter, and 1..nodes blocks, "
            f"got nodes {genotype.nodes}, filters {genotype.filters}, blocks {genotype.blocks}"
        )
    _check_edges(genotype)
    _check_path(genotype.path)


def _check_edges(genotype: Genotype) -> None:
    for edge in genotype.edges:
        if len(edge) != 2 or not isinstance(edge[0], int) or edge[1] not in get_args(Operation):
            expected = ", ".join(get_args(Operation))
            raise ValueError(f"expected edges of a number and one of {expected}, got {edge!r}")
    numbers = [number for number, _ in genotype.edges]
    for node in range(genotype.nodes):
        mine = edge_numbers(node)
        kept = [number for number in numbers if number in mine]
        if len(kept) != 2 or kept[0] == kept[1]:
            raise ValueError(f"expected two of the edges {mine.start}..{mine.stop - 1} into node {node}, got {kept}")
    stop = edge_numbers(genotype.nodes).start
    if any(number not in range(stop) for number in numbers):
        raise ValueError(f"expected edges 0..{stop - 1} in a cell of {genotype.nodes} nodes, got {sorted(numbers)}")


def _check_path(path: tuple[int, ...]) -> None:
    if not path or path[0] not in (0, 1):
        raise ValueError(f"expected a path of at least one cell that starts at level 0 or 1, got {list(path)}")
    for level, following in itertools.pairwise(path):
        if following not in range(DEEPEST + 1) or abs(following - level) > 1:
            raise ValueError(
                f"expected steps of at most one level within 0..{DEEPEST}, got {level} to {following} in {list(path)}"
            )
