"""Samples of scenes: their input, their targets, and which scenes they are."""

from functools import partial

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from ranvier.data.datasets import DetectionDataset, SegmentationDataset, stacked
from ranvier.data.events import Events
from ranvier.data.representations import frames, stack_by_number, stack_by_time
from tests.data.made_scenes import MadeScenes

STACK = partial(stacked, steps=4, window_us=1000, bins=2)


def test_stackings_are_the_representations():
    events = MadeScenes().scene(6).events
    settings = {"steps": 4, "window_us": 1000, "bins": 2, "events_per_bin": 11}
    assert torch.equal(stacked(events, **settings, stacking="counts"), frames(events, window_us=1000, steps=4, start=0))
    by_time = stack_by_time(events, label_us=3999, steps=4, channels=2, bin_us=500)
    assert torch.equal(stacked(events, **settings), by_time)
    by_number = stack_by_number(events, steps=4, channels=2, events_per_bin=11)
    assert torch.equal(stacked(events, **settings, stacking="sbn"), by_number)
    assert by_time.shape == by_number.shape == (4, 2, 6, 8)


@pytest.mark.parametrize("stacking", ["counts", "sbt", "sbn"])
def test_what_comes_after_the_last_step_is_left_out(stacking):
    events = MadeScenes().scene(6).events
    more = Events.merge([events, Events.of([4000, 5000], [0, 1], [0, 1], [1, 1], (8, 6))])
    settings = {"steps": 4, "window_us": 1000, "bins": 2, "stacking": stacking}
    assert torch.equal(stacked(more, **settings), stacked(events, **settings))


@pytest.mark.parametrize("stacking", ["counts", "sbt"])
def test_a_clip_is_its_steps_one_after_the_other(stacking):
    events = MadeScenes().scene(6).events
    pieces = []
    for step in range(4):
        part = events.between(1000 * step, 1000 * (step + 1))
        moved = Events(part.t - 1000 * step, part.x, part.y, part.polarity, part.sensor)
        pieces.append(stacked(moved, steps=1, window_us=1000, bins=2, stacking=stacking))
    assert torch.equal(torch.cat(pieces), stacked(events, steps=4, window_us=1000, bins=2, stacking=stacking))


def test_detection_samples():
    samples = DetectionDataset(MadeScenes(), STACK)
    assert (len(samples), samples.classes) == (7, ("a", "b"))
    x, boxes = samples[5]
    scene = MadeScenes().scene(5)
    assert torch.equal(x, STACK(scene.events))
    assert torch.equal(boxes.xywh, scene.boxes[-1].xywh)
    assert not torch.equal(boxes.xywh, scene.boxes[0].xywh)
    assert np.array_equal(samples.events(5).t, scene.events.t)


def test_segmentation_samples_with_grey_frames():
    samples = SegmentationDataset(MadeScenes(), STACK, frames=True)
    assert samples.classes == ("background", "a", "b")
    x, labels = samples[5]
    scene = MadeScenes().scene(5)
    assert x.shape == (4, 3, 6, 8)
    assert torch.equal(x[:, 0], torch.from_numpy(scene.grey) / 255)
    assert torch.equal(x[:, 1:], STACK(scene.events))
    assert labels.dtype == torch.uint8
    assert np.array_equal(labels, scene.labels)


def test_a_scene_without_events_and_objects():
    x, boxes = DetectionDataset(MadeScenes(), STACK)[0]
    assert not x.any()
    assert boxes.xywh.shape == (0, 4)


def test_batches():
    loader = DataLoader(DetectionDataset(MadeScenes(), STACK), batch_size=7, collate_fn=DetectionDataset.collate)
    batch = next(iter(loader))
    assert batch.x.shape == (4, 7, 2, 6, 8)
    assert [len(boxes.label) for boxes in batch.target] == [0, 1, 2, 0, 1, 2, 0]
    assert batch.lengths.tolist() == [4] * 7
    masks = SegmentationDataset(MadeScenes(), STACK)
    batch = masks.collate([masks[3], masks[4]])
    assert batch.target.shape == (4, 2, 6, 8)
    assert batch.target.dtype == torch.int64
    assert np.array_equal(batch.target[:, 1], MadeScenes().scene(4).labels)


def test_labels_after_the_end_of_a_shorter_sample_are_ignored():
    short = (torch.zeros(1, 2, 6, 8), torch.ones(1, 6, 8, dtype=torch.uint8))
    batch = SegmentationDataset.collate([SegmentationDataset(MadeScenes(), STACK)[1], short])
    assert batch.lengths.tolist() == [4, 1]
    assert (batch.target[0, 1] == 1).all()
    assert (batch.target[1:, 1] == 255).all()


def test_fresh_scenes_go_on_where_the_last_epoch_ended():
    fresh, fixed = (DetectionDataset(MadeScenes(), STACK, fresh=fresh) for fresh in (True, False))
    for samples in (fresh, fixed):
        samples.set_epoch(2)
    assert len(fresh.events(3)) == 30 * (2 * 7 + 3)
    assert len(fixed.events(3)) == 30 * 3
    assert torch.equal(fresh[3][0], STACK(fresh.events(3)))


def test_augmented_scenes_change_with_the_epoch_and_with_nothing_else():
    plain, augmented = (
        SegmentationDataset(MadeScenes(), STACK, frames=True, augment=seed, zoom=(0.5, 2.0)) for seed in (None, 3)
    )
    seen = []
    for epoch in range(3):
        augmented.set_epoch(epoch)
        for i in range(1, 7):
            (x, labels), (there, other) = augmented[i], augmented[i]
            assert torch.equal(x, there)
            assert torch.equal(labels, other)
            assert (x.shape, labels.shape) == (plain[i][0].shape, plain[i][1].shape)
            seen.append(labels.numpy().tobytes())
    assert len(set(seen)) > 12


def test_boxes_in_a_mirror():
    scene = MadeScenes().scene(5)
    mirrored = scene.mirrored()
    assert mirrored.disparity is None
    for one, other in zip(scene.boxes, mirrored.boxes, strict=True):
        left, right = one.xywh[:, 0], one.xywh[:, 0] + one.xywh[:, 2]
        torch.testing.assert_close(other.xywh[:, 0], 8 - right)
        torch.testing.assert_close(other.xywh[:, 0] + other.xywh[:, 2], 8 - left)
        assert torch.equal(other.xywh[:, 1:], one.xywh[:, 1:])
    twice = mirrored.mirrored()
    assert np.array_equal(twice.events.x, scene.events.x)
    assert np.array_equal(twice.grey, scene.grey)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_workers_that_outlive_an_epoch_hear_of_the_next_one():
    samples = DetectionDataset(MadeScenes(), STACK, fresh=True)
    loader = DataLoader(samples, batch_size=4, num_workers=1, persistent_workers=True, collate_fn=samples.collate)
    for epoch in (0, 1):
        samples.set_epoch(epoch)
        here = torch.stack([samples[i][0] for i in range(7)], dim=1)
        assert torch.equal(torch.cat([batch.x for batch in loader], dim=1), here)


def test_errors():
    with pytest.raises(ValueError, match="scenes with grey frames, got events alone"):
        DetectionDataset(MadeScenes(grey=False), STACK, frames=True)[1]
