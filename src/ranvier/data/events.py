"""The container of an event-camera recording."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

# No camera is wider, and no file format has coordinates of more bits.
LARGEST_SENSOR = 1 << 14
LATEST = np.iinfo(np.int64).max


def first_fault(
    t: NDArray, x: NDArray, y: NDArray, polarity: NDArray, sensor: tuple[int, int], *, after: int | None = None
) -> tuple[int, str] | None:
    """Return the index of an event that no camera can have sent, and what is wrong with it; None if all are good.

    `after` is the time of the event before the first one; without it nothing comes before.
    """
    width, height = sensor
    for i in np.flatnonzero((x < 0) | (x >= width) | (y < 0) | (y >= height))[:1]:
        return int(i), f"is at x={x[i]}, y={y[i]}, outside the {width}x{height} sensor: pass sensor=(width, height)"
    for i in np.flatnonzero((polarity != 0) & (polarity != 1))[:1]:
        return int(i), f"has polarity {polarity[i]}, expected 0 or 1"
    for i in np.flatnonzero(t > LATEST)[:1] if t.dtype == np.uint64 else ():
        return int(i), f"has the time {t[i]} us, more than a signed 64-bit number holds"
    # Compared, not subtracted: the difference of two damaged times overflows.
    for i in np.flatnonzero(t[1:] < t[:-1])[:1] + 1:
        return int(i), f"runs backwards in time: {t[i]} us after {t[i - 1]} us"
    if after is not None and len(t) and t[0] < after:
        return 0, f"runs backwards in time: {t[0]} us after {after} us"
    return None


@dataclass(frozen=True, eq=False)
class Events:
    """Events of one camera, sorted in time.

    Shapes and units: `t` microseconds int64 `[n]`, never decreasing; `x` column and `y` row, uint16 `[n]`, origin at
    the top left; `polarity` bool `[n]`, True where brightness rose; `sensor` is (width, height) in pixels.

    Slicing by number is `events[a:b]` (a view); slicing by time is `events.between(t0, t1)`.

    >>> events = Events.of(t=[0, 10, 20], x=[1, 2, 3], y=[0, 0, 1], polarity=[1, 0, 1], sensor=(4, 2))
    >>> len(events), events.duration, len(events.between(10, 20))
    (3, 20, 1)
    """

    t: NDArray[np.int64]
    x: NDArray[np.uint16]
    y: NDArray[np.uint16]
    polarity: NDArray[np.bool_]
    sensor: tuple[int, int]

    @classmethod
    def of(cls, t, x, y, polarity, sensor: tuple[int, int]) -> "Events":
        """Build from any array-likes after checking lengths, types, order in time, coordinates and polarities.

        Columns that have the right type already are kept and not copied.

        Raises:
            ValueError: naming the first offending event.
        """
        width, height = sensor
        if not (0 < width <= LARGEST_SENSOR and 0 < height <= LARGEST_SENSOR):
            raise ValueError(f"expected a sensor of (width, height) from 1 to {LARGEST_SENSOR}, got {sensor}")
        columns = [np.asarray(column) for column in (t, x, y, polarity)]
        lengths = [column.shape for column in columns]
        if any(shape != (columns[0].size,) for shape in lengths):
            raise ValueError(f"expected four columns of one length for t, x, y, polarity, got shapes {lengths}")
        for name, column in zip(("t", "x", "y", "polarity"), columns, strict=True):
            if column.size and column.dtype.kind not in "iub":
                raise ValueError(f"expected integers for {name}, got {column.dtype}: convert with {name}.astype(int)")
        t, x, y, polarity = columns
        if fault := first_fault(t, x, y, polarity, (width, height)):
            raise ValueError(f"event {fault[0]} {fault[1]}")
        return cls(
            t.astype(np.int64, copy=False),
            x.astype(np.uint16, copy=False),
            y.astype(np.uint16, copy=False),
            polarity.astype(np.bool_, copy=False),
            (width, height),
        )

    @classmethod
    def empty(cls, sensor: tuple[int, int]) -> "Events":
        """Return a recording without events."""
        return cls.of([], [], [], [], sensor)

    def __len__(self) -> int:
        return len(self.t)

    def __getitem__(self, part: slice) -> "Events":
        if not isinstance(part, slice) or part.step not in (None, 1):
            raise TypeError(f"expected a slice of consecutive events such as events[0:1000], got {part!r}")
        return replace(self, t=self.t[part], x=self.x[part], y=self.y[part], polarity=self.polarity[part])

    def __repr__(self) -> str:
        width, height = self.sensor
        return f"Events({len(self):,} on {width}x{height}, {self.duration / 1e6:.3f} s)"

    @property
    def duration(self) -> int:
        """Microseconds from the first to the last event; 0 for fewer than two events."""
        return int(self.t[-1] - self.t[0]) if len(self) else 0

    def between(self, start: int, stop: int) -> "Events":
        """Return the events with `start <= t < stop` (microseconds), a view."""
        first, last = np.searchsorted(self.t, (start, stop), side="left")
        return self[int(first) : int(last)]

    def crop(self, left: int, top: int, width: int, height: int) -> "Events":
        """Return the events inside a rectangle, with coordinates counted from its corner.

        Raises:
            ValueError: the rectangle is empty or leaves the sensor.
        """
        if (
            width <= 0
            or height <= 0
            or left < 0
            or top < 0
            or left + width > self.sensor[0]
            or top + height > self.sensor[1]
        ):
            raise ValueError(
                f"crop ({left}, {top}, {width}, {height}) leaves the {self.sensor[0]}x{self.sensor[1]} sensor"
            )
        inside = (self.x >= left) & (self.x < left + width) & (self.y >= top) & (self.y < top + height)
        x, y = self.x[inside] - np.uint16(left), self.y[inside] - np.uint16(top)
        return Events(self.t[inside], x, y, self.polarity[inside], (width, height))

    def flip(self, *, horizontal: bool = False, vertical: bool = False) -> "Events":
        """Return the mirrored recording."""
        width, height = self.sensor
        x = np.uint16(width - 1) - self.x if horizontal else self.x
        y = np.uint16(height - 1) - self.y if vertical else self.y
        return replace(self, x=x, y=y)

    @staticmethod
    def merge(recordings: Sequence["Events"]) -> "Events":
        """Return all events of several recordings of one sensor size in the order of time (stable).

        Raises:
            ValueError: no recording, or different sensors.
        """
        sensors = {recording.sensor for recording in recordings}
        if len(sensors) != 1:
            raise ValueError(f"expected recordings of one sensor size to merge, got {sorted(sensors)}")
        order = np.argsort(np.concatenate([r.t for r in recordings]), kind="stable")
        t, x, y, polarity = (
            np.concatenate([getattr(r, name) for r in recordings])[order] for name in ("t", "x", "y", "polarity")
        )
        return Events(t, x, y, polarity, sensors.pop())
