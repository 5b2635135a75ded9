"""Mosaics are the recordings they are made of, and their boxes and masks are where those are."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from ranvier.data.datasets import Mosaics, read_nmnist
from ranvier.data.datasets.mosaic import GRADES, masks, portion
from ranvier.data.events import Events
from ranvier.data.representations import frames
from ranvier.data.scene import Scene


class Blocks:
    """Recording i: every pixel of columns 3 to 3 + (i % 5) and rows 2 to 7 has an event, at times all over 50 ms."""

    classes = tuple("abcde")
    sensor = (10, 10)
    official_tests = 0

    def __init__(self, count: int = 100) -> None:
        self.labels = np.arange(count) % 5

    def __len__(self) -> int:
        return len(self.labels)

    def events(self, index: int) -> Events:
        x, y = (axis.ravel() for axis in np.meshgrid(np.arange(3, 4 + index % 5), np.arange(2, 8)))
        order = np.random.default_rng(index).permutation(len(x))
        t = np.arange(len(x)) * 50_000 // len(x)
        return Events.of(t, x[order], y[order], t % 2, self.sensor)


class Squares(Blocks):
    """Every pixel of a recording has an event."""

    sensor = (20, 20)

    def events(self, index: int) -> Events:
        site = np.random.default_rng(index).permutation(400)
        return Events.of(np.arange(400) * 100, site % 20, site // 20, site % 2, self.sensor)


def blocks(**settings) -> Mosaics:
    return Mosaics(Blocks(), "train", **{"sensor": (40, 30), "steps": 5, "window_us": 10_000} | settings)


@pytest.fixture(scope="module")
def real(data_dir):
    return read_nmnist(data_dir / "nmnist")


def same(a: Scene, b: Scene) -> bool:
    return (
        all(np.array_equal(getattr(a.events, name), getattr(b.events, name)) for name in ("t", "x", "y", "polarity"))
        and all(
            torch.equal(p.xywh, q.xywh) and torch.equal(p.label, q.label) for p, q in zip(a.boxes, b.boxes, strict=True)
        )
        and np.array_equal(a.labels, b.labels)
    )


def overlap(a: list[float], b: list[float]) -> float:
    width, height = (min(a[i] + a[i + 2], b[i] + b[i + 2]) - max(a[i], b[i]) for i in (0, 1))
    both = max(width, 0) * max(height, 0)
    return both / (a[2] * a[3] + b[2] * b[3] - both)


def test_portions_of_a_thousand_and_of_a_published_split():
    parts = {split: portion(Blocks(1000), split) for split in ("train", "val", "test")}
    assert [(part[0], part[-1]) for part in parts.values()] == [(0, 699), (700, 799), (800, 999)]
    assert np.array_equal(np.concatenate(list(parts.values())), np.arange(1000))
    published = Blocks(1000)
    published.official_tests = 120
    assert [len(portion(published, split)) for split in ("train", "val", "test")] == [770, 110, 120]
    with pytest.raises(ValueError, match="expected split train, val or test, got 'tune'"):
        portion(published, "tune")


def test_every_event_of_every_recording_is_in_its_box():
    seen = set()
    for scene in map(blocks(grade="plain").scene, range(40)):
        xywh, label = scene.boxes[0]
        assert torch.equal(xywh[:, 2], 1 + label)
        assert len(scene.events) == (6 * (1 + label)).sum()
        x, y = (torch.from_numpy(axis.astype(np.int64))[:, None] for axis in (scene.events.x, scene.events.y))
        left, top, width, height = xywh.T
        inside = (x >= left) & (x < left + width) & (y >= top) & (y < top + height)
        assert inside.any(1).all()
        assert torch.all(inside.sum(0) >= 6 * (1 + label))
        seen |= set(label.tolist())
    assert seen == {0, 1, 2, 3, 4}


def test_one_recording_alone_keeps_every_event():
    source = blocks(grade="plain")
    alone = [scene for scene in map(source.scene, range(60)) if len(scene.boxes[0].label) == 1]
    assert len(alone) > 5
    originals = {i: Blocks().events(i) for i in portion(Blocks(), "train")}
    for scene in alone:
        left, top = scene.boxes[0].xywh[0, :2].int().tolist()
        x, y = scene.events.x - left + 3, scene.events.y - top + 2
        assert any(
            np.array_equal(scene.events.t, one.t)
            and np.array_equal(x, one.x)
            and np.array_equal(y, one.y)
            and np.array_equal(scene.events.polarity, one.polarity)
            for one in originals.values()
        )


@pytest.mark.parametrize("grade", ["plain", "hard"])
@pytest.mark.parametrize("augment", [False, True])
def test_limits_of_the_grades(real, grade, augment):
    largest, ways, numbers = 0.0, [], set()
    for scene in map(Mosaics(real, "train", grade=grade, augment=augment).scene, range(150)):
        numbers.add(len(scene.boxes[0].label))
        for boxes in scene.boxes:
            corners = torch.cat([boxes.xywh[:, :2], boxes.xywh[:, :2] + boxes.xywh[:, 2:]])
            assert corners.min() >= 0
            assert corners.max() <= 96
            pairs = itertools.combinations(boxes.xywh.tolist(), 2)
            largest = max([largest, *(overlap(a, b) for a, b in pairs)])
        # Four of the five fifths of the way lie between the ends of the first and the last step.
        ways += ((scene.boxes[-1].xywh - scene.boxes[0].xywh)[:, :2].norm(dim=1) * 5 / 4).tolist()
        assert all(torch.equal(boxes.xywh[:, 2:], scene.boxes[0].xywh[:, 2:]) for boxes in scene.boxes)
    limit = GRADES[grade]
    assert 0.75 * limit.overlap < largest <= limit.overlap + 1e-6
    assert 0.9 * limit.drift <= max(ways) <= limit.drift + 1e-4
    assert numbers == {1, 2, 3, 4}


def test_boxes_hold_the_middle_98_percent_of_a_real_recording(real):
    source = Mosaics(real, "test", grade="plain", sensor=(200, 150))
    checked = 0
    for scene in map(source.scene, range(60)):
        left, top, width, height = scene.boxes[-1].xywh[0].tolist()
        # Far enough from the edge that none of its events is cut off.
        if len(scene.boxes[0].label) == 1 and min(left, top) > 20 and left + width < 180 and top + height < 130:
            for axis, begin, size in ((scene.events.x, left, width), (scene.events.y, top, height)):
                assert (axis < begin).mean() < 0.01 <= (axis <= begin).mean()
                assert (axis < begin + size - 1).mean() < 0.99 <= (axis < begin + size).mean()
            checked += 1
    assert checked >= 5


def test_training_boxes_hold_their_enlarged_and_turned_recordings(real):
    plain, changed = (Mosaics(real, "train", grade="plain", augment=augment) for augment in (False, True))
    sides = []
    for source in (plain, changed):
        scenes = [scene for scene in map(source.scene, range(200)) if len(scene.boxes[0].label) == 1]
        for scene in scenes:
            left, top, width, height = scene.boxes[0].xywh[0].tolist()
            x, y = scene.events.x + 0.5, scene.events.y + 0.5
            assert ((x > left) & (x < left + width) & (y > top) & (y < top + height)).mean() > 0.94
        sides.append(np.array([scene.boxes[0].xywh[0, 2:].tolist() for scene in scenes]))
    assert sides[1].max() > sides[0].max() + 3
    assert sides[1][:, 1].min() < sides[0][:, 1].min() - 2
    assert sides[1].max() < 1.2 * 1.4 * sides[0].max()


def test_enlarged_recordings_have_no_empty_columns():
    source = Mosaics(Squares(), "train", grade="plain", augment=True)
    sides = set()
    for scene in map(source.scene, range(100)):
        left, top, width, height = scene.boxes[0].xywh[0].int().tolist()
        if len(scene.boxes[0].label) == 1:
            inside = scene.events.crop(left, top, width, height)
            assert np.bincount(inside.x, minlength=width).min() > 0
            assert np.bincount(inside.y, minlength=height).min() > 0
            sides |= {width, height}
    assert min(sides) < 18 < 24 < max(sides)


def test_a_pixel_is_labelled_where_and_when_a_recording_has_events(real):
    for scene in map(Mosaics(real, "val", grade="plain").scene, range(20)):
        active = frames(scene.events, window_us=60_000, steps=5, start=0).sum(1) > 0
        assert np.array_equal(scene.labels > 0, active.numpy())
        assert set(np.unique(scene.labels)) - {0} <= set((1 + scene.boxes[0].label).tolist())


def test_masks_and_boxes_move_together():
    for scene in map(blocks(sensor=(60, 60), seed=3).scene, range(40)):
        for labels, boxes in zip(scene.labels, scene.boxes, strict=True):
            near = np.zeros(labels.shape, np.bool_)
            for (left, top, width, height), which in zip(boxes.xywh.tolist(), boxes.label.tolist(), strict=True):
                # The box is that of the step's end, its events are up to a fifth of the way (2.4 pixels) behind.
                rows = slice(max(0, int(top - 3)), int(top + height + 4))
                columns = slice(max(0, int(left - 3)), int(left + width + 4))
                near[rows, columns] = True
                assert (labels[rows, columns] == 1 + which).any()
            assert not labels[~near].any()


def test_the_recording_with_more_events_has_the_pixel():
    events = Events.of([0, 1, 2, 3, 4, 10, 11], [1, 1, 1, 0, 0, 1, 0], [0] * 7, [1] * 7, (3, 2))
    owner = np.array([0, 1, 1, 0, 7, 0, 7])
    labels = masks(events, owner, np.array([4, 8]), steps=2, window_us=10)
    assert labels.tolist() == [[[5, 9, 0], [0, 0, 0]], [[0, 5, 0], [0, 0, 0]]]
    nothing = masks(Events.empty((3, 2)), np.array([], np.int64), np.array([4]), steps=2, window_us=10)
    assert not nothing.any()


def test_noise_is_that_of_the_grade_and_has_no_label():
    source = Mosaics(Blocks(), "train", grade="hard", sensor=(96, 96), steps=5, window_us=60_000)
    scenes = [source.scene(i) for i in range(50)]
    noise = sum(len(scene.events) - int((6 * (1 + scene.boxes[0].label)).sum()) for scene in scenes)
    expected = 50 * 96 * 96 * 0.3 * GRADES["hard"].noise_hz
    # Events that a drift moves off the sensor are missing: none, because blocks fill their boxes.
    assert abs(noise - expected) < 5 * expected**0.5
    late = [scene.events.between(50_000, 300_000) for scene in scenes]
    assert abs(np.concatenate([events.polarity for events in late]).mean() - 0.5) < 0.01
    assert not any(scene.labels[1:].any() for scene in scenes)
    for axis, side in (("x", 96), ("y", 96)):
        places = np.concatenate([getattr(events, axis) for events in late])
        assert np.bincount(places, minlength=side).min() > 0.8 * len(places) / side


def test_a_scene_depends_on_seed_split_and_number_alone():
    source, again = blocks(augment=True), blocks(augment=True)
    again.scene(3), again.scene(100)
    assert same(source.scene(7), again.scene(7))
    others = [source.scene(8), source.scene(1_000_007), blocks(augment=True, seed=1).scene(7)]
    others.append(Mosaics(Blocks(), "val", sensor=(40, 30), window_us=10_000, augment=True).scene(7))
    assert not any(same(source.scene(7), other) for other in others)
    assert len(source) == len(blocks(count=1000))


def test_the_key_changes_with_recordings_and_parameters():
    class Other(Blocks):
        def events(self, index: int) -> Events:
            events = super().events(index)
            return events if index else replace(events, polarity=~events.polarity)

    keys = [blocks(), blocks(seed=1), blocks(count=9), blocks(augment=True), blocks(grade="plain"), blocks(steps=6)]
    keys += [blocks(sensor=(41, 30)), Mosaics(Other(), "train", sensor=(40, 30), steps=5, window_us=10_000)]
    assert len({source.key for source in keys}) == len(keys)
    assert blocks().key == blocks().key


def test_larger_and_oblong_sensors(real):
    scene = Mosaics(real, "train", sensor=(320, 68), steps=3, window_us=100_000).scene(0)
    assert scene.labels.shape == (3, 68, 320)
    assert scene.events.sensor == (320, 68)
    assert len(scene.boxes) == 3
    assert scene.events.x.max() > 255
    assert np.all(np.diff(scene.events.t) >= 0)
    assert 0 <= scene.events.t[0] <= scene.events.t[-1] < 300_000


def test_crowded_sensors_hold_fewer_recordings():
    crowded, roomy = (Mosaics(Squares(), "train", grade="plain", sensor=(side, side)) for side in (40, 200))
    numbers = [[len(source.scene(i).boxes[0].label) for i in range(200)] for source in (crowded, roomy)]
    few, many = (np.bincount(some, minlength=5) for some in numbers)
    assert few[0] == 0
    assert few[4] < many[4] - 10
    assert abs(many[4] - 50) < 30


def test_errors():
    with pytest.raises(ValueError, match=r"at least \(20, 20\) pixels, got \(40, 19\): pass a larger --data\.sensor"):
        blocks(sensor=(40, 19))
    with pytest.raises(ValueError, match="expected grade plain or hard, got 'easy'"):
        blocks(grade="easy")

    class Late(Blocks):
        def events(self, index: int) -> Events:
            return Events.of([70_000], [0], [0], [1], self.sensor) if index == 3 else super().events(index)

    with pytest.raises(ValueError, match=r"recording 3 has no event in the first 50000 us"):
        Mosaics(Late(), "train", sensor=(40, 30), steps=5, window_us=10_000)
