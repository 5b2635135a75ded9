"""What can be said about a session without a network: the facts and the raster behind `ranvier info FILE`."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranvier.data.neural.binning import bin_session
from ranvier.data.neural.session import Counts, Session, SpikeTimes, runs

# Seconds of a session that its picture shows, and the width of a bin there, where the session does not have its own.
SHOWN_S = 10.0
SHOWN_BIN_S = 0.01


def describe_session(session: Session) -> dict[str, Any]:
    """Return plain facts about a session; all values are JSON's.

    Keys: `name`, `units`, `seconds`, `spikes`, `bin_ms` (None where spikes have times), `clock_ms` (the usual step of
    the behaviour), `first_s`, `last_s`, `rate_mean`, `rate_median` and `rate_max` in spikes/s of a unit, `dead` (names
    of units that never fire), `drift` (mean rate of the last fifth over that of the rest, minus 1; None if none fired
    there), `outside` (spikes outside the clock), `segments` (`count`, `median_s`, `longest_s`), and `behaviour`: for
    each signal {"axes", "unit", "std", "missing"}, `std` one for each axis and `missing` the times without a number.
    """
    spikes, lengths = session.spikes_of_units(), session.lengths_s()
    rates = spikes / sum(lengths)
    return {
        "name": session.name,
        "units": len(session.units),
        "seconds": sum(lengths),
        "spikes": int(spikes.sum()),
        "bin_ms": 1000 * session.spikes.bin_s if isinstance(session.spikes, Counts) else None,
        "clock_ms": 1000 * float(np.median(np.diff(session.clock))),
        "first_s": float(session.clock[0]),
        "last_s": float(session.clock[-1]),
        "rate_mean": float(rates.mean()),
        "rate_median": float(np.median(rates)),
        "rate_max": float(rates.max()),
        "dead": [name for name, count in zip(session.units, spikes, strict=True) if not count],
        "drift": _drift(session),
        "outside": len(session.spikes.t) - int(spikes.sum()) if isinstance(session.spikes, SpikeTimes) else 0,
        "segments": {
            "count": len(lengths),
            "median_s": float(np.median(lengths)),
            "longest_s": float(np.max(lengths)),
        },
        "behaviour": {
            name: {
                "axes": signal.values.shape[1],
                "unit": signal.unit,
                "std": [
                    float(np.std(axis[np.isfinite(axis)])) if np.isfinite(axis).any() else None
                    for axis in signal.values.T
                ],
                "missing": int((~np.isfinite(signal.values).all(1)).sum()),
            }
            for name, signal in session.behaviour.items()
        },
    }


class Excerpt(NamedTuple):
    """The first seconds of a session for a picture: `counts` `[T, units]`, `velocity` `[T, axes]` in `unit`."""

    counts: NDArray
    velocity: NDArray[np.float32]
    unit: str
    bin_s: float
    start_s: float


def excerpt(session: Session, *, seconds: float = SHOWN_S) -> Excerpt:
    """Return the first seconds of the longest segment, in the session's own bins or, of spike times, about 10 ms wide.

    Raises:
        ValueError: as `bin_session`.
    """
    if isinstance(session.spikes, Counts):
        bin_s = session.spikes.bin_s
    else:
        # A slow clock makes wide bins: each needs a time of it.
        step = max(float(np.diff(session.clock[start:stop]).max(initial=0)) for start, stop in runs(session.segment))
        bin_s = max(SHOWN_BIN_S, math.ceil(1000 * step - 1e-3) / 1000)
    binned = bin_session(session, bin_s, missing="cut")
    start, stop = max(runs(binned.segment), key=lambda run: run[1] - run[0])
    part = slice(start, min(stop, start + round(seconds / bin_s)))
    return Excerpt(binned.counts[part], binned.velocity[part], binned.unit, bin_s, float(binned.start_s[start]))


def _drift(session: Session) -> float | None:
    """Return by which share the mean rate of the last fifth differs from that before it."""
    cut = session.clock[0] + 0.8 * (session.clock[-1] - session.clock[0])
    if isinstance(session.spikes, Counts):
        per_bin = session.spikes.counts.sum(1)
        early, late = per_bin[session.clock < cut], per_bin[session.clock >= cut]
        before, after = float(early.mean()), float(late.mean())
    else:
        t = session.spikes.t[(session.spikes.t >= session.clock[0]) & (session.spikes.t < session.clock[-1])]
        before = float((t < cut).sum()) / (cut - session.clock[0])
        after = float((t >= cut).sum()) / (session.clock[-1] - cut)
    return after / before - 1 if before else None
