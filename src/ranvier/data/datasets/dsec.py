"""DSEC-Semantic: driving before an event camera of 640x480 pixels, eleven classes a pixel."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ranvier.data.datasets.clips import Clips, part
from ranvier.data.datasets.dsec_frames import DSECFrames, read_times
from ranvier.data.datasets.frames import Split
from ranvier.data.datasets.pictures import read_mask
from ranvier.data.events import Events
from ranvier.data.formats.hdf5 import open_timed, read_array
from ranvier.data.generate import Progress
from ranvier.data.root import find
from ranvier.recipes import DSEC

CLASSES = (
    "background",
    "building",
    "fence",
    "person",
    "pole",
    "road",
    "sidewalk",
    "vegetation",
    "vehicle",
    "wall",
    "traffic sign",
)
TRAINING = tuple(f"train/zurich_city_{number:02}_a" for number in (0, 1, 2, 4, 5, 6, 7, 8))
SEQUENCES: dict[Split, tuple[str, ...]] = {
    "train": TRAINING,
    "val": TRAINING,
    "test": ("test/zurich_city_13_a", "test/zurich_city_14_c", "test/zurich_city_15_a"),
}
SENSOR = (640, 480)
# The lowest 40 rows show the car: masks do not have them.
SIZE = (640, 440)
# As the downloads unpack, and as the authors' loader wants them.
MASKS = ("11classes", "semantic/left/11classes/data", "semantic/11classes/data")
TIMES = ("{name}_semantic_timestamps.txt", "semantic/timestamps.txt")


class DSECRecording:
    """One sequence of the published layout, with `mask_us` `[n]`, the times of the masks that are used.

    events/left/events.h5: events (see `TimedEvents`)
    events/left/rectify_map.h5: /rectify_map [480, 640, 2], the column and row of each pixel without distortion
    11classes/*.png and <name>_semantic_timestamps.txt: masks of 640x440 pixels and the microseconds of each
    images and calibration: see `DSECFrames`, read if `frames`

    Masks may also be in semantic/left/11classes/data, with their times in semantic/timestamps.txt.

    Raises:
        FileNotFoundError: one of these is not there.
        ValueError: one of these is damaged.
        ImportError: the extra `hdf5` is missing.
    """

    def __init__(self, folder: Path, *, first_mask: int = 6, every: int = 2, frames: bool = False) -> None:
        self.name = str(folder)
        masks = sorted(_first(folder, MASKS).glob("*.png"))
        times = read_times(_first(folder, TIMES))
        if len(masks) != len(times):
            raise ValueError(f"{folder}: expected one time a mask, got {len(masks)} masks and {len(times)} times")
        self.masks, self.mask_us = masks[first_mask::every], times[first_mask::every]
        left = folder / "events" / "left"
        self.timed = open_timed(_there(left / "events.h5"), sensor=SENSOR)
        self.rectified = _rectify_map(_there(left / "rectify_map.h5"))
        self.frames = DSECFrames(folder, self.mask_us, size=SIZE) if frames else None

    def events(self, start_us: int, stop_us: int) -> Events:
        """Read the events with `start_us <= t < stop_us`, each at the nearest pixel of the rectified view.

        Events that leave the upper 440 rows are left out.

        Raises:
            EventFileError: the file is damaged.
        """
        raw = self.timed.between(start_us, stop_us)
        x, y = self.rectified[raw.y, raw.x].T
        inside = (x >= 0) & (x < SIZE[0]) & (y >= 0) & (y < SIZE[1])
        x, y = x[inside].astype(np.uint16), y[inside].astype(np.uint16)
        return Events(raw.t[inside], x, y, raw.polarity[inside], SIZE)

    def mask(self, i: int) -> NDArray[np.uint8]:
        """Read mask i: `[440, 640]`."""
        return read_mask(self.masks[i], size=SIZE, classes=CLASSES)

    def frame(self, i: int) -> Tensor:
        """Read the colour frame of mask i: `[3, 440, 640]` in 0..1."""
        assert self.frames is not None
        return self.frames[i]


def dsec(config: DSEC, split: Split, progress: Progress | None = None) -> Clips:
    """Return one split; the last twentieth of the masks of each training sequence is `val`.

    The published training uses that twentieth too, and chooses its weights on the test sequences.

    Raises:
        FileNotFoundError: a sequence of the split, or a file in it, is missing.
        ValueError: a file is damaged.
        ImportError: the extra `hdf5` is missing.

    Source: Gehrig, Aarents, Gehrig, Scaramuzza, "DSEC: A Stereo Event Camera Dataset for Driving Scenarios", RA-L 2021;
    masks, sequences and which masks are used: Sun, Messikommer, Gehrig, Scaramuzza, "ESS: Learning Event-based Semantic
    Segmentation from Still Images", ECCV 2022. Taken as published: 8,082 masks to train and 2,809 to test.
    """
    root = find(config.root, "dsec")
    for absent in [name for name in SEQUENCES[split] if not (root / name).is_dir()]:
        raise FileNotFoundError(
            f"no sequence {absent} in {root}: expected {', '.join(SEQUENCES[split])}; pass --data.root FOLDER"
        )
    recordings = [
        DSECRecording(root / name, first_mask=config.first_mask, every=config.every, frames=config.frames)
        for name in SEQUENCES[split]
    ]
    parts = [(recording, part(len(recording.mask_us), split)) for recording in recordings]
    return Clips(parts, config, classes=CLASSES, augment=config.augment and split == "train")


def _rectify_map(path: Path) -> NDArray[np.int32]:
    """Return the nearest pixel of the rectified view for each pixel of the sensor: `[480, 640, 2]`, column and row."""
    places = read_array(path, "rectify_map")
    width, height = SENSOR
    if places.shape != (height, width, 2) or not np.isfinite(places).all():
        raise ValueError(f"{path}: expected finite numbers [{height}, {width}, 2], got shape {list(places.shape)}")
    return np.rint(places).astype(np.int32)


def _first(folder: Path, names: tuple[str, ...]) -> Path:
    paths = [folder / name.format(name=folder.name) for name in names]
    for path in paths:
        if path.exists():
            return path
    raise FileNotFoundError(f"no masks of {folder.name}: looked for {', '.join(map(str, paths))}")


def _there(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}: it is in the download of the left event camera's events")
    return path
