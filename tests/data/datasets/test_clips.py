"""Clips of consecutive masks: which events a step sees, splits, batches, and pictures that are refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from ranvier.data.datasets.clips import Clips, part
from ranvier.data.datasets.pictures import read_mask, read_picture
from ranvier.data.events import Events
from ranvier.data.representations import stack_by_time
from ranvier.recipes import DDD17

SENSOR = (6, 4)
CONFIG = DDD17(steps=3, stride=2, window_us=5_000, bins=5)


class MadeUp:
    """Twelve masks 10 ms apart, the first one before any event; mask and frame i are full of i."""

    name = "made-up"

    def __init__(self, mask_us: np.ndarray | None = None) -> None:
        generator = np.random.default_rng(0)
        t = np.sort(generator.integers(12_000, 125_000, 4000))
        x, y = generator.integers(0, 6, 4000), generator.integers(0, 4, 4000)
        self.whole = Events.of(t, x, y, generator.integers(0, 2, 4000), SENSOR)
        self.mask_us = np.arange(1, 13) * 10_000 if mask_us is None else mask_us

    def events(self, start_us: int, stop_us: int) -> Events:
        return self.whole.between(start_us, stop_us)

    def mask(self, i: int) -> np.ndarray:
        return np.full((4, 6), i, np.uint8) + np.arange(6, dtype=np.uint8)

    def frame(self, i: int) -> torch.Tensor:
        return torch.full((1, 4, 6), i / 100)


def clips(config: DDD17 = CONFIG, masks: range = range(12), **options) -> Clips:
    return Clips([(MadeUp(), masks)], config, classes=("a",), **options)


def test_a_step_sees_the_window_that_ends_at_its_mask() -> None:
    x, labels = clips(replace(CONFIG, stacking="sbt"))[1]
    events = MadeUp().whole
    for step, mask in enumerate((2, 3, 4)):
        expected = stack_by_time(events, label_us=10_000 * (mask + 1), steps=1, channels=5, bin_us=1000)[0]
        assert torch.equal(x[step], expected)
        assert torch.equal(labels[step, 0], mask + torch.arange(6, dtype=torch.uint8))
    sums, _ = clips()[1]
    assert torch.equal(sums.sign(), x)
    assert sums.abs().max() > 1
    assert x.shape == (3, 5, 4, 6)
    inside = [events.between(m - 4_999, m + 1) for m in (30_000, 40_000, 50_000)]
    assert sums.sum() == sum((2 * part.polarity.astype(int) - 1).sum() for part in inside)


def test_a_mask_before_the_first_event_sees_nothing() -> None:
    x, labels = clips()[0]
    assert not x[0].any()
    assert x[1].any()
    assert labels[0, 0, 0] == 0


def test_frames_come_before_the_events() -> None:
    with_frames, without = clips(replace(CONFIG, frames=True))[2][0], clips()[2][0]
    assert torch.equal(with_frames[:, 1:], without)
    assert torch.equal(with_frames[:, 0, 0, 0], torch.tensor([0.04, 0.05, 0.06]))


def test_a_stride_of_steps_less_burn_in_judges_each_mask_once() -> None:
    dataset = clips()
    assert [first for _, first in dataset.clips] == [0, 2, 4, 6, 8]
    judged = [int(label) for i in range(len(dataset)) for label in dataset[i][1][1:, 0, 0]]
    assert judged == list(range(1, 11))


def test_clips_never_cross_recordings_or_splits() -> None:
    dataset = Clips([(MadeUp(), range(5)), (MadeUp(), range(7, 12))], CONFIG, classes=("a",))
    assert [first for _, first in dataset.clips] == [0, 2, 7, 9]
    assert len({id(recording) for recording, _ in dataset.clips}) == 2


def test_splits_share_no_mask_and_lose_none() -> None:
    for count in (0, 1, 19, 20, 777):
        train, val = part(count, "train"), part(count, "val")
        assert [*train, *val] == list(part(count, "test")) == list(range(count))
        assert len(val) == count // 20


def test_batches_have_time_first() -> None:
    dataset = clips()
    batch = next(iter(DataLoader(dataset, batch_size=2, collate_fn=dataset.collate)))
    assert batch.x.shape == (3, 2, 5, 4, 6)
    assert batch.target.shape == (3, 2, 4, 6)
    assert batch.target.dtype == torch.int64
    assert batch.lengths.tolist() == [3, 3]
    assert torch.equal(batch.target[:, 1], dataset[1][1].long())
    assert torch.equal(batch.x[:, 1], dataset[1][0])


def test_the_events_of_a_clip_hold_those_of_its_steps() -> None:
    dataset = clips()
    events = dataset.events(1)
    assert (events.t[0] >= 25_001, events.t[-1] <= 50_000) == (True, True)
    assert len(events) == len(MadeUp().whole.between(25_001, 50_001))


def test_mirrored_clips_are_mirrored_whole_and_anew_in_every_epoch() -> None:
    plain, dataset = clips(), clips(augment=True)
    seen = []
    for epoch in range(6):
        dataset.set_epoch(epoch)
        for i in range(len(dataset)):
            (x, labels), (expected, masks) = dataset[i], plain[i]
            mirrored = not torch.equal(labels, masks)
            assert torch.equal(x, expected.flip(-1) if mirrored else expected)
            assert torch.equal(labels, masks.flip(-1) if mirrored else masks)
            seen.append(mirrored)
    assert 5 < sum(seen) < 25
    assert len({tuple(seen[i : i + 5]) for i in range(0, 30, 5)}) > 1
    dataset.set_epoch(0)
    assert [torch.equal(dataset[i][1], plain[i][1]) for i in range(5)] == [not mirrored for mirrored in seen[:5]]


def test_settings_that_make_no_clips_are_named() -> None:
    with pytest.raises(ValueError, match=r"whole microseconds a bin, got --data.window-us 5000 and --data.bins 3"):
        clips(replace(CONFIG, bins=3))
    with pytest.raises(ValueError, match=r"no recording has 3 masks for a clip \(made-up 2\): use fewer --data.steps"):
        clips(masks=range(2))
    with pytest.raises(ValueError, match="made-up: mask 2 is of 15 us, not after 20 us"):
        Clips([(MadeUp(np.array([10, 20, 15])), range(3))], CONFIG, classes=("a",))


def test_masks_of_another_kind_are_named(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"

    def save(picture: Image.Image) -> Path:
        picture.save(path)
        return path

    values = np.array([[0, 1, 255], [1, 0, 0]], np.uint8)
    assert np.array_equal(read_mask(save(Image.fromarray(values)), size=(3, 2), classes=("a", "b")), values)
    with pytest.raises(ValueError, match=r"mask\.png is a 3x2 picture in mode L, expected a mask of 4x2"):
        read_mask(path, size=(4, 2), classes=("a", "b"))
    with pytest.raises(ValueError, match=r"mask\.png is a 3x2 picture in mode RGB, expected a mask of 3x2 in mode L"):
        read_mask(save(Image.new("RGB", (3, 2))), size=(3, 2), classes=("a", "b"))
    with pytest.raises(ValueError, match=r"mask\.png holds class 1, expected 0 to 0, or 255 \(not judged\)"):
        read_mask(save(Image.fromarray(values)), size=(3, 2), classes=("a",))


def test_damaged_pictures_are_named(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40), np.uint8)).save(path)
    raw = path.read_bytes()
    for cut in (0, 5, 60, len(raw) // 2):
        path.write_bytes(raw[:cut])
        with pytest.raises(ValueError, match=r"mask\.png cannot be read as a picture"):
            read_picture(path)
    with pytest.raises(ValueError, match=r"none\.png cannot be read as a picture: .*No such file"):
        read_picture(tmp_path / "none.png")
