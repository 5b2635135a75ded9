"""Jitter moves a recording as one rigid picture."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.data import augment
from ranvier.data.augment import jitter
from ranvier.data.events import Events

STILL = {"shift": 0.0, "degrees": 0.0, "scale": 0.0, "shear": 0.0}


def recording(width: int = 21, height: int = 11) -> Events:
    """One event in every pixel, in the order of rows."""
    y, x = np.divmod(np.arange(width * height), width)
    return Events.of(np.arange(len(x)), x, y, x % 2, (width, height))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_doctest():
    assert doctest.testmod(augment).failed == 0


def test_nothing_changes_without_amounts():
    events = jitter(recording(), generator=rng(), **STILL)
    for name in ("t", "x", "y", "polarity"):
        assert np.array_equal(getattr(events, name), getattr(recording(), name))


@given(st.integers(0, 10_000))
def test_events_stay_on_the_sensor_with_their_time_and_polarity(seed):
    original, moved = recording(), jitter(recording(), generator=rng(seed), shift=6, degrees=60, scale=0.5, shear=0.5)
    assert moved.x.max() < 21
    assert moved.y.max() < 11
    # Times are unique here, so they say which events are left.
    assert np.array_equal(original.polarity[moved.t], moved.polarity)
    assert np.all(np.diff(moved.t) > 0)


@given(st.integers(0, 10_000))
def test_a_shift_is_the_same_for_all_events(seed):
    original, moved = recording(), jitter(recording(), generator=rng(seed), **STILL | {"shift": 3})
    for before, after in ((original.x, moved.x), (original.y, moved.y)):
        shift = after.astype(int) - before[moved.t]
        assert np.unique(shift).size == 1
        assert abs(shift[0]) <= 3


@pytest.mark.parametrize("amounts", [{"degrees": 30}, {"scale": 0.3}, {"shear": 0.3}])
def test_the_centre_stays_and_the_border_moves(amounts):
    moved = [jitter(recording(), generator=rng(seed), **STILL | amounts) for seed in range(20)]
    centre = 5 * 21 + 10
    for events in moved:
        mine = events.t == centre
        assert (events.x[mine].tolist(), events.y[mine].tolist()) == ([10], [5])
    assert len({events.x.tobytes() for events in moved}) > 3


def test_scale_changes_distances_by_its_factor():
    zooms = []
    for seed in range(200):
        events = jitter(recording(201, 201), generator=rng(seed), **STILL | {"scale": 0.2})
        row = events.y == 100
        zooms.append(np.polyfit(events.t[row] % 201 - 100.0, events.x[row] - 100.0, 1)[0])
    assert np.exp(-0.2) - 0.01 < min(zooms) < np.exp(-0.18)
    assert np.exp(0.18) < max(zooms) < np.exp(0.2) + 0.01
