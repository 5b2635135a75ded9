"""DDD17 with the labels of Ev-SegNet: driving before a DAVIS346, six classes a pixel."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ranvier.data.datasets.clips import Clips, part
from ranvier.data.datasets.frames import Split
from ranvier.data.datasets.pictures import read_mask, read_picture
from ranvier.data.events import Events
from ranvier.data.generate import Progress
from ranvier.data.root import find
from ranvier.recipes import DDD17

CLASSES = ("flat", "construction and sky", "object", "nature", "human", "vehicle")
# The published split numbers the seven folders in sorted order; the fifth, dir5, has a single mask and is not used.
FOLDERS: dict[Split, tuple[str, ...]] = {
    "train": ("dir0", "dir3", "dir4", "dir6", "dir7"),
    "val": ("dir0", "dir3", "dir4", "dir6", "dir7"),
    "test": ("dir1",),
}
SENSOR = (346, 260)
# The lowest 60 rows show the dashboard: masks do not have them.
SIZE = (346, 200)
EVENT_BYTES = {"events.dat.t": 8, "events.dat.xyp": 6}


class DDD17Recording:
    """One folder of the published layout, with `mask_us` `[n]`, the times of its masks.

    events.dat.t: nanoseconds of each event, int64
    events.dat.xyp: column, row and polarity (0 or 1) of each event, int16
    index/index_50ms.npy: for each frame, nanoseconds and the numbers of the last and first event of its window
    segmentation_masks/*_<number>.png: masks of 346x200 pixels; frame 1 is the first row of the index
    imgs/*<number>.png: frames of 346x260 pixels, read if `frames`

    Raises:
        FileNotFoundError: one of these is not there.
        ValueError: one of these is damaged.
    """

    def __init__(self, folder: Path, *, frames: bool = False) -> None:
        self.folder = folder
        self.name = str(folder)
        self.masks = _numbered(folder / "segmentation_masks", f"unzip {folder}/segmentation_masks.zip -d {folder}")
        make_frames = f"mkdir {folder}/imgs; ffmpeg -i {folder}/video.mp4 {folder}/imgs/img_%08d.png"
        self.frames = _numbered(folder / "imgs", make_frames) if frames else {}
        self.numbers = sorted(self.masks)
        if frames and (absent := [number for number in self.numbers if number not in self.frames]):
            raise FileNotFoundError(f"no frame of mask {absent[0]} in {folder}/imgs: type {make_frames}")
        self.mask_us = _frame_us(folder / "index" / "index_50ms.npy", np.array(self.numbers))
        counts = {name: _whole(folder / name, size) for name, size in EVENT_BYTES.items()}
        if len(set(counts.values())) != 1:
            raise ValueError(f"{folder}: expected as many events in both files, got {counts}: one is cut short")

    def events(self, start_us: int, stop_us: int) -> Events:
        """Read the events with `start_us <= t < stop_us` above the dashboard.

        Raises:
            ValueError: an event lies outside the sensor, or the time runs backwards.
        """
        # Opened anew each time: a worker process that is sent this recording must not be sent its events.
        t = np.memmap(self.folder / "events.dat.t", "<i8", "r")
        first, stop = np.searchsorted(t, np.array([start_us, stop_us]) * 1000)
        xyp = np.memmap(self.folder / "events.dat.xyp", "<i2", "r").reshape(-1, 3)[first:stop]
        try:
            events = Events.of(np.array(t[first:stop]) // 1000, xyp[:, 0], xyp[:, 1], xyp[:, 2], SENSOR)
        except ValueError as error:
            raise ValueError(f"{self.folder}: after event {first}: {error}") from None
        return events.crop(0, 0, *SIZE)

    def mask(self, i: int) -> NDArray[np.uint8]:
        """Read mask i: `[200, 346]`."""
        return read_mask(self.masks[self.numbers[i]], size=SIZE, classes=CLASSES)

    def frame(self, i: int) -> Tensor:
        """Read the grey frame of mask i: `[1, 200, 346]` in 0..1."""
        path = self.frames[self.numbers[i]]
        picture = read_picture(path)
        if picture.size != SENSOR:
            raise ValueError(f"{path} is a picture of {picture.size}, expected a frame of {SENSOR} (width, height)")
        width, height = SIZE
        return torch.from_numpy(np.array(picture.convert("L"))[None, :height, :width]) / 255


def ddd17(config: DDD17, split: Split, progress: Progress | None = None) -> Clips:
    """Return one split; the last twentieth of the masks of each training folder is `val`.

    The published training uses that twentieth too, and chooses its weights on the test folder.

    Raises:
        FileNotFoundError: a folder of the split, or a file in it, is missing.
        ValueError: a file is damaged.

    Source of the layout: `ddd17_seg.tar.gz`, the set as packed for Sun, Messikommer, Gehrig, Scaramuzza, "ESS: Learning
    Event-based Semantic Segmentation from Still Images", ECCV 2022; labels of Alonso, Murillo, "EV-SegNet", CVPRW 2019.
    Taken as published: 15,950 masks to train and 3,890 to test (from a user's count).
    """
    root = find(config.root, "ddd17")
    root = root / "data" if (root / "data").is_dir() else root
    if absent := [name for name in FOLDERS[split] if not (root / name).is_dir()]:
        raise FileNotFoundError(
            f"no folder {absent[0]} in {root}: expected {', '.join(FOLDERS[split])} of ddd17_seg.tar.gz; "
            "pass --data.root FOLDER"
        )
    recordings = [DDD17Recording(root / name, frames=config.frames) for name in FOLDERS[split]]
    parts = [(recording, part(len(recording.mask_us), split)) for recording in recordings]
    if split != "train" and config.held_out_steps:
        # Clips overlap as in training, where the burn-in does.
        stride = config.held_out_steps - (config.steps - config.stride)
        config = replace(config, steps=config.held_out_steps, stride=stride)
    return Clips(parts, config, classes=CLASSES, augment=config.augment and split == "train")


def _numbered(folder: Path, remedy: str) -> dict[int, Path]:
    """Return the pictures in a folder by the number at the end of their names."""
    found = {int(match[1]): path for path in folder.glob("*.png") if (match := re.search(r"(\d+)\.png$", path.name))}
    if not found:
        raise FileNotFoundError(f"no pictures in {folder}: type {remedy}")
    return found


def _frame_us(path: Path, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the time of each numbered frame; the first frame has number 1."""
    try:
        index = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise FileNotFoundError(f"no index {path}: expected the layout of ddd17_seg.tar.gz") from None
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{path} cannot be read as an array: {error}") from None
    if index.ndim != 2 or index.shape[1] != 3:
        raise ValueError(f"{path} has shape {index.shape}, expected [frames, 3]")
    for number in numbers[(numbers < 1) | (numbers > len(index))][:1]:
        raise ValueError(f"{path} has frames 1 to {len(index)}, and there is a mask of frame {number}")
    return index[numbers - 1, 0].astype(np.int64) // 1000


def _whole(path: Path, size: int) -> int:
    """Return how many records of `size` bytes a file has."""
    if not path.is_file():
        raise FileNotFoundError(f"no events {path}: expected the layout of ddd17_seg.tar.gz")
    count, rest = divmod(path.stat().st_size, size)
    if rest or count == 0:
        raise ValueError(f"{path} has {path.stat().st_size} bytes, expected events of {size} bytes: it is cut short")
    return count
