"""N-MNIST `.bin` and its renamed twin `.bs2`: 5 bytes an event, no header.

Layout: x, y, then 3 big-endian bytes whose highest bit is the polarity and whose other 23 bits are the time in µs.
Source: Orchard et al., "Converting Static Image Datasets to Spiking Neuromorphic Datasets Using Saccades", 2015.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ranvier.data.events import Events
from ranvier.data.formats.source import BLOCK, Block, Source, read_exactly, whole_records

SENSOR = (34, 34)


def open_nmnist(path: Path, sensor: tuple[int, int] | None) -> Source:
    """Open a file of 40-bit events; `.bin` means the 34x34 pixels of N-MNIST unless `sensor` says otherwise."""
    if sensor is None and path.suffix.lower() == ".bin":
        sensor = SENSOR
    count = whole_records(path, 0, 5)

    def blocks() -> Iterator[Block]:
        with path.open("rb") as file:
            for first in range(0, count, BLOCK):
                n = min(BLOCK, count - first)
                t, x, y, polarity = decode(read_exactly(file, path, 5 * n))
                yield Block(t, x, y, polarity, range(5 * first, 5 * (first + n), 5))

    return Source("nmnist", sensor, blocks)


def decode(raw: bytes) -> tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.uint16], NDArray[np.uint8]]:
    """Return t, x, y and polarity of whole events, 5 bytes each."""
    x, y, high, middle, low = np.frombuffer(raw, np.uint8).reshape(-1, 5).T
    t = (high & 0x7F).astype(np.int64) << 16 | middle.astype(np.int64) << 8 | low
    return t, x.astype(np.uint16), y.astype(np.uint16), (high >> 7).astype(np.uint8)


def write_nmnist(path: Path | str, events: Events) -> None:
    """Write a recording as N-MNIST `.bin`; the format does not keep the sensor size.

    Raises:
        ValueError: a time does not fit 23 bits (8.39 s), or a coordinate 8 bits.
    """
    if len(events) and (events.t[0] < 0 or events.t[-1] >= 1 << 23):
        raise ValueError(f"N-MNIST holds times from 0 to {(1 << 23) - 1} us, got {events.t[0]} to {events.t[-1]}")
    if max(events.sensor) > 256:
        raise ValueError(f"N-MNIST holds sensors of up to 256x256 pixels, got {events.sensor[0]}x{events.sensor[1]}")
    t = events.t | events.polarity.astype(np.int64) << 23
    columns = (events.x, events.y, t >> 16, t >> 8 & 0xFF, t & 0xFF)
    Path(path).write_bytes(np.stack([column.astype(np.uint8) for column in columns], axis=1).tobytes())
