"""Scenes as PyTorch data sets: what is to be found in them are boxes or masks."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from ranvier.data.boxes import Boxes
from ranvier.data.datasets.batch import Batch, collate
from ranvier.data.events import Events
from ranvier.data.representations import stack, stack_by_number
from ranvier.data.scene import IGNORED, Scene, SceneSource
from ranvier.recipes import Scenes
from ranvier.recipes.data import Stacking


def stacked(
    events: Events,
    *,
    steps: int,
    window_us: int,
    stacking: Stacking = "sbt",
    bins: int = 3,
    events_per_bin: int = 500,
) -> Tensor:
    """Turn the first `steps * window_us` microseconds of a recording into the input `[steps, C, H, W]` of a network.

    `sbn` bins end with the last of these events, so that the latest are always seen; all else is `stack`.

    >>> events = Events.of(t=[0, 30, 59], x=[0, 0, 1], y=[0, 0, 0], polarity=[1, 0, 1], sensor=(2, 1))
    >>> stacked(events, steps=1, window_us=60, bins=2).tolist()
    [[[[1.0, 0.0]], [[-1.0, 1.0]]]]
    """
    if stacking == "sbn":
        seen = events.between(0, steps * window_us)
        return stack_by_number(seen, events_per_bin=events_per_bin, steps=steps, channels=bins)
    return stack(events, stacking=stacking, window_us=window_us, steps=steps, start=0, bins=bins)


def collate_boxes(samples: Sequence[tuple[Tensor, Boxes]]) -> Batch:
    """Put samples side by side (see `collate`); the target is the list of their boxes."""
    batch = collate([(x, 0) for x, _ in samples])
    return batch._replace(target=[boxes for _, boxes in samples])


def collate_masks(samples: Sequence[tuple[Tensor, Tensor]]) -> Batch:
    """Put samples side by side (see `collate`); the target is `[T, B, H, W]` int64, 255 where a sample has ended."""
    batch = collate([(x, 0) for x, _ in samples])
    return batch._replace(target=pad_sequence([labels.long() for _, labels in samples], padding_value=IGNORED))


class SceneDataset(Dataset[tuple[Tensor, Any]]):
    """What detection and segmentation have in common.

    Args:
        source: the scenes.
        stack: from a recording to an input `[T, C, H, W]`, such as `functools.partial(stacked, steps=5, ...)`.
        frames: put the grey frame at the end of each step, from 0 to 1, before its events, as channel 0.
        fresh: take further scenes of the source in every epoch instead of the same; only for sources without an end,
            such as `Mosaics`.
        augment: show half of the scenes in a mirror and each in another size, in every epoch other ones: a seed for
            which; `None` shows all as they are.
        zoom: with `augment`, the smallest and the largest size, 1 being as it is.
    """

    def __init__(
        self,
        source: SceneSource,
        stack: Callable[[Events], Tensor],
        *,
        frames: bool = False,
        fresh: bool = False,
        augment: int | None = None,
        zoom: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        self.source = source
        self.stack = stack
        self.frames = frames
        self.fresh = fresh
        self.augment = augment
        self.zoom = zoom
        # Shared, because workers that outlive an epoch hold a copy of everything else.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        return len(self.source)

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next; it decides which scenes are `fresh`, and how each is `augment`-ed."""
        self._epoch.fill_(epoch)

    def scene(self, i: int) -> Scene:
        """Return the scene behind sample i."""
        epoch = int(self._epoch)
        scene = self.source.scene(i + epoch * len(self) if self.fresh else i)
        if self.augment is None:
            return scene
        generator = np.random.default_rng([self.augment, epoch, i])
        if generator.random() < 0.5:
            scene = scene.mirrored()
        if self.zoom == (1.0, 1.0):
            return scene
        zoom, across, down = np.exp(generator.uniform(*np.log(self.zoom))), *generator.random(2)
        return scene.zoomed(float(zoom), (across, down), generator)

    def events(self, i: int) -> Events:
        """Return the recording behind sample i."""
        return self.scene(i).events

    def input(self, scene: Scene) -> Tensor:
        """Return what a network is shown of a scene.

        Raises:
            ValueError: `frames` without grey frames.
        """
        x = self.stack(scene.events)
        if not self.frames:
            return x
        if scene.grey is None:
            raise ValueError("expected scenes with grey frames, got events alone: leave --data.frames away")
        return torch.cat([torch.from_numpy(scene.grey).unsqueeze(1) / 255, x], dim=1)


class DetectionDataset(SceneDataset):
    """Scenes and their boxes: sample i is `(x [T, C, H, W], Boxes at the end of the last step)`."""

    collate = staticmethod(collate_boxes)

    def __getitem__(self, i: int) -> tuple[Tensor, Boxes]:
        scene = self.scene(i)
        return self.input(scene), scene.boxes[-1]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels 0, 1, 2, ..."""
        return self.source.classes


class SegmentationDataset(SceneDataset):
    """Scenes and their masks: sample i is `(x [T, C, H, W], labels [T, H, W] uint8)`."""

    collate = staticmethod(collate_masks)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        scene = self.scene(i)
        return self.input(scene), torch.from_numpy(scene.labels)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels 0, 1, 2, ..."""
        return self.source.segments


def scene_dataset(
    source: SceneSource, config: Scenes, *, fresh: bool = False, augment: int | None = None
) -> DetectionDataset | SegmentationDataset:
    """Return scenes as the data part of a recipe describes them; for `fresh` and `augment` see `SceneDataset`.

    Raises:
        ValueError: masks or frames of steps that have no fixed width.
    """
    if config.stacking == "sbn" and (config.target == "masks" or config.frames):
        raise ValueError(
            "masks and frames are of steps of one width, and those of sbn have none: pass --data.stacking sbt"
        )
    stack = partial(
        stacked,
        steps=config.steps,
        window_us=config.window_us,
        stacking=config.stacking,
        bins=config.bins,
        events_per_bin=config.events_per_bin,
    )
    kind = DetectionDataset if config.target == "boxes" else SegmentationDataset
    return kind(source, stack, frames=config.frames, fresh=fresh, augment=augment, zoom=config.zoom)
