"""AEDAT 3.1 (`.aedat`): lines of text, then packets, each of events of one kind; all but polarity events are skipped.

Layout: lines that begin with `#`, of which `#!END-HEADER` is the last; then packets of a head of 28 bytes and their
events. All numbers are little-endian and signed. The head: type (int16; 1 is polarity), source (int16), bytes of an
event, place of the time in an event, turns of the clock, room for events, events, valid events (int32 each). A polarity
event: 32 bits that hold, from the lowest, mark of validity (1 bit), polarity (1), y (15) and x (15), then the int32
time in µs, to which every turn of the clock adds 2^31.
Source: iniVation, documentation of the file formats, "AEDAT 3.1"; README of DVS128 Gesture.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranvier.data.events import Events, first_fault
from ranvier.data.formats.chunks import join
from ranvier.data.formats.source import BLOCK, LONGEST_HEADER, Block, EventFileError, Source, read_exactly

HEAD = struct.Struct("<hhiiiiii")
TIME = struct.Struct("<4xi")
POLARITY, EVENT, TIME_AT = 1, 8, 4
# Width and height of the cameras, by the beginnings of the names that a header calls them by.
SENSORS = {"DVS128": (128, 128), "DAVIS240": (240, 180), "DAVIS346": (346, 260), "DAVIS640": (640, 480)}


class Packet(NamedTuple):
    """Polarity events of one camera: `count` of them from byte `start` on, of which `valid` are to be used."""

    start: int
    count: int
    valid: int
    turns: int


@dataclass(frozen=True, eq=False)
class Aedat3File:
    """A file that can be entered anywhere: its packets `[n, 4]`, and the times `[n]` of their first events."""

    path: Path
    sensor: tuple[int, int]
    packets: NDArray[np.int64]
    first_us: NDArray[np.int64]

    def between(self, start_us: int, stop_us: int) -> Events:
        """Return the events with `start_us <= t < stop_us`; only the packets that may hold them are read.

        Raises:
            EventFileError: one event of these packets runs backwards in time or lies outside the sensor.
        """
        parts, last = [Events.empty(self.sensor)], None
        first, stop = np.searchsorted(self.first_us, (start_us, stop_us))
        with self.path.open("rb") as file:
            # The packet before the first one found may end after the start.
            for row in self.packets[max(first - 1, 0) : stop].tolist():
                packet = Packet(*row)
                t, x, y, polarity, at = _columns(self.path, file, packet, 0, packet.count)
                if fault := first_fault(t, x, y, polarity, self.sensor, after=last):
                    raise EventFileError.of(self.path, f"the event at byte {at[fault[0]]} {fault[1]}")
                parts.append(Events(t, x, y, polarity.astype(np.bool_), self.sensor).between(start_us, stop_us))
                last = int(t[-1]) if len(t) else last
        return join(parts, self.sensor)


def aedat3_file(path: Path, *, sensor: tuple[int, int]) -> Aedat3File:
    """Find all packets of a file and the times at which they begin.

    Raises:
        EventFileError: no readable file, no AEDAT 3.1, a damaged packet, or packets out of order in time.
    """
    try:
        start, _ = _header(path)
        with path.open("rb") as file:
            packets = list(_packets(path, file, start))
            first_us = np.array([_first_us(path, file, packet) for packet in packets], np.int64)
    except OSError as error:
        raise EventFileError.of(path, error.strerror or str(error)) from None
    for i in np.flatnonzero(first_us[1:] < first_us[:-1])[:1] + 1:
        before, after = first_us[i - 1 : i + 1]
        raise EventFileError.of(
            path,
            f"the packet at byte {packets[i].start - HEAD.size} runs backwards in time: {after} us after {before} us",
        )
    # An array, because a data set holds a million packets and hands them to its workers.
    return Aedat3File(path, sensor, np.array(packets, np.int64).reshape(-1, 4), first_us)


def open_aedat3(path: Path, sensor: tuple[int, int] | None) -> Source:
    """Open a file to be read from its first event on: the polarity events of the camera that sent the first of them."""
    start, stated = _header(path)

    def blocks() -> Iterator[Block]:
        with path.open("rb") as file:
            for packet in _packets(path, file, start):
                for first in range(0, packet.count, BLOCK):
                    yield Block(*_columns(path, file, packet, first, min(first + BLOCK, packet.count)))

    return Source("aedat3", sensor or stated, blocks)


def _header(path: Path) -> tuple[int, tuple[int, int] | None]:
    """Return the byte of the first packet, and the sensor of the first camera that the header knows by name."""
    lines: list[str] = []
    with path.open("rb") as file:
        while not lines or lines[-1] != "#!END-HEADER":
            line = file.readline(LONGEST_HEADER)
            if not line.startswith(b"#") or file.tell() > LONGEST_HEADER:
                raise EventFileError.of(
                    path,
                    f"line {len(lines) + 1} of the header begins with {line[:16]!r}, "
                    "expected lines that begin with # and end in one #!END-HEADER",
                )
            lines.append(line.decode("latin-1").strip())
        start = file.tell()
    if lines[0] != "#!AER-DAT3.1":
        raise EventFileError.of(path, f"begins with {lines[0]!r}, expected #!AER-DAT3.1")
    fields = [line[1:].partition(":") for line in lines]
    for form in (value.strip() for name, _, value in fields if name.strip() == "Format"):
        if form != "RAW":
            raise EventFileError.of(path, f"the header states the format {form!r}, expected RAW")
    cameras = [value.strip() for name, _, value in fields if name.strip().startswith("Source")]
    return start, next((SENSORS[name] for camera in cameras for name in SENSORS if camera.startswith(name)), None)


def _packets(path: Path, file: BinaryIO, start: int) -> Iterator[Packet]:
    """Find the packets of polarity events from byte `start` on, whatever else `file` is used for meanwhile."""
    size, camera = os.fstat(file.fileno()).st_size, None
    while start < size:
        file.seek(start)
        if size - start < HEAD.size:
            raise _cut_off(path, start, start + HEAD.size, size)
        kind, source, record, time_at, turns, room, count, valid = HEAD.unpack(read_exactly(file, path, HEAD.size))
        # With room to spare it would be open where the next packet begins.
        if min(record, turns) < 0 or not 0 <= valid <= count == room:
            raise EventFileError.of(
                path,
                f"the packet at byte {start} states {count} events of {record} bytes, {valid} of them valid, room for "
                f"{room} and {turns} turns of the clock: damaged",
            )
        stop = start + HEAD.size + record * count
        if stop > size:
            raise _cut_off(path, start, stop, size)
        if kind == POLARITY and (record, time_at) != (EVENT, TIME_AT):
            raise EventFileError.of(
                path,
                f"the packet at byte {start} states polarity events of {record} bytes, their time at byte {time_at}, "
                f"expected {EVENT} and {TIME_AT}",
            )
        if kind == POLARITY and count and camera in (None, source):
            camera = source
            yield Packet(start + HEAD.size, count, valid, turns)
        start = stop


def _cut_off(path: Path, start: int, stop: int, size: int) -> EventFileError:
    return EventFileError.of(
        path,
        f"cut off: the packet at byte {start} goes on to byte {stop}, the file ends at byte {size}; to read what is "
        f"there: truncate -s {start} {path.name}",
    )


def _first_us(path: Path, file: BinaryIO, packet: Packet) -> int:
    file.seek(packet.start)
    return (packet.turns << 31) + TIME.unpack(read_exactly(file, path, TIME.size))[0]


def _columns(path: Path, file: BinaryIO, packet: Packet, first: int, stop: int) -> tuple[NDArray, ...]:
    """Read the valid events of a packet, number `first` up to `stop` (exclusive): the columns of a `Block`."""
    file.seek(packet.start + EVENT * first)
    raw = np.frombuffer(read_exactly(file, path, EVENT * (stop - first)), [("bits", "<u4"), ("t", "<i4")])
    at = packet.start + EVENT * np.arange(first, stop)
    # The README of DVS128 Gesture does not know the mark: where the head calls all events valid, they are.
    if packet.valid < packet.count:
        marked = raw["bits"] & 1 == 1
        raw, at = raw[marked], at[marked]
    bits, t = raw["bits"], (packet.turns << 31) + raw["t"].astype(np.int64)
    x, y = (bits >> 17).astype(np.uint16), (bits >> 2 & 0x7FFF).astype(np.uint16)
    return t, x, y, (bits >> 1 & 1).astype(np.uint8), at
