"""From samples to a batch."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from ranvier.data.boxes import Boxes
from ranvier.data.events import Events


class Original(NamedTuple):
    """What letterboxed samples come from.

    The `sensor` has (width, height) pixels; for each sample, `boxes` are in pixels of the sensor, not rounded, and
    `t_us` is the time in the recording.
    """

    sensor: tuple[int, int]
    boxes: list[Boxes]
    t_us: list[int]


class Batch(NamedTuple):
    """Samples side by side: `x [T, B, ...]`, what is to be found in them, and `lengths [B]` int64, their steps.

    `target` is `[B]` int64 for classes, `[T, B, H, W]` int64 for a class at each pixel, a list of `Boxes` for objects,
    `[T, B, axes]` float32 for a velocity. `day` `[B]` int64 says from which day a sample is, where days differ.
    Where samples are letterboxed, a network learns `target` and its answers are judged by `original`.
    """

    x: Tensor
    target: Any
    lengths: Tensor
    original: Original | None = None
    day: Tensor | None = None


class Samples(Protocol):
    """One split of a data set: sample i is `(x [T, ...], what is to be found)`, or a pair of such x and one answer."""

    @property
    def classes(self) -> tuple[str, ...]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, i: int) -> tuple[Any, ...]: ...
    def collate(self, samples: Sequence[tuple[Any, ...]]) -> Batch:
        """Put samples side by side."""
        ...

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next; it decides how training samples are changed at random."""
        ...


class RecordedSamples(Samples, Protocol):
    """Samples that come from event recordings."""

    def events(self, i: int) -> Events:
        """Return the recording behind sample i."""
        ...


def collate(samples: Sequence[tuple[Tensor, int]]) -> Batch:
    """Stack samples `(x [T, ...], label)` at axis 1; shorter ones are padded with zeros at the end.

    >>> batch = collate([(torch.ones(2, 3), 7), (torch.ones(1, 3), 4)])
    >>> batch.x.shape, batch.target.tolist(), batch.lengths.tolist()
    (torch.Size([2, 2, 3]), [7, 4], [2, 1])

    Raises:
        ValueError: samples that differ in more than their length.
    """
    xs = [x for x, _ in samples]
    lengths = torch.tensor([len(x) for x in xs])
    if len({x.shape[1:] for x in xs}) != 1:
        shapes = [tuple(x.shape) for x in xs]
        raise ValueError(f"expected samples [time, ...] that differ in time only, got shapes {shapes}")
    target = torch.tensor([label for _, label in samples])
    return Batch(torch.nn.utils.rnn.pad_sequence(xs), target, lengths)
