"""DSEC-Semantic from files in the published layout, and what is said when they are damaged or missing."""

import io
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from ranvier.data.datasets.dsec import CLASSES, SEQUENCES, DSECRecording, dsec
from ranvier.data.datasets.dsec_frames import frame_view
from ranvier.data.events import Events
from ranvier.data.formats import EventFileError
from ranvier.recipes import DSEC
from tests.data.formats.test_hdf5 import write

MASKS = 48
START_US = 40_000_000_000
TIMES = START_US + 30_000 + 50_000 * np.arange(MASKS)
CONFIG = DSEC(steps=2, stride=1)


def turn(x: float, y: float, z: float) -> np.ndarray:
    """Rotation about three axes, in radians."""
    (cx, cy, cz), (sx, sy, sz) = np.cos([x, y, z]), np.sin([x, y, z])
    about_x, about_y = [[1, 0, 0], [0, cx, -sx], [0, sx, cx]], [[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]]
    return np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]]) @ about_y @ about_x


def calibration() -> dict:
    """Cameras as in DSEC: the frames' focal length about twice that of the events, and a few degrees between them."""
    to_frame = np.eye(4)
    to_frame[:3, :3], to_frame[:3, 3] = turn(0.01, -0.02, 0.005), [0.04, 0.002, -0.01]
    return {
        "intrinsics": {
            "camRect0": {"camera_matrix": [560.0, 560.0, 330.0, 225.0]},
            "camRect1": {"camera_matrix": [1150.0, 1150.0, 720.0, 540.0]},
        },
        "extrinsics": {
            "T_10": to_frame.tolist(),
            "R_rect0": turn(0.004, 0.001, -0.003).tolist(),
            "R_rect1": turn(-0.002, 0.003, 0.001).tolist(),
        },
    }


def rectify_map() -> np.ndarray:
    """Every pixel moves 3.4 columns to the left and 1.6 rows down."""
    row, column = np.mgrid[:480, :640]
    return np.stack([column - 3.4, row + 1.6], -1).astype(np.float32)


def write_sequence(folder: Path, seed: int) -> Events:
    """Write one sequence as the downloads unpack, and return its events."""
    left = folder / "events" / "left"
    left.mkdir(parents=True)
    generator = np.random.default_rng(seed)
    t = np.sort(generator.integers(START_US + 1000, TIMES[-1] + 30_000, 20_000))
    x, y = generator.integers(0, 640, len(t)), generator.integers(0, 480, len(t))
    events = Events.of(t, x, y, generator.integers(0, 2, len(t)), (640, 480))
    write(left / "events.h5", events)
    with h5py.File(left / "rectify_map.h5", "w") as file:
        file["rectify_map"] = rectify_map()
    (folder / "11classes").mkdir()
    for i in range(MASKS):
        Image.new("L", (640, 440), i % 11).save(folder / "11classes" / f"{i:06d}.png")
    (folder / f"{folder.name}_semantic_timestamps.txt").write_text("\n".join(map(str, TIMES)) + "\n")
    return events


def write_frames(folder: Path, picture: Image.Image) -> None:
    (folder / "images" / "left" / "rectified").mkdir(parents=True)
    (folder / "calibration").mkdir()
    picture.save(raw := io.BytesIO(), "PNG", compress_level=1)
    for i in range(MASKS):
        (folder / "images" / "left" / "rectified" / f"{i:06d}.png").write_bytes(raw.getvalue())
    (folder / "images" / "timestamps.txt").write_text("\n".join(map(str, TIMES)) + "\n")
    (folder / "calibration" / "cam_to_cam.yaml").write_text(yaml.safe_dump(calibration()))


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("dsec")
    write_sequence(root / SEQUENCES["test"][0], seed=0)
    for name in {*SEQUENCES["train"], *SEQUENCES["test"][1:]}:
        shutil.copytree(root / SEQUENCES["test"][0], root / name)
        stamps = root / name / "zurich_city_13_a_semantic_timestamps.txt"
        stamps.rename(stamps.with_name(f"{Path(name).name}_semantic_timestamps.txt"))
    return root


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_sequence(tmp_path / "zurich_city_13_a", seed=0)
    return tmp_path / "zurich_city_13_a"


def test_splits_are_the_published_sequences(root: Path) -> None:
    config = replace(CONFIG, root=str(root))
    train, test = dsec(config, "train"), dsec(config, "test")
    names = [f"zurich_city_{number:02}_a" for number in (0, 1, 2, 4, 5, 6, 7, 8)]
    assert sorted({Path(r.name).name for r, _ in train.clips}) == names
    assert sorted({Path(r.name).name for r, _ in test.clips}) == [
        "zurich_city_13_a",
        "zurich_city_14_c",
        "zurich_city_15_a",
    ]
    # 48 masks less 6, every second one: 21, of which a training sequence keeps one for validation.
    assert (len(train), len(test)) == (8 * 19, 3 * 20)
    assert len(dsec(replace(config, steps=1), "val")) == 8
    assert train.classes == CLASSES
    assert len(CLASSES) == 11


