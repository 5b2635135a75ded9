"""Sessions as a PyTorch data set: windows to train on, whole stretches to be judged by."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from ranvier.data.datasets.batch import Batch
from ranvier.data.datasets.frames import Split
from ranvier.data.neural.binning import Binned
from ranvier.data.neural.splits import stretches
from ranvier.recipes.neural import Decoded

# Of a unit that hardly ever fires, or an axis that hardly moves.
LEAST_STD = 1e-3


class Stretch(NamedTuple):
    """A continuous piece of one day: `x` `[T, units]`, `velocity` `[T, axes]`; `day` counts from 0.

    Counts stay the small integers that they are, so that a month of days fits into memory; smoothed ones are float32.
    """

    x: NDArray
    velocity: NDArray[np.float32]
    day: int


class Scale(NamedTuple):
    """Mean and standard deviation of every unit's input `[units]` and of every axis of the velocity `[axes]`."""

    x_mean: NDArray[np.float32]
    x_std: NDArray[np.float32]
    velocity_mean: NDArray[np.float32]
    velocity_std: NDArray[np.float32]


class NeuralSamples(Dataset[tuple[Tensor, Tensor, int]]):
    """Stretches of sessions: sample i is `(x [T, units] float32, velocity [T, axes] float32, day)`.

    With `steps`, a sample is a window of so many bins whose place in its stretch is drawn anew in every epoch, from
    `(seed, epoch, i)` and nothing else; windows of a stretch that is shorter are the whole of it. Without, sample i is
    stretch i. Nothing reaches from one sample into another: neither smoothing nor lag.

    Args:
        stretches: the pieces, of equally many units.
        days: name of each day.
        bin_s: width of a time step in seconds.
        unit: what the velocity is measured in.
        steps: bins of a window.
        seed: of the windows.
    """

    classes: tuple[str, ...] = ()

    def __init__(
        self,
        stretches: Sequence[Stretch],
        days: tuple[str, ...],
        *,
        bin_s: float,
        unit: str = "",
        steps: int | None = None,
        seed: int = 0,
    ) -> None:
        self.stretches = stretches
        self.days = days
        self.bin_s = bin_s
        self.unit = unit
        self.steps = steps
        self.seed = seed
        counts = [1 if steps is None else -(-len(stretch.x) // steps) for stretch in stretches]
        # Which stretch a sample is from, the how manieth of how many windows.
        self._windows = [(i, j, count) for i, count in enumerate(counts) for j in range(count)]
        # Shared, because workers that outlive an epoch hold a copy of everything else.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    @property
    def units(self) -> int:
        """Number of units, the same on all days."""
        return self.stretches[0].x.shape[1]

    @property
    def axes(self) -> int:
        """Number of axes of the velocity."""
        return self.stretches[0].velocity.shape[1]

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor, int]:
        number, window, count = self._windows[i]
        x, velocity, day = self.stretches[number]
        start, stop = 0, len(x)
        if self.steps is not None and len(x) > self.steps:
            # Windows share out their stretch; those that would begin before it or end after it give its ends weight.
            u = np.random.default_rng([self.seed, int(self._epoch), i % len(self)]).random()
            start = round((window + u) / count * len(x) - self.steps / 2)
            start = min(max(start, 0), len(x) - self.steps)
            stop = start + self.steps
        return torch.from_numpy(x[start:stop].astype(np.float32)), torch.from_numpy(velocity[start:stop]), day

    @staticmethod
    def collate(samples: Sequence[tuple[Tensor, Tensor, int]]) -> Batch:
        """Put samples side by side: `x` `[T, B, units]`, target `[T, B, axes]`, both filled up with 0; `day` `[B]`."""
        x, velocity = pad_sequence([x for x, _, _ in samples]), pad_sequence([moved for _, moved, _ in samples])
        lengths = torch.tensor([len(x) for x, _, _ in samples])
        return Batch(x, velocity, lengths, day=torch.tensor([day for _, _, day in samples]))

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next; it decides where windows lie."""
        self._epoch.fill_(epoch)

    def of_day(self, day: int) -> "NeuralSamples":
        """Return the samples of one day, by its number."""
        return self._of([stretch for stretch in self.stretches if stretch.day == day])

    def first(self, seconds: float) -> "NeuralSamples":
        """Return the first so many seconds of each day, to calibrate a decoder with.

        Raises:
            ValueError: there are fewer.
        """
        bins, there = round(seconds / self.bin_s), self._bins()
        if short := [f"{self.days[day]} has {count * self.bin_s:g} s" for day, count in there.items() if count < bins]:
            raise ValueError(f"expected {seconds:g} s of every day, {', '.join(short)}: ask for less")
        return self._parted(dict.fromkeys(there, bins))[0]

    def parted(self, share: float) -> tuple["NeuralSamples", "NeuralSamples"]:
        """Return the first so large a share of the bins of each day, and the rest of them."""
        return self._parted({day: round(share * count) for day, count in self._bins().items()})

    def _bins(self) -> dict[int, int]:
        days = sorted({stretch.day for stretch in self.stretches})
        return {day: sum(len(stretch.x) for stretch in self.stretches if stretch.day == day) for day in days}

    def _parted(self, left: dict[int, int]) -> tuple["NeuralSamples", "NeuralSamples"]:
        before, after = [], []
        for x, velocity, day in self.stretches:
            cut = min(left[day], len(x))
            left[day] -= cut
            pieces = (before, slice(cut)), (after, slice(cut, None))
            for kept, part in pieces:
                if len(x[part]):
                    kept.append(Stretch(x[part], velocity[part], day))
        return self._of(before), self._of(after)

    def _of(self, stretches: Sequence[Stretch]) -> "NeuralSamples":
        return NeuralSamples(stretches, self.days, bin_s=self.bin_s, unit=self.unit, steps=self.steps, seed=self.seed)

    def scale(self) -> Scale:
        """Return mean and standard deviation over all bins, those of a silent unit as 1e-3: for the training split."""
        moments = []
        for columns in ([s.x for s in self.stretches], [s.velocity for s in self.stretches]):
            count = sum(map(len, columns))
            mean = np.sum([part.sum(0, dtype=np.float64) for part in columns], axis=0) / count
            variance = np.sum([np.square(part - mean).sum(0) for part in columns], axis=0) / count
            moments += [mean.astype(np.float32), np.maximum(np.sqrt(variance), LEAST_STD).astype(np.float32)]
        return Scale(*moments)


def arrange(days: Sequence[Binned], config: Decoded, split: Split) -> NeuralSamples:
    """Return one split of binned days.

    Raises:
        ValueError: nothing is left in the split, or no stretch of the training is as long as a window.
    """
    bin_s = days[0].bin_s
    gap, lag = (round(ms / config.bin_ms) for ms in (config.gap_ms, config.lag_ms))
    pieces = [
        Stretch(smooth(binned.counts[start : stop - lag], bins=config.smooth_ms / config.bin_ms), moved, day)
        for day, binned in enumerate(days)
        for start, stop in stretches(binned, split, by=config.split, shares=config.shares, gap=gap)
        if len(moved := binned.velocity[start + lag : stop])
    ]
    if not pieces:
        raise ValueError(f"no piece of the {split} split outlasts {config.lag_ms:g} ms: use a smaller --data.lag-ms")
    longest = max(len(piece.x) for piece in pieces)
    if split == "train" and longest < config.steps:
        raise ValueError(
            f"the longest continuous piece of the {split} split has {longest} bins of {config.bin_ms:g} ms, a window "
            f"{config.steps}: use --data.steps {longest}, or longer sessions"
        )
    names = tuple(binned.name for binned in days)
    steps = config.steps if split == "train" else None
    return NeuralSamples(pieces, names, bin_s=bin_s, unit=days[0].unit, steps=steps, seed=config.seed)


def smooth(counts: NDArray, *, bins: float) -> NDArray:
    """Return a causal exponential mean of counts `[T, ...]`, from rest, with a time constant of so many bins.

        y[t] = a y[t-1] + (1 - a) x[t],   a = exp(-1 / bins)

    0 bins: the counts as they are.

    >>> smooth(np.array([1, 0, 0]), bins=1 / np.log(2))
    array([0.5  , 0.25 , 0.125], dtype=float32)
    """
    if not bins:
        return counts
    a = np.exp(-1 / bins)
    y, mean = np.empty(counts.shape, np.float32), np.zeros(counts.shape[1:])
    for t, x in enumerate(counts):
        mean = a * mean + (1 - a) * x
        y[t] = mean
    return y
