"""A source of scenes small enough to know by heart."""

import hashlib

import numpy as np
import torch

from ranvier.data.boxes import Boxes
from ranvier.data.events import Events
from ranvier.data.scene import Scene


class MadeScenes:
    """Scene i has 30 i random events in 4 steps of 1 ms and i % 3 boxes; scene 0 has nothing at all."""

    classes = ("a", "b")
    segments = ("background", "a", "b")
    sensor = (8, 6)

    def __init__(self, count: int = 7, *, grey: bool = True) -> None:
        self.count = count
        self.grey = grey

    @property
    def key(self) -> str:
        return f"made-{hashlib.sha256(repr((self.count, self.grey)).encode()).hexdigest()[:8]}"

    def __len__(self) -> int:
        return self.count

    def scene(self, index: int) -> Scene:
        g = np.random.default_rng(index)
        n = 30 * index
        t = np.sort(g.integers(0, 4000, n))
        events = Events.of(t, g.integers(0, 8, n), g.integers(0, 6, n), g.integers(0, 2, n), self.sensor)
        xywh = torch.from_numpy(g.random((4, index % 3, 4), np.float32))
        boxes = [Boxes(one, torch.arange(index % 3) % 2) for one in xywh]
        labels = g.integers(0, 3, (4, 6, 8), np.uint8)
        if not self.grey:
            return Scene(events, boxes, labels)
        grey = g.integers(0, 256, (4, 6, 8), np.uint8)
        return Scene(events, boxes, labels, grey, g.random((4, 6, 8), np.float32))
