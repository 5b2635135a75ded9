"""Sequences as a PyTorch data set, and pairs of them side by side."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ranvier.data.datasets.batch import Batch, collate
from ranvier.data.datasets.frames import Split
from ranvier.data.sequences.vocabulary import Vocabulary


class SequenceDataset(Dataset[tuple[Any, ...]]):
    """Labelled sequences: sample i is `(x, label)`, or `(first, second, label)`, as `read` returns it.

    Args:
        read: from a number to one or two arrays, float32 `[T, C]` or whole numbers `[T]`, and a label.
        indices: the number of each sample.
        classes: names of the labels 0, 1, 2, ...
        vocabulary: the words behind tokens; `None` for values.
        collate: puts samples side by side.
    """

    def __init__(
        self,
        read: Callable[[int], tuple[Any, ...]],
        indices: Sequence[int] | NDArray[np.int64],
        classes: tuple[str, ...],
        *,
        vocabulary: Vocabulary | None = None,
        collate: Callable[[Sequence[tuple[Any, ...]]], Batch] = collate,
    ) -> None:
        self.read = read
        self.indices = indices
        self.classes = classes
        self.vocabulary = vocabulary
        self.collate = collate

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, i: int) -> tuple[Any, ...]:
        *sequences, label = self.read(int(self.indices[i]))
        return *map(to_tensor, sequences), int(label)

    def set_epoch(self, epoch: int) -> None:
        """Do nothing: nothing is random here."""


def to_tensor(sequence: NDArray) -> Tensor:
    """Return a sequence as a network takes it: values as float32, tokens as int64."""
    return torch.from_numpy(sequence.astype(np.float32 if sequence.dtype.kind == "f" else np.int64))


def collate_pairs(samples: Sequence[tuple[Tensor, Tensor, int]]) -> Batch:
    """Fold pairs into the batch: x `[T, 2B]`, first documents in lanes 0 to B-1, second ones in B to 2B-1.

    >>> pairs = [(torch.ones(2), torch.ones(3), 1), (torch.ones(1), torch.ones(4), 0)]
    >>> batch = collate_pairs(pairs)
    >>> batch.x.shape, batch.lengths.tolist(), batch.target.tolist()
    (torch.Size([4, 4]), [2, 1, 3, 4], [1, 0])
    """
    documents = [first for first, _, _ in samples] + [second for _, second, _ in samples]
    batch = collate([(document, 0) for document in documents])
    return batch._replace(target=torch.tensor([label for *_, label in samples]))


def shuffled(count: int, *, seed: int = 42) -> NDArray[np.int64]:
    """Return 0 to count - 1 in the order in which `torch.utils.data.random_split` deals them out."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed)).numpy()


def tenth_held_out(split: Split, *, training: int, tests: int, count: int) -> NDArray[np.int64]:
    """Return the images of a split: a tenth of the shuffled training images is `val`, `test` are the test images.

    `train` are the first `count` of the others. Source: the released experiments of S4, whose seed is 42.
    """
    if split == "test":
        return np.arange(tests)
    order, cut = shuffled(training), training - training // 10
    return order[:cut][:count] if split == "train" else order[cut:]
