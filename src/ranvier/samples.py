"""A few held-out recordings of a run, to look at and to count with."""

import torch

from ranvier.data import datasets
from ranvier.run import Run

# Without gradients, so many batches of the training fit at once, however large a recording is.
BATCHES = 4
MOST = 64
# Steps in all, above which fewer, but never below FEWEST, are looked at: every layer keeps what it said in each.
MOST_STEPS, FEWEST = 65_536, 4


def held_out(run: Run, *, count: int | None = None) -> datasets.Batch:
    """Return `count` test recordings of a run (or all, if there are fewer), spread evenly over the set.

    Default: 64, or four times the training's batch if that is smaller, or fewer of a very long kind.

    Raises:
        ValueError: `count` is below 1.
    """
    dataset = datasets.build(run.config.data, "test")
    if count is None:
        count = min(MOST, BATCHES * run.config.train.batch_size, max(FEWEST, MOST_STEPS // len(dataset[0][0])))
    return dataset.collate([dataset[i] for i in spread(len(dataset), count)])


def spread(total: int, count: int) -> list[int]:
    """Return `count` of the numbers 0 to `total` - 1, evenly spread: a set may be sorted by class.

    >>> spread(100, 3)
    [0, 50, 99]

    Raises:
        ValueError: `count` is below 1.
    """
    if count < 1:
        raise ValueError(f"expected at least 1 sample, got {count}")
    return torch.linspace(0, total - 1, min(count, total)).round().long().tolist()
