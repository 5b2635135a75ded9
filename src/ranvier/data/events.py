"""The container of an event-camera recording."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


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
        """Build from any array-likes after checking lengths, order in time and coordinates.

        Raises:
            ValueError: naming the first offending event.
        """
        columns = [np.asarray(column) for column in (t, x, y, polarity)]
        lengths = [column.shape for column in columns]
        if any(shape != (len(columns[0]),) for shape in lengths):
            raise ValueError(f"expected four columns of one length for t, x, y, polarity, got shapes {lengths}")
        t, x, y, polarity = columns
        width, height = sensor
        backwards = np.flatnonzero(np.diff(t.astype(np.int64)) < 0)
        if backwards.size:
            i = int(backwards[0])
            raise ValueError(
                f"time runs backwards at event {i + 1}: {t[i + 1]} us after {t[i]} us: sort the events by t"
            )
        outside = np.flatnonzero((x < 0) | (x >= width) | (y < 0) | (y >= height))
        if outside.size:
            i = int(outside[0])
            raise ValueError(
                f"event {i} at (x={x[i]}, y={y[i]}) is outside the {width}x{height} sensor: pass sensor=(width, height)"
            )
        return cls(t.astype(np.int64), x.astype(np.uint16), y.astype(np.uint16), polarity.astype(np.bool_), sensor)

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
