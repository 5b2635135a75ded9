"""Textures against sums over their texels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.data.street.texture import SHEET, Texture, box, draw, ellipse, fractal, limb, sheet


def made(seed: int, shape: tuple[int, int] = (5, 7)) -> tuple[np.ndarray, np.ndarray, Texture]:
    generator = np.random.default_rng(seed)
    brightness, opacity = generator.random(shape), generator.random(shape) < 0.7
    return brightness, opacity, Texture.of(brightness, opacity)


def overlap(edges: np.ndarray, size: int) -> np.ndarray:
    """How much of each texel lies in each cell, `[cells, size]`."""
    texel = np.arange(size)
    upper, lower = np.minimum(edges[1:, None], texel + 1), np.maximum(edges[:-1, None], texel)
    return np.clip(upper - lower, 0, None)


steps = st.lists(st.floats(0.05, 3), min_size=1, max_size=6)


@given(st.integers(0, 99), st.floats(-3, 5), steps, st.floats(-3, 5), steps)
def test_cells_are_the_mean_of_what_they_cover(seed, top, down, left, right):
    brightness, opacity, texture = made(seed)
    rows, columns = np.cumsum([top, *down]), np.cumsum([left, *right])
    area = np.diff(rows)[:, None] * np.diff(columns)
    for channel, texels in enumerate((brightness * opacity, opacity)):
        expected = overlap(rows, 5) @ texels @ overlap(columns, 7).T / area
        np.testing.assert_allclose(texture.grid(rows, columns)[..., channel], expected, atol=1e-9)


def test_lines_with_equal_edges_are_a_grid_and_others_are_not():
    _, _, texture = made(0)
    rows, columns = np.array([-0.5, 0.7, 2.2, 4.9]), np.array([0.1, 2.5, 3.0, 9.0])
    equal = texture.lines(rows, np.tile(columns, (3, 1)))
    np.testing.assert_allclose(equal, texture.grid(rows, columns), atol=1e-12)
    moved = texture.lines(rows, columns + np.arange(3)[:, None])
    np.testing.assert_allclose(moved[1], texture.grid(rows[1:3], columns + 1)[0], atol=1e-12)


def test_a_drawing_has_its_shapes_where_they_belong():
    picture = draw([(0.2, box(0, 0, 4, 1)), (0.8, box(1, 0.5, 2, 2))], 4, 2, texel=0.05)
    assert picture.shape == (40, 80)
    value = picture.grid(np.array([0, 20, 40]), np.array([0, 20, 40, 80]))
    # The upper half holds the second box alone, the lower half holds both.
    np.testing.assert_allclose(value[0, :, 1], [0, 1, 0], atol=0.1)
    np.testing.assert_allclose(value[1, :, 1], 1, atol=0.02)
    np.testing.assert_allclose(value[1, :, 0], [0.2, 0.5, 0.2], atol=0.05)


def test_polygons():
    x, y = ellipse((1, 2), 3, 0.5).T
    np.testing.assert_allclose(((x - 1) / 3) ** 2 + ((y - 2) / 0.5) ** 2, 1)
    bar = limb((0, 0), (0, 2), 0.4, 0.2)
    assert sorted(map(tuple, bar.round(9).tolist())) == [(-0.2, 0), (-0.1, 2), (0.1, 2), (0.2, 0)]


@pytest.mark.parametrize("slope", [0.4, 1.6])
def test_noise_has_its_spectrum_and_tiles(slope):
    noise = sheet(slope)
    assert noise.mean() == pytest.approx(0, abs=1e-9)
    assert noise.std() == pytest.approx(1)
    power = np.abs(np.fft.fft2(noise)) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SHEET), np.fft.fftfreq(SHEET)))
    low, high = (power[(frequency > f) & (frequency < 1.5 * f)].mean() for f in (0.02, 0.2))
    assert np.log10(low / high) == pytest.approx(2 * slope, rel=0.15)
    seam, inside = np.abs(noise[0] - noise[-1]).mean(), np.abs(np.diff(noise, axis=0)).mean()
    assert seam == pytest.approx(inside, rel=0.25)


def test_pieces_of_noise_go_on_beyond_its_border():
    first, second = (fractal(np.random.default_rng(seed), (700, 5), slope=0.4) for seed in (0, 1))
    assert first.shape == (700, 5)
    assert np.array_equal(first[:188], first[512:])
    assert not np.array_equal(first, second)
