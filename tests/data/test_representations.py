"""Every representation against a loop over single events, its published checks, and the law of chunks."""

import doctest

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ranvier.data import representations
from ranvier.data.events import Events
from ranvier.data.representations import frames, stack, stack_by_number, stack_by_time, time_surface, voxel_grid

SENSOR = (5, 3)


@st.composite
def recordings(draw, *, longest: int = 40, latest: int = 300) -> Events:
    n = draw(st.integers(0, longest))
    column = lambda top: draw(st.lists(st.integers(0, top), min_size=n, max_size=n))  # noqa: E731
    t, x, y, polarity = sorted(column(latest)), column(SENSOR[0] - 1), column(SENSOR[1] - 1), column(1)
    return Events.of(t, x, y, polarity, SENSOR)


def single(t: int, polarity: int, x: int = 2, y: int = 1) -> Events:
    return Events.of([t], [x], [y], [polarity], SENSOR)


def rows(events: Events) -> list[tuple[int, int, int, int]]:
    return [(int(t), int(x), int(y), int(p)) for t, x, y, p in zip(events.t, events.x, events.y, events.polarity)]  # noqa: B905


def test_doctests():
    assert doctest.testmod(representations).failed == 0


@given(recordings(), st.integers(1, 120), st.integers(-50, 200), st.integers(0, 6))
def test_frames_equal_a_loop_over_events(events, window_us, start, steps):
    expected = torch.zeros(steps, 2, SENSOR[1], SENSOR[0])
    for t, x, y, p in rows(events):
        if start <= t < start + steps * window_us:
            expected[(t - start) // window_us, p, y, x] += 1
    count, binary, signed = (
        frames(events, window_us=window_us, steps=steps, start=start, kind=kind)
        for kind in ("counts", "binary", "signed")
    )
    assert torch.equal(count, expected)
    assert torch.equal(binary, expected.clamp(max=1))
    assert torch.equal(signed, expected[:, 1:] - expected[:, :1])


@given(recordings(), st.integers(1, 50), st.lists(st.integers(1, 4), min_size=1, max_size=5))
def test_frames_of_consecutive_slices_are_the_frames_of_the_whole(events, window_us, lengths):
    whole = frames(events, window_us=window_us, steps=sum(lengths), start=0)
    pieces, start = [], 0
    for length in lengths:
        part = events.between(start, start + length * window_us)
        pieces.append(frames(part, window_us=window_us, steps=length, start=start))
        start += length * window_us
    assert torch.equal(torch.cat(pieces), whole)


@given(recordings(), st.integers(1, 50))
def test_frames_without_steps_hold_every_event(events, window_us):
    x = frames(events, window_us=window_us)
    assert x.sum() == len(events)
    assert len(x) == (events.duration // window_us + 1 if len(events) else 0)


def test_frames_of_more_events_than_one_piece(monkeypatch):
    generator = np.random.default_rng(0)
    t = np.sort(generator.integers(0, 1000, 500))
    events = Events.of(t, generator.integers(0, 5, 500), generator.integers(0, 3, 500), t % 2, SENSOR)
    calls = (
        lambda: frames(events, window_us=70),
        lambda: stack_by_number(events, events_per_bin=41),
        lambda: voxel_grid(events, bins=7),
    )
    whole = [call() for call in calls]
    monkeypatch.setattr(representations, "_PIECE", 7)
    for expected, call in zip(whole, calls, strict=True):
        torch.testing.assert_close(call(), expected, rtol=0, atol=1e-5)


class TestStackByTime:
    """The checks of the released pipeline: windows of 180 ms that end at the label."""

    label = 1_000_000
    start = label - 180_000 + 1

    def test_event_at_the_label_is_in_the_last_bin(self):
        x = stack_by_time(single(self.label, 1), label_us=self.label)
        assert x.shape == (3, 3, SENSOR[1], SENSOR[0])
        assert x[2, 2, 1, 2] == 1
        assert x.abs().sum() == 1

    def test_event_at_the_start_is_in_the_first_bin(self):
        x = stack_by_time(single(self.start, 0), label_us=self.label)
        assert x[0, 0, 1, 2] == -1
        assert x.abs().sum() == 1

    @pytest.mark.parametrize("t", [start - 1, label + 1])
    def test_events_outside_are_left_out(self, t):
        assert not stack_by_time(single(t, 1), label_us=self.label).any()

    def test_opposite_events_cancel_within_a_bin_only(self):
        t = [self.start, self.start + 19_999, self.start + 20_000]
        x = stack_by_time(Events.of(t, [2] * 3, [1] * 3, [1, 0, 0], SENSOR), label_us=self.label)
        assert x[0, 0, 1, 2] == 0
        assert x[0, 1, 1, 2] == -1

    def test_early_label_leaves_the_first_bins_empty(self):
        x = stack_by_time(single(0, 1), label_us=10_000)
        assert x[2, 2, 1, 2] == 1
        assert x.abs().sum() == 1

    @given(recordings(), st.integers(0, 300), st.integers(1, 3), st.integers(1, 3), st.integers(1, 40))
    def test_equals_a_loop(self, events, label, steps, channels, bin_us):
        sums = torch.zeros(steps, channels, SENSOR[1], SENSOR[0])
        start = label - bin_us * channels * steps + 1
        for t, x, y, p in rows(events):
            if start <= t <= label:
                j = (t - start) // bin_us
                sums[j // channels, j % channels, y, x] += 2 * p - 1
        stacked = stack_by_time(events, label_us=label, steps=steps, channels=channels, bin_us=bin_us)
        assert torch.equal(stacked, sums.sign())


@given(recordings(), st.integers(1, 3), st.integers(1, 3), st.integers(1, 10))
def test_stack_by_number_counts_back_from_the_newest_event(events, steps, channels, events_per_bin):
    sums = torch.zeros(steps, channels, SENSOR[1], SENSOR[0])
    for age, (_, x, y, p) in enumerate(reversed(rows(events))):
        j = steps * channels - 1 - age // events_per_bin
        if j >= 0:
            sums[j // channels, j % channels, y, x] += 2 * p - 1
    stacked = stack_by_number(events, events_per_bin=events_per_bin, steps=steps, channels=channels)
    assert torch.equal(stacked, sums.sign())


@given(recordings(), st.integers(1, 60), st.integers(-50, 200), st.integers(0, 4), st.integers(1, 4))
def test_stack_by_time_steps_equals_a_loop(events, window_us, start, steps, bins):
    sums = torch.zeros(steps, bins, SENSOR[1], SENSOR[0])
    for t, x, y, p in rows(events):
        k, late = divmod(t - start, window_us)
        if 0 <= k < steps:
            j = max(j for j in range(bins) if j * window_us // bins <= late)
            sums[k, j, y, x] += 2 * p - 1
    stacked = stack(events, stacking="sbt", window_us=window_us, steps=steps, start=start, bins=bins)
    assert torch.equal(stacked, sums.sign())


@given(recordings(), st.integers(-50, 200), st.integers(0, 4), st.integers(1, 4), st.integers(1, 5))
def test_stack_by_number_steps_equals_a_loop(events, start, steps, bins, events_per_bin):
    sums = torch.zeros(steps, bins, SENSOR[1], SENSOR[0])
    later = [row for row in rows(events) if row[0] >= start]
    for age, (_, x, y, p) in enumerate(later[: steps * bins * events_per_bin]):
        j = age // events_per_bin
        sums[j // bins, j % bins, y, x] += 2 * p - 1
    options = {"stacking": "sbn", "start": start, "bins": bins, "events_per_bin": events_per_bin}
    assert torch.equal(stack(events, steps=steps, **options), sums.sign())
    assert len(stack(events, **options)) == -(-len(later) // (bins * events_per_bin))


@given(recordings(), st.integers(1, 3), st.integers(1, 3), st.integers(1, 9))
def test_both_stackings_meet_those_that_count_from_the_end(events, steps, bins, size):
    x = stack(events, stacking="sbt", window_us=bins * size, steps=steps, start=0, bins=bins)
    label = steps * bins * size - 1
    assert torch.equal(x, stack_by_time(events, label_us=label, steps=steps, channels=bins, bin_us=size))
    full = events[: len(events) // (bins * size) * bins * size]
    x = stack(full, stacking="sbn", bins=bins, events_per_bin=size)
    assert torch.equal(x, stack_by_number(full, events_per_bin=size, steps=max(1, len(x)), channels=bins)[: len(x)])


@given(recordings(), st.sampled_from(["counts", "binary", "signed"]), st.integers(1, 50))
def test_stack_of_frames_is_frames(events, kind, window_us):
    x = stack(events, stacking=kind, window_us=window_us)
    assert torch.equal(x, frames(events, window_us=window_us, kind=kind))


@given(recordings(), st.integers(2, 6), st.integers(0, 100), st.integers(100, 300))
def test_voxel_grid_equals_a_loop(events, bins, start, stop):
    expected = torch.zeros(bins, 1, SENSOR[1], SENSOR[0], dtype=torch.float64)
    for t, x, y, p in rows(events):
        if start <= t <= stop:
            moment = (bins - 1) * (t - start) / max(stop - start, 1)
            for b in range(bins):
                expected[b, 0, y, x] += (2 * p - 1) * max(0.0, 1 - abs(b - moment))
    grid = voxel_grid(events, bins=bins, start=start, stop=stop)
    torch.testing.assert_close(grid.double(), expected, rtol=0, atol=1e-5)


@given(recordings(), st.integers(2, 6), st.integers(0, 300))
def test_voxel_grid_of_the_whole_is_the_sum_of_its_parts(events, bins, middle):
    first, second = events.between(0, middle), events.between(middle, 301)
    parts = (voxel_grid(part, bins=bins, start=0, stop=300) for part in (first, second))
    torch.testing.assert_close(sum(parts), voxel_grid(events, bins=bins, start=0, stop=300), rtol=0, atol=1e-5)


def test_voxel_grid_shares_an_event_between_its_neighbours():
    grid = voxel_grid(single(25, 0), bins=3, start=0, stop=100)
    assert grid[:, 0, 1, 2].tolist() == [-0.5, -0.5, 0.0]


@given(recordings(), st.lists(st.integers(0, 300), max_size=4), st.floats(1, 1e4))
def test_time_surface_equals_a_loop(events, moments, tau_us):
    moments.sort()
    expected = torch.zeros(len(moments), 2, SENSOR[1], SENSOR[0])
    for k, moment in enumerate(moments):
        for t, x, y, p in rows(events):
            if t <= moment:
                expected[k, p, y, x] = float(np.exp((t - moment) / tau_us))
    torch.testing.assert_close(time_surface(events, at=moments, tau_us=tau_us), expected)


def test_empty_recordings_give_empty_images():
    nothing = Events.empty(SENSOR)
    assert frames(nothing, window_us=10).shape == (0, 2, 3, 5)
    assert not frames(nothing, window_us=10, steps=4).any()
    assert stack(nothing, stacking="sbt", window_us=10).shape == (0, 3, 3, 5)
    assert stack(nothing, stacking="sbn").shape == (0, 3, 3, 5)
    assert not stack(nothing, stacking="sbn", steps=2).any()
    assert not stack_by_number(nothing, events_per_bin=3).any()
    assert not voxel_grid(nothing, bins=2).any()
    assert not time_surface(nothing, at=[5], tau_us=1).any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e: frames(e, window_us=0), "window_us >= 1, got 0"),
        (lambda e: frames(e, window_us=1, steps=-1), "steps >= 0, got -1"),
        (lambda e: stack_by_time(e, label_us=1, bin_us=0), "bin_us >= 1"),
        (lambda e: stack_by_number(e, events_per_bin=0), "events_per_bin >= 1"),
        (lambda e: stack(e, stacking="sbt"), "window_us, the microseconds of a time step, for the stacking 'sbt'"),
        (lambda e: stack(e, stacking="sbt", window_us=0), "window_us >= 1, got 0"),
        (lambda e: stack(e, stacking="sbt", window_us=9, bins=0), "bins >= 1, got 0"),
        (lambda e: stack(e, stacking="sbn", events_per_bin=0), "events_per_bin >= 1, got 0"),
        (lambda e: voxel_grid(e, bins=1), "bins >= 2"),
        (lambda e: voxel_grid(e, bins=2, start=5, stop=4), "stop >= start, got start=5 and stop=4"),
        (lambda e: time_surface(e, at=[2, 1], tau_us=1), "never decrease"),
        (lambda e: time_surface(e, at=[1], tau_us=0), "tau_us > 0"),
    ],
)
def test_errors_name_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call(single(3, 1))


def test_sums_keep_what_the_sign_of_sbt_loses_and_last_keeps_the_latest():
    events = Events.of(t=[0, 1, 2, 7], x=[0, 0, 0, 1], y=[0, 0, 0, 0], polarity=[1, 1, 0, 0], sensor=(2, 1))
    how = {"window_us": 10, "steps": 1, "start": 0, "bins": 2}
    sums, last = (stack(events, stacking=kind, **how) for kind in ("sums", "last"))
    assert sums.tolist() == [[[[1.0, 0.0]], [[0.0, -1.0]]]]
    assert torch.equal(sums.sign(), stack(events, stacking="sbt", **how))
    assert last.tolist() == [[[[-1.0, -1.0]]]]
