"""The embedded digits: generated alike every time, and of the kind of N-MNIST."""

import numpy as np
import pytest

from ranvier.data.cache import cache_folder
from ranvier.data.datasets import digits, make_digits, read_nmnist


def test_all_digits_are_recorded_and_read_back_from_the_cache():
    make_digits.cache_clear()
    made = make_digits()
    assert len(made) == 1797
    assert np.bincount(made.labels).min() > 170
    assert len(list(cache_folder().glob("digits-*.npz"))) == 1
    make_digits.cache_clear()
    again = make_digits()
    assert again is not made
    for name, column in made.columns.items():
        assert np.array_equal(column, again.columns[name])
    events = made.events(1796)
    assert events.sensor == (34, 34)
    assert len(events) == made.offsets[-1] - made.offsets[-2]
    assert np.all(np.diff(events.t) >= 0)
    assert 0 <= events.t[0] <= events.t[-1] <= 300_000
    assert events.x.max() < 34
    assert events.y.max() < 34


def test_the_seed_decides():
    from sklearn.datasets import load_digits

    images = load_digits().images[:3]
    first, second, third = (digits._record(images, seed) for seed in (0, 0, 1))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["offsets"], third["offsets"])
    # The first block of the whole set begins with the same pixels, but has more of them: noise differs, digits do not.
    assert first["offsets"][-1] == pytest.approx(make_digits().offsets[3], rel=0.05)


def test_an_enlarged_image_moves_with_the_gaze():
    image = np.zeros((1, 8, 8))
    image[0, 3:5, 3:5] = 1
    for t in (0, 50_000, 100_000, 175_000, 300_000):
        light = digits._view(image, t)[0] - digits.DARK
        rows, columns = np.indices(light.shape)
        place = [(columns * light).sum() / light.sum(), (rows * light).sum() / light.sum()]
        assert place == pytest.approx(16.5 + digits._gaze(t), abs=0.15)


def kind(recordings, indices):
    """Medians over recordings: events, share of ON, share of pixels that fire, spread of x and of y."""
    rows = []
    for i in indices:
        e = recordings.events(i)
        pixels = np.unique(e.y * 34 + e.x).size / 34**2
        rows.append((len(e), e.polarity.mean(), pixels, e.x.std(), e.y.std()))
    return np.median(rows, axis=0)


def test_digits_resemble_real_recordings(data_dir):
    real, made = kind(read_nmnist(data_dir / "nmnist"), range(0, 1000, 5)), kind(make_digits(), range(0, 1797, 9))
    assert made[0] == pytest.approx(real[0], rel=0.2)
    assert made[1] == pytest.approx(real[1], abs=0.04)
    assert made[2] == pytest.approx(real[2], abs=0.06)
    assert made[3:] == pytest.approx(real[3:], abs=1)
