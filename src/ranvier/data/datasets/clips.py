"""Recordings with a mask for some moments, cut into clips of consecutive masks."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ranvier.data.datasets.batch import Batch
from ranvier.data.datasets.frames import Split
from ranvier.data.events import Events
from ranvier.data.representations import stack
from ranvier.recipes import DDD17, DSEC

# One in so many masks, the last ones of a training recording, is kept for validation: neighbours look alike.
VALIDATION = 20


class MaskedRecording(Protocol):
    """Events of one recording, and masks `[H, W]` uint8 and frames `[C, H, W]` in 0..1 at the times `mask_us`."""

    @property
    def name(self) -> str: ...
    @property
    def mask_us(self) -> NDArray[np.int64]: ...
    def events(self, start_us: int, stop_us: int) -> Events: ...
    def mask(self, i: int) -> NDArray[np.uint8]: ...
    def frame(self, i: int) -> Tensor: ...


class Clips(Dataset[tuple[Tensor, Tensor]]):
    """Clips of consecutive masks: sample i is `(x [steps, C, H, W] float32, labels [steps, H, W] uint8)`.

    A time step is a mask and the window of `W = window_us` before it. With `m` the time of the mask, `w = W / bins` and
    `j = floor((t - m + W - 1) / w)` for `m - W < t <= m`:

        x[step, j, row, column] = sum of the polarities, +1 or -1, of bin j at that pixel   (stacking "sums")
        x[step, j, row, column] = sign of that sum                                          (stacking "sbt")

    A window before the first event, or after the last, is empty. Frames come before the bins. Masks left over at the
    end of a recording, too few for a clip, are not used.

    The loader of SpikingEDN was not released: this is a reconstruction (unverified), as are frames in 0..1.

    Args:
        recordings: each with the range of its masks that belongs to this split.
        config: steps, stride, window, stacking, bins, frames and seed.
        classes: names of the labels 0, 1, 2, ...
        augment: mirror each clip or not, by a generator made from `(seed, epoch, i)`.

    Raises:
        ValueError: a window that is not a multiple of the bins, masks out of order in time, or no whole clip.
    """

    def __init__(
        self,
        recordings: Sequence[tuple[MaskedRecording, range]],
        config: DDD17 | DSEC,
        *,
        classes: tuple[str, ...],
        augment: bool = False,
    ) -> None:
        if config.window_us % config.bins:
            raise ValueError(
                f"expected a window of whole microseconds a bin, got --data.window-us {config.window_us} and "
                f"--data.bins {config.bins}"
            )
        for recording, _ in recordings:
            for i in np.flatnonzero(np.diff(recording.mask_us) <= 0)[:1]:
                early, late = recording.mask_us[i : i + 2]
                raise ValueError(
                    f"{recording.name}: mask {i + 1} is of {late} us, not after {early} us of the one before"
                )
        self.config = config
        self.classes = classes
        self.augment = augment
        # Shared, because workers that outlive an epoch hold a copy of everything else.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()
        self.clips = [
            (recording, first)
            for recording, part in recordings
            for first in range(part.start, part.stop - config.steps + 1, config.stride)
        ]
        if not self.clips:
            counts = ", ".join(f"{recording.name} {len(part)}" for recording, part in recordings)
            raise ValueError(f"no recording has {config.steps} masks for a clip ({counts}): use fewer --data.steps")

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        recording, first = self.clips[i]
        steps = range(first, first + self.config.steps)
        x = torch.stack([self._step(recording, step) for step in steps])
        labels = torch.stack([torch.from_numpy(recording.mask(step)) for step in steps])
        mirror = self.augment and np.random.default_rng([self.config.seed, int(self._epoch), i]).random() < 0.5
        return (x.flip(-1), labels.flip(-1)) if mirror else (x, labels)

    def _step(self, recording: MaskedRecording, step: int) -> Tensor:
        config, stop = self.config, int(recording.mask_us[step]) + 1
        start, window_us = stop - config.window_us, config.window_us
        events = recording.events(start, stop)
        (x,) = stack(events, stacking=config.stacking, window_us=window_us, steps=1, start=start, bins=config.bins)
        return torch.cat([recording.frame(step), x]) if config.frames else x

    def collate(self, samples: Sequence[tuple[Tensor, Tensor]]) -> Batch:
        """Put clips side by side: `x [T, B, C, H, W]`, `target [T, B, H, W]` int64."""
        x, labels = (torch.stack(column, dim=1) for column in zip(*samples, strict=True))
        return Batch(x, labels.long(), torch.full((len(samples),), len(x)))

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next; it decides which clips are mirrored."""
        self._epoch.fill_(epoch)

    def events(self, i: int) -> Events:
        """Return the events from the first window of clip i to its last mask, also those between the windows."""
        recording, first = self.clips[i]
        start, last = recording.mask_us[[first, first + self.config.steps - 1]]
        return recording.events(int(start) + 1 - self.config.window_us, int(last) + 1)


def part(masks: int, split: Split) -> range:
    """Return which masks of a recording belong to a split: all of a test recording, and of a training recording the
    last twentieth to `val` and the others to `train`.

    >>> part(100, "train"), part(100, "val"), part(100, "test")
    (range(0, 95), range(95, 100), range(0, 100))
    """
    held = masks // VALIDATION
    return {"train": range(masks - held), "val": range(masks - held, masks), "test": range(masks)}[split]
