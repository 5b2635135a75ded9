"""Handwritten digits that move before a simulated event camera: real handwriting, no download."""

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ranvier.data import simulator
from ranvier.data.cache import cached
from ranvier.data.datasets.frames import FrameDataset, Split, frame_dataset
from ranvier.data.events import Events
from ranvier.data.generate import Progress
from ranvier.data.simulator import Camera, simulate
from ranvier.recipes import EventFrames

SIDE = 34
# Chosen so that recordings resemble N-MNIST in number of events, share of ON, activity at rest and spread.
CAMERA = Camera(
    threshold_on=0.3,
    threshold_off=0.3,
    mismatch=0.03,
    refractory_us=2500,
    leak_hz=0.1,
    noise_hz=0.2,
    random_start=True,
)
# Corners of the triangle that the gaze follows, in pixels from the centre: three saccades of 100 ms, as in N-MNIST.
CORNERS = ((-3.5, -2.5), (0.0, 3.0), (3.5, -2.5), (-3.5, -2.5))
SACCADE_US = 100_000
# A stroke moves by less than a pixel between two images.
IMAGES_A_SACCADE = 16
# Side of a source pixel, the darkest and the brightest intensity, and the grey levels that become those two.
PITCH = 2.6
DARK, BRIGHT = 0.1, 1.0
EDGE = (0.25, 0.85)
# Recordings simulated side by side: large enough for numpy, small enough for the cache of a core.
BLOCK = 32


@dataclass(frozen=True, eq=False)
class Digits:
    """The recordings of all 1,797 digits, one after the other in flat columns.

    Shapes: columns `[n]`, `offsets` `[1798]` (recording i is `offsets[i]:offsets[i + 1]`), `labels` `[1797]`.
    """

    columns: dict[str, NDArray]
    offsets: NDArray[np.int64]
    labels: NDArray[np.int64]
    sensor: tuple[int, int] = (SIDE, SIDE)
    classes: tuple[str, ...] = tuple("0123456789")
    official_tests: int = 0

    def __len__(self) -> int:
        return len(self.labels)

    def events(self, index: int) -> Events:
        """Return one recording of 0.3 s."""
        part = slice(self.offsets[index], self.offsets[index + 1])
        t, x, y, polarity = (self.columns[name][part] for name in ("t", "x", "y", "polarity"))
        return Events(t.astype(np.int64), x.astype(np.uint16), y.astype(np.uint16), polarity, self.sensor)


def digits(config: EventFrames, split: Split, progress: Progress | None = None) -> FrameDataset:
    """Return one split as the data part of a recipe describes it; for errors see `generated`."""
    return frame_dataset(generated(config.root), config, split)


def generated(root: str | None) -> Digits:
    """Return `make_digits()` for a recipe, which may name a folder for other recordings.

    Raises:
        ValueError: a folder is given.
    """
    if root is not None:
        raise ValueError(f"the digits are generated and have no folder, got root={root!r}: leave --data.root away")
    return make_digits()


@functools.lru_cache(maxsize=1)
def make_digits(*, seed: int = 0) -> Digits:
    """Return the digits of scikit-learn (8x8 pixels, 0 to 16), enlarged, moved and seen by an event camera.

    An image is enlarged to 34x34 by cubic interpolation, its strokes are sharpened, and the gaze follows a triangle
    in three saccades of 100 ms each with the speed `1 - cos(2 pi t / 100 ms)`, as the camera of N-MNIST did. Every
    recording has pixels and noise of its own. The result depends on `seed` alone; it is kept in memory and on disk
    (`ranvier.data.cache`).

    Source of the images: scikit-learn's `load_digits`, from the UCI set "Optical Recognition of Handwritten Digits".
    """
    from sklearn.datasets import load_digits

    flat, labels = load_digits(return_X_y=True)
    images, labels = np.reshape(flat, (-1, 8, 8)), np.asarray(labels, np.int64)
    key = hashlib.sha256(images.tobytes() + labels.tobytes() + repr(seed).encode())
    # The camera, the motion and the arithmetic are all in these two files.
    for path in (__file__, simulator.__file__):
        key.update(Path(path).read_bytes())
    arrays = cached(f"digits-{key.hexdigest()[:16]}", lambda: _record(images, seed))
    offsets = arrays.pop("offsets")
    return Digits(arrays, offsets, labels)


def _record(images: NDArray, seed: int) -> dict[str, NDArray]:
    blocks = [
        _record_block(images[first : first + BLOCK] / images.max(), np.random.default_rng([seed, first]))
        for first in range(0, len(images), BLOCK)
    ]
    counts, *columns = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    arrays = dict(zip(("t", "x", "y", "polarity"), columns, strict=True))
    return {**arrays, "offsets": np.concatenate([[0], np.cumsum(counts)])}


def _record_block(images: NDArray, generator: np.random.Generator) -> tuple[NDArray, ...]:
    """Return the number of events of each recording, then t, x, y and polarity, recording after recording."""
    times = np.arange(3 * IMAGES_A_SACCADE + 1) * SACCADE_US // IMAGES_A_SACCADE
    # One tall sensor: the recordings stand on top of each other and are cut apart by their rows.
    events = simulate(lambda t: _view(images, t).reshape(-1, SIDE), times, generator=generator, camera=CAMERA)
    recording, y = np.divmod(events.y, SIDE)
    order = np.argsort(recording, kind="stable")
    columns = (events.t.astype(np.int32), events.x.astype(np.uint8), y.astype(np.uint8), events.polarity)
    return np.bincount(recording, minlength=len(images)), *(column[order] for column in columns)


def _view(images: NDArray, t: int) -> NDArray:
    """Return what the camera sees at a moment: `[N, 34, 34]` intensities."""
    shift_x, shift_y = _gaze(t)
    grey = _samples(shift_y) @ images @ _samples(shift_x).T
    low, high = EDGE
    stroke = np.clip((grey - low) / (high - low), 0, 1)
    return DARK + (BRIGHT - DARK) * stroke


def _gaze(t: int) -> NDArray:
    """Return the shift (x, y) of the digit in pixels."""
    saccade, part = divmod(t / SACCADE_US, 1)
    begin, end = np.array(CORNERS[int(saccade)]), np.array(CORNERS[min(int(saccade) + 1, 3)])
    return begin + (end - begin) * (part - np.sin(2 * np.pi * part) / (2 * np.pi))


def _samples(shift: float) -> NDArray:
    """Return the matrix `[34, 8]` that interpolates 8 source pixels by cubic convolution, a = -1/2 (Keys 1981)."""
    place = (np.arange(SIDE) - (SIDE - 1) / 2 - shift) / PITCH + 3.5
    d = np.abs(place[:, None] - np.arange(8))
    near, far = 1.5 * d**3 - 2.5 * d**2 + 1, -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
    return np.where(d < 1, near, np.where(d < 2, far, 0.0))
