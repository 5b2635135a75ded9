"""A rendered street before the simulated camera: events, grey frames, boxes, masks and disparity."""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ranvier.data import simulator, street
from ranvier.data.boxes import Boxes
from ranvier.data.datasets.frames import Split
from ranvier.data.datasets.scenes import DetectionDataset, SegmentationDataset, scene_dataset
from ranvier.data.events import Events
from ranvier.data.generate import Progress, fingerprint, generate
from ranvier.data.scene import Scene
from ranvier.data.simulator import Camera, simulate
from ranvier.data.street import CLASSES, Annotation, Street, annotate, look, make_street
from ranvier.data.street.classes import PERSON, VEHICLE
from ranvier.recipes import Scenes

# Chosen so that rate, share of ON and share of pixels that fire are those of a camera behind a windscreen.
CAMERA = Camera(
    threshold_on=0.23,
    threshold_off=0.25,
    mismatch=0.03,
    refractory_us=500,
    leak_hz=0.1,
    noise_hz=0.2,
    random_start=True,
)
# Time between two images: no longer than half a swing of mains light, and shorter for sensors wider than this, whose
# pixels an edge crosses faster.
IMAGE_US, WIDTH = 5_000, 256
# Metres from the left camera to the right one.
BASELINE = 0.5
# The light that is white in a grey frame, times daylight.
WHITE, GAMMA = 1.2, 1 / 2.2
# Scenes of each split that is not for training.
HELD_OUT = 200
SPLITS = ("train", "val", "test")
SMALLEST, LARGEST = 64, 640
# The first two are what is left out of the evaluation on Gen1, 10 and 30 pixels of a sensor 304 wide: Perot et al.,
# "Learning to Detect Objects with a 1 Megapixel Event Camera", NeurIPS 2020.
LEAST_SIDE, LEAST_DIAGONAL, LEAST_SEEN = 10 / 304, 30 / 304, 0.5


def drive(config: Scenes, split: Split, progress: Progress | None = None) -> DetectionDataset | SegmentationDataset:
    """Return one split as the data part of a recipe describes it; training scenes are mirrored and zoomed.

    Raises:
        ValueError: a folder is given.
    """
    if config.root is not None:
        raise ValueError(f"drives are rendered and have no folder, got root={config.root!r}: leave --data.root away")
    source = Drives(
        split,
        sensor=config.sensor,
        steps=config.steps,
        window_us=config.window_us,
        count=config.count if split == "train" else HELD_OUT,
        seed=config.seed,
        disparity=False,
    )
    augment = config.seed if config.augment and split == "train" else None
    return scene_dataset(generate(source, progress=progress), config, augment=augment)


