"""Reading whole files, or saying in one sentence which of them is damaged."""

import gzip
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def read_bytes(path: Path) -> bytes:
    """Read a file; one whose name ends in .gz is unpacked.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a damaged .gz.
    """
    raw = path.read_bytes()
    if path.suffix != ".gz":
        return raw
    try:
        return gzip.decompress(raw)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is not a readable gzip file ({error}): download it again") from None


def read_text(path: Path) -> str:
    """Read a text in UTF-8, as `read_bytes` does.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a damaged .gz, or no UTF-8.
    """
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8 ({error}): download it again") from None


def read_npz(path: Path, *names: str) -> list[NDArray]:
    """Read arrays from an .npz file, in the order of `names`.

    Raises:
        ValueError: a damaged file, or one without them.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return [stored[name] for name in names]
    except Exception as error:  # a damaged archive raises whatever zipfile, zlib and the header parser happen to raise
        raise ValueError(
            f"{path} is not an .npz file with the arrays {', '.join(names)} ({error}): download it again"
        ) from None
