"""Random currents and what they leave in a neuron's membrane: the lessons of a surrogate dynamic network."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ranvier.data.datasets.batch import Batch
from ranvier.data.datasets.frames import Split
from ranvier.data.generate import Progress
from ranvier.recipes import Currents

SPLITS: tuple[Split, ...] = ("train", "val", "test")


class Membrane(NamedTuple):
    """What is left of a membrane in each step, `m` `[T, ...]`, of a neuron that keeps the share `tau` of it."""

    m: Tensor
    tau: float


def currents(config: Currents, split: Split, progress: Progress | None = None) -> "CurrentSamples":
    """Return one split as the data part of a recipe describes it."""
    count = config.count if split == "train" else config.held_out
    generator = np.random.default_rng([config.seed, SPLITS.index(split)])
    x = config.sigma * generator.standard_normal((config.steps, count), dtype=np.float32)
    return CurrentSamples(x, config.tau)


def membrane(x: NDArray[np.float32], tau: float) -> NDArray[np.float32]:
    """Return m[t] = tau v_post[t-1] for currents `[T, ...]` of neurons with threshold 1 and a hard reset to 0.

        v[t] = m[t] + x[t],   v_post[t] = 0 where v[t] >= 1, else v[t]

    It has the bits of `ranvier.neurons.LIF(decay=tau)`.

    >>> membrane(np.array([0.5, 0.5, 0.75, 0.5], np.float32), 0.5)
    array([0.   , 0.25 , 0.375, 0.   ], dtype=float32)
    """
    m = np.zeros_like(x)
    for t in range(len(x) - 1):
        v = m[t] + x[t]
        m[t + 1] = np.float32(tau) * np.where(v >= 1, np.float32(0), v)
    return m


class CurrentSamples:
    """Sequences `(x [T, 1], Membrane)`; they take 8 bytes a step of memory."""

    classes: tuple[str, ...] = ()

    def __init__(self, x: NDArray[np.float32], tau: float) -> None:
        self.tau = tau
        # One sequence after the other, as they are asked for.
        self.x, self.m = (torch.from_numpy(np.ascontiguousarray(a.T)) for a in (x, membrane(x, tau)))

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[Tensor, Membrane]:
        return self.x[i, :, None], Membrane(self.m[i, :, None], self.tau)

    def collate(self, samples: Sequence[tuple[Tensor, Membrane]]) -> Batch:
        """Put sequences side by side: `x` and `m` are `[T, B, 1]`."""
        x = torch.stack([x for x, _ in samples], 1)
        m = torch.stack([target.m for _, target in samples], 1)
        return Batch(x, Membrane(m, self.tau), torch.full((x.shape[1],), len(x)))

    def set_epoch(self, epoch: int) -> None:
        """All epochs have the same sequences."""
