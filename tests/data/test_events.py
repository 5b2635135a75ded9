"""The event container: what it refuses, and what its parts and sums keep."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.data.events import Events

SENSOR = (7, 5)


@st.composite
def recordings(draw) -> Events:
    n = draw(st.integers(0, 40))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return Events.of(
        t=np.sort(generator.integers(-50, 50, n)),
        x=generator.integers(0, SENSOR[0], n),
        y=generator.integers(0, SENSOR[1], n),
        polarity=generator.integers(0, 2, n),
        sensor=SENSOR,
    )


def rows(events: Events) -> list[tuple]:
    return list(zip(*(column.tolist() for column in (events.t, events.x, events.y, events.polarity)), strict=True))


def test_columns_have_the_documented_types():
    events = Events.of(t=[0, 10], x=[1, 2], y=[0, 4], polarity=[1, 0], sensor=SENSOR)
    assert [column.dtype for column in (events.t, events.x, events.y, events.polarity)] == [
        np.int64,
        np.uint16,
        np.uint16,
        np.bool_,
    ]


def test_a_column_of_the_right_type_is_not_copied():
    t = np.arange(3)
    assert Events.of(t, [0, 0, 0], [0, 0, 0], [0, 0, 0], SENSOR).t is t


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"t": [0, 5, 4]}, "event 2 runs backwards in time: 4 us after 5 us"),
        ({"t": [2**63 - 1, -(2**63), 0]}, "event 1 runs backwards"),
        ({"t": np.array([0, 1, 2**63], np.uint64)}, "event 2 has the time 9223372036854775808 us"),
        ({"t": [0.0, 0.5, 1.0]}, "expected integers for t, got float64"),
        ({"x": [0, 7, 0]}, "event 1 is at x=7, y=0, outside the 7x5 sensor"),
        ({"x": [0, -1, 0]}, "event 1 is at x=-1"),
        ({"y": [0, 0, 5]}, "event 2 is at x=0, y=5"),
        ({"polarity": [1, -1, 1]}, "event 1 has polarity -1, expected 0 or 1"),
        ({"polarity": [1, 0]}, "four columns of one length"),
        ({"x": [[0], [1], [2]]}, "four columns of one length"),
        ({"sensor": (0, 5)}, "expected a sensor"),
        ({"sensor": (7, 70_000)}, "expected a sensor"),
    ],
)
def test_bad_events_are_named(change, message):
    good = {"t": [0, 1, 2], "x": [0, 0, 0], "y": [0, 0, 0], "polarity": [0, 1, 0], "sensor": SENSOR}
    with pytest.raises(ValueError, match=message):
        Events.of(**{**good, **change})


@given(recordings(), st.integers(-60, 60), st.integers(-60, 60))
def test_between_keeps_exactly_the_events_of_the_interval(events, start, stop):
    assert rows(events.between(start, max(start, stop))) == [e for e in rows(events) if start <= e[0] < stop]


@given(recordings(), st.integers(-3, 45))
def test_a_cut_and_a_merge_give_the_whole(events, i):
    assert rows(Events.merge([events[:i], events[i:]])) == rows(events)


@given(recordings(), recordings())
def test_merge_is_sorted_and_stable(a, b):
    both = rows(a) + rows(b)
    assert rows(Events.merge([a, b])) == sorted(both, key=lambda event: event[0])


@given(recordings(), st.booleans(), st.booleans())
def test_flip_is_its_own_inverse_and_a_mirror(events, horizontal, vertical):
    flipped = events.flip(horizontal=horizontal, vertical=vertical)
    assert rows(flipped.flip(horizontal=horizontal, vertical=vertical)) == rows(events)
    for (t, x, y, p), mirrored in zip(rows(events), rows(flipped), strict=True):
        assert mirrored == (t, 6 - x if horizontal else x, 4 - y if vertical else y, p)


@given(recordings(), st.integers(0, 6), st.integers(0, 4), st.data())
def test_crop_counts_from_its_corner(events, left, top, data):
    width = data.draw(st.integers(1, 7 - left))
    height = data.draw(st.integers(1, 5 - top))
    cropped = events.crop(left, top, width, height)
    expected = [(t, x - left, y - top, p) for t, x, y, p in rows(events)]
    assert rows(cropped) == [e for e in expected if 0 <= e[1] < width and 0 <= e[2] < height]
    assert cropped.sensor == (width, height)


@pytest.mark.parametrize("rectangle", [(0, 0, 8, 5), (-1, 0, 2, 2), (3, 3, 0, 1), (0, 4, 1, 2)])
def test_crop_outside_is_refused(rectangle):
    with pytest.raises(ValueError, match="leaves the 7x5 sensor"):
        Events.empty(SENSOR).crop(*rectangle)


def test_merge_refuses_two_sensors_and_none():
    with pytest.raises(ValueError, match="one sensor size"):
        Events.merge([Events.empty((2, 2)), Events.empty((3, 2))])
    with pytest.raises(ValueError, match="one sensor size"):
        Events.merge([])


@pytest.mark.parametrize("part", [3, slice(0, 5, 2), slice(None, None, -1)])
def test_only_consecutive_events_can_be_sliced(part):
    with pytest.raises(TypeError, match="consecutive"):
        Events.empty(SENSOR)[part]


def test_repr_says_how_many_where_and_how_long():
    events = Events.of([0, 1_500_000], [0, 1], [0, 1], [0, 1], (34, 34))
    assert repr(events) == "Events(2 on 34x34, 1.500 s)"
    assert Events.empty((3, 2)).duration == 0
