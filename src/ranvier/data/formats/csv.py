"""Text with one event a line: time in µs, x, y, polarity (0 or 1), in this order or as a header line names them.

Decoded by NumPy: the library that reads the other formats moves a time that runs backwards, and does not say so.
"""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ranvier.data.events import Events
from ranvier.data.formats.source import BLOCK, Block, EventFileError, Source

NAMES = {"t": "t", "timestamp": "t", "time": "t", "x": "x", "y": "y"}
NAMES |= {"p": "p", "on": "p", "polarity": "p", "pol": "p"}
LONGEST_LINE = 1024


def open_csv(path: Path, sensor: tuple[int, int] | None) -> Source:
    """Open a text file whose fields are parted by commas, semicolons, tabs or spaces."""
    with path.open("rb") as file:
        first = file.readline(LONGEST_LINE)
    if not first.isascii() or not (first.endswith(b"\n") or len(first) < LONGEST_LINE):
        raise EventFileError.of(path, "line 1 is not text, expected a line such as t,x,y,p or 1000,12,7,1")
    line = first.decode("ascii").strip()
    separator = next((mark for mark in ",;\t" if mark in line), None)
    words = [word.strip().lower() for word in line.split(separator)]
    header = not re.match(r"[+-]?\d", words[0])
    columns = _columns(path, line, words) if header else (0, 1, 2, 3)

    def blocks() -> Iterator[Block]:
        done = int(header)
        with path.open("rb") as file:
            if header:
                file.readline()
            while lines := list(itertools.islice(iter(lambda: file.readline(LONGEST_LINE), b""), BLOCK)):
                count = len(lines)
                while lines and not lines[-1].strip():
                    lines.pop()
                if lines:
                    t, x, y, polarity = _parse(path, lines, separator, columns, done).T
                    yield Block(t, x, y, polarity, range(done + 1, done + 1 + len(lines)))
                done += count

    return Source("csv", sensor, blocks, "line")


def _columns(path: Path, line: str, words: list[str]) -> tuple[int, ...]:
    found = {NAMES[word]: i for i, word in enumerate(words) if word in NAMES}
    if len(found) != 4:
        raise EventFileError.of(path, f"line 1 is {line[:80]!r}, expected names of t, x, y and p, or the first event")
    return tuple(found[name] for name in "txyp")


def _parse(path: Path, lines: list[bytes], separator: str | None, columns: tuple[int, ...], done: int) -> np.ndarray:
    try:
        text = [line.decode("ascii") for line in lines]
        rows = np.loadtxt(text, np.int64, comments=None, delimiter=separator, usecols=columns, ndmin=2)
        if len(rows) == len(lines):
            return rows
    except (ValueError, OverflowError, IndexError):
        pass
    # Only now look for the line at fault: NumPy counts neither empty lines nor those of earlier blocks.
    for number, line in enumerate(lines, done + 1):
        words = line.decode("latin-1").split(separator)
        if len(words) <= max(columns) or not all(re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", words[i]) for i in columns):
            found = ascii(line.decode("latin-1").strip())[:80]
            raise EventFileError.of(path, f"line {number} is {found}, expected integers: time in us, x, y, polarity")
    raise EventFileError.of(path, f"lines {done + 1} to {done + len(lines)} are no table of integers")


def write_csv(path: Path | str, events: Events) -> None:
    """Write a recording as text with the header `t,x,y,p`; the format does not keep the sensor size."""
    rows = np.stack((events.t, events.x, events.y, events.polarity), axis=1)
    np.savetxt(path, rows, fmt="%d", delimiter=",", header="t,x,y,p", comments="")
