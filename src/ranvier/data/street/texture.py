"""Pictures that are seen at any size without aliasing: every pixel is the mean of the picture over its own area."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

# Side of a square of noise in texels.
SHEET = 512

Shape = tuple[float, ArrayLike]
"""A polygon: brightness, and corners `[n, 2]` in metres, x to the right and y upwards from the lower left corner."""


@dataclass(frozen=True, eq=False)
class Texture:
    """A picture with holes, kept as sums over everything above and to the left.

    `sums[i, j]` is the sum over texels `[:i, :j]` of brightness times opacity and of opacity, `[H + 1, W + 1, 2]`
    float64, so the mean over a rectangle of any size takes four look-ups (a summed-area table).
    """

    sums: NDArray[np.float64]

    @classmethod
    def of(cls, brightness: ArrayLike, opacity: ArrayLike = 1.0) -> "Texture":
        """Make a texture of `[H, W]` texels; brightness is linear and >= 0, opacity 0 (a hole) to 1."""
        brightness, opacity = np.broadcast_arrays(np.asarray(brightness, np.float64), opacity)
        return cls(summed(np.stack([brightness * opacity, opacity], -1)))

    @property
    def shape(self) -> tuple[int, int]:
        """Texels (H, W)."""
        return self.sums.shape[0] - 1, self.sums.shape[1] - 1

    def grid(self, rows: NDArray, columns: NDArray) -> NDArray[np.float64]:
        """Return the means over a grid of rectangles.

        Edges `rows [n + 1]` and `columns [m + 1]` are in texels, increasing; beyond its border the picture is a hole.
        The result is `[n, m, 2]`.
        """
        sums = _between(_between(self.sums, rows).swapaxes(0, 1), columns).swapaxes(0, 1)
        cells = sums[1:, 1:] - sums[1:, :-1] - sums[:-1, 1:] + sums[:-1, :-1]
        return cells / ((rows[1:] - rows[:-1])[:, None] * (columns[1:] - columns[:-1]))[..., None]

    def lines(self, rows: NDArray, columns: NDArray) -> NDArray[np.float64]:
        """Return the means over rectangles whose edges along the columns differ from line to line.

        Edges are `rows [n + 1]`, as above, and `columns [n, m + 1]`. The result is `[n, m, 2]`.
        """
        sums = _between(self.sums, rows)
        lines = sums[1:] - sums[:-1]
        low, share = _place(columns, self.shape[1])
        line = np.arange(len(columns))[:, None]
        sums = lines[line, low] * (1 - share)[..., None] + lines[line, low + 1] * share[..., None]
        area = (rows[1:] - rows[:-1])[:, None] * (columns[:, 1:] - columns[:, :-1])
        return (sums[:, 1:] - sums[:, :-1]) / area[..., None]


def summed(texels: NDArray) -> NDArray[np.float64]:
    """Return the sums over everything above and to the left, `[H + 1, W + 1, ...]`."""
    sums = np.zeros((texels.shape[0] + 1, texels.shape[1] + 1, *texels.shape[2:]))
    np.cumsum(texels, axis=0, out=sums[1:, 1:])
    np.cumsum(sums[1:, 1:], axis=1, out=sums[1:, 1:])
    return sums


def _place(edges: NDArray, size: int) -> tuple[NDArray[np.intp], NDArray]:
    edges = np.clip(edges, 0, size)
    low = np.minimum(edges.astype(np.intp), size - 1)
    return low, edges - low


def _between(sums: NDArray, edges: NDArray) -> NDArray:
    """Return the rows of a table of sums at places between its rows."""
    low, share = _place(edges, len(sums) - 1)
    share = share[:, None, None]
    return sums[low] * (1 - share) + sums[low + 1] * share


def draw(shapes: Sequence[Shape], width: float, height: float, *, texel: float) -> Texture:
    """Draw polygons over each other, the last one on top; where there is none the picture has a hole.

    Args:
        shapes: brightness and corners.
        width: of the picture in metres.
        height: of the picture in metres.
        texel: side of a texel in metres.
    """
    size = max(1, round(width / texel)), max(1, round(height / texel))
    image = Image.new("F", size, -1.0)
    pencil = ImageDraw.Draw(image)
    for brightness, corners in shapes:
        x, y = np.asarray(corners).T
        pencil.polygon(list(zip(x / texel, size[1] - y / texel, strict=True)), fill=float(brightness))
    picture = np.asarray(image)
    return Texture.of(np.maximum(picture, 0), picture >= 0)


def box(left: float, bottom: float, right: float, top: float) -> NDArray[np.float64]:
    """Return the corners of a rectangle."""
    return np.array([(left, bottom), (right, bottom), (right, top), (left, top)])


def ellipse(centre: ArrayLike, across: float, up: float, *, corners: int = 16) -> NDArray[np.float64]:
    """Return the corners of a polygon with the half axes `across` and `up`."""
    angle = np.arange(corners) * (2 * np.pi / corners)
    return np.asarray(centre) + np.stack([across * np.cos(angle), up * np.sin(angle)], 1)


def limb(start: ArrayLike, stop: ArrayLike, first: float, last: float) -> NDArray[np.float64]:
    """Return the corners of a bar from one point to another, so wide at its start and so wide at its end."""
    start, stop = np.asarray(start, float), np.asarray(stop, float)
    along = (stop - start) / np.hypot(*(stop - start))
    side = np.array([-along[1], along[0]]) / 2
    return np.stack([start + first * side, start - first * side, stop - last * side, stop + last * side])


def fractal(generator: np.random.Generator, shape: tuple[int, int], *, slope: float) -> NDArray[np.float64]:
    """Return noise whose amplitude falls with frequency as `1 / f^slope`, a random part of `sheet(slope)`."""
    rows, columns = ((generator.integers(SHEET) + np.arange(size)) % SHEET for size in shape)
    return sheet(slope)[np.ix_(rows, columns)]


@functools.cache
def sheet(slope: float) -> NDArray[np.float64]:
    """Return a square of noise of mean 0 and deviation 1 that tiles, always the same one."""
    noise = np.random.default_rng(0).standard_normal((SHEET, SHEET))
    frequency = np.hypot(np.fft.fftfreq(SHEET)[:, None], np.fft.rfftfreq(SHEET))
    frequency[0, 0] = np.inf
    noise = np.fft.irfft2(np.fft.rfft2(noise) / frequency**slope, noise.shape)
    return noise / noise.std()
