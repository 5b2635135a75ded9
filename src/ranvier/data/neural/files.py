"""Session files of every format, by their names."""

import zipfile
from pathlib import Path

from ranvier.data.formats.source import EventFileError
from ranvier.data.neural.matlab import Sorting, read_matlab_session
from ranvier.data.neural.npz import read_npz_session
from ranvier.data.neural.nwb import read_nwb_session
from ranvier.data.neural.session import Session

SUFFIXES = (".mat", ".nwb", ".npz")


def open_session(
    path: Path | str, *, area: str = "M1", sorting: Sorting = "channels", movement: str | None = None
) -> Session:
    """Read a session from a file whose name ends in .mat, .nwb or .npz.

    Args:
        path: the file.
        area: .mat: part of the brain, see `read_matlab_session`.
        sorting: .mat: what a unit is, see `read_matlab_session`.
        movement: .nwb: the time series that is decoded, see `read_nwb_session`.

    Raises:
        EventFileError: no such file, another format, or a damaged one.
        ValueError: a session that makes no sense, see `Session`.
        ImportError: a library is missing; the message says what to type.
    """
    path = Path(path)
    if path.suffix == ".mat":
        return read_matlab_session(path, area=area, sorting=sorting)
    if path.suffix == ".nwb":
        return read_nwb_session(path, movement=movement)
    if path.suffix == ".npz":
        return read_npz_session(path)
    raise EventFileError.of(path, f"expected a session file that ends in {', '.join(SUFFIXES)}")


def is_session(path: Path) -> bool:
    """Say whether a file holds a session; an .npz may as well hold events of a camera."""
    if path.suffix != ".npz" or not path.is_file():
        return path.suffix in SUFFIXES
    try:
        with zipfile.ZipFile(path) as archive:
            return {"spikes.npy", "bin_s.npy"} <= set(archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False