class Drives:
    """Short rides through streets that are all different, as a moving event camera sees them.

    The lens sees 49 degrees; the camera moves 3 to 14 m/s fast. At the end of every step there are

        boxes      around the visible part of each car and pedestrian, but for small and hidden ones, see `visible`
        labels     what is in each pixel, a number in `segments`: the six classes of DDD17
        grey       what a frame camera sees, 255 * min(1, I / white)^(1 / 2.2)
        disparity  focal * BASELINE / depth, pixels that a point is further left for the right camera; 0 in the sky

    `scene(i)` and `right(i)` depend on `i` and the arguments alone, `count` and `disparity` excepted.

    Args:
        split: train, val or test; their streets are different ones.
        sensor: (width, height), 64 to 640 pixels each.
        steps: time steps of a scene.
        window_us: width of a step, microseconds.
        count: what `len` says.
        seed: of all that is random.
        disparity: whether scenes have it; it takes a third of the disk.

    Raises:
        ValueError: an unknown split, or a sensor too small or too large.
    """

    classes = ("car", "pedestrian")
    segments = CLASSES

    def __init__(
        self,
        split: Split,
        *,
        sensor: tuple[int, int] = (128, 128),
        steps: int = 5,
        window_us: int = 50_000,
        count: int = 1000,
        seed: int = 0,
        disparity: bool = True,
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f"expected split train, val or test, got {split!r}")
        if min(sensor) < SMALLEST or max(sensor) > LARGEST:
            raise ValueError(
                f"expected a sensor of {SMALLEST} to {LARGEST} pixels a side, got {sensor}: pass --data.sensor"
            )
        self.sensor = sensor
        self.steps = steps
        self.window_us = window_us
        self.count = count
        self.seed = (seed, SPLITS.index(split))
        self.disparity = disparity

    @property
    def key(self) -> str:
        """A name that changes with the parameters and with every file that makes the scenes."""
        rendering = sorted(str(path) for path in Path(street.__file__).parent.glob("*.py"))
        parameters = self.sensor, self.steps, self.window_us, self.count, self.seed, self.disparity
        return fingerprint("drive", [__file__, simulator.__file__, *rendering], parameters)

    def __len__(self) -> int:
        return self.count

    def scene(self, index: int) -> Scene:
        """Return one scene."""
        generator, place = self._start(index)
        events, grey = self._record(place, generator)
        seen = [annotate(place, self.window_us * (step + 1) * 1e-6) for step in range(self.steps)]
        disparity = np.stack([np.float32(BASELINE * place.focal) / one.depth for one in seen])
        return Scene(
            events,
            [visible(place, one) for one in seen],
            np.stack([one.label for one in seen]),
            grey,
            disparity if self.disparity else None,
        )

    def right(self, index: int) -> tuple[Events, NDArray[np.uint8]]:
        """Return events and grey frames of a second camera of the same kind, `BASELINE` metres to the right."""
        _, place = self._start(index)
        return self._record(place, np.random.default_rng([*self.seed, index, 1]), beside=BASELINE)

    def _start(self, index: int) -> tuple[np.random.Generator, Street]:
        generator = np.random.default_rng([*self.seed, index])
        return generator, make_street(generator, self.sensor, seconds=self.steps * self.window_us * 1e-6)

    def _record(
        self, place: Street, generator: np.random.Generator, *, beside: float = 0.0
    ) -> tuple[Events, NDArray[np.uint8]]:
        images = math.ceil(self.window_us / IMAGE_US * max(1.0, self.sensor[0] / WIDTH))
        times = np.arange(self.steps * images + 1) * self.window_us // images
        at_end: list[NDArray[np.float64]] = []

        def light(t: int) -> NDArray[np.float64]:
            seen = look(place, t * 1e-6, beside=beside)
            if t and t % self.window_us == 0:
                at_end.append(seen)
            return seen

        events = simulate(light, times, generator=generator, camera=CAMERA).between(0, self.steps * self.window_us)
        exposed = np.minimum(1, np.stack(at_end) / (WHITE * place.daylight))
        return events, (255 * exposed**GAMMA).round().astype(np.uint8)


def visible(place: Street, seen: Annotation) -> Boxes:
    """Return the boxes around the visible pixels of cars (label 0) and pedestrians (1).

    An object is left out if less than `LEAST_SEEN` of its pixels on the sensor are visible, if its box is narrower or
    lower than `LEAST_SIDE` times the sensor's width, or if the diagonal of its box is below `LEAST_DIAGONAL` times.
    """
    width = place.sensor[0]
    xywh, label = [], []
    for number, thing in enumerate(place.things):
        mine = seen.owner == number
        if thing.label not in (VEHICLE, PERSON) or not mine.any() or mine.sum() < LEAST_SEEN * seen.whole[number]:
            continue
        rows, columns = np.flatnonzero(mine.any(axis=1)), np.flatnonzero(mine.any(axis=0))
        wide, high = np.ptp(columns) + 1, np.ptp(rows) + 1
        if min(wide, high) >= LEAST_SIDE * width and np.hypot(wide, high) >= LEAST_DIAGONAL * width:
            xywh.append((columns[0], rows[0], wide, high))
            label.append(int(thing.label == PERSON))
    return Boxes.of(xywh, label, sensor=place.sensor, classes=2)