def test_the_first_six_masks_and_every_second_are_left_out(folder: Path) -> None:
    recording = DSECRecording(folder)
    assert np.array_equal(recording.mask_us, TIMES[6::2])
    assert [int(recording.mask(i)[0, 0]) for i in range(21)] == [i % 11 for i in range(6, 48, 2)]
    assert np.array_equal(DSECRecording(folder, first_mask=0, every=1).mask_us, TIMES)


def test_events_stand_at_the_nearest_rectified_pixel(root: Path, tmp_path: Path) -> None:
    raw = write_sequence(tmp_path / "again", seed=0)
    x, labels = dsec(replace(CONFIG, root=str(root)), "test")[3]
    assert x.shape == (2, 5, 440, 640)
    assert labels.shape == (2, 440, 640)
    for step, time in enumerate(TIMES[6::2][3:5]):
        for b in range(5):
            events = raw.between(time - 50_000 + 10_000 * b + 1, time - 50_000 + 10_000 * (b + 1) + 1)
            column, row = events.x.astype(int) - 3, events.y.astype(int) + 2
            inside = (column >= 0) & (row < 440)
            expected = np.zeros((440, 640), np.float32)
            np.add.at(expected, (row[inside], column[inside]), 2.0 * events.polarity[inside] - 1)
            assert np.array_equal(x[step, b].numpy(), expected)


def test_the_order_of_the_authors_loader_is_read_too(folder: Path) -> None:
    expected = DSECRecording(folder)
    for place in ("semantic/left/11classes/data", "semantic/11classes/data"):
        moved = folder / place
        moved.parent.mkdir(parents=True, exist_ok=True)
        next(folder.rglob("000000.png")).parent.rename(moved)
        for stamps in folder.glob("*_semantic_timestamps.txt"):
            stamps.rename(folder / "semantic" / "timestamps.txt")
        found = DSECRecording(folder)
        assert np.array_equal(found.mask_us, expected.mask_us)
        assert np.array_equal(found.mask(2), np.full((440, 640), 10))
        assert [path.parent for path in found.masks] == [moved] * 21


def test_a_mask_before_the_first_event_sees_nothing(folder: Path) -> None:
    times = np.concatenate([[START_US - 200_000, START_US - 100_000], TIMES[2:]])
    next(folder.glob("*_semantic_timestamps.txt")).write_text("\n".join(map(str, times)))
    recording = DSECRecording(folder, first_mask=0, every=1)
    assert len(recording.events(int(times[0]) - 49_999, int(times[0]) + 1)) == 0
    assert len(recording.events(int(times[2]) - 49_999, int(times[2]) + 1)) > 100


def test_frames_are_seen_from_the_event_camera(folder: Path) -> None:
    """Grey levels that rise by one every 6 pixels tell where in the frame a pixel was taken from."""
    row, column = np.mgrid[:1080, :1440]
    colours = np.stack([column / 6, row / 6, np.full_like(row, 77)], -1)
    write_frames(folder, Image.fromarray(colours.round().astype(np.uint8)))
    recording = DSECRecording(folder, frames=True)
    frame = recording.frame(3)
    assert frame.shape == (3, 440, 640)
    assert torch.all(frame[2] == 77 / 255)
    known = calibration()
    view = np.array([*frame_view(known), 1]).reshape(3, 3)
    rotation = {name: np.array(known["extrinsics"][name])[:3, :3] for name in ("R_rect0", "R_rect1", "T_10")}
    for x, y in [(20, 30), (320, 220), (600, 50), (40, 420), (610, 430)]:
        ray = np.array([(x - 330) / 560, (y - 225) / 560, 1])
        ray = rotation["R_rect1"] @ rotation["T_10"] @ np.linalg.inv(rotation["R_rect0"]) @ ray
        place = 1150 * ray[:2] / ray[2] + [720, 540]
        # Calibrations count from the centre of the first pixel, pictures from its corner.
        corner = view @ [x + 0.5, y + 0.5, 1]
        assert corner[:2] / corner[2] == pytest.approx(place + 0.5, abs=1e-9)
        assert frame[:2, y, x].numpy() * 255 == pytest.approx(place / 6, abs=1.01)


