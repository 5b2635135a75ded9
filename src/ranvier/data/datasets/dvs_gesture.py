"""DVS128 Gesture: people who clap, wave and turn their arms before an event camera, cut into sequences of rows."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d
from torch.utils.data import Dataset

from ranvier.data.augment import reframe
from ranvier.data.datasets.batch import collate
from ranvier.data.datasets.frames import Split
from ranvier.data.events import Events
from ranvier.data.formats.aedat3 import Aedat3File, aedat3_file
from ranvier.data.generate import Progress
from ranvier.data.representations import frames
from ranvier.data.root import find
from ranvier.data.sequences.samples import shuffled
from ranvier.recipes import DVSGesture
from ranvier.recipes.classes import GESTURES

SENSOR = (128, 128)
# What counts are divided by, in the released experiment of SpikingSSM; said to be the largest of each set (unverified).
LARGEST = {"train": 19.0, "val": 19.0, "test": 18.5}
UNPACK = "tar -xzf DvsGesture.tar.gz -C"


class Slice(NamedTuple):
    """A part of a gesture: when it is in its recording, and what the gesture is."""

    recording: Aedat3File
    start_us: int
    stop_us: int
    label: int


class GestureSlices(Dataset[tuple[Tensor, int]]):
    """Parts of gestures: sample i is `(x [steps, 64] float32, label)` with steps = 64 * slice_us / window_us.

    Step 64 k + r is row r of image k. With n the events of polarity c in window k at a pixel of the 128x128 sensor:

        x[64 k + r, j] = mean over c of max(n[k, c, 2 r : 2 r + 2, 2 j : 2 j + 2]) / largest

    With `augment`, the images of a slice are first reframed alike (`ranvier.data.augment.reframe`), anew in every
    epoch, by a generator made from `(seed, epoch, i)`.

    Args:
        slices: where the samples are.
        config: width of a window, and seed.
        largest: what counts are divided by.
        augment: whether to reframe.
    """

    classes = GESTURES
    collate = staticmethod(collate)

    def __init__(self, slices: list[Slice], config: DVSGesture, *, largest: float, augment: bool = False) -> None:
        self.slices = slices
        self.config = config
        self.largest = largest
        self.augment = augment
        # Shared, because workers that outlive an epoch hold a copy of everything else.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        return len(self.slices)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        window_us, steps = self.config.window_us, self.config.slice_us // self.config.window_us
        x = frames(self.events(i), window_us=window_us, steps=steps, start=self.slices[i].start_us)
        if self.augment:
            x = reframe(x, generator=np.random.default_rng([self.config.seed, int(self._epoch), i]))
        return rows(x) / self.largest, self.slices[i].label

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next; it decides how samples are reframed."""
        self._epoch.fill_(epoch)

    def events(self, i: int) -> Events:
        """Return the events of slice i, at their times in the recording.

        Raises:
            EventFileError: these events are damaged.
        """
        recording, start_us, stop_us, _ = self.slices[i]
        return recording.between(start_us, stop_us)


def rows(x: Tensor) -> Tensor:
    """Return images `[K, 2, 2h, 2w]` as their rows one after the other, `[K h, w]`.

    Each channel keeps the largest of every 2x2 pixels, then the two are averaged.

    >>> x = torch.zeros(1, 2, 4, 4)
    >>> x[0, 0, 3, 1], x[0, 1, 2, 0], x[0, 1, 2, 3] = 3, 1, 2
    >>> rows(x).tolist()
    [[0.0, 0.0], [2.0, 1.0]]
    """
    return max_pool2d(x, 2).mean(1).flatten(0, 1)


