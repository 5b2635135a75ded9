"""What `ranvier stream` makes of a network's outputs: labels, boxes or regions, as JSON, as sentences, as a picture."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ranvier.animate import draw_boxes, draw_caption, draw_mask, enlarge, enlarging, event_image
from ranvier.cli.show import bar
from ranvier.colours import AMBER, CLASSES
from ranvier.data.letterbox import Letterbox
from ranvier.layers.anchors import Detections, detect
from ranvier.recipes import Recipe
from ranvier.stream import Pace, StreamStep, detection_rows

RGB = NDArray[np.uint8]


@dataclass
class _Answers:
    """What is kept of a stream: small numbers of each chunk, never a tensor of all."""

    recipe: Recipe
    net: nn.Module
    sensor: tuple[int, int]
    letterbox: Letterbox | None
    score: float
    pace: Pace

    @property
    def classes(self) -> tuple[str, ...]:
        return self.recipe.task.classes

    @property
    def factor(self) -> int:
        return enlarging(*self.sensor)

    def time(self, step: StreamStep) -> str:
        """When a chunk ends, from the beginning of the stream: the clock of a camera may count from anywhere."""
        assert self.pace.start_us is not None
        return f"{(step.t_us - self.pace.start_us) / 1000:.0f} ms"

    def events(self, step: StreamStep) -> RGB:
        """The events of a chunk's last time step, as far as the network saw them, on the sensor and enlarged."""
        frame = self.on_sensor(step.x[-1, 0])
        return enlarge(event_image(frame, stacking=self.recipe.event_data.stacking), self.factor)

    def on_sensor(self, image: torch.Tensor) -> torch.Tensor:
        """Return an image `[..., h, w]` of the network's size, such as its input, in pixels of the sensor."""
        width, height = self.sensor
        if self.letterbox is None:
            # It was padded on the right and at the bottom.
            return image[..., :height, :width]
        (high, wide), (left, top) = self.letterbox.inner, self.letterbox.corner
        # Of the pixels that `Letterbox.image` made, the last one taken from here or from before here.
        rows, columns = (((torch.arange(n) + 1) * of - 1) // n for n, of in ((height, high), (width, wide)))
        return image[..., top + rows[:, None], left + columns]

    def caption(self, image: RGB, step: StreamStep) -> RGB:
        return draw_caption(image, self.time(step))


@dataclass
class Labels(_Answers):
    """A classifier: the label of all that was seen so far."""

    stretches: list[tuple[int, int, str]] = field(default_factory=list)
    """when the label changed: from, to, label"""
    last: dict[str, Any] = field(default_factory=dict)

    def take(self, step: StreamStep) -> dict[str, Any]:
        probability = step.answer[0].softmax(-1)
        winner = int(probability.argmax())
        self.last = {"label": self.classes[winner], "probability": float(probability[winner])}
        self._extend(step.t_us, self.classes[winner])
        return self.last

    def _extend(self, t_us: int, label: str) -> None:
        begin = self.stretches[-1][1] if self.stretches else self.pace.start_us
        assert begin is not None
        if self.stretches and self.stretches[-1][2] == label:
            begin, _, _ = self.stretches.pop()
        self.stretches.append((begin, t_us, label))

    def draw(self, step: StreamStep) -> RGB:
        return draw_caption(self.events(step), f"{self.time(step)}  {self.short()}")

    def short(self) -> str:
        return f"{self.last['label']} ({100 * self.last['probability']:.0f} %)"

    def end(self) -> dict[str, Any]:
        return self.last

    def sentences(self) -> Iterator[str]:
        first = self.stretches[0][0]
        for start, stop, label in self.stretches:
            yield f"  {(start - first) / 1000:6.0f} to {(stop - first) / 1000:.0f} ms  [bold]{label}[/]"
        share = self.last["probability"]
        yield f"answer [bold]{self.last['label']}[/]  [{AMBER}]{bar(share)}[/] {100 * share:.1f} %"


@dataclass
class Objects(_Answers):
    """A detector: the boxes at the end of each chunk."""

    chunks: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    found: Detections = field(init=False)

    def take(self, step: StreamStep) -> dict[str, Any]:
        grid = self.net.grid(*step.x.shape[-2:])  # type: ignore[operator]
        (found,) = detect(step.answer, grid, score=self.score, nms_iou=self.recipe.task.nms_iou)  # type: ignore[union-attr]
        if self.letterbox is not None:
            found = found._replace(xywh=self.letterbox.undo(found.xywh))
        # What was padded holds no object: such boxes begin beyond the sensor, or have nothing left of them on it.
        inside = (found.xywh[:, :2] < found.xywh.new_tensor(self.sensor)).all(1) & (found.xywh[:, 2:] > 0).all(1)
        self.found = Detections(*(column[inside] for column in found))
        self.chunks += 1
        self.counts.update(self.names)
        return {"detections": detection_rows(step.t_us, *self.found, classes=self.classes)}

    @property
    def names(self) -> list[str]:
        return [self.classes[int(k)] for k in self.found.label]

    def draw(self, step: StreamStep) -> RGB:
        colours = [CLASSES[int(k) % len(CLASSES)] for k in self.found.label]
        image = self.caption(self.events(step), step)
        return draw_boxes(image, self.found.xywh, self.names, self.found.score.tolist(), colours, factor=self.factor)

    def short(self) -> str:
        return ", ".join(f"{count} {name}" for name, count in Counter(self.names).items()) or "nothing"

    def end(self) -> dict[str, Any]:
        return {"detections": sum(self.counts.values()), "by_class": dict(self.counts)}

    def sentences(self) -> Iterator[str]:
        total = sum(self.counts.values())
        yield f"[bold]{total}[/] boxes with a score of {self.score:g} or more in {self.chunks} chunks"
        for name, count in self.counts.most_common():
            yield f"  {name:<12} {count:5}  [{AMBER}]{bar(count / total)}[/]"


@dataclass
class Regions(_Answers):
    """A segmenter: the class of each pixel at the end of each chunk."""

    pixels: torch.Tensor = field(init=False)
    labels: torch.Tensor = field(init=False)
    last: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pixels = torch.zeros(len(self.classes), dtype=torch.long)

    def take(self, step: StreamStep) -> dict[str, Any]:
        self.labels = self.on_sensor(step.answer[0].argmax(0)).cpu()
        pixels = torch.bincount(self.labels.flatten(), minlength=len(self.classes))
        self.pixels += pixels
        self.last = self._shares(pixels)
        return {"share": self.last}

    def _shares(self, pixels: torch.Tensor) -> dict[str, float]:
        total = int(pixels.sum())
        return {name: count / total for name, count in zip(self.classes, pixels.tolist(), strict=True) if count}

    def draw(self, step: StreamStep) -> RGB:
        colours = [None, *(CLASSES[k % len(CLASSES)] for k in range(len(self.classes) - 1))]
        image = draw_mask(self.events(step), self.labels.numpy(), colours, factor=self.factor)
        seen = [k for k in range(1, len(self.classes)) if self.classes[k] in self.last]
        names, shown = [self.classes[k] for k in seen], [CLASSES[(k - 1) % len(CLASSES)] for k in seen]
        return draw_caption(image, self.time(step), names=names, colours=shown)

    def short(self) -> str:
        return ", ".join(f"{name} {100 * share:.0f} %" for name, share in self.last.items())

    def end(self) -> dict[str, Any]:
        return {"share": self._shares(self.pixels)}

    def sentences(self) -> Iterator[str]:
        yield "share of all pixels"
        for name, share in self._shares(self.pixels).items():
            yield f"  {name:<12} {100 * share:5.1f} %  [{AMBER}]{bar(share)}[/]"


ANSWERS = {"classify": Labels, "detect": Objects, "segment": Regions}
"""By the name of the task."""
