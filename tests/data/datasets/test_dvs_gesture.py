"""DVS128 Gesture from files in the layout of its release, and real recordings of its camera."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from ranvier.data.augment import reframe
from ranvier.data.datasets import build
from ranvier.data.datasets.dvs_gesture import rows
from ranvier.data.events import Events
from ranvier.data.formats import EventFileError, open_events
from ranvier.data.representations import frames
from ranvier.recipes import DVSGesture
from ranvier.recipes.classes import GESTURES
from tests.data.made_aedat import aedat

SENSOR = (128, 128)


def put(root, trial: str, events: Events, labels: list[tuple[int, int, int]]) -> None:
    (root / f"{trial}.aedat").write_bytes(aedat(events, packet=20))
    lines = ["class,startTime_usec,endTime_usec", *(",".join(map(str, label)) for label in labels)]
    (root / f"{trial}_labels.csv").write_text("\n".join(lines) + "\n")


def random_events(span: int, *, seed: int, n: int = 4_000) -> Events:
    generator = np.random.default_rng(seed)
    t, (x, y) = np.sort(generator.integers(0, span, n)), generator.integers(0, 128, (2, n))
    return Events.of(t, x, y, generator.integers(0, 2, n), SENSOR)


@pytest.fixture
def released(tmp_path):
    """Two training recordings and one for the test, ten seconds each."""
    root = tmp_path / "DvsGesture"
    root.mkdir()
    # Four slices and a rest; one slice and a rest; a gesture shorter than a slice.
    labels = [(1, 500_000, 7_500_000), (11, 8_000_000, 9_700_001), (4, 9_800_000, 9_900_000)]
    for seed, trial in enumerate(("user01_led", "user02_natural", "user24_lab")):
        put(root, trial, random_events(10_000_000, seed=seed), labels)
    (root / "trials_to_train.txt").write_text("user01_led.aedat\nuser02_natural.aedat\n\n")
    (root / "trials_to_test.txt").write_text("user24_lab.aedat")
    return tmp_path


def config(root, **fields) -> DVSGesture:
    return DVSGesture(root=str(root), **fields)


def test_gestures_are_cut_into_whole_slices(released):
    samples = build(config(released), "test")
    assert [part[1:] for part in samples.slices] == [
        (500_000, 2_200_000, 0),
        (2_200_000, 3_900_000, 0),
        (3_900_000, 5_600_000, 0),
        (5_600_000, 7_300_000, 0),
        (8_000_000, 9_700_000, 10),
        (9_800_000, 9_900_000, 3),
    ]
    assert [samples.classes[part.label] for part in samples.slices[3:]] == [GESTURES[0], "other gestures", GESTURES[3]]
    assert len(GESTURES) == len(set(GESTURES)) == 11
    events = open_events(released / "DvsGesture" / "user24_lab.aedat").read()
    for i, part in enumerate(samples.slices):
        assert samples.events(i).t.tolist() == events.between(part.start_us, part.stop_us).t.tolist()
    # The images after the end of a short gesture are empty, whatever is done next.
    x, label = samples[5]
    assert (x.shape, label) == ((68 * 64, 64), 3)
    assert x[: 4 * 64].any()
    assert not x[4 * 64 :].any()


def test_people_of_the_test_are_in_no_other_split_and_each_slice_is_in_one(released):
    train, val, test = (build(config(released / "DvsGesture"), split) for split in ("train", "val", "test"))
    assert [len(part) for part in (train, val, test)] == [10, 2, 6]
    assert [part.augment for part in (train, val, test)] == [True, False, False]
    found = [{(part.recording.path.stem, part.start_us) for part in samples.slices} for samples in (train, val, test)]
    assert {trial for trial, _ in found[2]} == {"user24_lab"}
    assert {trial for trial, _ in found[0] | found[1]} == {"user01_led", "user02_natural"}
    assert len(found[0] | found[1]) == 12
    order = [(part.recording.path, part.start_us) for part in train.slices]
    assert order == [(part.recording.path, part.start_us) for part in build(config(released), "train").slices]


def test_rows_of_a_real_recording(released, data_dir):
    """What the docstring says, in other words; the recording ends before the slice does."""
    events = open_events(data_dir / "dvs_gesture_crops" / "gesture_03.bs2", sensor=SENSOR).read()
    later = replace(events, t=events.t + 300_000_000)
    put(released / "DvsGesture", "user24_lab", later, [(9, 300_000_000, 301_700_000)])
    samples = build(config(released), "test")
    x, label = samples[0]
    assert (x.shape, x.dtype, label, len(samples)) == ((4352, 64), torch.float32, 8, 1)
    counts = np.zeros((68, 2, 128, 128), np.float32)
    np.add.at(counts, (events.t // 25_000, events.polarity.astype(int), events.y, events.x), 1)
    pooled = counts.reshape(68, 2, 64, 2, 64, 2).max((3, 5))
    expected = (pooled[:, 0] + pooled[:, 1]) / 2 / 18.5
    assert np.allclose(x.numpy(), expected.reshape(4352, 64), atol=1e-7)
    assert 0.05 < (x > 0).float().mean() < 0.5
    assert 0.1 < float(x.max()) <= 1
    assert not x[58 * 64 :].any()


def test_training_slices_are_reframed_by_seed_epoch_and_number(released):
    plain, changed = build(config(released, augment=False), "train"), build(config(released, seed=3), "train")
    changed.set_epoch(7)
    part = plain.slices[2]
    images = frames(plain.events(2), window_us=25_000, steps=68, start=part.start_us)
    assert torch.equal(plain[2][0], rows(images) / 19.0)
    expected = rows(reframe(images, generator=np.random.default_rng([3, 7, 2]))) / 19.0
    assert torch.equal(changed[2][0], expected)
    assert torch.equal(changed[2][0], expected)
    assert not torch.equal(expected, plain[2][0])
    changed.set_epoch(8)
    assert not torch.equal(changed[2][0], expected)


def test_batches_from_workers(released):
    samples = build(config(released, slice_us=200_000, window_us=50_000), "train")
    loader = DataLoader(samples, batch_size=3, collate_fn=samples.collate, num_workers=1)
    batch = next(iter(loader))
    assert batch.x.shape == (4 * 64, 3, 64)
    assert torch.equal(batch.x[:, 1], samples[1][0])
    assert (batch.lengths.tolist(), batch.target.dtype) == ([256] * 3, torch.int64)


def test_what_is_missing_is_named_with_what_to_type(released, tmp_path, monkeypatch):
    root = released / "DvsGesture"
    monkeypatch.setenv("RANVIER_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match=r"no dvs_gesture recordings: looked for .*--data\.root"):
        build(DVSGesture(), "train")
    (root / "user02_natural.aedat").unlink()
    with pytest.raises(FileNotFoundError, match=r"no user02_natural\.aedat in .*, nor 0 others of .*: type tar -xzf"):
        build(config(released), "val")
    (root / "user24_lab_labels.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"no user24_lab_labels\.csv in .*: type tar -xzf DvsGesture.tar.gz -C"):
        build(config(released), "test")
    (root / "trials_to_test.txt").write_text(" \n")
    with pytest.raises(ValueError, match=r"trials_to_test\.txt lists no recordings"):
        build(config(released), "test")
    (root / "trials_to_test.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"no trials_to_test\.txt in .*pass --data\.root FOLDER"):
        build(config(released), "test")


@pytest.mark.parametrize("line", ["12,1,2", "0,1,2", "3,2,2", "3,1", "3,1,2,4", "3,-1,2", "3,1.5,2", "clap,1,2", ""])
def test_bad_labels_are_named_by_their_line(line, released):
    path = released / "DvsGesture" / "user24_lab_labels.csv"
    path.write_text(f"class,startTime_usec,endTime_usec\n1,0,9\n{line}\n2,9,12\n")
    with pytest.raises(ValueError, match=rf"_labels\.csv, line 3: expected class .* got '{line}'"):
        build(config(released), "test")
    path.write_text("class,startTime_usec,endTime_usec\n")
    with pytest.raises(ValueError, match="holds no gestures"):
        build(config(released), "test")


def test_damaged_recordings_and_odd_slices_are_refused(released):
    path = released / "DvsGesture" / "user24_lab.aedat"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(EventFileError, match=r"user24_lab\.aedat: cut off: the packet at byte"):
        build(config(released), "test")
    put(path.parent, "user24_lab", random_events(10_000, seed=0), [(1, 0, 9_000), (2, 10_000, 20_000)])
    with pytest.raises(ValueError, match=r"user24_lab_labels\.csv: a gesture from 10000 to 20000 us is not in user24"):
        build(config(released), "test")
    put(path.parent, "user24_lab", random_events(10_000, seed=0, n=0), [(1, 0, 9_000)])
    with pytest.raises(ValueError, match="a gesture from 0 to 9000 us is not in"):
        build(config(released), "test")
    with pytest.raises(ValueError, match=r"got --data\.slice-us 1700000 and --data\.window-us 30000"):
        build(config(released, window_us=30_000), "train")
    with pytest.raises(ValueError, match="expected slice_us of 1 or more, got 0"):
        config(released, slice_us=0)
