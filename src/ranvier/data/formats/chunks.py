"""Cut events that come block by block into chunks of equal time or equal number."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ranvier.data.events import Events
from ranvier.data.formats.source import EventFileError

# Three hours of 10 ms windows: a longer silence is a damaged time, and would look like a program that hangs.
LONGEST_SILENCE = 1_000_000


def cut_blocks(
    blocks: Iterable[Events],
    *,
    name: Path | str,
    sensor: tuple[int, int],
    duration_us: int | None = None,
    count: int | None = None,
    start_us: int | None = None,
) -> Iterator[Events]:
    """Cut a series of blocks, none of them empty, as `Recording.chunks` says; `name` is what an error names.

    Raises:
        ValueError: not one of `duration_us` and `count`, one below 1, or `start_us` with `count`.
        EventFileError: more than a million windows in a row are empty, once they are reached.
    """
    if (duration_us is None) == (count is None):
        raise ValueError("expected one of duration_us and count: chunks(duration_us=10_000) or chunks(count=65536)")
    size = duration_us if count is None else count
    if size is None or size < 1:
        raise ValueError(f"expected chunks of at least 1, got {size}")
    if count is None:
        return _by_duration(blocks, name, sensor, size, start_us)
    if start_us is not None:
        raise ValueError("start_us opens the first window of chunks(duration_us=...); chunks by count have none")
    return _by_count(blocks, sensor, count)


def join(parts: list[Events], sensor: tuple[int, int]) -> Events:
    """Return consecutive events as one."""
    if len(parts) == 1:
        return parts[0]
    t, x, y, polarity = (np.concatenate([getattr(p, name) for p in parts]) for name in ("t", "x", "y", "polarity"))
    return Events(t, x, y, polarity, sensor)


def _by_count(blocks: Iterable[Events], sensor: tuple[int, int], count: int) -> Iterator[Events]:
    parts: list[Events] = []
    held = 0
    for block in blocks:
        while held + len(block) >= count:
            taken = count - held
            yield join([*parts, block[:taken]], sensor)
            parts, held, block = [], 0, block[taken:]
        if len(block):
            parts.append(block)
            held += len(block)
    if parts:
        yield join(parts, sensor)


def _by_duration(
    blocks: Iterable[Events], name: Path | str, sensor: tuple[int, int], duration: int, start: int | None
) -> Iterator[Events]:
    parts: list[Events] = []
    silent = Events.empty(sensor)
    opens = start
    for block in blocks:
        if opens is None:
            opens = int(block.t[0])
        if start is not None and not parts:
            block = block[int(np.searchsorted(block.t, opens)) :]
        while len(block) and block.t[-1] >= opens + duration:
            split = int(np.searchsorted(block.t, opens + duration))
            yield join([*parts, block[:split]], sensor) if parts or split else silent
            parts, block, opens = [], block[split:], opens + duration
            if (int(block.t[0]) - opens) // duration > LONGEST_SILENCE:
                raise EventFileError.of(
                    name,
                    f"no event from {opens} us until {block.t[0]} us: a damaged time, or a recording to read with "
                    f"longer windows or with chunks(count=...)",
                )
        if len(block):
            parts.append(block)
    if parts:
        yield join(parts, sensor)
