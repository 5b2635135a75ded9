"""Mean average precision of boxes as COCO measures it, through `faster-coco-eval`, and Prophesee's filter."""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from faster_coco_eval import COCO, COCOeval_faster

from ranvier.data.boxes import Boxes
from ranvier.layers.anchors import Detections

AnyBoxes = TypeVar("AnyBoxes", Boxes, Detections)

# The strongest answers of one class in one image that COCO looks at.
MOST = 100


def average_precision(truth: Sequence[Boxes], found: Sequence[Detections], classes: Sequence[str]) -> dict[str, Any]:
    """Return how well `found` answers `truth`, image by image, as COCO measures it.

    In each image the answers of a class, strongest first and at most 100, take one box each: of those that are left
    the one that they overlap most, if the IoU reaches a threshold. The precision over all images, made non-increasing,
    is averaged over the recalls 0, 0.01, ..., 1: AP of one class at one threshold.

    Returns:
        `map50`, `map75`: mean over the classes at IoU 0.5 and 0.75; `map`: at IoU 0.5, 0.55, ..., 0.95; `map50_any`:
        as `map50` with all classes taken for one; `ap50`: of each class, `None` for a class without boxes in `truth`
        (the means leave it out); `boxes`: how many `truth` has. Without any box every mean is 0.

    Raises:
        ValueError: `truth` and `found` differ in length.

    >>> truth = Boxes(torch.tensor([[10.0, 10.0, 20.0, 20.0]]), torch.tensor([0]))
    >>> found = Detections(torch.tensor([[11.0, 11.0, 20.0, 20.0]]), torch.tensor([0]), torch.tensor([0.9]))
    >>> result = average_precision([truth], [found], ["car", "pedestrian"])
    >>> round(result["map"], 2), result["ap50"]  # their IoU is 0.82
    (0.7, {'car': 1.0, 'pedestrian': None})
    """
    if len(truth) != len(found):
        raise ValueError(f"expected the answers to each of {len(truth)} images, got {len(found)}")
    precision = _precision(truth, found, len(classes))
    ap50 = precision[0].mean(0)
    return {
        "map50": _mean(precision[0]),
        "map": _mean(precision),
        "map75": _mean(precision[5]),
        "map50_any": _mean(_precision(_unlabelled(truth), _unlabelled(found), 1)[0]),
        "ap50": {name: float(ap) if ap >= 0 else None for name, ap in zip(classes, ap50, strict=True)},
        "boxes": sum(len(boxes.label) for boxes in truth),
    }


def prophesee(
    truth: Sequence[Boxes],
    found: Sequence[Detections],
    *,
    diagonal: float = 30.0,
    side: float = 10.0,
    times_us: Sequence[int] | None = None,
) -> tuple[list[Boxes], list[Detections]]:
    """Return what Prophesee's protocol counts of `truth` and of `found`: images after 0.5 s, boxes of some size.

    A box counts if neither its diagonal nor a side is below the limit in pixels. The limits are those of Gen1; for the
    1-megapixel sensor they are 60 and 20. `times_us` says when each image is, from the start of its recording; without
    it no image is too early. One version of the toolbox says 0.5 s and skips 0.1 s, from the first label on.

    Source:
        Perot et al. 2020, "Learning to Detect Objects with a 1 Megapixel Event Camera", and its evaluation code.
    """
    late = [True] * len(truth) if times_us is None else [time > 500_000 for time in times_us]

    def counted(images: Sequence[AnyBoxes]) -> list[AnyBoxes]:
        return [_large(boxes, diagonal, side) for boxes, is_late in zip(images, late, strict=True) if is_late]

    return counted(truth), counted(found)


def _large(boxes: AnyBoxes, diagonal: float, side: float) -> AnyBoxes:
    sides = boxes.xywh[:, 2:]
    keep = (sides >= side).all(1) & ((sides**2).sum(1) >= diagonal**2)
    return boxes._make(column[keep] for column in boxes)


def stronger(found: Detections, score: float) -> Detections:
    """Return the answers whose score is at least `score`."""
    keep = found.score >= score
    return Detections(*(column[keep] for column in found))


def _precision(truth: Sequence[Boxes], found: Sequence[Detections], classes: int) -> np.ndarray:
    """Return the precision by IoU threshold, recall and class; -1 in classes without boxes."""
    coco = COCOeval_faster(_in_coco(truth, classes), _in_coco(found, classes), iouType="bbox")
    coco.params.maxDets = [MOST]
    coco.params.areaRng, coco.params.areaRngLbl = [[0, float("inf")]], ["all"]
    coco.evaluate()
    coco.accumulate()
    return coco.eval["precision"][..., 0, 0]


def _in_coco(images: Sequence[Boxes] | Sequence[Detections], classes: int) -> COCO:
    """Return the boxes of all images in COCO's format; ids count from 1, as 0 means none there."""
    annotations = []
    for image, boxes in enumerate(images, 1):
        # COCO does not look at a score of the truth.
        scores = boxes.score if isinstance(boxes, Detections) else torch.ones(len(boxes.label))
        for xywh, label, score in zip(boxes.xywh.tolist(), boxes.label.tolist(), scores.tolist(), strict=True):
            at = {"id": len(annotations) + 1, "image_id": image, "category_id": label + 1}
            annotations.append(at | {"bbox": xywh, "area": xywh[2] * xywh[3], "iscrowd": 0, "score": score})
    ids = {"images": len(images), "categories": classes}
    return COCO({kind: [{"id": i + 1} for i in range(n)] for kind, n in ids.items()} | {"annotations": annotations})


def _unlabelled(images: Sequence[AnyBoxes]) -> list[AnyBoxes]:
    return [boxes._replace(label=torch.zeros_like(boxes.label)) for boxes in images]


def _mean(precision: np.ndarray) -> float:
    valid = precision[precision >= 0]
    return float(valid.mean()) if valid.size else 0.0
