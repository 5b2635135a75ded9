"""From the data part of a recipe to a data set."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from ranvier.data.datasets import DATASETS, build, collate
from ranvier.recipes.data import Scenes


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


def test_mosaics_by_name(made_up_nmnist):
    config = Scenes(name="mosaic", root=str(made_up_nmnist), count=12)
    train, val, test = (build(config, split) for split in ("train", "val", "test"))
    assert [len(part) for part in (train, val, test)] == [12, 200, 500]
    assert train.classes == tuple("0123456789")
    first = train.events(0)
    train.set_epoch(1)
    val.set_epoch(1)
    assert not np.array_equal(train.events(0).t, first.t)
    assert np.array_equal(val.events(0).t, build(config, "val").events(0).t)
    batch = next(iter(DataLoader(val, batch_size=3, collate_fn=val.collate)))
    assert batch.x.shape == (5, 3, 3, 96, 96)
    assert batch.x.unique().tolist() == [-1, 0, 1]
    assert all(1 <= len(boxes.label) <= 4 for boxes in batch.target)


def test_mosaics_of_digits_need_no_recordings(monkeypatch):
    monkeypatch.setenv("RANVIER_DATA", "nowhere")
    config = Scenes(name="mosaic", of="digits", count=3)
    samples = build(config, "train")
    assert (len(samples), samples.classes) == (3, tuple("0123456789"))
    x, boxes = samples[0]
    assert x.shape == (5, 3, 96, 96)
    assert 1 <= len(boxes.label) <= 4
    with pytest.raises(ValueError, match=r"no folder, got root='x': leave --data\.root away"):
        build(replace(config, root="x"), "train")
    with pytest.raises(FileNotFoundError, match="no nmnist recordings"):
        build(replace(config, of="nmnist"), "train")


def test_generated_splits_come_from_disk(made_up_nmnist):
    config = Scenes(name="mosaic", root=str(made_up_nmnist), grade="plain", seed=5)
    heard = []
    build(config, "val", progress=lambda done, total: heard.append(done / total))
    assert heard[-1] == 1
    again = []
    build(config, "val", progress=lambda done, total: again.append(done))
    build(replace(config, stacking="counts", target="masks"), "val", progress=lambda done, total: again.append(done))
    assert not again


def test_masks_of_mosaics_by_name(made_up_nmnist):
    config = Scenes(name="mosaic", root=str(made_up_nmnist), target="masks", stacking="counts", sensor=(128, 72))
    samples = build(config, "train")
    assert samples.classes == ("background", *"0123456789")
    batch = samples.collate([samples[0], samples[1]])
    assert batch.x.shape == (5, 2, 2, 72, 128)
    assert batch.target.shape == (5, 2, 72, 128)
    # Without augmentation the training scenes are the same in every epoch.
    fixed = build(replace(config, augment=False), "train")
    first = fixed.events(3)
    fixed.set_epoch(4)
    assert np.array_equal(fixed.events(3).x, first.x)


def test_drives_by_name():
    config = Scenes(name="drive", count=3, sensor=(64, 64), steps=2, window_us=30_000)
    heard = []
    train = build(config, "train", progress=lambda done, total: heard.append(done))
    assert heard == [1, 2, 3]
    again = build(replace(config, target="masks", frames=True), "train", progress=lambda done, total: heard.append(0))
    assert heard == [1, 2, 3]
    assert (train.classes, len(again.classes)) == (("car", "pedestrian"), 6)
    batch = train.collate([train[i] for i in range(3)])
    assert batch.x.shape == (2, 3, 3, 64, 64)
    assert sum(len(boxes.label) for boxes in batch.target) > 3
    grey, labels = again.collate([again[i] for i in range(3)])[:2]
    assert grey.shape == (2, 3, 4, 64, 64)
    assert torch.equal(grey[:, :, 1:], batch.x)
    assert labels.shape == (2, 3, 64, 64)
    # One and the same scene, from its left or from its right.
    train.set_epoch(0)
    seen = [train.events(1).x]
    for epoch in range(1, 9):
        train.set_epoch(epoch)
        seen.append(train.events(1).x)
    assert {np.array_equal(x, seen[0]) for x in seen} == {True, False}
    assert all(np.array_equal(x, seen[0]) or np.array_equal(63 - x, seen[0]) for x in seen)


def test_drives_have_no_folder():
    with pytest.raises(ValueError, match=r"no folder, got root='x': leave --data\.root away"):
        build(Scenes(name="drive", root="x"), "train")


def test_masks_need_steps_of_one_width(made_up_nmnist):
    config = Scenes(name="mosaic", root=str(made_up_nmnist), stacking="sbn")
    x, _ = build(config, "train")[0]
    assert x.shape == (5, 3, 96, 96)
    with pytest.raises(ValueError, match=r"those of sbn have none: pass --data\.stacking sbt"):
        build(replace(config, target="masks"), "train")
