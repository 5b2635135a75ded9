"""Events as they happen: from a camera, or over the network.

with open_live("udp://0.0.0.0:7777", sensor=(640, 480)) as live:
    for events in live.chunks(duration_us=10_000):
        ...
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ranvier.data.events import Events
from ranvier.data.formats.chunks import cut_blocks
from ranvier.data.udp import open_udp

# What a network or a driver mixes up lies within milliseconds; a larger step is a damaged time or another clock.
LEAP_US = 1_000_000


@dataclass
class Live:
    """A source of events that can be read once, while they happen, until it is closed or falls silent.

    `address` is what was opened, `sensor` is (width, height) in pixels. `late` counts the events that were left out
    because a later one had come before them, and `stray` those whose time leaps ahead of both their neighbours by more
    than 1 s, as a damaged one does. An event after more than 1 s of silence is therefore believed when the next one
    has come.
    """

    address: str
    sensor: tuple[int, int]
    packets: Iterator[NDArray]
    close: Callable[[], None]
    late: int = 0
    stray: int = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def chunks(
        self, *, duration_us: int | None = None, count: int | None = None, start_us: int | None = None
    ) -> Iterator[Events]:
        """Read piece by piece what arrives, in chunks as those of `Recording.chunks`.

        Raises:
            ValueError: an event lies outside the sensor, or its time more than 1 s before that of another one.
            TimeoutError: nothing has arrived at all.
        """
        return cut_blocks(
            self._blocks(),
            name=self.address,
            sensor=self.sensor,
            duration_us=duration_us,
            count=count,
            start_us=start_us,
        )

    def _blocks(self) -> Iterator[Events]:
        newest = None
        for rows in self._without_strays():
            t = rows["t"].astype(np.int64)
            # The network may turn packets round, and what has been answered cannot take events of the past.
            reached = np.maximum.accumulate(np.concatenate([t[:1] if newest is None else [newest], t]))
            back_us = int((reached[:-1] - t).max())
            if back_us > LEAP_US:
                raise ValueError(
                    f"{self.address}: the clock ran back by {back_us / 1e6:.3g} s: was the sender restarted?"
                )
            newest = reached[-1]
            in_time = t >= reached[:-1]
            self.late += len(t) - int(in_time.sum())
            rows = rows[in_time]
            try:
                events = Events.of(t[in_time], rows["x"], rows["y"], rows["on"], self.sensor)
            except ValueError as error:
                raise ValueError(f"{self.address}: {error}") from None
            if len(events):
                yield events

    def _without_strays(self) -> Iterator[NDArray]:
        """Yield what arrives, none of it empty, without single leaps ahead; one at the end of a block is held back."""
        held, last = None, None
        for rows in self.packets:
            rows = rows if held is None else np.concatenate([held, rows])
            if not len(rows):
                continue
            t = rows["t"].astype(np.int64)
            step = np.diff(t, prepend=t[0] if last is None else last)
            leap, back = step > LEAP_US, step < -LEAP_US
            stray = leap & np.append(back[1:], False)
            self.stray += int(stray.sum())
            held = rows[-1:] if leap[-1] else None
            believed = rows[~stray][: -1 if leap[-1] else None]
            if len(believed):
                last = int(believed["t"][-1])
                yield believed


def open_live(address: str, *, sensor: tuple[int, int] | None = None, silence_s: float = 10.0) -> Live:
    """Open `camera`, or listen at `udp://HOST:PORT`.

    `camera` is the first one found of Prophesee EVK3 HD and EVK4, iniVation DVXplorer and DAVIS346. A network source
    ends when nothing has arrived for `silence_s` seconds; the layout of its packets is `t64_x16_y16_on8` (13 bytes an
    event) unless the address ends in `?format=t32_x16_y15_on1` (8 bytes). `sensor` = (width, height) is needed where
    the source does not say.

    Raises:
        ValueError: an address of another form, an unknown sensor size, or no camera.
        OSError: nobody may listen there.
    """
    if address == "camera":
        return _open_camera(sensor)
    if not address.startswith("udp://"):
        raise ValueError(f"expected camera or udp://HOST:PORT, got {address!r}")
    if sensor is None:
        raise ValueError(f"{address} states no sensor size: pass sensor=(width, height), such as sensor=(640, 480)")
    return Live(address, sensor, *open_udp(address, silence_s=silence_s))


def _open_camera(sensor: tuple[int, int] | None) -> Live:
    import faery

    try:
        camera = faery.events_stream_from_camera("NeuromorphicDrivers")
        size = sensor or camera.dimensions()
    except ValueError as error:
        raise ValueError(f"no camera found: {error.args[-1]}") from None
    closed = threading.Event()
    return Live("camera", size, _until(closed, camera), closed.set)


def _until(closed: threading.Event, packets: Iterable[NDArray]) -> Iterator[NDArray]:
    for rows in packets:
        if closed.is_set():
            return
        yield rows
