"""From samples to a batch."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Batch(NamedTuple):
    """Samples side by side: `x [T, B, ...]`, `target [B]` int64 and `lengths [B]` int64, the steps of each sample."""

    x: Tensor
    target: Tensor
    lengths: Tensor


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
