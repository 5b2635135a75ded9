"""The ground against points thrown at it."""

import numpy as np
import pytest

from ranvier.data.street.ground import SLOPE, Ground, Mark, seen
from ranvier.data.street.texture import SHEET, sheet

# Cells as a camera sees them: far rows are longer than near ones, and wider.
Z = np.array([30.0, 17.0, 9.0, 5.0, 3.0])
X = np.linspace(-1, 1, 9) * np.sqrt(Z[1:] * Z[:-1])[:, None]


def thrown(brightness, count: int = 4000) -> np.ndarray:
    """The mean of a function (x, z) over each cell, from random points."""
    generator = np.random.default_rng(0)
    z, x = (generator.random((count, 4, 8)) for _ in range(2))
    z = Z[1:, None] + z * -np.diff(Z)[:, None]
    return brightness(X[:, :-1] + x * np.diff(X, axis=1), z).mean(axis=0)


def test_a_mark_covers_its_rectangle():
    mark = Mark((-2, 1.5), 0.8, (4, 12), 0.5)
    ground = Ground((Mark((-99, 99), 0.2), mark))
    expected = thrown(lambda x, z: np.where((x > -2) & (x < 1.5) & (z > 4) & (z < 12), 0.5, 0.2))
    np.testing.assert_allclose(seen(ground, (), Z, X), expected, atol=0.02)
    # On top of the ground's own marks.
    np.testing.assert_allclose(seen(Ground(ground.marks[:1]), [mark], Z, X), expected, atol=0.02)


def test_a_mark_repeats_along_the_street():
    ground = Ground((Mark((-99, 99), 0.0), Mark((-99, 99), 1.0, (2, 20), period=3, filled=0.4)))
    expected = thrown(lambda x, z: (z > 2) & (z < 20) & ((z - 2) % 3 < 1.2))
    np.testing.assert_allclose(seen(ground, (), Z, X), expected, atol=0.03)


@pytest.mark.parametrize("texel", [0.3, 2.0])
def test_the_grain_tiles_and_has_a_mean_of_one(texel):
    ground = Ground((Mark((-9999, 9999), 0.5),), 0.2, texel, (7.3, -1.9))
    texels = 0.5 * (1 + 0.2 * np.clip(sheet(SLOPE), -4, 4))
    place = lambda x, start: np.floor((x + start) / texel).astype(int) % SHEET  # noqa: E731
    expected = thrown(lambda x, z: texels[place(z, -1.9), place(x, 7.3)])
    np.testing.assert_allclose(seen(ground, (), Z, X), expected, atol=0.01)
    half = SHEET * texel / 2
    whole = seen(ground, (), np.array([half, -half]), np.array([[3 - half, 3 + half]]))
    assert whole == pytest.approx(0.5, rel=1e-3)
