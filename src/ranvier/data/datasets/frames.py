"""Labelled recordings as a PyTorch data set of frames."""

from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ranvier.data.augment import jitter
from ranvier.data.datasets.batch import collate
from ranvier.data.events import Events
from ranvier.data.representations import frames

Split = Literal["train", "val", "test"]
FOLDS = 5
# One in so many of the recordings that are left for training is kept for validation.
VALIDATION = 20


class Recordings(Protocol):
    """What a set of labelled recordings offers; the last `official_tests` of them are its published test set."""

    @property
    def labels(self) -> NDArray[np.int64]: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def sensor(self) -> tuple[int, int]: ...
    @property
    def official_tests(self) -> int: ...
    def __len__(self) -> int: ...
    def events(self, index: int) -> Events: ...


def split_indices(recordings: Recordings, split: Split, *, fold: int) -> NDArray[np.int64]:
    """Return which recordings belong to a split, as numbers in increasing order.

    The recordings outside the published test set are cut in their order into five blocks. With a published test set,
    it is `test` and block `fold` is `val`; without one, block `fold` is `test` and every twentieth of the others `val`.
    All others are `train`.
    """
    if fold not in range(FOLDS):
        raise ValueError(f"expected fold 0 to {FOLDS - 1}, got {fold}")
    if split not in ("train", "val", "test"):
        raise ValueError(f"expected split train, val or test, got {split!r}")
    total = len(recordings) - recordings.official_tests
    block = np.arange(fold * total // FOLDS, (fold + 1) * total // FOLDS)
    others = np.setdiff1d(np.arange(total), block)
    if recordings.official_tests:
        return {"train": others, "val": block, "test": np.arange(total, len(recordings))}[split]
    return {"train": np.delete(others, np.s_[::VALIDATION]), "val": others[::VALIDATION], "test": block}[split]


class FrameDataset(Dataset[tuple[Tensor, int]]):
    """Recordings as frames: sample i is `(x [steps, 2, H, W] float32 counts, label)`.

    Windows start at time 0 of a recording. With `augment`, each sample is jittered anew in every epoch
    (`ranvier.data.augment`), by a generator made from `(seed, epoch, number of the recording)` and nothing else, so
    that an interrupted run can go on in the middle of an epoch.

    Args:
        recordings: the source.
        indices: which of them, in this order.
        window_us: width of a frame in microseconds.
        steps: frames a recording; later events are left out.
        seed: of the augmentation.
        augment: whether to jitter.
    """

    def __init__(
        self,
        recordings: Recordings,
        indices: NDArray[np.int64],
        *,
        window_us: int,
        steps: int,
        seed: int = 0,
        augment: bool = False,
    ) -> None:
        self.recordings = recordings
        self.indices = indices
        self.window_us = window_us
        self.steps = steps
        self.seed = seed
        self.augment = augment
        # Shared, because workers that outlive an epoch hold a copy of everything else.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    collate = staticmethod(collate)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        index = int(self.indices[i])
        x = frames(self.recordings.events(index), window_us=self.window_us, steps=self.steps, start=0)
        if self.augment:
            x = jitter(x, generator=np.random.default_rng([self.seed, int(self._epoch), index]))
        return x, int(self.recordings.labels[index])

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels 0, 1, 2, ..."""
        return self.recordings.classes

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next; it decides how samples are jittered."""
        self._epoch.fill_(epoch)

    def events(self, i: int) -> Events:
        """Return the recording behind sample i as it was recorded."""
        return self.recordings.events(int(self.indices[i]))
