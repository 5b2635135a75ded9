"""NumPy `.npz` with the arrays `t`, `x`, `y` and `p` (or `polarity`), and optionally `sensor` = (width, height)."""

import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np

from ranvier.data.events import Events
from ranvier.data.formats.source import BLOCK, Block, EventFileError, Source

FIELDS = ("t", "x", "y", "p")


def open_npz(path: Path, sensor: tuple[int, int] | None) -> Source:
    """Open an archive of four columns; they are unpacked block by block, and never unpickled."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = {Path(name).stem for name in archive.namelist()}
            if sensor is None and "sensor" in names:
                sensor = _sensor(path, archive)
    except EventFileError:
        raise
    except Exception as error:  # a damaged archive raises whatever zipfile, zlib and the header parser happen to raise
        raise EventFileError.of(path, f"not a readable .npz archive: {error}") from None
    columns = ["polarity" if field == "p" and "polarity" in names else field for field in FIELDS]
    if missing := [name for name in columns if name not in names]:
        raise EventFileError.of(path, f"expected the arrays t, x, y and p, found {sorted(names)}: {missing} missing")

    def blocks() -> Iterator[Block]:
        field = "archive"
        try:
            with ExitStack() as stack:
                archive = stack.enter_context(zipfile.ZipFile(path))
                files, types, counts = [], [], []
                for field in columns:
                    file = stack.enter_context(archive.open(f"{field}.npy"))
                    count, dtype = _header(path, field, file)
                    files.append(file)
                    types.append(dtype)
                    counts.append(count)
                if len(set(counts)) != 1:
                    raise EventFileError.of(path, f"the arrays {columns} have different lengths: {counts}")
                for first in range(0, counts[0], BLOCK):
                    n = min(BLOCK, counts[0] - first)
                    block = []
                    for field, file, dtype in zip(columns, files, types, strict=True):
                        raw = file.read(n * dtype.itemsize)
                        if len(raw) != n * dtype.itemsize:
                            raise EventFileError.of(path, f"array {field!r} ends before its {counts[0]} events")
                        block.append(np.frombuffer(raw, dtype))
                    yield Block(*block)
                for field, file in zip(columns, files, strict=True):
                    # Reading to the end is what makes zipfile compare the checksum.
                    if file.read(1):
                        raise EventFileError.of(path, f"array {field!r} goes on after its {counts[0]} events")
        except EventFileError:
            raise
        except Exception as error:  # as above
            raise EventFileError.of(path, f"array {field!r} cannot be unpacked: {error}") from None

    return Source("npz", sensor, blocks)


def _header(path: Path, field: str, file: IO[bytes]) -> tuple[int, np.dtype]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if len(shape) != 1 or dtype.kind not in "iub":
        raise EventFileError.of(path, f"array {field!r} is {dtype} of shape {shape}, expected integers of shape [n]")
    return shape[0], dtype


def _sensor(path: Path, archive: zipfile.ZipFile) -> tuple[int, int]:
    with archive.open("sensor.npy") as file:
        count, dtype = _header(path, "sensor", file)
        if count != 2:
            raise EventFileError.of(path, f"array 'sensor' holds {count} numbers, expected width and height")
        width, height = np.frombuffer(file.read(2 * dtype.itemsize), dtype)
        return int(width), int(height)


def write_npz(path: Path | str, events: Events) -> None:
    """Write a recording as a compressed `.npz` with its sensor size."""
    with Path(path).open("wb") as file:
        np.savez_compressed(
            file, t=events.t, x=events.x, y=events.y, p=events.polarity, sensor=np.array(events.sensor, np.int64)
        )
