"""Open a recording of any format, and read it whole or in chunks."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from ranvier.data.events import LARGEST_SENSOR, Events, first_fault
from ranvier.data.formats.aedat3 import open_aedat3
from ranvier.data.formats.chunks import cut_blocks, join
from ranvier.data.formats.csv import open_csv
from ranvier.data.formats.dat import open_dat
from ranvier.data.formats.evt import open_evt
from ranvier.data.formats.library import open_aedat4, open_es
from ranvier.data.formats.nmnist import open_nmnist
from ranvier.data.formats.npz import open_npz
from ranvier.data.formats.source import Block, EventFileError, Format, Source

OPENERS = {
    "evt2": open_evt,
    "evt3": open_evt,
    "aedat3": open_aedat3,
    "aedat4": open_aedat4,
    "es": open_es,
    "csv": open_csv,
    "dat": open_dat,
    "nmnist": open_nmnist,
    "npz": open_npz,
}
SUFFIXES: dict[str, Format] = {
    ".raw": "evt3",
    ".aedat": "aedat3",
    ".aedat4": "aedat4",
    ".es": "es",
    ".csv": "csv",
    ".txt": "csv",
    ".dat": "dat",
    ".bin": "nmnist",
    ".bs2": "nmnist",
    ".npz": "npz",
}
MAGIC: dict[Format, bytes] = {
    "aedat3": b"#!AER-DAT3.1",
    "aedat4": b"#!AER-DAT4.0\r\n",
    "es": b"Event Stream",
    "npz": b"PK",
}


@dataclass(frozen=True)
class Recording:
    """An event file that has been opened and not yet read; every reading starts at its first event.

    `format` is one of the names in `Format`, `sensor` is (width, height) in pixels.
    """

    path: Path
    sensor: tuple[int, int]
    source: Source

    @property
    def format(self) -> Format:
        """The format in which the file is read."""
        return self.source.format

    def read(self, *, sort: bool = False) -> Events:
        """Read the whole recording.

        `sort=True` puts events that the file holds in another order into the order of time (stable).

        Raises:
            EventFileError: the file is damaged, holds no event, an event lies outside the sensor, or (unless sorted)
                the time runs backwards.
        """
        events = join(list(self._blocks(ordered=not sort)), self.sensor)
        return Events.merge([events]) if sort else events

    def chunks(
        self, *, duration_us: int | None = None, count: int | None = None, start_us: int | None = None
    ) -> Iterator[Events]:
        """Read the recording piece by piece, in memory that does not grow with its length.

        With `count`, every chunk has that many events, the last one perhaps fewer. With `duration_us` = d, chunk k
        has the events of start_us + k d <= t < start_us + (k + 1) d, and none where nothing happened; `start_us` is
        the time of the first event unless given, and events before it are left out.

        Raises:
            EventFileError: as `read`, once the chunk at fault is reached; or more than a million windows in a row are
                empty.
        """
        return cut_blocks(
            self._blocks(),
            name=self.path,
            sensor=self.sensor,
            duration_us=duration_us,
            count=count,
            start_us=start_us,
        )

    def _blocks(self, *, ordered: bool = True) -> Iterator[Events]:
        """Yield the blocks of the source that hold events, each checked, also against the one before."""
        last, seen = None, 0
        try:
            for block in self.source.blocks():
                if not len(block.t):
                    continue
                yield self._checked(block, last if ordered else None, seen, ordered)
                last, seen = int(block.t[-1]), seen + len(block.t)
        except OSError as error:
            raise EventFileError.of(self.path, error.strerror or str(error)) from None
        if not seen:
            raise EventFileError.of(self.path, "holds no events")

    def _checked(self, block: Block, after: int | None, seen: int, ordered: bool) -> Events:
        t, x, y, polarity, at = block
        order = range(len(t)) if ordered else np.argsort(t, kind="stable")
        if not ordered:
            t, x, y, polarity = t[order], x[order], y[order], polarity[order]
        if fault := first_fault(t, x, y, polarity, self.sensor, after=after):
            i = order[fault[0]]
            where = f" ({self.source.unit} {at[i]})" if at is not None else ""
            raise EventFileError.of(self.path, f"event {seen + i}{where} {fault[1]}")
        x, y = x.astype(np.uint16, copy=False), y.astype(np.uint16, copy=False)
        return Events(t.astype(np.int64, copy=False), x, y, polarity.astype(np.bool_, copy=False), self.sensor)


def open_events(path: Path | str, *, sensor: tuple[int, int] | None = None, format: Format | None = None) -> Recording:
    """Open an event recording: EVT 2.0 and 3.0, AEDAT 3.1 and 4, Event Stream, CSV, `.dat`, N-MNIST `.bin`, `.npz`.

    The format follows from the first bytes or else the suffix, unless given. `sensor` = (width, height) overrules what
    the file states, and is needed where it states nothing.

    >>> from ranvier.data.formats import write_npz
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_npz(folder / "two.npz", Events.of([0, 9], [1, 2], [0, 1], [1, 0], sensor=(4, 2)))
    >>> [len(chunk) for chunk in open_events(folder / "two.npz").chunks(duration_us=4)]
    [1, 0, 1]

    Raises:
        EventFileError: no readable file, an unknown format, a damaged header, or an unknown sensor size.
    """
    path = Path(path)
    try:
        if not path.exists():
            raise EventFileError.of(path, "no such file")
        if not path.is_file():
            raise EventFileError.of(
                path, "is a folder, expected one recording" if path.is_dir() else "is not a plain file"
            )
        with path.open("rb") as file:
            start = file.read(16)
        if not start:
            raise EventFileError.of(path, "is empty (0 bytes)")
        source = OPENERS[format or _format(path, start)](path, sensor)
    except OSError as error:
        raise EventFileError.of(path, error.strerror or str(error)) from None
    if source.sensor is None:
        raise EventFileError.of(path, "states no sensor size: pass sensor=(width, height), such as sensor=(640, 480)")
    width, height = source.sensor
    if not (0 < width <= LARGEST_SENSOR and 0 < height <= LARGEST_SENSOR):
        raise EventFileError.of(path, f"sensor of {width}x{height} pixels, expected 1 to {LARGEST_SENSOR} each way")
    return Recording(path, (int(width), int(height)), source)


def _format(path: Path, start: bytes) -> Format:
    for name, magic in MAGIC.items():
        if start.startswith(magic):
            return name
    name = SUFFIXES.get(path.suffix.lower())
    if name is None:
        raise EventFileError.of(
            path,
            f"unknown suffix {path.suffix!r}, expected one of {' '.join(SUFFIXES)}, or pass format= one of "
            f"{' '.join(get_args(Format))}",
        )
    if name in MAGIC:
        raise EventFileError.of(path, f"begins with {start[: len(MAGIC[name])]!r}, expected {MAGIC[name]!r} (byte 0)")
    return name
