"""The simulated camera against cases that can be solved on paper."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.data import simulator
from ranvier.data.simulator import Camera, simulate

thresholds = st.floats(0.05, 0.5)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def from_log(log_images) -> np.ndarray:
    return np.exp(np.asarray(log_images, np.float64))


def test_doctests():
    assert doctest.testmod(simulator).failed == 0


@given(st.lists(st.floats(-4, 4), min_size=1, max_size=6), thresholds, thresholds, st.integers(1, 5))
def test_a_ramp_in_log_intensity_gives_floor_of_change_over_threshold(slopes, on, off, pieces):
    # However many images sample the ramp, the events are those of the straight line.
    times = np.arange(pieces + 1) * 100_000
    images = from_log(np.outer(times / times[-1], slopes)[:, None, :])
    events = simulate(images, times, generator=rng(), camera=Camera(threshold_on=on, threshold_off=off))
    for x, slope in enumerate(slopes):
        threshold = on if slope > 0 else off
        count = int(np.floor(abs(slope) / threshold + 1e-6))
        mine = events.x == x
        expected = np.arange(1, count + 1) * threshold / max(abs(slope), 1e-9) * times[-1]
        assert mine.sum() == count
        np.testing.assert_allclose(events.t[mine], expected, rtol=0, atol=1)
        assert np.all(events.polarity[mine] == (slope > 0))


@given(st.lists(st.lists(st.floats(-2, 2), min_size=3, max_size=3), min_size=2, max_size=6), thresholds)
def test_a_mirrored_scene_gives_the_opposite_events(log_images, threshold):
    log_images = np.asarray(log_images)[:, None, :]
    times = np.arange(len(log_images)) * 1000
    camera = Camera(threshold_on=threshold, threshold_off=threshold)
    rising, falling = (simulate(from_log(s * log_images), times, generator=rng(), camera=camera) for s in (1, -1))
    # The logarithm rounds, so that a crossing half-way between two microseconds may fall on either.
    first, second = (np.lexsort((events.t, events.x)) for events in (rising, falling))
    assert rising.x[first].tolist() == falling.x[second].tolist()
    assert rising.polarity[first].tolist() == (~falling.polarity[second]).tolist()
    np.testing.assert_allclose(rising.t[first], falling.t[second], rtol=0, atol=1)


@given(st.lists(st.lists(st.floats(-2, 2), min_size=3, max_size=3), min_size=2, max_size=6), thresholds, thresholds)
def test_the_events_rebuild_the_last_image_within_a_threshold(log_images, on, off):
    log_images = np.asarray(log_images)[:, None, :]
    times = np.arange(len(log_images)) * 1000
    events = simulate(from_log(log_images), times, generator=rng(), camera=Camera(threshold_on=on, threshold_off=off))
    rebuilt = log_images[0, 0].copy()
    np.add.at(rebuilt, events.x, np.where(events.polarity, on, -off))
    error = log_images[-1, 0] - rebuilt
    assert np.all(error < on + 1e-9)
    assert np.all(error > -off - 1e-9)
    assert np.all(np.diff(events.t) >= 0)


def test_up_and_down_gives_the_same_number_of_on_and_off_one_threshold_late():
    # R rests at 1.0 at the top; the first OFF event comes one threshold below it.
    events = simulate(from_log([[[0.0]], [[1.0]], [[0.0]]]), [0, 1000, 2000], generator=rng())
    assert events.t.tolist() == [200, 400, 600, 800, 1000, 1200, 1400, 1600, 1800, 2000]
    assert events.polarity.tolist() == [True] * 5 + [False] * 5


def test_a_function_of_time_equals_its_images():
    scene = lambda t: np.exp(np.sin(t / 500 + np.arange(12.0).reshape(3, 4)))  # noqa: E731
    times = np.arange(0, 5000, 50)
    by_function = simulate(scene, times, generator=rng())
    by_images = simulate([scene(t) for t in times], times, generator=rng())
    assert by_function.sensor == (4, 3)
    assert len(by_function) > 100
    for name in ("t", "x", "y", "polarity"):
        assert np.array_equal(getattr(by_function, name), getattr(by_images, name))


def test_still_scene_is_silent_even_from_a_random_start():
    still = np.ones((3, 8, 8))
    for random_start in (False, True):
        assert len(simulate(still, [0, 10, 20], generator=rng(), camera=Camera(random_start=random_start))) == 0


@pytest.mark.parametrize(("period", "expected"), [(200, 5), (201, 3), (400, 3), (401, 2), (801, 1)])
def test_refractory_period_leaves_the_events_it_should(period, expected):
    # Crossings at 200, 400, ..., 1000 us.
    events = simulate(from_log([[[0.0]], [[1.0]]]), [0, 1000], generator=rng(), camera=Camera(refractory_us=period))
    assert len(events) == expected
    assert np.all(np.diff(events.t) >= period)
    assert events.t[0] == 200


@given(st.integers(0, 2**31), st.integers(1, 400))
def test_refractory_period_equals_a_loop(seed, period):
    generator = rng(seed)
    t = np.sort(generator.integers(0, 2000, 60))
    pixel = generator.integers(0, 3, 60)
    expected, last = np.zeros(60, bool), {}
    for i, (moment, site) in enumerate(zip(t, pixel, strict=True)):
        if moment - last.get(site, -period) >= period:
            expected[i], last[site] = True, moment
    assert np.array_equal(simulator._outside_refractory(t, pixel, period), expected)


@given(st.floats(0.1, 30))
def test_leak_gives_on_events_at_its_rate(leak_hz):
    seconds = 2
    events = simulate(np.ones((3, 2, 2)), [0, 700_000, 2_000_000], generator=rng(), camera=Camera(leak_hz=leak_hz))
    count = int(np.floor(leak_hz * seconds + 1e-6))
    assert len(events) == 4 * count
    assert events.polarity.all()
    expected = np.repeat(np.arange(1, count + 1) / leak_hz * 1e6, 4)
    np.testing.assert_allclose(events.t, expected, rtol=0, atol=1.5)


def test_noise_has_its_rate_and_no_preference():
    pixels, seconds, rate = 40 * 50, 4, 5
    events = simulate(np.ones((2, 40, 50)), [0, seconds * 1_000_000], generator=rng(1), camera=Camera(noise_hz=rate))
    expected = pixels * seconds * rate
    assert abs(len(events) - expected) < 5 * np.sqrt(expected)
    assert abs(events.polarity.mean() - 0.5) < 5 * 0.5 / np.sqrt(expected)
    per_pixel = np.bincount(events.y.astype(int) * 50 + events.x, minlength=pixels)
    # Poisson: the variance is the mean.
    assert per_pixel.var() / per_pixel.mean() == pytest.approx(1, abs=0.2)
    assert np.histogram(events.t, 8)[0] == pytest.approx(expected / 8, rel=0.1)


def test_mismatch_spreads_the_counts_and_random_start_the_times():
    ramp = from_log(np.stack([np.zeros((60, 60)), np.ones((60, 60))]))
    alike = simulate(ramp, [0, 1000], generator=rng())
    assert np.unique(alike.t).size == 5
    started = simulate(ramp, [0, 1000], generator=rng(), camera=Camera(random_start=True))
    assert np.unique(started.t).size > 500
    # The first crossing needs between nothing and two thresholds, one on average: 4.5 events fit into 1 on average.
    assert len(started) == pytest.approx(4.5 * 3600, rel=0.02)
    camera = Camera(threshold_on=0.25, mismatch=0.02)
    mixed = simulate(ramp, [0, 1000], generator=rng(), camera=camera)
    counts = np.bincount(mixed.y.astype(int) * 60 + mixed.x, minlength=3600)
    # Four thresholds fit into 1 exactly when the threshold is at most its mean: half of the pixels.
    assert np.mean(counts >= 4) == pytest.approx(0.5, abs=0.05)


def test_equal_generators_give_equal_events_and_others_do_not():
    camera = Camera(mismatch=0.03, noise_hz=20, leak_hz=1, random_start=True, refractory_us=100)
    images = from_log(rng(3).normal(size=(5, 9, 7)))
    first, second, third = (
        simulate(images, np.arange(5) * 10_000, generator=rng(seed), camera=camera) for seed in (1, 1, 2)
    )
    assert np.array_equal(first.t, second.t)
    assert np.array_equal(first.x, second.x)
    assert not np.array_equal(first.t, third.t)


@pytest.mark.parametrize(
    ("images", "times", "message"),
    [
        (np.ones((2, 3, 3)), [0], "at least two increasing"),
        (np.ones((2, 3, 3)), [5, 5], "at least two increasing"),
        (np.ones((2, 3, 3)), [0.0, 0.5], "integer times"),
        (np.ones((3, 3, 3)), [0, 1], "3 images and 2 times"),
        ([np.ones((3, 3)), np.ones((3, 4))], [0, 1], r"one shape, got \(3, 4\), the first one being \(3, 3\)"),
        (np.ones((2, 3)), [0, 1], r"images \[H, W\]"),
        (-np.ones((2, 3, 3)), [0, 1], "intensities >= 0"),
        (np.full((2, 3, 3), np.nan), [0, 1], "intensities >= 0"),
    ],
)
def test_errors_say_what_came(images, times, message):
    with pytest.raises(ValueError, match=message):
        simulate(images, times, generator=rng())


@pytest.mark.parametrize("field", ["threshold_on", "threshold_off", "mismatch", "refractory_us", "leak_hz", "darkest"])
def test_camera_refuses_values_without_meaning(field):
    with pytest.raises(ValueError, match=field):
        Camera(**{field: -1})
