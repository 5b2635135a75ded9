"""A scene: events, and what there is to be found in them."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ranvier.data.boxes import Boxes
from ranvier.data.events import Events


@dataclass(frozen=True, eq=False)
class Scene:
    """A recording of T time steps of one width, which begins at time 0, with its annotation.

    Args:
        events: the recording.
        boxes: T times the objects as they are at the end (right edge) of a step.
        labels: `[T, H, W]` uint8, for each pixel and step 0 (background) or 1 + the class of what is there.
        grey: `[T, H, W]` uint8, what a frame camera sees at the end of each step; `None` if there is none.
        disparity: `[T, H, W]` float32, pixels to a second camera at the end of each step; `None` if there is none.
    """

    events: Events
    boxes: list[Boxes]
    labels: NDArray[np.uint8]
    grey: NDArray[np.uint8] | None = None
    disparity: NDArray[np.float32] | None = None


class SceneSource(Protocol):
    """What a set of scenes offers; equal indices give equal scenes.

    `key` is a hash of everything that the scenes depend on: recordings, parameters and source files. `classes` are the
    names of the boxes' labels; `sensor` is (width, height).
    """

    @property
    def key(self) -> str: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def sensor(self) -> tuple[int, int]: ...
    def __len__(self) -> int: ...
    def scene(self, index: int) -> Scene: ...