def test_the_view_of_equal_cameras_is_the_identity() -> None:
    same = {"camera_matrix": [500.0, 510.0, 300.0, 200.0]}
    eye = {"T_10": np.eye(4).tolist(), "R_rect0": np.eye(3).tolist(), "R_rect1": np.eye(3).tolist()}
    view = frame_view({"intrinsics": {"camRect0": same, "camRect1": same}, "extrinsics": eye})
    assert view == pytest.approx((1, 0, 0, 0, 1, 0, 0, 0))


def test_frames_come_before_the_events(root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "dsec"
    for name in SEQUENCES["test"]:
        shutil.copytree(root / name, copy / name)
        write_frames(copy / name, Image.new("RGB", (1440, 1080), (255, 51, 0)))
    x, _ = dsec(replace(CONFIG, root=str(copy), frames=True), "test")[1]
    assert x.shape == (2, 8, 440, 640)
    assert torch.equal(x[:, :3, 200, 300], torch.tensor([[1.0, 0.2, 0.0]] * 2))
    assert torch.equal(x[:, 3:], dsec(replace(CONFIG, root=str(copy)), "test")[1][0])


def test_missing_sequences_and_files_are_named(root: Path, folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no sequence train/zurich_city_00_a in .*; pass --data.root FOLDER"):
        dsec(replace(CONFIG, root=str(folder)), "train")
    with pytest.raises(FileNotFoundError, match=r"no file .*images/timestamps\.txt: unpack the downloads of images"):
        DSECRecording(folder, frames=True)
    for name in ("events.h5", "rectify_map.h5"):
        path = folder / "events" / "left" / name
        path.rename(path.with_suffix(".away"))
        with pytest.raises(FileNotFoundError, match=rf"no file .*{name}: it is in the download of the left event"):
            DSECRecording(folder)
        path.with_suffix(".away").rename(path)
    shutil.rmtree(folder / "11classes")
    with pytest.raises(FileNotFoundError, match=r"no masks of zurich_city_13_a: looked for .*semantic/left/11classes"):
        DSECRecording(folder)


def test_damaged_event_files_are_named(folder: Path) -> None:
    events, rectify = (folder / "events" / "left" / name for name in ("events.h5", "rectify_map.h5"))
    whole = events.read_bytes()
    events.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EventFileError, match=r"events\.h5: damaged"):
        DSECRecording(folder)
    events.write_bytes(whole)
    for values, problem in [
        (np.zeros((480, 640), np.float32), r"finite numbers \[480, 640, 2\], got shape \[480, 640\]"),
        (np.full((480, 640, 2), np.nan, np.float32), r"rectify_map\.h5: expected finite numbers"),
    ]:
        with h5py.File(rectify, "w") as file:
            file["rectify_map"] = values
        with pytest.raises(ValueError, match=problem):
            DSECRecording(folder)


def test_masks_that_do_not_fit_are_named(folder: Path) -> None:
    mask = folder / "11classes" / "000006.png"
    Image.new("L", (640, 480)).save(mask)
    with pytest.raises(ValueError, match=r"000006\.png is a 640x480 picture .* expected a mask of 640x440"):
        DSECRecording(folder).mask(0)
    Image.new("L", (640, 440), 18).save(mask)
    with pytest.raises(ValueError, match=r"000006\.png holds class 18, expected 0 to 10"):
        DSECRecording(folder).mask(0)
    mask.unlink()
    with pytest.raises(ValueError, match="expected one time a mask, got 47 masks and 48 times"):
        DSECRecording(folder)
    next(folder.glob("*_semantic_timestamps.txt")).write_text("# microseconds\n1\n")
    with pytest.raises(ValueError, match=r"timestamps\.txt: expected one time in microseconds a line"):
        DSECRecording(folder)


def test_frames_that_do_not_fit_are_named(folder: Path) -> None:
    write_frames(folder, Image.new("RGB", (8, 6)))
    path = folder / "calibration" / "cam_to_cam.yaml"
    known = calibration()
    del known["extrinsics"]["T_10"]
    for text in (yaml.safe_dump(known), "intrinsics: [", "", "intrinsics: 3"):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"cam_to_cam\.yaml is not a calibration of DSEC"):
            DSECRecording(folder, frames=True)
    stamps = folder / "images" / "timestamps.txt"
    stamps.write_text("\n".join(map(str, TIMES + (TIMES[8] == TIMES))))
    with pytest.raises(ValueError, match=rf"no frame at {TIMES[8]} us, the time of a mask"):
        DSECRecording(folder, frames=True)
    stamps.write_text("5\n")
    with pytest.raises(ValueError, match="got 48 frames and 1 times"):
        DSECRecording(folder, frames=True)
