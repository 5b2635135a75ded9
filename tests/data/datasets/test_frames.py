"""Splits and samples of a data set of frames, on recordings small enough to know by heart."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from ranvier.data.datasets import FrameDataset, collate, split_indices
from ranvier.data.events import Events
from ranvier.data.representations import frames

SENSOR = (8, 6)


class Made:
    """Recording i has 50 random events within 1 ms, made from the seed i."""

    classes = ("a", "b", "c")
    sensor = SENSOR

    def __init__(self, count: int, official_tests: int = 0) -> None:
        self.labels = np.arange(count) % 3
        self.official_tests = official_tests

    def __len__(self) -> int:
        return len(self.labels)

    def events(self, index: int) -> Events:
        g = np.random.default_rng(index)
        t = np.sort(g.integers(0, 1000, 50))
        return Events.of(t, g.integers(0, 8, 50), g.integers(0, 6, 50), g.random(50) < 0.5, SENSOR)


def dataset(*, count: int = 12, augment: bool = False, seed: int = 0) -> FrameDataset:
    return FrameDataset(Made(count), np.arange(count), window_us=100, steps=10, augment=augment, seed=seed)


@pytest.mark.parametrize("official_tests", [0, 30])
@pytest.mark.parametrize("fold", range(5))
def test_splits_are_disjoint_and_complete(official_tests, fold):
    recordings = Made(1003, official_tests)
    parts = {split: split_indices(recordings, split, fold=fold) for split in ("train", "val", "test")}
    assert np.array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(1003))
    if official_tests:
        assert parts["test"].tolist() == list(range(973, 1003))


def test_folds_cover_every_recording_once_in_blocks():
    tests = [split_indices(Made(1000), "test", fold=fold) for fold in range(5)]
    assert [len(part) for part in tests] == [200] * 5
    assert np.array_equal(np.concatenate(tests), np.arange(1000))
    assert len(split_indices(Made(1000), "train", fold=0)) == 760
    assert len(split_indices(Made(1000), "val", fold=0)) == 40


def test_a_sample_is_the_frames_of_its_recording():
    samples = dataset()
    x, label = samples[5]
    assert x.dtype == torch.float32
    assert x.shape == (10, 2, 6, 8)
    assert torch.equal(x, frames(Made(12).events(5), window_us=100, steps=10, start=0))
    assert label == 2
    assert len(samples.events(5)) == 50


def test_augmentation_is_a_function_of_seed_epoch_and_recording():
    first, second = dataset(augment=True), dataset(augment=True)
    second.set_epoch(3)
    second[0], second[7]
    assert not torch.equal(first[4][0], second[4][0])
    first.set_epoch(3)
    assert torch.equal(first[4][0], second[4][0])
    other = dataset(augment=True, seed=1)
    other.set_epoch(3)
    assert not torch.equal(other[4][0], first[4][0])
    # The place in the split does not matter, the recording does.
    picked = FrameDataset(Made(12), np.array([4]), window_us=100, steps=10, augment=True)
    picked.set_epoch(3)
    assert torch.equal(picked[0][0], first[4][0])


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_workers_that_outlive_an_epoch_hear_of_the_next_one():
    samples = dataset(augment=True)
    loader = DataLoader(samples, batch_size=4, num_workers=1, persistent_workers=True, collate_fn=collate)
    for epoch in (0, 1):
        samples.set_epoch(epoch)
        here = torch.stack([samples[i][0] for i in range(12)], dim=1)
        assert torch.equal(torch.cat([batch.x for batch in loader], dim=1), here)


@pytest.mark.parametrize(("split", "fold", "message"), [("test", 5, "fold 0 to 4"), ("dev", 0, "train, val or test")])
def test_errors(split, fold, message):
    with pytest.raises(ValueError, match=message):
        split_indices(Made(10), split, fold=fold)
