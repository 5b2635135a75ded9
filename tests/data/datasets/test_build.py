"""From the data part of a recipe to a data set."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from ranvier.data.datasets import DATASETS, build, collate


@dataclass(frozen=True)
class Data:
    name: str = "digits"
    root: str | None = None
    window_us: int = 50_000
    steps: int = 6
    fold: int = 0
    seed: int = 0
    augment: bool = True


def test_digits_by_name():
    train, val, test = (build(Data(), split) for split in ("train", "val", "test"))
    assert [len(part) for part in (train, val, test)] == [1366, 72, 359]
    assert [part.augment for part in (train, val, test)] == [True, False, False]
    batch = next(iter(DataLoader(train, batch_size=3, collate_fn=collate)))
    assert batch.x.shape == (6, 3, 2, 34, 34)
    assert batch.x.dtype == torch.float32
    assert batch.lengths.tolist() == [6, 6, 6]
    assert train.classes[int(batch.target[0])] in "0123456789"


def test_folds_of_the_real_recordings(data_dir):
    config = Data(name="nmnist", root=str(data_dir / "nmnist"))
    tests = [build(replace(config, fold=fold), "test").indices for fold in range(5)]
    assert np.array_equal(np.concatenate(tests), np.arange(1000))
    x, label = build(config, "test")[0]
    assert x.sum() == pytest.approx(4681, abs=400)
    assert label == 5


def test_errors_name_what_there_is():
    with pytest.raises(ValueError, match=f"out of {', '.join(DATASETS)}, got 'mnist'"):
        build(Data(name="mnist"), "train")
    with pytest.raises(ValueError, match=r"no folder, got root='x': leave --data\.root away"):
        build(Data(root="x"), "train")
