"""Gen1 and 1 Megapixel: recordings from driving cars, with boxes around other cars, pedestrians and more."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ranvier.data.boxes import Boxes
from ranvier.data.datasets.batch import Batch, Original
from ranvier.data.datasets.frames import Split
from ranvier.data.datasets.scenes import collate_boxes, stacked
from ranvier.data.events import LARGEST_SENSOR, Events
from ranvier.data.formats import EventFileError
from ranvier.data.formats.bbox import read_bbox
from ranvier.data.formats.dat import DatFile, dat_file
from ranvier.data.generate import Progress
from ranvier.data.letterbox import Letterbox
from ranvier.data.root import find
from ranvier.recipes import Prophesee

SENSOR = {"gen1": (304, 240), "1mpx": (1280, 720)}
CLASSES = {
    "gen1": ("car", "pedestrian"),
    "1mpx": ("pedestrian", "two wheeler", "car", "truck", "bus", "traffic sign", "traffic light"),
}
EVENTS, BOXES = "_td.dat", "_bbox.npy"


class Labelled(NamedTuple):
    """The boxes at one moment: letterboxed to learn from, and those that the answer is judged by.

    `boxes` are in pixels of the sample; `original` in pixels of the sensor, not rounded; `t_us` is their time in the
    recording.
    """

    boxes: Boxes
    original: Boxes
    t_us: int


class LabelledWindows(Dataset[tuple[Tensor, Labelled]]):
    """What leads up to each moment with labels: sample i is `(x [steps, C, h, w], Labelled)`.

    With `W = steps * window_us`, the sample of a label at time t is made of the events of `t - W < time <= t`, stacked,
    then letterboxed. Before the begin of a recording there are none: the first bins of an early label stay empty, and
    all of one before the first event. Events outside the sensor are left out; some files of 1 Megapixel hold single
    ones.

    Boxes are cut at the edge of the sensor, then letterboxed and rounded; those of other classes, and those without an
    area before or after, are left out. A moment of which nothing is left then is a sample without boxes.

    Args:
        stems: the recordings, paths without `_td.dat` and `_bbox.npy`.
        config: the data part of a recipe.

    Raises:
        EventFileError: a damaged header; boxes that are not finite, or of a class that the data set does not have.
        ValueError: a name that is no class of the data set, or recordings without any label.
    """

    def __init__(self, stems: list[str], config: Prophesee) -> None:
        known, wanted = CLASSES[config.name], config.classes
        if unknown := sorted(set(wanted) - set(known)):
            raise ValueError(
                f"{config.name} has the classes {', '.join(known)}, got {', '.join(unknown)}: use --data.classes"
            )
        self.config = config
        self.sensor = SENSOR[config.name]
        self.letterbox = Letterbox(sensor=self.sensor, size=config.size)
        self.labels = torch.tensor([wanted.index(name) if name in wanted else -1 for name in known])
        # All headers and labels are read now: what is damaged should not end an epoch in its middle.
        self.recordings = [dat_file(Path(stem + EVENTS), sensor=(LARGEST_SENSOR, LARGEST_SENSOR)) for stem in stems]
        times = [self._times(recording) for recording in self.recordings]
        self.t = np.concatenate([np.zeros(0, np.int64), *times])
        self.numbers = np.repeat(np.arange(len(stems)), [len(part) for part in times])
        if not len(self.t):
            raise ValueError(f"{len(stems)} recordings without labels: expected records in their {BOXES} files")

    def __len__(self) -> int:
        return len(self.t)

    def __getitem__(self, i: int) -> tuple[Tensor, Labelled]:
        return self.window(*self._moment(i))

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels 0, 1, 2, ..."""
        return self.config.classes

    def window(self, recording: DatFile, t_us: int) -> tuple[Tensor, Labelled]:
        """Return the sample that ends at any moment of a recording, without boxes if there are no labels just then."""
        x = stacked(
            self._events(recording, t_us),
            steps=self.config.steps,
            window_us=self.config.window_us,
            stacking=self.config.stacking,
            bins=self.config.bins,
            events_per_bin=self.config.events_per_bin,
        )
        boxes = self._boxes(recording, t_us)
        return self.letterbox.image(x), Labelled(self.letterbox.boxes(boxes), boxes, t_us)

    def collate(self, samples: Sequence[tuple[Tensor, Labelled]]) -> Batch:
        """Put samples side by side (see `collate_boxes`); `original` is what the answers are judged by."""
        labelled = [labelled for _, labelled in samples]
        original = Original(self.sensor, [one.original for one in labelled], [one.t_us for one in labelled])
        return collate_boxes([(x, one.boxes) for x, one in samples])._replace(original=original)

    def events(self, i: int) -> Events:
        """Return the events of sample i as the camera saw them, with time 0 at the begin of the first step."""
        return self._events(*self._moment(i))

    def set_epoch(self, epoch: int) -> None:
        """Do nothing: nothing is random here."""

    def _moment(self, i: int) -> tuple[DatFile, int]:
        return self.recordings[self.numbers[i]], int(self.t[i])

    def _events(self, recording: DatFile, t_us: int) -> Events:
        start = t_us + 1 - self.config.steps * self.config.window_us
        events = recording.between(start, t_us + 1).crop(0, 0, *self.sensor)
        return replace(events, t=events.t - start)

    def _times(self, recording: DatFile) -> NDArray[np.int64]:
        path = _beside(recording)
        records = read_bbox(path)
        self._chosen(path, records)
        return np.unique(records["t"])

    def _boxes(self, recording: DatFile, t_us: int) -> Boxes:
        # Read again for each sample: the 25 million boxes of 1 Megapixel would fill a gigabyte.
        path = _beside(recording)
        records = read_bbox(path)
        return self._chosen(path, records[records["t"] == t_us])

    def _chosen(self, path: Path, records: NDArray) -> Boxes:
        xywh = np.stack([records[field] for field in "xywh"], axis=1)
        try:
            boxes = Boxes.of(xywh, records["class_id"], sensor=self.sensor, classes=len(self.labels))
        except ValueError as error:
            raise EventFileError.of(path, str(error)) from None
        label = self.labels[boxes.label]
        return Boxes(boxes.xywh[label >= 0], label[label >= 0])


