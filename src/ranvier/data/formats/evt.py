"""Prophesee RAW, encodings EVT 2.0 and EVT 3.0: a text header, then little-endian words of 32 or 16 bits.

Decoded here and not by a library: the one that we use for other formats silently holds the time still where it runs
backwards, drops a cut-off last word, and refuses coordinates beyond a wrong size in the header.
Source: Prophesee, Metavision SDK documentation, "EVT 2.0 format" and "EVT 3.0 format".
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ranvier.data.formats.source import BLOCK, Block, EventFileError, Source, read_exactly, read_header, whole_records

# What the name of the camera's plugin or sensor says where the header gives no size.
SENSORS = {
    "gen3": (640, 480),
    "gen31": (640, 480),
    "gen4": (1280, 720),
    "gen41": (1280, 720),
    "imx636": (1280, 720),
    "genx320": (320, 320),
}


def open_evt(path: Path, sensor: tuple[int, int] | None) -> Source:
    """Open a RAW file; `sensor` stands in for, and overrules, the size that its header states."""
    with path.open("rb") as file:
        header = read_header(file)
        start = file.tell()
    encoding = _encoding(path, header)
    word, decoder = (4, _Evt2) if encoding == "evt2" else (2, _Evt3)
    count = whole_records(path, start, word)

    def blocks() -> Iterator[Block]:
        decode: Callable[[NDArray], Block] = decoder()
        with path.open("rb") as file:
            file.seek(start)
            for first in range(0, count, BLOCK):
                raw = read_exactly(file, path, word * min(BLOCK, count - first))
                block = decode(np.frombuffer(raw, f"<u{word}"))
                yield block._replace(at=start + word * (first + np.asarray(block.at)))

    return Source(encoding, sensor or _sensor(header), blocks)


def _encoding(path: Path, header: dict[str, str]) -> Literal["evt2", "evt3"]:
    stated = header.get("evt") or header.get("format", "").partition(";")[0]
    known: dict[str, Literal["evt2", "evt3"]] = {"2.0": "evt2", "EVT2": "evt2", "3.0": "evt3", "EVT3": "evt3"}
    if stated not in known:
        raise EventFileError.of(
            path, f"the header states the encoding {stated!r}, expected a line '% evt 2.0' or '% evt 3.0'"
        )
    return known[stated]


def _sensor(header: dict[str, str]) -> tuple[int, int] | None:
    width, height = (re.search(rf"\b{side}=(\d+)", header.get("format", "")) for side in ("width", "height"))
    if width and height:
        return int(width[1]), int(height[1])
    if size := re.fullmatch(r"(\d+)x(\d+)", header.get("geometry", "")):
        return int(size[1]), int(size[2])
    words = re.split("[_ ]", f"{header.get('plugin_name', '')} {header.get('sensor_name', '')}".lower())
    return next((SENSORS[word] for word in words if word in SENSORS), None)


# Nothing stated yet; far enough from every time and coordinate to stay so when small numbers are added.
UNKNOWN = -(1 << 60)


class _Latest:
    """For each word, what the latest word of some kind said; remembered from block to block."""

    def __init__(self) -> None:
        self.value = UNKNOWN

    def __call__(self, where: NDArray[np.bool_], values: NDArray) -> NDArray[np.int64]:
        stated = np.flatnonzero(where)
        runs = np.diff(stated, prepend=0, append=len(where))
        latest = np.repeat(np.concatenate(([self.value], values[stated].astype(np.int64))), runs)
        self.value = int(latest[-1])
        return latest


class _HighTime:
    """The upper bits of the clock, which wrap around, counted on over every turn.

    A step of less than half a turn backwards stays a step backwards, for the check of the order to find.
    """

    def __init__(self, bits: int) -> None:
        self.turn, self.latest = 1 << bits, _Latest()

    def __call__(self, where: NDArray[np.bool_], values: NDArray) -> NDArray[np.int64]:
        stated = values[where].astype(np.int64)
        counted = np.zeros(len(where), np.int64)
        if len(stated):
            origin = int(stated[0]) if self.latest.value == UNKNOWN else self.latest.value
            half = self.turn // 2
            steps = (np.diff(stated, prepend=origin % self.turn) + half) % self.turn - half
            counted[where] = origin + np.cumsum(steps)
        return self.latest(where, counted)


class _Evt2:
    """32-bit words: 4 bits of type; an event has 6 low bits of time, x (11), y (11); its type is the polarity."""

    def __init__(self) -> None:
        self.high = _HighTime(28)

    def __call__(self, words: NDArray[np.uint32]) -> Block:
        kind = words >> 28
        high = self.high(kind == 8, words & 0x0FFFFFFF)
        at = np.flatnonzero((kind <= 1) & (high != UNKNOWN))
        words = words[at]
        t = high[at] << 6 | (words >> 22 & 0x3F)
        x, y = (words >> 11 & 0x7FF).astype(np.uint16), (words & 0x7FF).astype(np.uint16)
        return Block(t, x, y, (words >> 28).astype(np.uint8), at)


class _Evt3:
    """16-bit words: 4 bits of type, 12 of content. Time and y hold until the next word of their type.

    Types: 0 y, 2 x of one event, 3 first x of a vector, 4 and 5 the next 12 and 8 pixels of that vector as a bit mask,
    6 and 8 the low and high 12 bits of the time; others carry no change events.
    """

    def __init__(self) -> None:
        self.high, self.low, self.y = _HighTime(12), _Latest(), _Latest()
        self.base, self.polarity = _Latest(), _Latest()

    def __call__(self, words: NDArray[np.uint16]) -> Block:
        kind, content = words >> 12, words & 0xFFF
        single, twelve, eight = kind == 2, kind == 4, kind == 5
        known = self.high.latest.value
        high = self.high(kind == 8, content)
        # A new high part starts at low part 0; a repeated one changes nothing.
        renewed = (kind == 8) & (np.diff(high, prepend=known) != 0)
        low = self.low((kind == 6) | renewed, np.where(renewed, 0, content))
        y = self.y(kind == 0, content & 0x7FF)
        polarity = self.polarity(single | (kind == 3), content >> 11)

        width = 12 * twelve.astype(np.int64) + 8 * eight
        passed = np.cumsum(width) - width
        base = self.base(kind == 3, (content & 0x7FF) - passed) + passed
        self.base.value += int(passed[-1] + width[-1])

        timed = (low != UNKNOWN) & (high != UNKNOWN) & (y != UNKNOWN)
        carriers = np.flatnonzero(timed & (single | ((twelve | eight) & (base > UNKNOWN // 2))))
        first = np.where(single, content & 0x7FF, base)
        masks = np.where(single, 1, content & np.where(eight, 0xFF, 0xFFF)).astype("<u2")[carriers]
        bits = np.flatnonzero(np.unpackbits(masks.view(np.uint8), bitorder="little").view(np.bool_))
        at = carriers[bits >> 4]
        return Block((high << 12 | low)[at], first[at] + (bits & 15), y[at], polarity[at], at)
