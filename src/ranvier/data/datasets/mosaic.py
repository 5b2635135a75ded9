"""Mosaics: recordings side by side on one sensor, so that for every event it is known whose it is."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ranvier.data.boxes import Boxes
from ranvier.data.datasets import arrange
from ranvier.data.datasets.digits import generated
from ranvier.data.datasets.frames import Recordings, Split
from ranvier.data.datasets.nmnist import read_nmnist
from ranvier.data.datasets.scenes import DetectionDataset, SegmentationDataset, scene_dataset
from ranvier.data.events import Events
from ranvier.data.generate import Progress, fingerprint, generate
from ranvier.data.scene import Scene
from ranvier.recipes import Scenes

MOST = 4
# Scenes of the splits that are not for training.
HELD_OUT = {"val": 200, "test": 500}
# Changes of a training recording: share of its size, degrees, columns a row.
SCALE, TURN, SHEAR = 0.2, 15.0, 0.15
# An event as one number: bits of its row, column, polarity and owner below those of its time. Sorting such numbers is
# several times faster than finding an order and then applying it to four columns.
_TIME, _ROW, _COLUMN, _POLARITY = 32, 18, 4, 3
_OWNER_BITS, _OWNER, _NOISE = 3, 7, 7


@dataclass(frozen=True)
class Grade:
    """How hard mosaics are.

    Args:
        overlap: largest intersection over union of two boxes at the beginning and at the end of any step.
        drift: the longest way of a recording from beginning to end, pixels.
        noise_hz: background activity: further events a second and pixel, of random place, time and polarity.
    """

    overlap: float
    drift: float
    noise_hz: float


# 1 Hz lies between the 0.2 Hz (bright light, leakage) and 10 Hz (dim light, shot noise) a pixel that Guo and Delbruck
# measured: "Low Cost and Latency Event Camera Background Activity Denoising", IEEE TPAMI 2022.
GRADES = {"plain": Grade(0.2, 0.0, 0.0), "hard": Grade(0.4, 12.0, 1.0)}


def portion(recordings: Recordings, split: Split) -> NDArray[np.int64]:
    """Return which recordings a split is made of: of 1,000, the first 700 train, the next 100 val, the last 200 test.

    `test` is the published test set where there is one, else the last fifth; an eighth of the others is `val`.
    """
    if split not in ("train", "val", "test"):
        raise ValueError(f"expected split train, val or test, got {split!r}")
    others = len(recordings) - (recordings.official_tests or len(recordings) // 5)
    first, last = {
        "train": (0, others * 7 // 8),
        "val": (others * 7 // 8, others),
        "test": (others, len(recordings)),
    }[split]
    return np.arange(first, last)


def mosaic(config: Scenes, split: Split, progress: Progress | None = None) -> DetectionDataset | SegmentationDataset:
    """Return one split as the data part of a recipe describes it: new scenes in every training epoch, if `augment`."""
    fresh = config.augment and split == "train"
    source = Mosaics(
        generated(config.root) if config.of == "digits" else read_nmnist(config.root),
        split,
        grade=config.grade,
        sensor=config.sensor,
        steps=config.steps,
        window_us=config.window_us,
        count=config.count if split == "train" else HELD_OUT[split],
        seed=config.seed,
        augment=fresh,
    )
    return scene_dataset(source if split == "train" else generate(source, progress=progress), config, fresh=fresh)


class Mosaics:
    """Scenes of 1 to 4 recordings, each at a place of its own on a larger sensor.

    All recordings begin at time 0 and are cut at the end of the last step. An event at `p` in its recording, whose
    centre is `c`, is moved to a place `o` (whole pixels) and drifts by `d` in the whole time `D`:

        p'(t) = A (p - c) + o + d t / D,  A = (1 + z) R(a) [[1, k], [0, 1]],  D = steps * window_us

    `A` is 1 unless `augment`. A box reaches from the 1 % to the 99 % quantile of the columns and rows of its
    recording without the drift, and moves with the drift; it never leaves the sensor. A pixel is labelled in the steps
    in which a recording has events there; of several recordings that with the most events there counts. Noise has no
    label. A recording for which there is no place within the limit of overlap is left out.

    `scene(i)` depends on `i` and the arguments alone, and there is one for every `i >= 0`: training sets whose scenes
    are new in every epoch go on where the last epoch ended.

    Args:
        recordings: the source.
        split: which of them, see `portion`.
        grade: see `GRADES`.
        sensor: (width, height), at least twice as large as that of the recordings.
        steps: time steps of a scene.
        window_us: width of a step, microseconds.
        count: what `len` says.
        seed: of all that is random.
        augment: draw `z` within 0.2, `a` within 15 degrees and `k` within 0.15, plus or minus.

    Raises:
        ValueError: an unknown split or grade, a sensor too small, or recordings without events in that time.
    """

    def __init__(
        self,
        recordings: Recordings,
        split: Split,
        *,
        grade: Literal["plain", "hard"] = "hard",
        sensor: tuple[int, int] = (96, 96),
        steps: int = 5,
        window_us: int = 60_000,
        count: int = 1000,
        seed: int = 0,
        augment: bool = False,
    ) -> None:
        if grade not in GRADES:
            raise ValueError(f"expected grade {' or '.join(GRADES)}, got {grade!r}")
        indices = portion(recordings, split)
        least = tuple(2 * side for side in recordings.sensor)
        if sensor[0] < least[0] or sensor[1] < least[1]:
            raise ValueError(f"expected a sensor of at least {least} pixels, got {sensor}: pass a larger --data.sensor")
        self.classes = recordings.classes
        self.segments = ("background", *recordings.classes)
        self.sensor = sensor
        self.grade = GRADES[grade]
        self.steps = steps
        self.duration = steps * window_us
        self.window_us = window_us
        self.count = count
        self.seed = (seed, ("train", "val", "test").index(split))
        self.augment = augment
        self._centre = (np.array(recordings.sensor)[:, None] / 2).astype(np.float32)

        parts = [recordings.events(int(i)).between(0, self.duration) for i in indices]
        if not all(map(len, parts)):
            empty = indices[[len(part) == 0 for part in parts]]
            raise ValueError(
                f"recording {empty[0]} has no event in the first {self.duration} us: pass a larger --data.window_us"
            )
        self._label = recordings.labels[indices]
        self._offset = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
        # Numbers of events that lack their place and their owner.
        self._code = np.concatenate([part.t << _TIME | part.polarity * np.int64(1 << _POLARITY) for part in parts])
        xy = np.stack([np.concatenate([getattr(part, axis) for part in parts]) for axis in "xy"])
        # Events lie anywhere in their pixels; were all in the middle, enlarged recordings would have empty columns. Odd
        # multiples of 1/512: what they are added to keeps its whole part, also after rounding.
        within = (np.random.default_rng(0).integers(0, 256, xy.shape) + 0.5) / 256
        self._place = (xy + within).astype(np.float32)

    @property
    def key(self) -> str:
        """Hash of the recordings, the parameters and the source files."""
        recordings = (self._code, self._place, self._label, self._offset)
        parameters = (self.grade, self.sensor, self.steps, self.window_us, self.count, self.seed, self.augment)
        return fingerprint("mosaic", (__file__, arrange.__file__), *recordings, parameters)

    def __len__(self) -> int:
        return self.count

    def scene(self, index: int) -> Scene:
        """Return one scene; its boxes have the classes 0, 1, ... of the recordings."""
        generator = np.random.default_rng([*self.seed, index])
        some = min(int(generator.integers(1, MOST + 1)), len(self._label))
        chosen = generator.choice(len(self._label), some, replace=False)
        parts = [slice(self._offset[i], self._offset[i + 1]) for i in chosen]
        places = [self._changed(self._place[:, part], generator) for part in parts]
        boxes = np.stack([_quantiles(place) for place in places])
        angle, way = generator.uniform(0, 2 * np.pi, some), generator.uniform(0, self.grade.drift, some)
        drift = np.stack([way * np.cos(angle), way * np.sin(angle)], axis=1)
        path = drift[:, None] * np.linspace(0, 1, self.steps + 1)[:, None]
        found, corners = arrange.find_places(
            boxes[:, 2:], path, self.sensor, overlap=self.grade.overlap, generator=generator
        )

        coded = [self._noise(generator)]
        for owner, (k, corner) in enumerate(zip(found, corners, strict=True)):
            coded.append(self._moved(parts[k], places[k], corner[0] - boxes[k, :2], drift[k]) | owner)
        events, owner = self._decode(np.sort(np.concatenate(coded)))
        label = self._label[chosen[found]]
        ends = corners[:, 1:].swapaxes(0, 1)
        xywh = np.concatenate([ends, np.broadcast_to(boxes[found, 2:], ends.shape)], axis=2).astype(np.float32)
        at_ends = [Boxes(torch.from_numpy(one), torch.from_numpy(label)) for one in xywh]
        return Scene(events, at_ends, masks(events, owner, label, steps=self.steps, window_us=self.window_us))

    def _changed(self, place: NDArray, generator: np.random.Generator) -> NDArray:
        """Return where the events of a recording lie before it is moved, pixels."""
        if not self.augment:
            return place
        zoom = 1 + generator.uniform(-SCALE, SCALE)
        angle = np.deg2rad(generator.uniform(-TURN, TURN))
        slant = generator.uniform(-SHEAR, SHEAR)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        change = (zoom * turn @ np.array([[1.0, slant], [0.0, 1.0]])).astype(np.float32)
        x, y = place - self._centre
        # Not a matrix product, whose last bit differs from one processor to another.
        return np.stack([a * x + b * y for a, b in change])

    def _moved(self, part: slice, place: NDArray, shift: NDArray, drift: NDArray) -> NDArray[np.int64]:
        """Return the events of a recording that are on the sensor, as numbers that lack their owner."""
        code = self._code[part]
        late = (code >> _TIME).astype(np.float32) * np.float32(1 / self.duration)
        x, y = (at + late * np.float32(d) + np.float32(s) for at, d, s in zip(place, drift, shift, strict=True))
        inside = (x >= 0) & (x < self.sensor[0]) & (y >= 0) & (y < self.sensor[1])
        return (code | y.astype(np.int64) << _ROW | x.astype(np.int64) << _COLUMN)[inside]

    def _noise(self, generator: np.random.Generator) -> NDArray[np.int64]:
        width, height = self.sensor
        n = generator.poisson(self.grade.noise_hz * width * height * self.duration * 1e-6)
        code = np.full(n, _NOISE)
        for limit, bits in ((self.duration, _TIME), (height, _ROW), (width, _COLUMN), (2, _POLARITY)):
            code |= generator.integers(0, limit, n) << bits
        return code

    def _decode(self, code: NDArray[np.int64]) -> tuple[Events, NDArray[np.int64]]:
        """Return sorted events and whose they are."""
        y, x = ((code >> bits & (1 << 14) - 1).astype(np.uint16) for bits in (_ROW, _COLUMN))
        events = Events(code >> _TIME, x, y, (code >> _POLARITY & 1).astype(np.bool_), self.sensor)
        return events, code & _OWNER


def masks(
    events: Events, owner: NDArray[np.int64], label: NDArray[np.int64], *, steps: int, window_us: int
) -> NDArray[np.uint8]:
    """Return for each step and pixel 0, or 1 + the label of whoever has the most events there: `[steps, H, W]`.

    Args:
        events: `n` events before `steps * window_us`.
        owner: `[n]`, whose event it is; 7 is nobody's.
        label: of each owner.
    """
    width, height = events.sensor
    site = (events.t // window_us * height + events.y) * width + events.x
    claim, count = np.unique((site << _OWNER_BITS | owner)[owner != _NOISE], return_counts=True)
    # Written in the order of the counts: of several values for one pixel the last one stays. Only numbers of 16 bits
    # are sorted in linear time; no camera sends more events of one pixel in a step.
    claim = claim[np.argsort(count.astype(np.uint16), kind="stable")]
    labels = np.zeros((steps, height, width), np.uint8)
    labels.ravel()[claim >> _OWNER_BITS] = 1 + label[claim & _OWNER]
    return labels


def _quantiles(place: NDArray) -> NDArray[np.int64]:
    """Return left, top, width and height of the pixels from the 1 % to the 99 % quantile."""
    ends = []
    for pixel in np.floor(place).astype(np.int64):
        least = pixel.min()
        below = np.cumsum(np.bincount(pixel - least))
        first, last = np.searchsorted(below, (0.01 * len(pixel), 0.99 * len(pixel)))
        ends.append((least + first, last + 1 - first))
    return np.array(ends).T.ravel()
