"""Gen1 and 1 Megapixel from files in their own formats: windows, boxes, layouts, and files that are wrong."""

import pickle
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from ranvier.data.boxes import Boxes
from ranvier.data.datasets import build
from ranvier.data.datasets.prophesee import CLASSES, SENSOR, LabelledWindows, prophesee
from ranvier.data.events import Events
from ranvier.data.formats import EventFileError, write_dat
from ranvier.data.formats.bbox import BBOX, write_bbox
from ranvier.recipes import Prophesee

GEN1 = [("ts", "<u8"), ("x", "<f4"), ("y", "<f4"), ("w", "<f4"), ("h", "<f4")]
GEN1 = [*GEN1, ("class_id", "u1"), ("confidence", "<f4"), ("track_id", "<u4")]
CAR = (100, 100, 50, 40)


def record(stem: Path, events: Events, boxes: list[tuple], *, spelling: str = "gen1") -> None:
    """Write a recording and its boxes `(t, x, y, w, h, class)` as the data set `spelling` stores them."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    write_dat(f"{stem}_td.dat", events)
    kind = GEN1 if spelling == "gen1" else BBOX
    records = np.zeros(len(boxes), kind)
    for i, box in enumerate(boxes):
        records[i] = (*box, 1.0, i) if spelling == "gen1" else (*box, i, 1.0)
    np.save(f"{stem}_bbox.npy", records) if spelling == "gen1" else write_bbox(f"{stem}_bbox.npy", records)


def some_events(n: int = 20_000, *, first: int = 0, span: int = 1_000_000, sensor=(304, 240), seed: int = 0) -> Events:
    generator = np.random.default_rng(seed)
    t = np.sort(generator.integers(first, first + span, n))
    x, y = generator.integers(0, sensor[0], n), generator.integers(0, sensor[1], n)
    return Events.of(t, x, y, generator.integers(0, 2, n), sensor)


def read(root: Path, split="train", **settings) -> LabelledWindows:
    config = Prophesee(root=str(root))
    if settings.get("name") == "1mpx":
        config = replace(config, classes=CLASSES["1mpx"])
    return prophesee(replace(config, **settings), split)


def one(tmp_path: Path, events: Events, boxes: list[tuple], **settings) -> LabelledWindows:
    record(tmp_path / "train" / "a", events, boxes)
    return read(tmp_path, **settings)


def event(t: int, *, polarity: int = 1) -> Events:
    return Events.of(np.atleast_1d(t), [7], [5], [polarity], SENSOR["gen1"])


def test_a_sample_is_what_the_definition_says(tmp_path):
    """Bin by bin and pixel by pixel, in plain Python."""
    events = some_events()
    samples = one(tmp_path, events, [(t, *CAR, 0) for t in (90_000, 500_000, 999_999)])
    assert len(samples) == 3
    for i, label in enumerate((90_000, 500_000, 999_999)):
        start = label - 180_000 + 1
        sums = np.zeros((3, 3, 240, 304))
        for t, x, y, polarity in zip(events.t, events.x, events.y, events.polarity, strict=True):
            if max(0, start) <= t <= label:
                bin = (int(t) - start) // 20_000
                sums[bin // 3, bin % 3, y, x] += 1 if polarity else -1
        expected = np.zeros((3, 3, 256, 256))
        for row in range(202):
            for column in range(256):
                expected[:, :, 27 + row, column] = np.sign(sums[:, :, row * 240 // 202, column * 304 // 256])
        x, (boxes, _, t_us) = samples[i]
        assert t_us == label
        assert x.dtype == torch.float32
        assert np.array_equal(x.numpy(), expected)
        assert set(x.unique().tolist()) <= {-1, 0, 1}
        assert (boxes.xywh.tolist(), boxes.label.tolist()) == ([[84, 111, 42, 34]], [0])
    # The first sample begins 90,001 us before its recording: four bins and a half are empty.
    assert samples[0][0].flatten(0, 1).abs().sum((1, 2)).bool().tolist() == [False] * 4 + [True] * 5


@pytest.mark.parametrize(
    ("t", "step", "channel"),
    [(500_000, 2, 2), (320_001, 0, 0), (340_000, 0, 0), (340_001, 0, 1), (380_001, 1, 0), (320_000, None, None)],
)
def test_where_an_event_lands(t, step, channel, tmp_path):
    x, _ = one(tmp_path, event(t), [(500_000, *CAR, 0)], size=(240, 304))[0]
    expected = torch.zeros(3, 3, 240, 304)
    if step is not None:
        expected[step, channel, 5, 7] = 1
    assert torch.equal(x, expected)


def test_two_opposite_events_cancel(tmp_path):
    both = Events.of([490_000, 490_001, 499_999], [7, 7, 8], [5, 5, 5], [1, 0, 0], SENSOR["gen1"])
    x, _ = one(tmp_path, both, [(500_000, *CAR, 0)], size=(240, 304))[0]
    assert x.abs().sum() == 1
    assert x[2, 2, 5, 8] == -1


@pytest.mark.parametrize("label", [0, 1_000, 1 << 31, (1 << 32) - 1])
def test_labels_at_the_ends_of_a_32_bit_clock(label, tmp_path):
    x, _ = one(tmp_path, event(label), [(label, *CAR, 0)], size=(240, 304))[0]
    assert x[2, 2, 5, 7] == x.abs().sum() == 1


def test_labels_without_events_before_them_have_empty_samples(tmp_path):
    samples = one(tmp_path, event(900_000), [(10, *CAR, 0), (2_000_000, *CAR, 1)])
    for i in range(2):
        x, (boxes, *_) = samples[i]
        assert x.count_nonzero() == 0
        assert boxes.label.tolist() == [i]


def test_other_stackings(tmp_path):
    counts = {"stacking": "counts", "steps": 4, "window_us": 45_000}
    newest = {"stacking": "sbn", "steps": 3, "bins": 5, "events_per_bin": 20}
    events = some_events()
    window = events.between(320_001, 500_001)
    for settings, shape in ((counts, (4, 2, 240, 304)), (newest, (3, 5, 240, 304))):
        samples = one(tmp_path, events, [(500_000, *CAR, 0)], size=(240, 304), **settings)
        seen = samples.events(0)
        assert np.array_equal(seen.t, window.t - 320_001)
        assert np.array_equal(seen.x, window.x)
        x, _ = samples[0]
        assert x.shape == shape
        if samples.config.stacking == "counts":
            assert x.sum((1, 2, 3)).tolist() == np.bincount(seen.t // 45_000).tolist()
    last = window[len(window) - 20 :]
    assert torch.equal(x[2, 4].nonzero().T[0], torch.from_numpy(np.sort(last.y.astype(np.int64))))


def test_boxes_are_cut_letterboxed_and_kept_as_they_were(tmp_path):
    labels = [
        (500_000, *CAR, 0),
        (500_000, -10.5, 20.25, 30, 40, 1),
        (500_000, 290, 200, 50, 100, 1),
        (500_000, 310, 10, 20, 20, 0),
        (500_000, 10, 10, 0, 20, 0),
        (500_000, 40, 40, 0.5, 20, 1),
    ]
    samples = one(tmp_path, some_events(), labels)
    _, (boxes, original, t_us) = samples[0]
    assert boxes.xywh.tolist() == [[84, 111, 42, 34], [0, 44, 16, 34], [244, 195, 12, 34]]
    assert boxes.label.tolist() == [0, 1, 1]
    assert t_us == 500_000
    expected = [[*CAR], [0, 20.25, 19.5, 40], [290, 200, 14, 40], [40, 40, 0.5, 20]]
    assert original.xywh.tolist() == expected
    assert original.label.tolist() == [0, 1, 1, 1]
    assert (samples.letterbox.undo(boxes.xywh) - original.xywh[:3]).abs().max() < 1


def test_a_moment_without_boxes_is_a_sample(tmp_path):
    labels = [(400_000, 400, 10, 20, 20, 0), (500_000, *CAR, 1)]
    samples = one(tmp_path, some_events(), labels, classes=("car",))
    assert samples.t.tolist() == [400_000, 500_000]
    for x, (boxes, original, _) in samples:
        assert x.count_nonzero() > 0
        assert (boxes.xywh.shape, boxes.label.shape) == ((0, 4), (0,))
        assert (original.xywh.shape, original.label.shape) == ((0, 4), (0,))
    x, (boxes, *_) = samples.window(samples.recordings[0], 456_789)
    assert x.count_nonzero() > 0
    assert len(boxes.label) == 0


def test_batches_and_copies_for_workers(tmp_path):
    samples = one(tmp_path, some_events(), [(t, *CAR, t // 100_000 % 2) for t in range(0, 1_000_000, 100_000)])
    copy = pickle.loads(pickle.dumps(samples))
    batch = next(iter(DataLoader(copy, batch_size=4, collate_fn=copy.collate)))
    assert batch.x.shape == (3, 4, 3, 256, 256)
    assert batch.lengths.tolist() == [3] * 4
    assert [type(boxes) for boxes in batch.target] == [Boxes] * 4
    assert [boxes.label.tolist() for boxes in batch.target] == [[0], [1], [0], [1]]
    sensor, original, t_us = batch.original
    assert (sensor, t_us) == ((304, 240), [0, 100_000, 200_000, 300_000])
    assert [boxes.xywh.tolist() for boxes in original] == [[[*CAR]]] * 4
    assert torch.equal(batch.x[:, 3], samples[3][0])


def test_by_recipe(tmp_path):
    record(tmp_path / "train" / "a", some_events(), [(500_000, *CAR, 1)])
    samples = build(Prophesee(root=str(tmp_path)), "train")
    assert samples.classes == ("car", "pedestrian")
    assert torch.equal(samples[0][0], read(tmp_path)[0][0])


@pytest.mark.parametrize("folder", ["", "detection_dataset_duration_60s_ratio_1.0", "trainfilelist00", "a/b"])
def test_folders_at_any_depth(folder, tmp_path):
    for split, n in (("train", 3), ("val", 2), ("test", 1)):
        for k in range(n):
            record(tmp_path / folder / split / f"17-03-30_12-53-58_{k}", event(5), [(5, *CAR, 0), (9, *CAR, 1)])
    for split, n in (("train", 3), ("val", 2), ("test", 1)):
        assert len(read(tmp_path, split)) == 2 * n


def test_archives_side_by_side_and_recordings_without_labels(tmp_path):
    record(tmp_path / "trainfilelist00" / "train" / "b", event(5), [(t, *CAR, 0) for t in (7, 5, 7)])
    record(tmp_path / "trainfilelist01" / "train" / "a", event(5), [(6, *CAR, 0)])
    record(tmp_path / "trainfilelist01" / "train" / "c", event(5), [])
    samples = read(tmp_path)
    assert samples.t.tolist() == [5, 7, 6]
    assert [len(original.label) for _, (_, original, _) in samples] == [1, 2, 1]


def test_1_megapixel_and_its_customary_classes(tmp_path):
    sensor, known = SENSOR["1mpx"], CLASSES["1mpx"]
    labels = [(500_000, 100 * k, 300, 90, 60, k) for k in range(len(known))]
    events = some_events(200, first=400_000, span=100_000, sensor=(1_400, 800))
    record(tmp_path / "train" / "moorea_2019-02-18_000", events, labels, spelling="1mpx")
    samples = read(tmp_path, name="1mpx", classes=("pedestrian", "two wheeler", "car"))
    x, (boxes, *_) = samples[0]
    assert x.shape == (3, 3, 256, 256)
    assert boxes.xywh.tolist() == [[0, 116, 18, 12], [20, 116, 18, 12], [40, 116, 18, 12]]
    assert (boxes.label.tolist(), samples.classes) == ([0, 1, 2], ("pedestrian", "two wheeler", "car"))
    assert read(tmp_path, name="1mpx", classes=("car", "bus"))[0][1].boxes.label.tolist() == [0, 1]
    assert read(tmp_path, name="1mpx")[0][1].boxes.label.tolist() == list(range(7))
    # Single events beyond the sensor are in some of the published files.
    inside = (events.x < sensor[0]) & (events.y < sensor[1])
    assert 0 < inside.sum() < len(events)
    assert np.array_equal(samples.events(0).x, events.x[inside])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([(500_000, *CAR, 0), (600_000, *CAR, 2)], r"a_bbox\.npy: box 1 has label 2, expected 0 to 1"),
        ([(500_000, 1, np.nan, 3, 4, 0)], r"a_bbox\.npy: box 0 is .*nan.*: expected finite"),
        ([(500_000, 1, 2, np.inf, 4, 0)], r"a_bbox\.npy: box 0 is .*inf.*: expected finite"),
        ([], "1 recordings without labels"),
    ],
)
def test_labels_that_cannot_be(labels, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        one(tmp_path, event(5), labels)


def test_classes_that_the_data_set_does_not_have(tmp_path):
    with pytest.raises(ValueError, match=r"gen1 has the classes car, pedestrian, got dog: use --data\.classes"):
        one(tmp_path, event(5), [(5, *CAR, 0)], classes=("car", "dog"))


@pytest.mark.parametrize(("kept", "lost"), [("_td.dat", "_bbox.npy"), ("_bbox.npy", "_td.dat")])
def test_a_recording_without_one_of_its_files(kept, lost, tmp_path):
    for name in "abc":
        record(tmp_path / "train" / name, event(5), [(5, *CAR, 0)])
    for name in "bc":
        (tmp_path / "train" / (name + lost)).unlink()
    message = re.escape(f"train/b{kept} has no b{lost} beside it, and 1 others lack one of the two")
    with pytest.raises(FileNotFoundError, match=message):
        read(tmp_path)


def test_no_recordings(tmp_path, monkeypatch):
    record(tmp_path / "train" / "a", event(5), [(5, *CAR, 0)])
    with pytest.raises(FileNotFoundError, match=r"no files val/NAME_td\.dat below .*--data\.root FOLDER"):
        read(tmp_path, "val")
    with pytest.raises(FileNotFoundError, match="no gen1 recordings at"):
        read(tmp_path / "nowhere")


def test_damaged_files_are_found_at_once(tmp_path):
    record(tmp_path / "train" / "a", event(5), [(5, *CAR, 0)])
    path = tmp_path / "train" / "a_td.dat"
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    with pytest.raises(EventFileError, match=r"a_td\.dat: cut off"):
        read(tmp_path)
    path.write_bytes(whole)
    (tmp_path / "train" / "a_bbox.npy").write_bytes(b"nothing")
    with pytest.raises(EventFileError, match=r"a_bbox\.npy: is no readable \.npy file"):
        read(tmp_path)


def test_times_out_of_order_are_an_error_of_the_sample(tmp_path):
    path = tmp_path / "train" / "a_td.dat"
    record(tmp_path / "train" / "a", some_events(100, span=100), [(99, *CAR, 0)])
    raw = path.read_bytes()
    path.write_bytes(raw[:-800] + raw[-8:] + raw[-792:])
    with pytest.raises(EventFileError, match=r"a_td\.dat: event 1 .* runs backwards in time"):
        read(tmp_path)[0]
