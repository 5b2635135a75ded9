"""What every file format hands to a `Recording`: its sensor, and its events block by block."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from numpy.typing import NDArray

Format = Literal["evt2", "evt3", "aedat3", "aedat4", "es", "csv", "dat", "nmnist", "npz"]

# Events in one block of our own readers: about 1 MB once decoded, so that a recording of any length fits.
BLOCK = 1 << 16
LONGEST_HEADER = 1 << 16
LONGEST_PROBLEM = 300


class EventFileError(ValueError):
    """A file of events cannot be read: the message names the file, and the byte, line, event or field at fault."""

    @classmethod
    def of(cls, path: Path | str, problem: str) -> "EventFileError":
        """Build the error; a factory, because data-loader workers send errors on as their message alone."""
        # The words of a library may quote the damaged bytes, thousands of them and some that upset a terminal.
        start = problem[:LONGEST_PROBLEM]
        shown = "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in start)
        return cls(f"{path}: {shown}" + ("..." if len(problem) > LONGEST_PROBLEM else ""))


class Block(NamedTuple):
    """Some consecutive events as the file states them, not yet checked.

    `at` says where each event stands in the file, in the unit of its source (bytes or lines); None if unknown.
    """

    t: NDArray
    x: NDArray
    y: NDArray
    polarity: NDArray
    at: Sequence[int] | NDArray | None = None


@dataclass(frozen=True)
class Source:
    """An opened file: `blocks()` starts again at its first event every time."""

    format: Format
    sensor: tuple[int, int] | None
    blocks: Callable[[], Iterator[Block]]
    unit: Literal["byte", "line"] = "byte"


def read_header(file: BinaryIO) -> dict[str, str]:
    """Read the lines `% key value` that open Prophesee files, and leave `file` at the first byte after them.

    Binary data may begin with the byte of `%`: only printable lines count, and `% end` is the last one.
    """
    fields: dict[str, str] = {}
    while file.tell() < LONGEST_HEADER:
        start = file.tell()
        line = file.readline(1024)
        if not line.startswith(b"%") or not line.endswith(b"\n") or not line.strip().isascii():
            file.seek(start)
            break
        key, _, value = line[1:].decode("ascii").strip().partition(" ")
        if not f"{key}{value}".replace("\t", " ").isprintable():
            file.seek(start)
            break
        if key == "end":
            break
        fields[key] = value.strip()
    return fields


def whole_records(path: Path, start: int, record: int) -> int:
    """Return the number of records between byte `start` and the end of a file.

    Raises:
        EventFileError: the file ends in the middle of a record.
    """
    size = path.stat().st_size
    count, rest = divmod(size - start, record)
    if rest:
        raise EventFileError.of(
            path,
            f"cut off: the last {rest} of its {size} bytes, from byte {size - rest} on, are not a whole record of "
            f"{record} bytes; to read what is there: truncate -s {size - rest} {path.name}",
        )
    return count


def read_exactly(file: BinaryIO, path: Path, size: int) -> bytes:
    """Read `size` bytes.

    Raises:
        EventFileError: the file has become shorter since it was opened.
    """
    # Not a memory map: a recorder that shortens a mapped file kills its readers with a signal.
    raw = file.read(size)
    if len(raw) != size:
        raise EventFileError.of(path, f"ended at byte {file.tell()} while it was read: something else has shortened it")
    return raw
