"""The ground against points thrown at it."""

import numpy as np
import pytest

from ranvier.data.street.ground import Ground, Mark, grain, seen

EVEN = grain(np.ones((4, 4)))
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
    ground = Ground(EVEN, 0.1, (Mark((-99, 99), 0.2), mark))
    expected = thrown(lambda x, z: np.where((x > -2) & (x < 1.5) & (z > 4) & (z < 12), 0.5, 0.2))
    np.testing.assert_allclose(seen(ground, (), Z, X), expected, atol=0.02)
    # On top of the ground's own marks.
    np.testing.assert_allclose(seen(Ground(EVEN, 0.1, ground.marks[:1]), [mark], Z, X), expected, atol=0.02)


def test_a_mark_repeats_along_the_street():
    ground = Ground(EVEN, 0.1, (Mark((-99, 99), 0.0), Mark((-99, 99), 1.0, (2, 20), period=3, filled=0.4)))
    expected = thrown(lambda x, z: (z > 2) & (z < 20) & ((z - 2) % 3 < 1.2))
    np.testing.assert_allclose(seen(ground, (), Z, X), expected, atol=0.03)


@pytest.mark.parametrize("texel", [0.3, 2.0])
def test_the_grain_tiles_and_has_a_mean_of_one(texel):
    noise = np.random.default_rng(1).random((8, 8)) + 0.1
    ground = Ground(grain(noise), texel, (Mark((-99, 99), 0.5),))
    texels = 0.5 * noise / noise.mean()
    place = lambda x: np.floor(x / texel).astype(int) % 8  # noqa: E731
    expected = thrown(lambda x, z: texels[place(z), place(x)])
    np.testing.assert_allclose(seen(ground, (), Z, X), expected, atol=0.03)
    assert seen(ground, (), np.array([8 * texel, 0]), np.array([[0, 8 * texel]])) == pytest.approx(0.5)
