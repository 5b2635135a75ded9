"""A scene: events, and what there is to be found in them."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from ranvier.data.boxes import Boxes
from ranvier.data.events import Events


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
