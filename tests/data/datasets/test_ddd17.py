"""DDD17 from files in the published layout, and what is said when they are damaged or missing."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ranvier.data.datasets.ddd17 import CLASSES, DDD17Recording, ddd17
from ranvier.data.events import Events
from ranvier.recipes import DDD17

FOLDERS = ("dir0", "dir1", "dir3", "dir4", "dir5", "dir6", "dir7")
MASKS = 24
# Masks are of every third frame, from frame 2 on; frames are 40 ms apart.
NUMBERS = 2 + 3 * np.arange(MASKS)
CONFIG = DDD17(steps=2, stride=1)
CLOCK_NS = 1_487_000_000_000_000_000
ALWAYS = 4 * 10**15


def frame_ns(number: int) -> int:
    return CLOCK_NS + 40_000_000 * int(number) + 321


def write_folder(folder: Path, seed: int, *, masks: int = MASKS) -> Events:
    """Write one folder and return its events; some are below row 200, where the dashboard is."""
    generator = np.random.default_rng(seed)
    numbers = 3 * np.arange(masks) + 2
    (folder / "index").mkdir(parents=True)
    (folder / "segmentation_masks").mkdir()
    t = np.sort(generator.integers(frame_ns(1), frame_ns(numbers[-1] + 2), 9000))
    x, y, polarity = generator.integers(0, 346, 9000), generator.integers(0, 260, 9000), generator.integers(0, 2, 9000)
    t.astype("<i8").tofile(folder / "events.dat.t")
    np.stack([x, y, polarity], 1).astype("<i2").tofile(folder / "events.dat.xyp")
    frames = np.array([frame_ns(number) for number in range(1, numbers[-1] + 2)])
    for ms in (10, 50, 250):
        window = [np.searchsorted(t, frames), np.searchsorted(t, frames - ms * 1_000_000) - 1]
        np.save(folder / "index" / f"index_{ms}ms.npy", np.stack([frames, *window], 1))
    for i, number in enumerate(numbers):
        values = np.full((200, 346), i % 6, np.uint8)
        values[0, 0] = 255
        Image.fromarray(values).save(folder / "segmentation_masks" / f"segmentation_{number:08d}.png")
    return Events.of(t // 1000, x, y, polarity, (346, 260))


def write_frames(folder: Path, name: str, *, masks: int = MASKS) -> None:
    (folder / "imgs").mkdir()
    for number in range(1, 3 * masks + 1):
        values = np.full((260, 346), number, np.uint8)
        values[200:] = 255
        Image.fromarray(values).save(folder / "imgs" / name.format(number))


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """The seven folders, as the archive unpacks."""
    root = tmp_path_factory.mktemp("ddd17_seg")
    for seed, name in enumerate(FOLDERS):
        write_folder(root / "data" / name, seed)
    return root


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_folder(tmp_path / "dir1", 1)
    return tmp_path / "dir1"


def test_splits_are_the_published_folders(root: Path) -> None:
    config = replace(CONFIG, root=str(root))
    found = {split: ddd17(config, split) for split in ("train", "test")}
    used = {split: sorted({Path(r.name).name for r, _ in clips.clips}) for split, clips in found.items()}
    assert used["train"] == ["dir0", "dir3", "dir4", "dir6", "dir7"]
    assert used["test"] == ["dir1"]
    assert len(found["test"]) == MASKS - 1
    # The last of 24 masks is for validation: 23 are left to train, which make 22 clips of 2 masks.
    assert len(found["train"]) == 5 * (MASKS - 1 - 1)
    assert found["test"].classes == CLASSES == found["train"].classes
    assert len(CLASSES) == 6


def test_held_out_clips_have_a_length_of_their_own(root: Path) -> None:
    config = DDD17(root=str(root), steps=6, stride=5, held_out_steps=4)
    train, test = ddd17(config, "train"), ddd17(config, "test")
    assert (len(train[0][0]), len(test[0][0])) == (6, 4)
    # Both overlap by one mask, the burn-in.
    assert [first for _, first in train.clips[:4]] == [0, 5, 10, 15]
    assert [first for _, first in test.clips] == [0, 3, 6, 9, 12, 15, 18]
    same = ddd17(replace(config, held_out_steps=0), "test")
    assert [first for _, first in same.clips] == [0, 5, 10, 15]


def test_validation_takes_the_last_masks_of_the_training_folders(root: Path) -> None:
    val = ddd17(replace(CONFIG, root=str(root), steps=1), "val")
    assert [(Path(r.name).name, first) for r, first in val.clips] == [
        (name, MASKS - 1) for name in ("dir0", "dir3", "dir4", "dir6", "dir7")
    ]


def test_the_folder_of_the_folders_is_found_too(root: Path) -> None:
    assert len(ddd17(replace(CONFIG, root=str(root / "data")), "test")) == MASKS - 1


def test_a_step_holds_the_fifty_milliseconds_before_its_frame(root: Path, tmp_path: Path) -> None:
    events = write_folder(tmp_path / "again", seed=1).crop(0, 0, 346, 200)
    x, labels = ddd17(replace(CONFIG, root=str(root)), "test")[5]
    assert x.shape == (2, 5, 200, 346)
    assert labels.shape == (2, 200, 346)
    for step in range(2):
        frame_us = frame_ns(NUMBERS[5 + step]) // 1000
        for b in range(5):
            part = events.between(frame_us - 50_000 + 10_000 * b + 1, frame_us - 50_000 + 10_000 * (b + 1) + 1)
            expected = np.zeros((200, 346), np.float32)
            np.add.at(expected, (part.y, part.x), 2.0 * part.polarity - 1)
            assert np.array_equal(x[step, b].numpy(), expected)
    assert (int(labels[0, 0, 0]), int(labels[0, 1, 0]), int(labels[1, 1, 0])) == (255, 5, 0)


def test_windows_of_any_width_agree_with_the_published_index(folder: Path) -> None:
    recording = DDD17Recording(folder)
    for ms in (10, 50, 250):
        index = np.load(folder / "index" / f"index_{ms}ms.npy")
        for i in range(MASKS):
            _, stop, before = index[NUMBERS[i] - 1]
            xyp = np.fromfile(folder / "events.dat.xyp", "<i2").reshape(-1, 3)[max(before + 1, 0) : stop]
            label = int(recording.mask_us[i])
            found = recording.events(label + 1 - ms * 1000, label + 1)
            # The index cuts between nanoseconds and the loader between microseconds.
            assert abs(len(found) - int((xyp[:, 1] < 200).sum())) <= 1


@pytest.mark.parametrize("name", ["img_{:08d}.png", "{:010d}.png"])
def test_frames_of_both_spellings_come_first(folder: Path, name: str) -> None:
    write_frames(folder, name)
    recording = DDD17Recording(folder, frames=True)
    frame = recording.frame(4)
    assert frame.shape == (1, 200, 346)
    assert torch.all(frame == NUMBERS[4] / 255)
    config = replace(CONFIG, root=str(folder.parent), frames=True)
    x, _ = ddd17(config, "test")[4]
    assert x.shape == (2, 6, 200, 346)
    assert torch.equal(x[0, :1], frame)


def test_a_mask_before_the_first_event_sees_nothing(folder: Path) -> None:
    t = np.fromfile(folder / "events.dat.t", "<i8")
    late = int(np.searchsorted(t, frame_ns(NUMBERS[2])))
    t[late:].tofile(folder / "events.dat.t")
    xyp = np.fromfile(folder / "events.dat.xyp", "<i2").reshape(-1, 3)
    xyp[late:].tofile(folder / "events.dat.xyp")
    x, _ = ddd17(replace(CONFIG, root=str(folder.parent), steps=4), "test")[0]
    assert [bool(step.any()) for step in x] == [False, False, False, True]


def test_a_recording_is_sent_to_a_worker_without_its_events(folder: Path) -> None:
    recording = DDD17Recording(folder)
    copy = pickle.dumps(recording)
    assert len(copy) < 20_000
    assert len(pickle.loads(copy).events(0, ALWAYS)) == len(recording.events(0, ALWAYS)) > 5000


def test_missing_folders_and_files_say_what_to_type(root: Path, folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no folder dir0 in .*dir0, dir3, dir4, dir6, dir7 .*--data.root"):
        ddd17(replace(CONFIG, root=str(folder.parent)), "train")
    with pytest.raises(FileNotFoundError, match=r"no pictures in .*imgs: type mkdir .*ffmpeg -i .*video\.mp4"):
        DDD17Recording(folder, frames=True)
    write_frames(folder, "img_{:08d}.png")
    (folder / "imgs" / f"img_{NUMBERS[3]:08d}.png").unlink()
    with pytest.raises(FileNotFoundError, match=f"no frame of mask {NUMBERS[3]} in .*type mkdir"):
        DDD17Recording(folder, frames=True)
    for name in ("events.dat.t", "events.dat.xyp", "index/index_50ms.npy"):
        kept = (folder / name).read_bytes()
        (folder / name).unlink()
        with pytest.raises(FileNotFoundError, match=name):
            DDD17Recording(folder)
        (folder / name).write_bytes(kept)
    for path in (folder / "segmentation_masks").iterdir():
        path.unlink()
    with pytest.raises(FileNotFoundError, match=r"segmentation_masks: type unzip .*segmentation_masks\.zip -d"):
        DDD17Recording(folder)


def test_damaged_events_are_named(folder: Path) -> None:
    xyp, t = (folder / "events.dat.xyp").read_bytes(), (folder / "events.dat.t").read_bytes()
    for name, raw, problem in [
        ("events.dat.xyp", xyp[:-1], r"events\.dat\.xyp has 53999 bytes, expected events of 6 bytes: it is cut short"),
        ("events.dat.t", b"", r"events\.dat\.t has 0 bytes"),
        ("events.dat.t", t[:-8], r"as many events in both files, got .*8999.*9000.*: one is cut short"),
    ]:
        (folder / name).write_bytes(raw)
        with pytest.raises(ValueError, match=problem):
            DDD17Recording(folder)
        (folder / "events.dat.xyp").write_bytes(xyp)
        (folder / "events.dat.t").write_bytes(t)
    bad = np.frombuffer(xyp, "<i2").copy()
    bad[3 * 100] = 346
    bad.tofile(folder / "events.dat.xyp")
    with pytest.raises(ValueError, match=r"dir1: after event 0: event 100 is at x=346, .*outside the 346x260 sensor"):
        DDD17Recording(folder).events(0, ALWAYS)


def test_damaged_indices_and_unknown_masks_are_named(folder: Path) -> None:
    path = folder / "index" / "index_50ms.npy"
    index = np.load(path)
    np.save(path, index[:-10])
    with pytest.raises(ValueError, match=rf"has frames 1 to 62, and there is a mask of frame {NUMBERS[21]}"):
        DDD17Recording(folder)
    np.save(path, index[:, :2])
    with pytest.raises(ValueError, match=r"has shape \(72, 2\), expected \[frames, 3\]"):
        DDD17Recording(folder)
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"index_50ms\.npy cannot be read as an array"):
        DDD17Recording(folder)
    np.save(path, index)
    mask = folder / "segmentation_masks" / "segmentation_00000002.png"
    Image.new("L", (346, 260)).save(mask)
    with pytest.raises(ValueError, match=r"00000002\.png is a 346x260 picture .* expected a mask of 346x200"):
        DDD17Recording(folder).mask(0)
    Image.new("L", (346, 200), 6).save(mask)
    with pytest.raises(ValueError, match=r"00000002\.png holds class 6, expected 0 to 5"):
        DDD17Recording(folder).mask(0)
