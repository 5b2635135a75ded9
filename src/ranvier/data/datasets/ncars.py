"""N-CARS: tenths of a second in which an event camera in a car saw another car, or did not."""

import re
from bisect import bisect_right
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ranvier.data.datasets.batch import collate
from ranvier.data.datasets.frames import Split
from ranvier.data.events import Events
from ranvier.data.formats import open_events
from ranvier.data.generate import Progress
from ranvier.data.letterbox import Letterbox
from ranvier.data.representations import stack
from ranvier.data.root import find
from ranvier.recipes import NCars

# The largest object that was kept; each file holds a cut-out of its own size and states none.
SENSOR = (120, 100)
# Folder of each class, and the numbers of its first object for validation and for the test.
CUTS = {"background": (4211, 5707), "cars": (4396, 5984)}


class CutOuts(Dataset[tuple[Tensor, int]]):
    """Cut-outs of a recording, with or without a car: sample i is `(x [steps, 1, h, w] float32, label)`.

    A pixel of step k is the polarity, +1 or -1, of its last event in `k window_us <= t < (k + 1) window_us`, or 0.
    Steps after that of the last event repeat its image; later events are left out. An image is as wide and as high as
    the events of its recording reach, and is letterboxed to `size` (height, width).

    Source: the released input pipeline of SpikeFPN.
    """

    classes = ("background", "car")
    collate = staticmethod(collate)

    def __init__(self, paths: list[Path], labels: NDArray[np.int64], config: NCars) -> None:
        self.paths = paths
        self.labels = labels
        self.config = config

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        events, steps, window_us = self.events(i), self.config.steps, self.config.window_us
        x = stack(events, stacking="last", window_us=window_us, steps=steps, start=0)
        last = min(int(events.t[-1]) // window_us, steps - 1)
        x[last + 1 :] = x[last]
        return Letterbox(sensor=events.sensor, size=self.config.size).image(x), int(self.labels[i])

    def set_epoch(self, epoch: int) -> None:
        """Do nothing: nothing is random here."""

    def events(self, i: int) -> Events:
        """Return the recording behind sample i, on as many pixels as it needs.

        Raises:
            EventFileError: a damaged file, or one without events.
        """
        events = open_events(self.paths[i], sensor=SENSOR).read()
        return events.crop(0, 0, int(events.x.max()) + 1, int(events.y.max()) + 1)


def ncars(config: NCars, split: Split, progress: Progress | None = None) -> CutOuts:
    """Return one split of N-CARS: the files `cars/obj_NUMBER_td.dat` and `background/obj_NUMBER_td.dat`.

    They may lie at any depth below the root, as the archives unpack to `n-cars_train/cars`, `n-cars_test/cars` and the
    like. An object's number decides its split, as in the released experiment of SpikeFPN, and not the folder: its
    training set are the objects that the archives call test (background up to 4210, cars up to 4395), followed by a
    fifth of those that they call train, for validation; the rest is the test set.

    Raises:
        FileNotFoundError: no such recordings, or none of one class in this split.
        ValueError: two files for one object.

    Source: Sironi, Brambilla, Bourdis, Lagorce, Benosman, "HATS: Histograms of Averaged Time Surfaces for Robust
    Event-Based Object Classification", CVPR 2018.
    """
    root = find(config.root, config.name)
    paths: list[Path] = []
    labels: list[int] = []
    for label, (folder, cuts) in enumerate(CUTS.items()):
        objects = sorted(_objects(root, folder).items())
        chosen = [path for number, path in objects if ("train", "val", "test")[bisect_right(cuts, number)] == split]
        if not chosen:
            raise FileNotFoundError(
                f"no {folder}/obj_NUMBER_td.dat of the {split} split below {root.absolute()}: unpack the archives of "
                f"N-CARS there, or pass --data.root FOLDER"
            )
        paths += chosen
        labels += [label] * len(chosen)
    return CutOuts(paths, np.array(labels), config)


def _objects(root: Path, folder: str) -> dict[int, Path]:
    objects: dict[int, Path] = {}
    for path in root.rglob(f"{folder}/obj_*_td.dat"):
        if match := re.fullmatch(r"obj_(\d+)_td\.dat", path.name):
            other = objects.setdefault(int(match[1]), path)
            if other != path:
                raise ValueError(f"{other} and {path} are one object: leave one copy of N-CARS below {root.absolute()}")
    return objects
