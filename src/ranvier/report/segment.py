"""What a report shows of a segmenter: scenes with the regions that were there and those that were found."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ranvier import plot
from ranvier.animate import draw_mask, enlarge, enlarging, event_image
from ranvier.colours import CLASSES
from ranvier.data.datasets import Batch
from ranvier.recipes import Recipe
from ranvier.report import page
from ranvier.report.figures import picture, svg
from ranvier.run import Run

SHOWN = 4


def note(result: Mapping[str, Any]) -> str:
    """Return how many pixels were right."""
    return f"{100 * result['pixel_accuracy']:.1f} % of all pixels right"


def sections(run: Run, net: nn.Module, batch: Batch) -> list[str]:
    """Return the sections in the order in which they are read."""
    return [scenes(run.config, net, batch), classes(run.result)]


def scenes(recipe: Recipe, net: nn.Module, batch: Batch) -> str:
    """Some scenes: the events of the last step with the true regions, and with those that were found."""
    x = batch.x[:, :SHOWN]
    with torch.no_grad():
        found = net(x)[-1].argmax(1)
    cards = []
    for i in range(x.shape[1]):
        for labels, said in ((batch.target[-1, i], "what was there"), (found[i], "what was found")):
            cards.append(page.figure(scene(x[-1, i], labels, recipe), f"a held-out scene, {said}", said))
    return page.section(
        "What it found",
        "Held-out scenes, the events of the last time step on the regions of each class: first what was there, then "
        f"what the network found. {recipe.task.classes[0].capitalize()} is left clear.",
        page.legend(recipe.task.classes[1:], CLASSES),
        f'<div class="scenes">{"".join(cards)}</div>',
    )


def scene(frame: Tensor, labels: Tensor, recipe: Recipe) -> str:
    """Return the picture of one scene as a data address; the first class is the ground and stays clear."""
    factor = enlarging(frame.shape[-1], frame.shape[-2], wanted=320)
    events = frame[getattr(recipe.model, "frame_channels", 0) :]
    image = enlarge(event_image(events, stacking=recipe.event_data.stacking), factor)
    colours = [None, *(CLASSES[k % len(CLASSES)] for k in range(len(recipe.task.classes) - 1))]
    return picture(draw_mask(image, labels.cpu().numpy(), colours, factor=factor))


def classes(result: Mapping[str, Any]) -> str:
    """Intersection over union of each class, and what was taken for what."""
    iou = {name: 100 * value for name, value in result["iou"].items() if value is not None}
    side = 1.6 + 0.4 * len(result["classes"])
    bars = svg(lambda figure: plot.bars(figure.subplots(), iou, unit="%"), width=5.2, height=0.9 + 0.3 * len(iou))
    shares = [[round(100 * count / max(sum(row), 1)) for count in row] for row in result["confusion"]]
    matrix = svg(lambda figure: plot.confusion(figure.subplots(), shares, result["classes"]), width=side, height=side)
    return page.section(
        "Where it errs",
        "Intersection over union of each class (right pixels, of all that are or were taken for the class), and in "
        "percent which pixels were taken for which (the diagonal is right). All held-out scenes.",
        page.columns(page.card(bars, "Each class"), page.card(matrix, "What was taken for what, %")),
    )
