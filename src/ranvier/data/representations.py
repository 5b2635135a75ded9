"""From events to the dense tensors `[T, C, H, W]` (float32) that a network takes.

A recording is cut into runs of consecutive events, and each run is summed into an image. With two channels, channel 0
holds OFF events and channel 1 ON events; a signed image has one channel in which ON counts +1 and OFF -1.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ranvier.data.events import Events
from ranvier.recipes.data import Stacking

# Events are placed in pieces of this many, so that the places of a piece (8 bytes each) stay in the cache of one core.
_PIECE = 1 << 16


def frames(
    events: Events,
    *,
    window_us: int,
    steps: int | None = None,
    start: int | None = None,
    kind: Literal["counts", "binary", "signed"] = "counts",
) -> Tensor:
    """Sum events in consecutive windows of a fixed width, so that a stream can equal the whole.

    With `k = floor((t - start) / window_us)`:

        counts: x[k, c, row, column] = number of events of polarity c in window k at that pixel
        binary: min(counts, 1)
        signed: x[k, 0, row, column] = counts of ON - counts of OFF

    Frames of consecutive time slices, each with its own `start` and `steps`, concatenate to the frames of the whole.

    Args:
        events: the recording, `n` events on a sensor of (W, H).
        window_us: width of a window, microseconds.
        steps: number of windows; `None` takes as many as the last event needs. Later events are left out.
        start: time of the first window's left edge, microseconds; `None` is the first event. Earlier ones are left out.
        kind: what a pixel holds.

    Returns:
        `[steps, 2, H, W]`, or `[steps, 1, H, W]` for `signed`.

    >>> events = Events.of(t=[0, 5, 10, 19], x=[0, 0, 1, 1], y=[0, 0, 0, 0], polarity=[1, 1, 0, 1], sensor=(2, 1))
    >>> frames(events, window_us=10).tolist()
    [[[[0.0, 0.0]], [[2.0, 0.0]]], [[[0.0, 1.0]], [[0.0, 1.0]]]]
    """
    _at_least("window_us", window_us, 1)
    start, steps = _span(events, start, steps, window_us)
    return _sum(events, np.searchsorted(events.t, start + np.arange(steps + 1) * window_us), kind)


def stack(
    events: Events,
    *,
    stacking: Stacking,
    window_us: int | None = None,
    steps: int | None = None,
    start: int | None = None,
    bins: int = 3,
    events_per_bin: int = 500,
) -> Tensor:
    """Turn events into the time steps of a network, whatever its recipe says a pixel holds.

    `counts`, `binary` and `signed` are `frames`, and `last` has the polarity, +1 or -1, of each pixel's last event.
    The others have `bins` channels, B, with

        x[k, j, row, column] = sum of the polarities, +1 or -1, of bin k B + j at that pixel (sbt, sbn: its sign)

        sums, sbt: bin i has the events of floor(i W / B) <= t - start < floor((i + 1) W / B), with W = window_us
        sbn: bin i has the events i N up to (i + 1) N (exclusive) from `start` on, with N = events_per_bin

    Consecutive time steps, each stacked with its own `start`, concatenate to the stack of the whole. `stack_by_time`
    is `sbt` counted from its end, `stack_by_number` likewise `sbn`.

    Args:
        events: the recording, on a sensor of (W, H).
        stacking: what a pixel holds.
        window_us: width of a time step, microseconds; `sbn` has none.
        steps: number of time steps; `None` takes as many as the last event needs. Later events are left out.
        start: where the first step begins, microseconds; `None` is the first event. Earlier ones are left out.
        bins: sums, sbt, sbn: channels of a time step.
        events_per_bin: sbn: events of a channel; the last bins may have fewer, or none.

    Returns:
        `[steps, C, H, W]` with C = 2 for `counts` and `binary`, 1 for `signed` and `last`, else `bins`.

    >>> events = Events.of(t=[0, 5, 10, 19], x=[0, 0, 1, 1], y=[0, 0, 0, 0], polarity=[1, 1, 0, 1], sensor=(2, 1))
    >>> stack(events, stacking="sbt", window_us=20, bins=2).tolist()
    [[[[1.0, 0.0]], [[0.0, 0.0]]]]
    >>> stack(events, stacking="sbn", events_per_bin=3, bins=2).tolist()
    [[[[1.0, -1.0]], [[0.0, 1.0]]]]
    """
    _at_least("bins", bins, 1)
    if stacking == "sbn":
        _at_least("events_per_bin", events_per_bin, 1)
        first = 0 if start is None else int(np.searchsorted(events.t, start))
        steps = -(-(len(events) - first) // (bins * events_per_bin)) if steps is None else steps
        _at_least("steps", steps, 0)
        cuts = np.minimum(first + np.arange(steps * bins + 1) * events_per_bin, len(events))
    elif window_us is None:
        raise ValueError(f"expected window_us, the microseconds of a time step, for the stacking {stacking!r}")
    elif stacking in ("sums", "sbt"):
        _at_least("window_us", window_us, 1)
        start, steps = _span(events, start, steps, window_us)
        cuts = np.searchsorted(events.t, start + np.arange(steps * bins + 1) * window_us // bins)
    elif stacking == "last":
        return _last(events, window_us=window_us, steps=steps, start=start)
    else:
        return frames(events, window_us=window_us, steps=steps, start=start, kind=stacking)
    return _sum(events, cuts, "signed" if stacking == "sums" else "sign").unflatten(0, (steps, bins)).squeeze(2)


def stack_by_time(events: Events, *, label_us: int, steps: int = 3, channels: int = 3, bin_us: int = 20_000) -> Tensor:
    """Stack signed bins of fixed width that end at a label (SBT).

    With `W = bin_us * channels * steps`, `start = label_us - W + 1` and `j = floor((t - start) / bin_us)` for
    `start <= t <= label_us`:

        x[j // channels, j % channels, row, column] = sign(sum of the polarities, +1 or -1, of bin j at that pixel)

    A label earlier than `W` keeps its bins aligned to the label, so that the first bins are empty.

    Returns:
        `[steps, channels, H, W]` with values in {-1, 0, 1}.

    Source: the released input pipeline of SpikeFPN, whose defaults (3 steps of 3 bins of 20 ms) are the defaults here.
    """
    _at_least("steps", steps, 1)
    _at_least("channels", channels, 1)
    _at_least("bin_us", bin_us, 1)
    width = channels * bin_us
    start = label_us - steps * width + 1
    return stack(events, stacking="sbt", window_us=width, steps=steps, start=start, bins=channels)


def stack_by_number(events: Events, *, events_per_bin: int, steps: int = 3, channels: int = 3) -> Tensor:
    """Stack signed bins of equally many events, the newest bin last (SBN).

    Of `n` events and `B = steps * channels` bins, bin `j` holds events `n - (B - j) * events_per_bin` up to
    `n - (B - j - 1) * events_per_bin` (exclusive), and

        x[j // channels, j % channels, row, column] = sign(sum of the polarities, +1 or -1, of bin j at that pixel)

    Older events are left out; where there are too few, the oldest bins stay empty or partly filled.

    Returns:
        `[steps, channels, H, W]` with values in {-1, 0, 1}.

    Source: SpikeFPN compares this stacking with stacking by time.
    """
    _at_least("steps", steps, 1)
    _at_least("channels", channels, 1)
    _at_least("events_per_bin", events_per_bin, 1)
    bins = steps * channels
    cuts = np.maximum(0, len(events) - np.arange(bins, -1, -1) * events_per_bin)
    return _sum(events, cuts, "sign").unflatten(0, (steps, channels)).squeeze(2)


def voxel_grid(events: Events, *, bins: int, start: int | None = None, stop: int | None = None) -> Tensor:
    """Share every event between its two nearest moments in time.

    With `s = (bins - 1) * (t - start) / (stop - start)` and `p` = +1 for ON, -1 for OFF:

        x[b, 0, row, column] = sum over the events of that pixel of p * max(0, 1 - |b - s|)

    Events outside `start <= t <= stop` are left out. For a fixed `start` and `stop` the grid of a recording is the sum
    of the grids of its parts.

    Args:
        events: the recording.
        bins: number of moments, at least 2, the first at `start` and the last at `stop`.
        start: microseconds; `None` is the first event.
        stop: microseconds; `None` is the last event.

    Returns:
        `[bins, 1, H, W]`.

    Source: Zhu, Yuan, Chaney, Daniilidis, "Unsupervised Event-based Learning of Optical Flow, Depth, and Egomotion",
    CVPR 2019, equations 1 to 3 (coordinates are whole pixels, so only time is interpolated).
    """
    _at_least("bins", bins, 2)
    if start is None:
        start = int(events.t[0]) if len(events) else 0
    if stop is None:
        stop = int(events.t[-1]) if len(events) else start
    if stop < start:
        raise ValueError(f"expected stop >= start, got start={start} and stop={stop} us")
    width, height = events.sensor
    pixels = width * height
    # One moment more than asked for: an event at `stop` has a later neighbour too, with the share 0.
    grid = np.zeros((bins + 1) * pixels, np.float32)
    first, last = np.searchsorted(events.t, (start, stop + 1))
    for part in _pieces(events, int(first), int(last)):
        late = (part.t - start) * ((bins - 1) / max(stop - start, 1))
        moment = late.astype(np.int64)
        late -= moment
        sign = _signs(part)
        late = late.astype(np.float32) * sign
        site = _site(part, moment, pixels)
        np.add.at(grid, site, sign - late)
        site += pixels
        np.add.at(grid, site, late)
    return torch.from_numpy(grid[: bins * pixels]).view(bins, 1, height, width)


def time_surface(events: Events, *, at: Sequence[int], tau_us: float) -> Tensor:
    """Show how recently each pixel fired: an image that fades exponentially.

        x[k, c, row, column] = exp(-(at[k] - t_last) / tau_us)

    where `t_last <= at[k]` is the time of the latest event of polarity `c` at that pixel; 0 where there is none.

    Args:
        events: the recording.
        at: the moments, microseconds, never decreasing.
        tau_us: time constant, microseconds.

    Returns:
        `[len(at), 2, H, W]`, values in [0, 1].

    Source: Lagorce, Orchard, Galluppi, Shi, Benosman, "HOTS: A Hierarchy of Event-Based Time-Surfaces for Pattern
    Recognition", IEEE TPAMI 2017.
    """
    moments = np.asarray(at, np.int64)
    if tau_us <= 0:
        raise ValueError(f"expected tau_us > 0, got {tau_us}")
    if np.any(np.diff(moments) < 0):
        raise ValueError(f"expected moments that never decrease, got at={list(at)}: sort them")
    width, height = events.sensor
    pixels = width * height
    latest = np.full(2 * pixels, -np.inf)
    surface = np.empty((len(moments), 2 * pixels), np.float32)
    cuts = np.concatenate([[0], np.searchsorted(events.t, moments, side="right")])
    for k, moment in enumerate(moments):
        part = events[cuts[k] : cuts[k + 1]]
        site = _site(part, part.polarity, pixels)
        # Of several values for one site the last one stays, and events are sorted by time.
        latest[site] = part.t
        surface[k] = np.exp((latest - moment) / tau_us)
    return torch.from_numpy(surface).view(len(moments), 2, height, width)


def _last(events: Events, *, window_us: int, steps: int | None, start: int | None) -> Tensor:
    start, steps = _span(events, start, steps, window_us)
    seen = events.between(start, start + steps * window_us)
    width, height = events.sensor
    x = np.zeros((steps, 1, height, width), np.float32)
    # Of several values for one place the last one stays, and events are sorted by time.
    x[(seen.t - start) // window_us, 0, seen.y, seen.x] = _signs(seen)
    return torch.from_numpy(x)


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise ValueError(f"expected {name} >= {least}, got {value}")


def _span(events: Events, start: int | None, steps: int | None, window_us: int) -> tuple[int, int]:
    """Return where the first window begins and how many there are, found from the events where not given."""
    if start is None:
        start = int(events.t[0]) if len(events) else 0
    if steps is None:
        steps = max(0, int(events.t[-1]) - start) // window_us + 1 if len(events) else 0
    _at_least("steps", steps, 0)
    return start, steps


def _pieces(events: Events, first: int, last: int) -> Iterator[Events]:
    return (events[i : min(i + _PIECE, last)] for i in range(first, last, _PIECE))


def _site(events: Events, image: NDArray, pixels: int) -> NDArray[np.int64]:
    """Return the flat place of each event, given the number of the image that it falls into."""
    site = np.multiply(image, pixels, dtype=np.int64)
    site += np.multiply(events.y, events.sensor[0], dtype=np.int64)
    site += events.x
    return site


def _signs(events: Events) -> NDArray[np.float32]:
    return events.polarity * np.float32(2) - np.float32(1)


def _sum(events: Events, cuts: NDArray[np.int64], kind: Literal["counts", "binary", "signed", "sign"]) -> Tensor:
    """Sum the runs of events between neighbouring cuts into images `[len(cuts) - 1, 2 or 1, H, W]`."""
    width, height = events.sensor
    steps = len(cuts) - 1
    split = kind in ("counts", "binary")
    channels = 2 if split else 1
    sums = np.zeros(steps * channels * height * width, np.float32)
    first, last = int(cuts[0]), int(cuts[-1])
    for part in _pieces(events, first, last):
        step = np.repeat(np.arange(steps), np.diff(np.clip(cuts, first, first + len(part))))
        image = 2 * step + part.polarity if split else step
        np.add.at(sums, _site(part, image, height * width), np.float32(1) if split else _signs(part))
        first += len(part)
    images = torch.from_numpy(sums).view(steps, channels, height, width)
    if kind == "binary":
        images.clamp_(max=1)
    return images.sign_() if kind == "sign" else images
