"""Counts and velocity in bins of one width."""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranvier.data.neural.session import Counts, Session, SpikeTimes, runs

# Share of a bin by which a time may be early: real clocks jitter by the last digit of a float, and so do edges.
JITTER = 1e-6
Missing = Literal["refuse", "cut"]


class Binned(NamedTuple):
    """A session in bins of one width.

    `counts` `[T, units]` are whole numbers, `velocity` `[T, axes]` float32 in `unit`, `start_s` `[T]` where each bin
    begins on the clock of the session, `segment` `[T]` the continuous piece it belongs to, `reach` `[T]` a number that
    changes with the target, or all 0 in a session without targets.
    """

    name: str
    units: tuple[str, ...]
    bin_s: float
    counts: NDArray
    velocity: NDArray[np.float32]
    unit: str
    start_s: NDArray[np.float64]
    segment: NDArray[np.int64]
    reach: NDArray[np.int64]


def bin_session(session: Session, bin_s: float, *, missing: Missing = "refuse") -> Binned:
    """Count spikes in `[e, e + bin_s)` and average the velocity over the same time.

    Bins are laid from the beginning of each segment; what is left of it at its end is dropped, as are spikes outside
    the clock. A position is derived at the rate of its clock, by central differences within a segment, before the mean:
    so the width need not be a multiple of the clock's step.

    Args:
        session: spikes and behaviour.
        bin_s: width in seconds.
        missing: what to do where the behaviour is not a number: refuse the session, or cut it into segments there.

    Raises:
        ValueError: a width that the session cannot give, missing behaviour, or no segment as long as a bin.
    """
    session = _cut(session, missing)
    pieces = runs(session.segment)
    _check_width(session, pieces, bin_s)
    layout = _lay(session, pieces, bin_s)
    first, total = layout.first, int(layout.first[-1])
    if not total:
        raise ValueError(
            f"session {session.name}: no segment is as long as a bin of {1000 * bin_s:g} ms: use a narrower "
            "--data.bin-ms"
        )
    starts = np.array([session.clock[start] for start, _ in pieces])
    segment = np.repeat(np.arange(len(pieces)), np.diff(first))
    velocity, unit = _velocity(session, pieces)
    # Rows are in the order of their bins: sums run from the first row of a bin to that of the next.
    opening = np.searchsorted(layout.bin, np.arange(total))
    samples = np.diff(opening, append=len(layout.bin))
    mean = np.add.reduceat(velocity[layout.row], opening) / samples[:, None]
    if isinstance(session.spikes, Counts):
        counts = np.add.reduceat(session.spikes.counts[layout.row], opening, dtype=np.int64)
    else:
        counts = _count(session.spikes, len(session.units), starts, first, bin_s)
    return Binned(
        name=session.name,
        units=session.units,
        bin_s=bin_s,
        counts=counts.astype(np.min_scalar_type(counts.max())),
        velocity=mean.astype(np.float32),
        unit=unit,
        start_s=np.asarray(starts[segment] + bin_s * (np.arange(total) - first[segment]), np.float64),
        segment=segment,
        # The first time of the clock in a bin speaks for its target.
        reach=_reaches(session, layout.row[opening]),
    )


class _Layout(NamedTuple):
    """Where bins lie: the first bin of each segment and of the end, and which row of the clock is in which bin."""

    first: NDArray[np.int64]
    row: NDArray[np.int64]
    bin: NDArray[np.int64]


def _lay(session: Session, pieces: list[tuple[int, int]], bin_s: float) -> _Layout:
    first, rows, bins = [0], [], []
    for start, stop in pieces:
        if isinstance(session.spikes, Counts):
            elapsed = np.arange(stop - start) * session.spikes.bin_s
            end = (stop - start) * session.spikes.bin_s
        else:
            # A time has no width: nothing is known after the last one.
            elapsed = session.clock[start:stop] - session.clock[start]
            end = elapsed[-1]
        count = int(end / bin_s + JITTER)
        place = (elapsed / bin_s + JITTER).astype(np.int64)
        rows.append(start + np.flatnonzero(place < count))
        bins.append(first[-1] + place[place < count])
        first.append(first[-1] + count)
    return _Layout(np.array(first), np.concatenate(rows), np.concatenate(bins))


def _cut(session: Session, missing: Missing) -> Session:
    absent = session.missing()
    if not absent.any():
        return session
    if missing == "refuse":
        raise ValueError(
            f"session {session.name}: the behaviour is not a number at {absent.sum():,} of {len(absent):,} times, "
            f"first at {session.clock[absent][0]:.3f} s: cut the session there with --data.missing cut"
        )
    return session.without_missing()


def _check_width(session: Session, pieces: list[tuple[int, int]], bin_s: float) -> None:
    if isinstance(session.spikes, Counts):
        own = session.spikes.bin_s
        merge = max(1, round(bin_s / own))
        if abs(bin_s / own - merge) > 1e-3:
            raise ValueError(
                f"session {session.name}: its spikes are counted in bins of {1000 * own:g} ms, which cannot become "
                f"bins of {1000 * bin_s:g} ms: use --data.bin-ms {1000 * own * merge:g} or another multiple of "
                f"{1000 * own:g}"
            )
        return
    longest = max((float(np.diff(session.clock[start:stop]).max(initial=0)) for start, stop in pieces), default=0.0)
    if bin_s < longest * (1 - JITTER):
        raise ValueError(
            f"session {session.name}: its behaviour has steps of up to {1000 * longest:g} ms, so that some bins of "
            f"{1000 * bin_s:g} ms would have none: use --data.bin-ms {np.ceil(1e6 * longest - 1e-3) / 1000:g} or more"
        )


def _count(
    spikes: SpikeTimes, units: int, starts: NDArray[np.float64], first: NDArray[np.int64], bin_s: float
) -> NDArray[np.int64]:
    piece = np.searchsorted(starts, spikes.t, side="right") - 1
    known = piece >= 0
    t, unit, piece = spikes.t[known], spikes.unit[known], piece[known]
    at = first[piece] + ((t - starts[piece]) / bin_s + JITTER).astype(np.int64)
    inside = at < first[piece + 1]
    flat = np.bincount(at[inside] * units + unit[inside], minlength=int(first[-1]) * units)
    return flat.reshape(-1, units)


def _velocity(session: Session, pieces: list[tuple[int, int]]) -> tuple[NDArray[np.float64], str]:
    moved = session.moved()
    if "velocity" in session.behaviour:
        return moved.values, moved.unit
    velocity = np.zeros(moved.values.shape)
    for start, stop in pieces:
        if stop - start > 1:
            velocity[start:stop] = np.gradient(moved.values[start:stop], session.clock[start:stop], axis=0)
    return velocity, f"{moved.unit}/s"


def _reaches(session: Session, opening: NDArray[np.int64]) -> NDArray[np.int64]:
    if "target" not in session.behaviour:
        return np.zeros(len(opening), np.int64)
    target = session.behaviour["target"].values[opening]
    # Where there is no target, it may be not a number.
    same = (target[1:] == target[:-1]) | (np.isnan(target[1:]) & np.isnan(target[:-1]))
    return np.concatenate([[0], np.cumsum(~same.all(1))])
