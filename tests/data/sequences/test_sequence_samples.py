"""Sequences and pairs become batches, time first."""

import numpy as np
import pytest
import torch

from ranvier.data.datasets import build
from ranvier.data.sequences.samples import SequenceDataset, collate_pairs, shuffled, tenth_held_out
from ranvier.recipes import Pixels


def test_values_and_tokens_are_padded_at_the_end():
    values = SequenceDataset(lambda i: (np.full((i + 1, 2), 0.5), i), [2, 0], ("a", "b", "c"))
    batch = values.collate([values[0], values[1]])
    assert (batch.x.shape, batch.x.dtype) == ((3, 2, 2), torch.float32)
    assert (batch.target.tolist(), batch.lengths.tolist()) == ([2, 0], [3, 1])
    assert batch.x[:, 1].sum() == 1
    words = SequenceDataset(lambda i: (np.arange(1, i + 2, dtype=np.uint8), i), range(3), ("a", "b", "c"))
    batch = words.collate([words[1], words[2]])
    assert (batch.x.tolist(), batch.x.dtype) == ([[1, 1], [2, 2], [0, 3]], torch.int64)


def test_pairs_are_lanes():
    pairs = [(torch.tensor([1, 2]), torch.tensor([3]), 0), (torch.tensor([4]), torch.tensor([5, 6, 7]), 1)]
    batch = collate_pairs(pairs)
    assert batch.x.T.tolist() == [[1, 2, 0], [4, 0, 0], [3, 0, 0], [5, 6, 7]]
    assert (batch.lengths.tolist(), batch.target.tolist()) == ([2, 1, 1, 3], [0, 1])


def test_splits_are_those_of_random_split():
    parts = torch.utils.data.random_split(range(50), [45, 5], generator=torch.Generator().manual_seed(42))
    assert shuffled(50).tolist() == [*parts[0].indices, *parts[1].indices]
    train, val = (tenth_held_out(split, training=50, tests=7, count=40) for split in ("train", "val"))
    assert (train.tolist(), val.tolist()) == (parts[0].indices[:40], parts[1].indices)
    assert tenth_held_out("test", training=50, tests=7, count=3).tolist() == list(range(7))


def test_a_wrong_split_is_named():
    with pytest.raises(ValueError, match="expected split train, val or test, got 'valid'"):
        build(Pixels(), "valid")
