"""Files in the format AEDAT 3.1, written byte by byte as its documentation says."""

import struct
from collections.abc import Iterable

import numpy as np

from ranvier.data.events import Events

HEADER = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#Start-Time: 2016-09-12 10:00:00 (TZ+0000)\r\n"
END = b"#!END-HEADER\r\n"


def head(kind: int, record: int, count: int, *, valid=None, room=None, turns=0, source=1, time_at=4) -> bytes:
    valid, room = count if valid is None else valid, count if room is None else room
    return struct.pack("<hhiiiiii", kind, source, record, time_at, turns, room, count, valid)


def polarity(rows: Iterable[tuple[int, int, int, int]], *, invalid: tuple[int, ...] = (), turns=0, source=1) -> bytes:
    """A packet of rows (t, x, y, polarity); those numbered in `invalid` lack the mark."""
    table = np.array(list(rows), np.int64).reshape(-1, 4)
    t, x, y, on = table.T
    words = np.empty((len(table), 2), "<u4")
    words[:, 0] = x << 17 | y << 2 | on << 1 | ~np.isin(np.arange(len(table)), invalid)
    words[:, 1] = t
    count = len(table)
    return head(1, 8, count, valid=count - len(invalid), turns=turns, source=source) + words.tobytes()


def special(count: int = 3) -> bytes:
    """A packet of special events, of which no byte is zero."""
    return head(0, 8, count) + b"\x07" * (8 * count)


def samples(count: int = 2) -> bytes:
    """A packet of events of another size: six axes of an inertial sensor."""
    return head(3, 36, count) + b"\x07" * (36 * count)


def aedat(events: Events, *, packet: int = 1000) -> bytes:
    """A recording of one turn of the clock as a file, a packet of special events before each of its packets."""
    assert not len(events) or events.t[-1] < 2**31
    columns = (events.t, events.x, events.y, events.polarity)
    rows = np.stack([column.astype(np.int64) for column in columns], axis=1)
    parts = [special() + polarity(rows[i : i + packet]) for i in range(0, len(rows), packet)]
    return HEADER + END + b"".join(parts)
