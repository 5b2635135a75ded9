"""How the protocols show numbers: the same cells and the same lines everywhere."""

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from ranvier.colours import AMBER, BLUE, INK

LOOKS: dict[str, dict[str, Any]] = {
    "gru": {"color": INK, "marker": "o"},
    "rwkv": {"color": AMBER, "marker": "s"},
    "mamba": {"color": BLUE, "marker": "^"},
    "transformer": {"color": INK, "marker": "D", "linestyle": "--"},
    "spiking": {"color": AMBER, "marker": "v", "linestyle": "--"},
}
"""The line of each backbone."""

Rows = list[dict[str, Any]]


def grouped(rows: Iterable[dict[str, Any]], *keys: str) -> dict[Any, Rows]:
    """Return rows by the value of a key, or the values of several, in the order in which they come.

    >>> list(grouped([{"a": 1, "b": 2}, {"a": 1, "b": 3}], "a"))
    [1]
    """
    groups: dict[Any, Rows] = {}
    for row in rows:
        name = row[keys[0]] if len(keys) == 1 else tuple(row[key] for key in keys)
        groups.setdefault(name, []).append(row)
    return groups


def mean(rows: Iterable[dict[str, Any]], key: str) -> float:
    """Return the mean of one column."""
    return statistics.mean(row[key] for row in rows)


def r2(score: float) -> str:
    """Return the cell of an R².

    >>> r2(0.7654)
    '0.765'
    """
    return f"{score:.3f}"


def spread(scores: Sequence[float]) -> str:
    """Return the cell of several R²: mean ± standard deviation, as of a sample.

    >>> spread([0.7, 0.8]), spread([0.7])
    ('0.750 ± 0.071', '0.700')
    """
    return r2(statistics.mean(scores)) + (f" ± {statistics.stdev(scores):.3f}" if len(scores) > 1 else "")
