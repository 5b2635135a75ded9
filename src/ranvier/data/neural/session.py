"""One recording day of a brain: spikes of many units, and what the body did meanwhile."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# A step of the clock that is longer than this many usual ones is a gap: what follows is another segment.
GAP = 1.5


class Signal(NamedTuple):
    """What was measured beside the spikes: `values` `[k, axes]` in `unit`, one row for each time of the clock."""

    values: NDArray[np.float64]
    unit: str


class SpikeTimes(NamedTuple):
    """Spikes one by one, in any order: `t` `[n]` in seconds on the clock of the behaviour, `unit` `[n]` from 0."""

    t: NDArray[np.float64]
    unit: NDArray[np.int64]


class Counts(NamedTuple):
    """Spikes a bin: `counts` `[k, units]`, where bin i of width `bin_s` seconds begins at time i of the clock."""

    counts: NDArray
    bin_s: float


@dataclass(frozen=True, eq=False)
class Session:
    """Spikes and behaviour of one day on one clock.

    Args:
        name: of the day.
        units: a name for each unit; what a channel of the array sees counts as one unit unless it was sorted.
        spikes: times of spikes, or counts in bins that can only become wider.
        clock: seconds, rising, `[k]`.
        behaviour: signals by name; `velocity` or `position` is what can be decoded, `target` says where a reach leads.
        segment: number of the continuous piece that each time of the clock belongs to, `[k]`; -1: to none.

    Raises:
        ValueError: a clock that does not rise, lengths that differ, no unit that ever fires.
    """

    name: str
    units: tuple[str, ...]
    spikes: SpikeTimes | Counts
    clock: NDArray[np.float64]
    behaviour: Mapping[str, Signal]
    segment: NDArray[np.int64]

    def __post_init__(self) -> None:
        self._check_clock()
        rows = {name: len(signal.values) for name, signal in self.behaviour.items()} | {"segment": len(self.segment)}
        if isinstance(self.spikes, Counts):
            rows["spikes"] = len(self.spikes.counts)
            if self.spikes.counts.shape != (rows["spikes"], len(self.units)):
                raise ValueError(
                    f"session {self.name}: expected counts [time, {len(self.units)} units], got shape "
                    f"{self.spikes.counts.shape}"
                )
        if wrong := {name: count for name, count in rows.items() if count != len(self.clock)}:
            raise ValueError(f"session {self.name}: the clock has {len(self.clock):,} times, other rows are {wrong}")
        if not self.spikes_of_units().any():
            raise ValueError(
                f"session {self.name}: none of its {len(self.units)} units fires while the clock runs: is the time of "
                "the spikes in seconds, on the clock of the behaviour?"
            )

    def _check_clock(self) -> None:
        if len(self.clock) < 2 or not np.isfinite(self.clock).all():
            raise ValueError(f"session {self.name}: expected a clock of two times or more, in seconds, all finite")
        back = np.flatnonzero(np.diff(self.clock) <= 0)
        if len(back):
            i = int(back[0])
            raise ValueError(
                f"session {self.name}: its clock does not rise at sample {i + 1:,} ({self.clock[i + 1]:.6f} s after "
                f"{self.clock[i]:.6f} s), nor at {len(back) - 1:,} others: sort or cut the recording"
            )

    def lengths_s(self) -> list[float]:
        """Return the length of each segment in seconds."""
        last = self.spikes.bin_s if isinstance(self.spikes, Counts) else 0.0
        return [float(self.clock[stop - 1] - self.clock[start]) + last for start, stop in runs(self.segment)]

    def spikes_of_units(self) -> NDArray[np.int64]:
        """Return how many spikes each unit has while the clock runs, `[units]`."""
        if isinstance(self.spikes, Counts):
            return self.spikes.counts.sum(0, dtype=np.int64)
        within = (self.spikes.t >= self.clock[0]) & (self.spikes.t < self.clock[-1])
        return np.bincount(self.spikes.unit[within], minlength=len(self.units))

    def missing(self) -> NDArray[np.bool_]:
        """Return where the behaviour that is decoded is not a number, `[k]`."""
        return ~np.logical_and.reduce(np.isfinite(self.moved().values), axis=1)

    def without_missing(self) -> "Session":
        """Return the session cut where the behaviour that is decoded is not a number: a new segment follows."""
        missing = self.missing()
        return replace(self, segment=np.where(missing, -1, number(self.segment, missing)))

    def moved(self) -> Signal:
        """Return the signal that is decoded, in the plane: `velocity`, or else `position` that will be derived.

        Raises:
            ValueError: there is neither.
        """
        for name in ("velocity", "position"):
            if name in self.behaviour:
                values, unit = self.behaviour[name]
                return Signal(values[:, :2], unit)
        raise ValueError(
            f"session {self.name}: expected a velocity or a position to decode, found {sorted(self.behaviour)}"
        )


def runs(labels: NDArray) -> list[tuple[int, int]]:
    """Return where each run of equal labels begins and ends; those of negative labels are left out.

    >>> runs(np.array([0, 0, 3, -1, -1, 3]))
    [(0, 2), (2, 3), (5, 6)]
    """
    cuts = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
    return [(start, stop) for start, stop in itertools.pairwise(cuts) if stop > start and labels[start] >= 0]


def number(*labels: NDArray) -> NDArray[np.int64]:
    """Number the pieces in which none of the labels changes, from 0.

    >>> number(np.array([5, 5, 5, 7]), np.array([False, True, True, True]))
    array([0, 1, 1, 2])
    """
    changes = np.logical_or.reduce([np.diff(label) != 0 for label in labels])
    return np.concatenate([[0], np.cumsum(changes)])


def segments_of_clock(clock: NDArray[np.float64]) -> NDArray[np.int64]:
    """Number the continuous pieces of a clock: a step longer than 1.5 usual ones begins another.

    >>> segments_of_clock(np.array([0.0, 0.1, 0.2, 0.9, 1.0]))
    array([0, 0, 0, 1, 1])
    """
    step = np.diff(clock)
    if not len(step):
        return np.zeros(len(clock), np.int64)
    return np.concatenate([[0], np.cumsum(step > GAP * np.median(step))])
