"""The ground: strips of asphalt, slabs and grass, marks painted on them, and shadows."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranvier.data.street.panel import Range
from ranvier.data.street.texture import SHEET, sheet, summed

# As far as the ground goes on, in metres.
WIDE = 1000.0
# Of the noise of the grain, see `fractal`.
SLOPE = 0.4


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
        marks: painted over each other, the last one on top.
        roughness: deviation of the brightness from grain to grain, as a share of its mean.
        texel: size of a grain in metres.
        start: of the grain, metres in x and z.
        grass: where across the street there is grass: class nature.
    """

    marks: tuple[Mark, ...]
    roughness: float = 0.0
    texel: float = 0.04
    start: tuple[float, float] = (0.0, 0.0)
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
    rough = _grain((z + ground.start[1]) / ground.texel, (x + ground.start[0]) / ground.texel)
    return brightness * (1 + ground.roughness * rough * ground.texel**2 / (long[:, None] * wide))


def _painted(mark: Mark, z: NDArray) -> NDArray:
    """Return how many metres are painted from the beginning of a mark to `z`."""
    way = np.clip(z - mark.z[0], 0, mark.z[1] - mark.z[0])
    if not mark.period:
        return way
    whole, rest = np.divmod(way, mark.period)
    return (whole * mark.filled + np.minimum(rest / mark.period, mark.filled)) * mark.period


def _grain(z: NDArray, x: NDArray) -> NDArray:
    """Return the sum of the noise over each cell, with edges in texels; its square goes on beyond its border."""
    noise = _noise()
    tiles, low, share = _tiled(z)
    share = share[:, None]
    sums = noise[low] * (1 - share) + noise[low + 1] * share + tiles[:, None] * noise[-1]
    lines = sums[:-1] - sums[1:]
    tiles, low, share = _tiled(x)
    line = np.arange(len(x))[:, None]
    sums = lines[line, low] * (1 - share) + lines[line, low + 1] * share + tiles * lines[:, -1:]
    return sums[:, 1:] - sums[:, :-1]


@functools.cache
def _noise() -> NDArray[np.float64]:
    # Cut where a grain would be brighter than light or darker than night.
    return summed(np.clip(sheet(SLOPE), -4, 4))


def _tiled(place: NDArray) -> tuple[NDArray, NDArray[np.intp], NDArray]:
    tiles, inside = np.divmod(place, SHEET)
    low = np.minimum(inside.astype(np.intp), SHEET - 1)
    return tiles, low, inside - low
