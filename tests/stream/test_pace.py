"""What happens when answers take longer than windows: all times are real, and judged so that a busy machine passes."""

import threading
import time
from itertools import islice

import pytest

from ranvier.data.events import Events
from ranvier.stream import Pace, Window, cut, paced, timed
from tests.stream.conftest import made_up

MS = 1000
NOTHING = Events.empty((2, 2))


def row(count: int, width_us: int = 10 * MS) -> list[Window]:
    """Consecutive windows; a clock may stand anywhere when a recording begins."""
    return [Window(7 + k * width_us, 7 + (k + 1) * width_us, NOTHING) for k in range(count)]


def answer(windows, pace: Pace, seconds: float, chunk: int = 1) -> list[Window]:
    answered = []
    while held := list(islice(windows, chunk)):
        time.sleep(seconds)
        answered += held
        pace.answered()
    return answered


def test_as_fast_as_possible_counts_reading_too():
    pace = Pace()

    def slowly():
        for window in row(3):
            time.sleep(0.01)
            yield window

    assert answer(timed(slowly(), pace), pace, 0.01) == row(3)
    assert (pace.processed, pace.dropped, pace.largest_lag_ms) == (3, 0, 0)
    assert pace.recorded_s == pytest.approx(0.03)
    assert pace.busy_s >= 0.06
    assert pace.real_time_factor <= 0.5


def test_a_replay_takes_as_long_as_the_recording():
    pace = Pace()
    begun = time.monotonic()
    assert answer(paced(row(10), pace, policy="queue", speed=1.0), pace, 0) == row(10)
    assert time.monotonic() - begun >= 0.1
    begun = time.monotonic()
    answer(paced(row(10, 1000 * MS), pace, policy="queue", speed=200.0), pace, 0)
    assert 0.05 <= time.monotonic() - begun < 5
    assert pace.recorded_s == pytest.approx(10.1)


def test_a_queue_answers_everything_later_and_later():
    pace = Pace()
    assert answer(paced(row(40), pace, policy="queue", speed=1.0), pace, 0.025) == row(40)
    assert (pace.processed, pace.dropped) == (40, 0)
    # Each window waits 15 ms longer than the one before.
    assert pace.largest_lag_ms > 0.9 * 40 * 15
    assert pace.real_time_factor < 10 / 25


@pytest.mark.parametrize("count", [8, 7])
def test_a_window_is_as_late_as_the_answer_to_its_chunk(count):
    """The first of four windows waits for the other three, and for the answer; also in a last, shorter chunk."""
    pace = Pace()
    windows = row(count, 20 * MS)
    assert answer(paced(windows, pace, policy="queue", speed=1.0), pace, 0.1, chunk=4) == windows
    assert (pace.processed, pace.start_us) == (count, 7)
    assert pace.largest_lag_ms >= 3 * 20 + 100
    assert pace.busy_s >= 0.2


def test_waiting_for_the_source_is_no_work():
    def slow():
        for window in row(3):
            yield window
            time.sleep(0.2)

    pace = Pace()
    assert answer(paced(slow(), pace, policy="queue", speed=None), pace, 0, chunk=2) == row(3)
    assert 0 < pace.busy_s < 0.2


def test_what_was_not_answered_does_not_count():
    pace = Pace()
    taken = paced(row(3), pace, policy="queue", speed=1e6)
    next(taken)
    pace.answered()
    next(taken)
    assert (pace.processed, pace.recorded_s) == (1, pytest.approx(0.01))


def test_dropping_keeps_the_lag_and_loses_windows():
    pace = Pace()
    answered = answer(paced(row(40), pace, policy="drop", speed=1.0), pace, 0.1)
    assert answered == sorted(answered, key=lambda window: window.start_us)
    assert answered[-1] == row(40)[-1]
    assert pace.processed == len(answered)
    assert pace.processed + pace.dropped == 40
    assert pace.dropped >= 30
    # A queue would have come to 40 times 90 ms.
    assert 100 <= pace.largest_lag_ms < 2000


def test_nothing_is_dropped_where_answers_are_quick():
    answered = threading.Semaphore(1)

    def camera():
        for window in row(20):
            answered.acquire()
            yield window

    pace = Pace()
    for _ in paced(camera(), pace, policy="drop", speed=None):
        pace.answered()
        answered.release()
    assert (pace.processed, pace.dropped) == (20, 0)


@pytest.mark.parametrize(("policy", "room"), [("queue", 64), ("drop", 1)])
def test_a_live_source_is_read_on_in_bounded_memory(policy, room):
    """A source that nobody can hold back, 200 windows ahead of the first answer."""
    read = threading.Event()

    def burst():
        yield from row(200)
        read.set()

    pace = Pace()
    answered = []
    for window in paced(burst(), pace, policy=policy, speed=None):
        read.wait()
        answered.append(window)
        pace.answered()
    assert len(answered) in (room, room + 1)
    assert answered[-room:] == row(200)[-room:]
    assert pace.processed + pace.dropped == 200


def test_a_recording_waits_for_its_queue():
    read = []

    def watched():
        for window in row(200, 1):
            read.append(window)
            yield window

    pace = Pace()
    answers = paced(watched(), pace, policy="queue", speed=1.0)
    next(answers)
    time.sleep(0.2)
    assert len(read) <= 66
    assert len(list(answers)) == 199
    assert pace.dropped == 0


def test_an_error_of_the_source_reaches_the_reader_after_what_came_before():
    def broken():
        yield from row(3)
        raise ValueError("cut off at byte 12")

    answers = paced(broken(), Pace(), policy="queue", speed=1.0)
    assert [next(answers) for _ in range(3)] == row(3)
    with pytest.raises(ValueError, match="byte 12"):
        next(answers)


def test_the_reader_ends_with_the_stream():
    before = threading.active_count()
    answers = paced(row(1000), Pace(), policy="queue", speed=1.0)
    next(answers)
    answers.close()
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_a_recording_is_replayed_on_its_own_clock(opened):
    pace = Pace()
    parts = cut(opened(made_up()), window_us=1000)
    answered = answer(paced(parts, pace, policy="queue", speed=1.0), pace, 0)
    assert sum(len(window.events) for window in answered) == 500
    assert pace.processed == 10
    assert pace.start_us == answered[0].start_us


def test_errors_say_what_to_type():
    with pytest.raises(ValueError, match="policy queue or drop, got 'skip'"):
        paced([], Pace(), policy="skip", speed=1.0)
    for speed in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="speed above 0"):
            paced([], Pace(), policy="drop", speed=speed)
