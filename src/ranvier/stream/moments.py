"""Bins of a neural recording as they become complete: of a session that is replayed, or of a rig behind a port."""

import time
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from numpy.typing import NDArray

from ranvier.data.neural import Binned, stretches
from ranvier.data.neural.session import runs
from ranvier.data.neural.tcp import Bins
from ranvier.recipes.neural import Decoded


class Moment(NamedTuple):
    """A bin that is complete.

    `t_s` is its end on the clock of the recording, `counts` `[channels]` or `None` what came, `true` `[axes]` the
    velocity that is to be decoded, where it is known. `fresh`: nothing that came before belongs to it. `due` is when it
    was complete on the clock `time.monotonic`, where that counts.
    """

    t_s: float
    counts: NDArray | None
    true: NDArray | None
    fresh: bool
    due: float | None = None


def recorded(
    binned: Binned, data: Decoded, *, split: Literal["all", "train", "val", "test"] = "all"
) -> Iterator[Moment]:
    """Yield the bins of a session, or of the part that the settings of a run keep for a split.

    Raises:
        ValueError: nothing is in the split.
    """
    lag, gap = (round(ms / data.bin_ms) for ms in (data.lag_ms, data.gap_ms))
    if split == "all":
        pieces = runs(binned.segment)
    else:
        pieces = stretches(binned, split, by=data.split, shares=data.shares, gap=gap)
    moves = binned.velocity.shape[1] > 0
    for start, stop in pieces:
        for t in range(start, stop):
            true = binned.velocity[t + lag] if moves and t + lag < stop else None
            yield Moment(float(binned.start_s[t]) + binned.bin_s, binned.counts[t], true, t == start)


def arriving(bins: Bins, bin_s: float) -> Iterator[Moment]:
    """Yield the bins that arrive at a port, timed by their number: each client is a recording of its own."""
    client = number = 0
    for one in bins:
        fresh, client = one.client != client, one.client
        number = 1 if fresh else number + 1
        yield Moment(number * bin_s, one.counts, None, fresh)


def at_speed(moments: Iterable[Moment], bin_s: float, *, speed: float) -> Iterator[Moment]:
    """Hand on each bin when it is complete, so many times as fast; the time between two pieces is left out.

    Raises:
        ValueError: a speed that is not above 0.
    """
    if not speed > 0:
        raise ValueError(f"expected a speed above 0, got {speed}")
    due = time.monotonic()
    for moment in moments:
        due += bin_s / speed
        time.sleep(max(0.0, due - time.monotonic()))
        yield moment._replace(due=due)
