"""Boxes as rows of JSON."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor


def detection_rows(
    t_us: int, xywh: Tensor, label: Tensor, score: Tensor, *, classes: Sequence[str]
) -> list[dict[str, Any]]:
    """Return one row for each box `xywh [N, 4]` (left, top, width, height in pixels), in the order given.

    >>> import torch
    >>> detection_rows(50_000, torch.tensor([[1.0, 2, 30, 40]]), torch.tensor([1]), torch.tensor([0.5]),
    ...                classes=("car", "pedestrian"))
    [{'t_us': 50000, 'label': 'pedestrian', 'score': 0.5, 'x': 1.0, 'y': 2.0, 'width': 30.0, 'height': 40.0}]
    """
    boxes = zip(xywh.tolist(), label.tolist(), score.tolist(), strict=True)
    return [
        {"t_us": t_us, "label": classes[k], "score": s, "x": x, "y": y, "width": width, "height": height}
        for (x, y, width, height), k, s in boxes
    ]
