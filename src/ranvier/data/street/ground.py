"""The ground: strips of asphalt, slabs and grass, marks painted on them, and shadows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranvier.data.street.panel import Range

# As far as the ground goes on, in metres.
WIDE = 1000.0


@dataclass(frozen=True)
class Mark:
    """A rectangle on the ground, or many of them in a row along the street.

    Attributes:
        x: from where to where across the street, metres.
        z: from where to where along it, metres.
        brightness: of the paint, or of the darkening.
        opacity: 0 to 1.
        period: metres from one rectangle to the next within `z`; 0 is one rectangle.
        filled: share of a period that is painted.
    """

    x: Range
    brightness: float
    z: Range = (-WIDE, WIDE)
    opacity: float = 1.0
    period: float = 0.0
    filled: float = 1.0


@dataclass(frozen=True, eq=False)
class Ground:
    """The plane y = 0.

    Attributes:
        grain: what one texel is brighter than the next, sums `[P + 1, P + 1]` of a square that tiles (see `Texture`).
        texel: side of a texel in metres.
        marks: painted over each other, the last one on top.
        grass: where across the street there is grass: class nature.
    """

    grain: NDArray[np.float64]
    texel: float
    marks: tuple[Mark, ...]
    grass: tuple[Range, ...] = ()


def seen(ground: Ground, marks: Sequence[Mark], z: NDArray, x: NDArray) -> NDArray[np.float64]:
    """Return the mean brightness `[n, m]` of cells of the ground.

    Edges in metres: `z [n + 1]`, decreasing, and `x [n, m + 1]`, increasing. `marks` come on top of the ground's own.
    """
    brightness = np.ones((len(x), x.shape[1] - 1))
    long, wide = z[:-1] - z[1:], x[:, 1:] - x[:, :-1]
    for mark in (*ground.marks, *marks):
        painted = _painted(mark, z)
        share = (painted[:-1] - painted[1:]) / long
        rows = np.flatnonzero(share > 1e-4)
        if not len(rows):
            continue
        part = slice(rows[0], rows[-1] + 1)
        edges = np.clip(x[part], *mark.x)
        cover = (edges[:, 1:] - edges[:, :-1]) / wide[part] * (mark.opacity * share[part, None])
        brightness[part] += cover * (mark.brightness - brightness[part])
    return brightness * _grain(ground, z, x) / (long[:, None] * wide)


def _painted(mark: Mark, z: NDArray) -> NDArray:
    """Return how many metres are painted from the beginning of a mark to `z`."""
    way = np.clip(z - mark.z[0], 0, mark.z[1] - mark.z[0])
    if not mark.period:
        return way
    whole, rest = np.divmod(way, mark.period)
    return (whole * mark.filled + np.minimum(rest / mark.period, mark.filled)) * mark.period


def _grain(ground: Ground, z: NDArray, x: NDArray) -> NDArray:
    """Return the sum of the grain over each cell, in square metres; the tile goes on beyond its edge."""
    period = len(ground.grain) - 1
    tiles, low, share = _tiled(z / ground.texel, period)
    share = share[:, None]
    below = ground.grain[low] * (1 - share) + ground.grain[low + 1] * share + tiles[:, None] * ground.grain[-1]
    lines = below[:-1] - below[1:]
    tiles, low, share = _tiled(x / ground.texel, period)
    line = np.arange(len(x))[:, None]
    sums = lines[line, low] * (1 - share) + lines[line, low + 1] * share + tiles * lines[:, -1:]
    return (sums[:, 1:] - sums[:, :-1]) * ground.texel**2


def _tiled(place: NDArray, period: int) -> tuple[NDArray, NDArray[np.intp], NDArray]:
    tiles, inside = np.divmod(place, period)
    low = np.minimum(inside.astype(np.intp), period - 1)
    return tiles, low, inside - low


def grain(noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums `[P + 1, P + 1]` of a square `[P, P]`, scaled to a mean of 1."""
    sums = np.zeros((len(noise) + 1, len(noise) + 1))
    sums[1:, 1:] = (noise / noise.mean()).cumsum(0).cumsum(1)
    return sums
