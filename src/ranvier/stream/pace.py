"""Keep up with the world: what happens to windows that come faster than they are answered, and what it cost."""

import queue
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from ranvier.stream.window import Window

# Windows that may wait; of those to be dropped the newest alone, so that lag does not add up.
WAITING = {"queue": 64, "drop": 1}
# How soon the reader sees that nobody takes its windows any more.
GLANCE_S = 0.1


@dataclass
class Pace:
    """What has become of the windows so far.

    `processed` were answered and `dropped` were not; `largest_lag_ms` is the longest time between a window being
    complete and the answer to its chunk (0 where nothing kept the time); `recorded_s` is how much recorded time was
    answered, and `busy_s` what that took. `start_us` is where the first window that was handed on begins.

    Only who takes the windows knows when they are answered, one by one or several at a time, and says so:

        for window in timed(windows, pace):
            ...
            pace.answered()
    """

    processed: int = 0
    dropped: int = 0
    largest_lag_ms: float = 0.0
    recorded_s: float = 0.0
    busy_s: float = 0.0
    start_us: int | None = None
    # Seconds of each window that waits for its answer, and when it was complete.
    _handed: list[tuple[float, float | None]] = field(default_factory=list, init=False, repr=False)
    _since: float = field(default=0.0, init=False, repr=False)

    @property
    def real_time_factor(self) -> float:
        """Recorded time over processing time: from 1 on, the world can be kept up with."""
        return self.recorded_s / self.busy_s if self.busy_s else 0.0

    def answered(self) -> None:
        """Note that all windows that were handed on so far are answered now."""
        self._worked()
        for seconds, due in self._handed:
            self.processed += 1
            self.recorded_s += seconds
            if due is not None:
                self.largest_lag_ms = max(self.largest_lag_ms, 1000 * (self._since - due))
        self._handed.clear()

    def _hand_on(self, window: Window, due: float | None) -> None:
        if self.start_us is None:
            self.start_us = window.start_us
        self._handed.append(((window.stop_us - window.start_us) / 1e6, due))

    def _begin(self) -> None:
        self._since = time.monotonic()

    def _worked(self) -> None:
        begun = self._since
        self._begin()
        self.busy_s += self._since - begun


def timed(windows: Iterable[Window], pace: Pace) -> Iterator[Window]:
    """Hand on windows as fast as they are taken, and note in `pace` what reading and answering them took."""
    pace._begin()
    for window in windows:
        pace._hand_on(window, None)
        yield window


def paced(
    windows: Iterable[Window],
    pace: Pace,
    *,
    policy: Literal["queue", "drop"],
    speed: float | None,
) -> Iterator[Window]:
    """Hand on windows when they happen, while a thread reads ahead, and note in `pace` what came of it.

    Where answers take longer than the windows last, `queue` answers all of them, later and later, and `drop` only the
    newest one that is there. A dropped window is a gap: the memory of the network is carried over it as it is. To let
    it fade would take the time that is lacking, and to forget it would leave the next answers without a past; a
    leaky neuron is rid of what is old after the next few windows anyway.

    Args:
        windows: what `cut` gives.
        pace: is filled in; `busy_s` is without the reading, which goes on meanwhile.
        policy: what happens to windows that wait.
        speed: how many recorded seconds pass in one second when a recording is replayed; `None` for a live source,
            which brings its own time. Memory is bounded: after 64 waiting windows a recording is read no further,
            and the oldest window of a live source is dropped.

    Raises:
        ValueError: an unknown policy, or a speed that is not above 0; and what reading the windows raises.
    """
    if policy not in WAITING:
        raise ValueError(f"expected the policy queue or drop, got {policy!r}")
    if speed is not None and not speed > 0:
        raise ValueError(f"expected a speed above 0, got {speed}")
    shelf = _Shelf(WAITING[policy], pace)
    patient = policy == "queue" and speed is not None
    return _taken(shelf, threading.Thread(target=_read, args=(windows, shelf, speed, patient), daemon=True))


class _Shelf:
    """Where windows wait, each with the moment when it was complete, between the thread that reads and the answers."""

    def __init__(self, room: int, pace: Pace) -> None:
        self.waiting: queue.Queue[tuple[Window, float] | BaseException | None] = queue.Queue(room)
        self.closed = threading.Event()
        self.pace = pace

    def put(self, item: tuple[Window, float] | BaseException | None, *, patient: bool) -> None:
        """Put an item behind the others: on a full shelf wait, or else drop the oldest."""
        while not self.closed.is_set():
            try:
                return self.waiting.put(item, timeout=GLANCE_S if patient else 0)
            except queue.Full:
                if not patient:
                    self._drop()

    def _drop(self) -> None:
        try:
            self.waiting.get_nowait()
        except queue.Empty:
            return
        self.pace.dropped += 1


def _read(windows: Iterable[Window], shelf: _Shelf, speed: float | None, patient: bool) -> None:
    """Put each window on the shelf at the moment when it is complete."""
    begun = None
    try:
        for window in windows:
            due = time.monotonic()
            if speed is not None:
                begun = due - window.start_us / 1e6 / speed if begun is None else begun
                due = begun + window.stop_us / 1e6 / speed
                shelf.closed.wait(max(0.0, due - time.monotonic()))
            if shelf.closed.is_set():
                return
            shelf.put((window, due), patient=patient)
        shelf.put(None, patient=True)
    except BaseException as error:
        # Also what is no Exception, such as the panic of a driver: whoever waits for the next window must hear of it.
        shelf.put(error, patient=True)


def _taken(shelf: _Shelf, reader: threading.Thread) -> Iterator[Window]:
    pace = shelf.pace
    reader.start()
    try:
        while (item := shelf.waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            pace._hand_on(*item)
            pace._begin()
            yield item[0]
            # From here on it waits, which is no work.
            pace._worked()
        # A last, shorter chunk is answered after its reader has heard that there is no more.
        pace._begin()
    finally:
        shelf.closed.set()
