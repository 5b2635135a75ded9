"""A few held-out recordings of a run, to look at and to count with."""

import torch

from ranvier.data import datasets
from ranvier.run import Run


def held_out(run: Run, *, count: int = 64) -> datasets.Batch:
    """Return `count` test recordings of a run (or all, if there are fewer), spread evenly over the set.

    Raises:
        ValueError: `count` is below 1.
    """
    if count < 1:
        raise ValueError(f"expected at least 1 sample, got {count}")
    dataset = datasets.build(run.config.data, "test")
    chosen = torch.linspace(0, len(dataset) - 1, min(count, len(dataset))).round().long().tolist()
    return datasets.collate([dataset[i] for i in chosen])
