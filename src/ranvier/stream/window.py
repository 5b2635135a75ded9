"""From a recording or a camera to the input of a network, window by window."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice, repeat
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ranvier.data.events import Events
from ranvier.data.formats import Recording
from ranvier.data.live import Live
from ranvier.data.representations import stack
from ranvier.recipes.data import Stacking


class Window(NamedTuple):
    """The events of one time step.

    By time it is complete: `start_us <= t < stop_us`. By number it begins where the one before stopped, and stops
    after its last event.
    """

    start_us: int
    stop_us: int
    events: Events


def windows(
    source: Recording | Live,
    *,
    window_us: int | None = None,
    stacking: Stacking = "counts",
    bins: int = 3,
    events_per_bin: int = 500,
    chunk: int = 1,
    steps: int | None = None,
    start_us: int | None = None,
    multiple: int = 1,
) -> Iterator[tuple[int, Tensor]]:
    """Read a source piece by piece as the `stack` of the whole: `cut`, then `stacked`, without keeping pace with it.

    Args:
        source: an opened event file, or a camera.
        window_us: width of a time step, microseconds; `sbn` has none.
        stacking: what a pixel holds, see `ranvier.data.representations.stack`.
        bins: sbt, sbn: channels of a time step.
        events_per_bin: sbn: events of a channel.
        chunk: time steps per chunk; the last chunk may be shorter.
        steps: stop after so many time steps, with empty ones where the source ends early; `None` takes all.
        start_us: left edge of the first window; `None` is the first event. `sbn` has no edges.
        multiple: pad each side with zeros to a multiple of so many pixels.

    Returns:
        `(t_us, x [T, 1, C, H, W])` for each chunk, with the time at which it is complete.

    Raises:
        ValueError: the file is damaged, see `Recording.chunks`, or a number is below 1.
    """
    by_number = stacking == "sbn"
    if by_number and min(bins, events_per_bin) < 1:
        raise ValueError(f"expected numbers from 1 on, got bins={bins}, events_per_bin={events_per_bin}")
    parts = cut(
        source,
        window_us=None if by_number else window_us,
        count=bins * events_per_bin if by_number else None,
        steps=steps,
        start_us=start_us,
    )
    return stacked(parts, stacking=stacking, bins=bins, events_per_bin=events_per_bin, chunk=chunk, multiple=multiple)


def cut(
    source: Recording | Live,
    *,
    window_us: int | None = None,
    count: int | None = None,
    steps: int | None = None,
    start_us: int | None = None,
) -> Iterator[Window]:
    """Cut a source into consecutive windows of `window_us` microseconds or of `count` events.

    After `steps` windows it stops, with empty ones where the source ends early. A window is known to be complete when
    the first event after it arrives: where nothing moves, a camera is silent, and so is this.

    Raises:
        ValueError: a number is below 1, or as `Recording.chunks`.
    """
    for name, value in (("window_us", window_us), ("steps", steps)):
        if value is not None and value < 1:
            raise ValueError(f"expected {name} of 1 or more, got {value}")
    chunks = source.chunks(duration_us=window_us, count=count, start_us=start_us)
    return _with_edges(_exactly(chunks, Events.empty(source.sensor), steps), window_us, start_us)


def stacked(
    parts: Iterable[Window],
    *,
    stacking: Stacking = "counts",
    bins: int = 3,
    events_per_bin: int = 500,
    chunk: int = 1,
    multiple: int = 1,
) -> Iterator[tuple[int, Tensor]]:
    """Stack each window to a time step and hand on `chunk` of them at a time: `(t_us, x [T, 1, C, H, W])`.

    Zeros are added on the right and at the bottom until height and width are multiples of `multiple`, such as the
    largest stride of the network: a sensor of any size fits, and no coordinate changes.

    Raises:
        ValueError: a number is below 1.
    """
    if min(chunk, multiple) < 1:
        raise ValueError(f"expected numbers from 1 on, got chunk={chunk}, multiple={multiple}")
    return _chunks((_step(part, stacking, bins, events_per_bin, multiple) for part in parts), chunk)


def _exactly(parts: Iterable[Events], empty: Events, steps: int | None) -> Iterator[Events]:
    """Exactly `steps` parts, read no further than needed; all of them for `None`."""
    return iter(parts) if steps is None else islice(chain(parts, repeat(empty)), steps)


def _with_edges(parts: Iterable[Events], window_us: int | None, start: int | None) -> Iterator[Window]:
    for part in parts:
        start = int(part.t[0]) if start is None else start
        last = int(part.t[-1]) + 1 if len(part) else start
        stop = start + window_us if window_us else last
        yield Window(start, stop, part)
        start = stop


def _step(part: Window, stacking: Stacking, bins: int, events_per_bin: int, multiple: int) -> tuple[int, Tensor]:
    # By number, the first events may be as old as the last ones of the window before.
    start = None if stacking == "sbn" else part.start_us
    x = stack(
        part.events,
        stacking=stacking,
        window_us=part.stop_us - part.start_us,
        steps=1,
        start=start,
        bins=bins,
        events_per_bin=events_per_bin,
    )
    height, width = x.shape[-2:]
    return part.stop_us, nn.functional.pad(x, (0, -width % multiple, 0, -height % multiple))


def _chunks(steps: Iterator[tuple[int, Tensor]], chunk: int) -> Iterator[tuple[int, Tensor]]:
    while held := list(islice(steps, chunk)):
        yield held[-1][0], torch.stack([x for _, x in held])
