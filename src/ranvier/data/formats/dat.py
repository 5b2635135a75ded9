"""Prophesee `.dat`: a text header, then 8 bytes an event.

Layout, little-endian: uint32 time in µs, then a uint32 that holds, from the lowest bit, in version 2
x (14 bits), y (14), polarity (4), and in version 1 x (9), y (8), polarity (1).
Source: Prophesee, Metavision SDK documentation, "DAT file format".
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ranvier.data.events import Events, first_fault
from ranvier.data.formats.source import (
    BLOCK,
    Block,
    EventFileError,
    Source,
    read_exactly,
    read_header,
    whole_records,
)

CHANGE_EVENTS = {0, 12}
CLOCK = 1 << 32
FIELDS = {1: (9, 8, 1), 2: (14, 14, 4)}


@dataclass(frozen=True)
class DatFile:
    """A `.dat` file that can be entered anywhere: `count` events of 8 bytes from byte `start` on.

    `sensor` is (width, height), `None` where neither header nor caller states it.
    """

    path: Path
    sensor: tuple[int, int] | None
    version: int
    start: int
    count: int

    def between(self, start_us: int, stop_us: int) -> Events:
        """Return the events with `start_us <= t < stop_us`, found by binary search: nothing else is read.

        Raises:
            EventFileError: the file holds no event or states no sensor, or one of these events runs backwards in time
                or lies outside the sensor.
        """
        if not self.count:
            raise EventFileError.of(self.path, "holds no events")
        if self.sensor is None:
            raise EventFileError.of(self.path, "states no sensor size: pass sensor=(width, height)")
        with self.path.open("rb") as file:
            first = self._first(file, start_us)
            t, x, y, polarity, _ = self.block(file, first, self._first(file, stop_us))
        if fault := first_fault(t, x, y, polarity, self.sensor):
            i = first + fault[0]
            raise EventFileError.of(self.path, f"event {i} (byte {self.start + 8 * i}) {fault[1]}")
        return Events(t, x, y, polarity.astype(np.bool_), self.sensor)

    def block(self, file: BinaryIO, first: int, stop: int) -> Block:
        """Read the events from number `first` up to `stop` (exclusive), unchecked."""
        x_bits, y_bits, polarity_bits = FIELDS[self.version]
        at = range(self.start + 8 * first, self.start + 8 * stop, 8)
        file.seek(at.start)
        words = np.frombuffer(read_exactly(file, self.path, 8 * len(at)), "<u4").reshape(-1, 2)
        # Times become signed, because callers subtract them: unsigned ones wrap around below 0.
        t, packed = words[:, 0].astype(np.int64), words[:, 1]
        x = (packed & ((1 << x_bits) - 1)).astype(np.uint16)
        y = (packed >> x_bits & ((1 << y_bits) - 1)).astype(np.uint16)
        polarity = (packed >> (x_bits + y_bits) & ((1 << polarity_bits) - 1)).astype(np.uint8)
        return Block(t, x, y, polarity, at)

    def _first(self, file: BinaryIO, t: int) -> int:
        """Return the number of the first event at or after a time."""

        def time(i: int) -> int:
            file.seek(self.start + 8 * i)
            return int.from_bytes(read_exactly(file, self.path, 4), "little")

        return bisect_left(range(self.count), t, key=time)


def dat_file(path: Path, *, sensor: tuple[int, int] | None = None) -> DatFile:
    """Read the header of a `.dat` file; `sensor` stands in for, and overrules, its `% Width` and `% Height`.

    Raises:
        EventFileError: another version, other events, or a file that ends within an event.
    """
    with path.open("rb") as file:
        header = read_header(file)
        # Files without any header are the oldest: they lack the two bytes of type and size too.
        kind, size = (*file.read(2), 0, 0)[:2] if header else (0, 8)
        start = file.tell()
    version = _version(path, header)
    if kind not in CHANGE_EVENTS or size != 8:
        raise EventFileError.of(
            path,
            f"byte {start - 2} states events of type {kind} and {size} bytes, expected change-detection events "
            f"(type 0 or 12) of 8 bytes",
        )
    width, height = header.get("Width", ""), header.get("Height", "")
    if sensor is None and width.isdecimal() and height.isdecimal():
        sensor = int(width), int(height)
    return DatFile(path, sensor, version, start, whole_records(path, start, 8))


def open_dat(path: Path, sensor: tuple[int, int] | None) -> Source:
    """Open a `.dat` file to be read from its first event on; its clock begins again every 71 minutes and is unwound."""
    dat = dat_file(path, sensor=sensor)

    def blocks() -> Iterator[Block]:
        turns, last = 0, 0
        with path.open("rb") as file:
            for first in range(0, dat.count, BLOCK):
                block = dat.block(file, first, min(first + BLOCK, dat.count))
                turn = turns + np.cumsum(np.diff(block.t, prepend=last) < -CLOCK // 2)
                turns, last = int(turn[-1]), int(block.t[-1])
                yield block._replace(t=block.t + turn * CLOCK)

    return Source("dat", dat.sensor, blocks)


def _version(path: Path, header: dict[str, str]) -> int:
    stated = header.get("Version", "2" if header else "1")
    if not re.fullmatch("[12]", stated):
        raise EventFileError.of(path, f"the header states DAT version {stated!r}, expected 1 or 2")
    return int(stated)


def write_dat(path: Path | str, events: Events) -> None:
    """Write a recording as Prophesee `.dat`, version 2.

    Raises:
        ValueError: a time does not fit 32 bits (71 minutes), or a coordinate 14 bits.
    """
    width, height = events.sensor
    if len(events) and (events.t[0] < 0 or events.t[-1] >= CLOCK):
        raise ValueError(f".dat holds times from 0 to {CLOCK - 1} us, got {events.t[0]} to {events.t[-1]}")
    if max(width, height) > 1 << 14:
        raise ValueError(f".dat holds sensors of up to 16384x16384 pixels, got {width}x{height}")
    words = np.empty((len(events), 2), "<u4")
    words[:, 0] = events.t
    words[:, 1] = (
        events.x.astype(np.uint32) | events.y.astype(np.uint32) << 14 | events.polarity.astype(np.uint32) << 28
    )
    header = f"% Data file containing CD events.\n% Version 2\n% Width {width}\n% Height {height}\n"
    Path(path).write_bytes(header.encode() + bytes((12, 8)) + words.tobytes())