def dvs_gesture(config: DVSGesture, split: Split, progress: Progress | None = None) -> GestureSlices:
    """Return one split of DVS128 Gesture from the files of its release, unpacked.

    The folder, or `DvsGesture` in it, holds `trials_to_train.txt` and `trials_to_test.txt`, which list recordings such
    as `user01_led.aedat`, the recordings, and beside each its labels, `user01_led_labels.csv`. A gesture is cut from
    its start into slices of `slice_us`; a shorter rest is left out. A gesture that is shorter itself is one slice, the
    last images of which are empty.

    `test` are the slices of the six people of the test recordings. `val` is a tenth of the shuffled slices of the
    others, seed 42, as in the released experiment of SpikingSSM, but without its random changes: it has parts of
    gestures whose other parts are in `train`. That experiment cut gestures from their first event, from copies whose
    cut and number may differ (unverified).

    Raises:
        FileNotFoundError: a file is not there; the message says which.
        EventFileError: a damaged recording.
        ValueError: a line of labels that is none, a gesture that is not in its recording, an empty list, or a slice
            that is not a multiple of the window.

    Source: Amir et al., "A Low Power, Fully Event-Based Gesture Recognition System", CVPR 2017; slices, images and
    split as in the released experiment of SpikingSSM.
    """
    if config.slice_us % config.window_us:
        raise ValueError(
            f"expected a slice of whole windows, got --data.slice-us {config.slice_us} and --data.window-us "
            f"{config.window_us}"
        )
    root = find(config.root, "dvs_gesture")
    root = root / "DvsGesture" if (root / "DvsGesture").is_dir() else root
    trials = _listed(root / f"trials_to_{'test' if split == 'test' else 'train'}.txt")
    slices = [part for trial in trials for part in _slices(trial, config.slice_us)]
    if split != "test":
        order, cut = shuffled(len(slices)), len(slices) * 9 // 10
        slices = [slices[i] for i in (order[:cut] if split == "train" else order[cut:])]
    return GestureSlices(slices, config, largest=LARGEST[split], augment=config.augment and split == "train")


def read_labels(path: Path) -> list[tuple[int, int, int]]:
    """Read the gestures of a recording, `(label from 0, start_us, stop_us)`, from a heading and lines of three numbers.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line that is no class from 1 to 11, start and later end; or none.
    """
    gestures = []
    for number, line in enumerate(_text(path).strip().splitlines()[1:], start=2):
        words = line.split(",")
        values = [int(word) for word in words if re.fullmatch(r"\s*[0-9]{1,18}\s*", word)]
        if len(words) != 3 or len(values) != 3 or values[0] not in range(1, 12) or values[1] >= values[2]:
            raise ValueError(
                f"{path}, line {number}: expected class (1 to 11), start and later end in us, got {line[:60]!r}"
            )
        gestures.append((values[0] - 1, values[1], values[2]))
    if not gestures:
        raise ValueError(f"{path} holds no gestures: unpack DvsGesture.tar.gz again")
    return gestures


def _slices(path: Path, slice_us: int) -> list[Slice]:
    labels = path.with_name(f"{path.stem}_labels.csv")
    recording, slices = aedat3_file(path, sensor=SENSOR), []
    for label, start, stop in read_labels(labels):
        # Without this, labels by another clock would make a training set of empty images.
        if not np.any(recording.first_us < stop) or not np.any(recording.first_us >= start):
            raise ValueError(f"{labels}: a gesture from {start} to {stop} us is not in {path.name}: unpack both again")
        for opens in range(start, max(stop - slice_us, start) + 1, slice_us):
            slices.append(Slice(recording, opens, min(opens + slice_us, stop), label))
    return slices


def _listed(path: Path) -> list[Path]:
    names = _text(path).split()
    if not names:
        raise ValueError(f"{path} lists no recordings: unpack DvsGesture.tar.gz again")
    if absent := [name for name in names if not (path.parent / name).exists()]:
        raise FileNotFoundError(
            f"no {absent[0]} in {path.parent.absolute()}, nor {len(absent) - 1} others of {path.name}: type {UNPACK} "
            f"{path.parent.parent}"
        )
    return [path.parent / name for name in names]


def _text(path: Path) -> str:
    if not path.exists():
        raise FileNotFoundError(
            f"no {path.name} in {path.parent.absolute()}: type {UNPACK} FOLDER and pass --data.root FOLDER"
        )
    return path.read_text(encoding="utf-8")
