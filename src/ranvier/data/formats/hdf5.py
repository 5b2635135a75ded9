"""HDF5 files of events in the layout of DSEC, read by time; `h5py` and `hdf5plugin` are the extra `hdf5`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.data.events import Events
from ranvier.data.formats.source import EventFileError

FIELDS = ("t", "x", "y", "p")


@dataclass(frozen=True, eq=False)
class TimedEvents:
    """Events of one file, found by a table of milliseconds.

    The file holds `/events/{t, x, y, p}` with `t` in microseconds, `/t_offset`, which is added to `t`, and
    `/ms_to_idx`: event `ms_to_idx[m]` is the first with `t >= 1000 m` (before the offset is added).
    """

    path: Path
    sensor: tuple[int, int]
    count: int
    t_offset: int
    ms_to_idx: NDArray[np.int64]

    def between(self, start_us: int, stop_us: int) -> Events:
        """Read the events with `start_us <= t < stop_us`; there are none before the first and after the last one.

        Raises:
            EventFileError: the file is damaged.
        """
        first, last = self._at((start_us - self.t_offset) // 1000), self._at(-((self.t_offset - stop_us) // 1000))
        with opened(self.path) as file:
            t, x, y, polarity = (array(file, f"events/{field}")[first:last] for field in FIELDS)
        try:
            events = Events.of(t.astype(np.int64) + self.t_offset, x, y, polarity, self.sensor)
        except ValueError as error:
            raise EventFileError.of(self.path, f"after event {first}: {error}") from None
        return events.between(start_us, stop_us)

    def _at(self, millisecond: int) -> int:
        """Return the number of the first event at or after this millisecond."""
        if millisecond < 0:
            return 0
        return int(self.ms_to_idx[millisecond]) if millisecond < len(self.ms_to_idx) else self.count


def open_timed(path: Path, *, sensor: tuple[int, int]) -> TimedEvents:
    """Open a file of events; nothing is kept open, so that data-loader workers may share the result.

    Raises:
        EventFileError: no readable file, or not this layout.
        ImportError: the extra `hdf5` is missing.
    """
    with opened(path) as file:
        shapes = {field: array(file, f"events/{field}").shape for field in FIELDS}
        offset, index = array(file, "t_offset")[()], array(file, "ms_to_idx")[()]
    lengths = set(shapes.values())
    if len(lengths) != 1 or len(count := lengths.pop()) != 1:
        raise EventFileError.of(path, f"expected four columns of one length in /events, got shapes {shapes}")
    index = index.astype(np.int64)
    if index.ndim != 1 or np.any(np.diff(index) < 0) or np.any((index < 0) | (index > count[0])):
        raise EventFileError.of(path, f"/ms_to_idx is not a rising list of event numbers up to {count[0]}: damaged")
    return TimedEvents(path, sensor, count[0], int(offset), index)


def read_array(path: Path, name: str) -> NDArray:
    """Read one array of an HDF5 file.

    Raises:
        EventFileError: no readable file, or no such array.
        ImportError: the extra `hdf5` is missing.
    """
    with opened(path) as file:
        return array(file, name)[()]


def array(file: Any, name: str) -> Any:
    """Return one array of an open file; it is read when it is indexed.

    Raises:
        KeyError: there is none.
    """
    found = file.get(name)
    if not hasattr(found, "shape"):
        raise KeyError(f"no array /{name}")
    return found


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open an HDF5 file for reading, also one compressed by Blosc or Zstandard."""
    try:
        import h5py
        import hdf5plugin  # noqa: F401 - registers the decompressors
    except ImportError as error:
        raise ImportError(f"{path} needs {error.name} to be read: type pip install 'ranvier[hdf5]'") from None
    if not path.is_file():
        raise EventFileError.of(path, "no such file")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError) as error:
        raise EventFileError.of(path, f"damaged, in use, or not of this layout: {error.args[-1]}") from None