def prophesee(config: Prophesee, split: Split, progress: Progress | None = None) -> LabelledWindows:
    """Return one split of Gen1 or 1 Megapixel: the files `NAME_td.dat` and `NAME_bbox.npy` in the folder of its name.

    The folders `train`, `val` and `test` may lie at any depth below the root, as the archives unpack to
    `detection_dataset_duration_60s_ratio_1.0/train` (Gen1) or `trainfilelist00/train` (1 Megapixel).

    Raises:
        FileNotFoundError: no such recordings, or one without its boxes or its events.
        EventFileError, ValueError: see `LabelledWindows`.

    Source: de Tournemire, Nitti, Perot, Migliore, Sironi, "A Large Scale Event-based Detection Dataset for Automotive",
    2020; Perot, de Tournemire, Nitti, Masci, Sironi, "Learning to Detect Objects with a 1 Megapixel Event Camera",
    NeurIPS 2020. Sizes, classes and files: Prophesee, "Automotive Dataset Toolbox".
    """
    root = find(config.root, config.name)
    events, boxes = ({str(path).removesuffix(end) for path in root.rglob(f"{split}/*{end}")} for end in (EVENTS, BOXES))
    for stem in sorted(events ^ boxes)[:1]:
        there, absent = (EVENTS, BOXES) if stem in events else (BOXES, EVENTS)
        raise FileNotFoundError(
            f"{stem}{there} has no {Path(stem).name}{absent} beside it, and {len(events ^ boxes) - 1} others lack "
            f"one of the two: unpack the archives again, or take these files away"
        )
    if not events:
        raise FileNotFoundError(
            f"no files {split}/NAME{EVENTS} below {root.absolute()}: unpack the archives of {config.name} there, or "
            f"pass --data.root FOLDER"
        )
    return LabelledWindows(sorted(events), config)


def _beside(recording: DatFile) -> Path:
    return Path(str(recording.path).removesuffix(EVENTS) + BOXES)
