"""What a report shows of a detector: scenes with what was there and what was found, and the precision by class."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ranvier import plot
from ranvier.animate import draw_boxes, enlarge, enlarging, event_image
from ranvier.colours import CLASSES, PAPER
from ranvier.data.boxes import Boxes
from ranvier.data.datasets import Batch
from ranvier.layers import READOUTS
from ranvier.layers.anchors import Detections, detect
from ranvier.recipes import Recipe
from ranvier.report import page
from ranvier.report.figures import picture, svg
from ranvier.run import Run

SHOWN = 6
# What a person would call found; the evaluation looks at weaker answers too.
SCORE = 0.3


def note(result: Mapping[str, Any]) -> str:
    """Return how many boxes were to be found."""
    return f"with {result['boxes']:,} boxes"


def sections(run: Run, net: nn.Module, batch: Batch) -> list[str]:
    """Return the sections in the order in which they are read."""
    return [scenes(run.config, net, batch), precision(run.result)]


def scenes(recipe: Recipe, net: Any, batch: Batch) -> str:
    """Some scenes: the events of the last step, the boxes that were there and those that were found."""
    x = batch.x[:, :SHOWN]
    with torch.no_grad():
        answer = READOUTS[recipe.task.readout](net(x), batch.lengths[:SHOWN])  # type: ignore[union-attr]
    found = detect(answer, net.grid(*x.shape[-2:]), score=SCORE, nms_iou=recipe.task.nms_iou)  # type: ignore[union-attr]
    classes = recipe.task.classes
    cards = [
        page.figure(
            scene(x[-1, i], recipe, truth, answers), f"a held-out scene with {len(truth.label)} objects", caption
        )
        for i, (truth, answers) in enumerate(zip(batch.target[:SHOWN], found, strict=True))
        for caption in [_found(answers, truth, classes)]
    ]
    return page.section(
        "What it found",
        "Held-out scenes, the events of the last time step. White boxes: what was there. Coloured, with class and "
        f"score: what the network found, down to a score of {100 * SCORE:.0f} %.",
        f'<div class="scenes large">{"".join(cards)}</div>',
    )


def scene(frame: torch.Tensor, recipe: Recipe, truth: Boxes, found: Detections) -> str:
    """Return the picture of one scene as a data address."""
    factor = enlarging(frame.shape[-1], frame.shape[-2], wanted=320)
    classes = recipe.task.classes
    image = enlarge(event_image(frame, stacking=recipe.event_data.stacking), factor)
    there = [PAPER] * len(truth.label)
    image = draw_boxes(image, truth.xywh, [classes[int(k)] for k in truth.label], None, there, factor=factor)
    colours = [CLASSES[int(k) % len(CLASSES)] for k in found.label]
    names = [classes[int(k)] for k in found.label]
    return picture(draw_boxes(image, found.xywh, names, found.score.tolist(), colours, factor=factor))


def precision(result: Mapping[str, Any]) -> str:
    """Average precision of each class, and the other figures of the evaluation."""
    by_class = {name: 100 * value for name, value in result["ap50"].items() if value is not None}
    height = 0.9 + 0.3 * len(by_class)
    bars = svg(lambda figure: plot.bars(figure.subplots(), by_class, unit="%"), width=5.2, height=height)
    names = {
        "map50": "mean over the classes, boxes that overlap by half (mAP50)",
        "map": "mean over overlaps from 0.5 to 0.95 (mAP)",
        "map75": "boxes that overlap by three quarters (mAP75)",
        "map50_any": "mAP50 if the class did not matter",
        "map50_at_0.01": "mAP50 of answers with a score of 0.01 or more",
        "map50_at_0.3": "mAP50 of answers with a score of 0.3 or more",
        "map50_filtered": "mAP50 of the boxes that Prophesee's protocol counts",
        "map_filtered": "mAP of the boxes that Prophesee's protocol counts",
    }
    rows = [(text, f"{100 * result[key]:.1f} %") for key, text in names.items() if key in result]
    return page.section(
        "How precise it is",
        "Average precision: the share of right answers, averaged over how many of the objects are to be found. All "
        "held-out scenes.",
        page.columns(page.card(bars, "Each class, mAP50"), page.card(page.table(("", "#"), rows), "All classes")),
    )


def _found(found: Detections, truth: Boxes, classes: tuple[str, ...]) -> str:
    names, there = (", ".join(classes[int(k)] for k in one.label.sort().values) for one in (found, truth))
    return f"found <strong>{names or 'nothing'}</strong>; there: {there or 'nothing'}"
