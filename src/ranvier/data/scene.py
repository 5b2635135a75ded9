"""A scene: events, and what there is to be found in them."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ranvier.data.boxes import Boxes
from ranvier.data.events import Events

# The label of pixels that nobody has labelled: losses and metrics leave it out.
IGNORED = 255


@dataclass(frozen=True, eq=False)
class Scene:
    """A recording of T time steps of one width, which begins at time 0, with its annotation.

    Args:
        events: the recording.
        boxes: T times the objects as they are at the end (right edge) of a step.
        labels: `[T, H, W]` uint8, what is at each pixel at the end of each step, a number in the source's `segments`.
        grey: `[T, H, W]` uint8, what a frame camera sees at the end of each step; `None` if there is none.
        disparity: `[T, H, W]` float32, pixels to a second camera at the end of each step; `None` if there is none.
    """

    events: Events
    boxes: list[Boxes]
    labels: NDArray[np.uint8]
    grey: NDArray[np.uint8] | None = None
    disparity: NDArray[np.float32] | None = None

    def mirrored(self) -> "Scene":
        """Return the scene with left and right exchanged, without disparity: the second camera would be on the left."""
        width = self.events.sensor[0]
        boxes = [
            Boxes(torch.cat([width - one.xywh[:, :1] - one.xywh[:, 2:3], one.xywh[:, 1:]], dim=1), one.label)
            for one in self.boxes
        ]
        grey = None if self.grey is None else self.grey[..., ::-1].copy()
        return Scene(self.events.flip(horizontal=True), boxes, self.labels[..., ::-1].copy(), grey)

    def zoomed(self, zoom: float, place: tuple[float, float], generator: np.random.Generator) -> "Scene":
        """Return the scene enlarged by `zoom` (or made smaller) around a place, without disparity.

            p -> zoom p + place (1 - zoom) n    for a side of n pixels

        An event falls anywhere within its pixel before, so that an enlarged scene has no empty columns. A box stays if
        half of it does, as far as it is on the sensor. Around a smaller scene there are no events, grey is black, and
        labels are `IGNORED`.

        Args:
            zoom: above 0.
            place: across and down, 0 to 1 of the sensor: what stays where it is.
            generator: for the events' places within their pixels.
        """
        sides = np.array(self.events.sensor)
        offset = np.array(place) * (1 - zoom) * sides
        boxes = [_zoomed(one, zoom, torch.from_numpy(offset).float(), torch.from_numpy(sides)) for one in self.boxes]
        pixels = [np.floor((np.arange(n) + 0.5 - o) / zoom).astype(int) for n, o in zip(sides, offset, strict=True)]
        columns, rows = (np.where((at >= 0) & (at < n), at, n) for at, n in zip(pixels, sides, strict=True))
        labels = _taken(self.labels, rows, columns, beyond=IGNORED)
        grey = None if self.grey is None else _taken(self.grey, rows, columns, beyond=0)
        return Scene(_scattered(self.events, zoom, offset, generator), boxes, labels, grey)


def _zoomed(boxes: Boxes, zoom: float, offset: Tensor, sides: Tensor) -> Boxes:
    corner, size = boxes.xywh.split(2, 1)
    begin, end = (zoom * at + offset for at in (corner, corner + size))
    inside = [at.clamp(min=0).minimum(sides) for at in (begin, end)]
    left = inside[1] - inside[0]
    keep = left.prod(1) >= 0.5 * zoom**2 * size.prod(1)
    return Boxes(torch.cat([inside[0], left], 1)[keep], boxes.label[keep])


def _taken(images: NDArray[np.uint8], rows: NDArray, columns: NDArray, *, beyond: int) -> NDArray[np.uint8]:
    """Return these rows and columns; those after the last are `beyond` the image."""
    return np.pad(images, ((0, 0), (0, 1), (0, 1)), constant_values=beyond)[:, rows[:, None], columns]


def _scattered(events: Events, zoom: float, offset: NDArray, generator: np.random.Generator) -> Events:
    within = generator.random((2, len(events)))
    x, y = (np.floor(zoom * (at + u) + o) for at, u, o in zip((events.x, events.y), within, offset, strict=True))
    width, height = events.sensor
    seen = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    x, y = (at[seen].astype(np.uint16) for at in (x, y))
    return Events(events.t[seen], x, y, events.polarity[seen], events.sensor)


class SceneSource(Protocol):
    """What a set of scenes offers; equal indices give equal scenes.

    `key` is a hash of everything that the scenes depend on: recordings, parameters and source files. `classes` are the
    names of the boxes' labels, `segments` those of the pixels' labels; `sensor` is (width, height).
    """

    @property
    def key(self) -> str: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def segments(self) -> tuple[str, ...]: ...
    @property
    def sensor(self) -> tuple[int, int]: ...
    def __len__(self) -> int: ...
    def scene(self, index: int) -> Scene: ...
