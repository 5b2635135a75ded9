"""Boxes as tensors `[..., 4]` in pixels: as corners (left, top, right, bottom), or as corner and size."""

import torch
from torch import Tensor

# Two boxes without area have no overlap; large enough that its square is still a float32.
LEAST_AREA = 1e-9
NMS_BLOCK = 256


def xywh_to_xyxy(xywh: Tensor) -> Tensor:
    """Return left, top, right, bottom for left, top, width, height."""
    corner, size = xywh.split(2, -1)
    return torch.cat([corner, corner + size], -1)


def xyxy_to_xywh(xyxy: Tensor) -> Tensor:
    """Return left, top, width, height for left, top, right, bottom."""
    corner, opposite = xyxy.split(2, -1)
    return torch.cat([corner, opposite - corner], -1)


def clip(xyxy: Tensor, height: int, width: int) -> Tensor:
    """Return what is inside a picture.

    >>> clip(torch.tensor([-3.0, 2.0, 5.0, 90.0]), 64, 96)
    tensor([ 0.,  2.,  5., 64.])
    """
    return xyxy.clamp(min=0).minimum(xyxy.new_tensor([width, height, width, height]))


def area(xyxy: Tensor) -> Tensor:
    """Return areas `[...]` of boxes `[..., 4]`."""
    return (xyxy[..., 2:] - xyxy[..., :2]).prod(-1)


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Return intersection over union `[N, M]` of all pairs of boxes `[N, 4]` and `[M, 4]`.

    >>> iou(torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[1.0, 0.0, 3.0, 2.0], [5.0, 5.0, 6.0, 6.0]]))
    tensor([[0.3333, 0.0000]])
    """
    a, b = a[:, None], b[None]
    both = _intersection(a, b)
    return both / (area(a) + area(b) - both).clamp(min=LEAST_AREA)


def giou(a: Tensor, b: Tensor) -> Tensor:
    """Return the generalised intersection over union `[...]` of boxes `[..., 4]` and `[..., 4]`, one by one.

    giou = |A and B| / |A or B| - (|H| - |A or B|) / |H|, where H is the smallest box around both; from -1 to 1.

    Source: Rezatofighi et al., CVPR 2019.

    >>> giou(torch.tensor([0.0, 0.0, 1.0, 1.0]), torch.tensor([2.0, 0.0, 3.0, 1.0]))
    tensor(-0.3333)
    """
    both = _intersection(a, b)
    either = area(a) + area(b) - both
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    return both / either.clamp(min=LEAST_AREA) - (hull - either) / hull.clamp(min=LEAST_AREA)


def nms(xyxy: Tensor, score: Tensor, label: Tensor, *, threshold: float) -> Tensor:
    """Return the indices of the boxes `[N, 4]` that stay, strongest first: non-maximum suppression within each class.

    A box goes if a stronger one of its class that stays overlaps it by more than `threshold` (IoU).

    >>> boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 5.0], [0.0, 0.0, 4.0, 5.0]])
    >>> nms(boxes, torch.tensor([0.5, 0.9, 0.7]), torch.tensor([0, 0, 1]), threshold=0.5)
    tensor([1, 2])
    """

    def overlap(of: Tensor, by: Tensor) -> Tensor:
        return (iou(xyxy[of], xyxy[by]) > threshold) & (label[of, None] == label[by])

    order = score.argsort(descending=True, stable=True)
    kept = order[:0]
    # In blocks, so that many boxes need neither the matrix of all pairs nor a step of Python each.
    for block in order.split(NMS_BLOCK):
        block = block[~overlap(block, kept).any(1)]
        rivals = overlap(block, block).tril(-1)
        stays = ~rivals.any(1)
        # Each round settles at least one more box, in the order of strength.
        while not torch.equal(stays, settled := ~(rivals & stays).any(1)):
            stays = settled
        kept = torch.cat([kept, block[stays]])
    return kept


def _intersection(a: Tensor, b: Tensor) -> Tensor:
    size = torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])
    return size.clamp(min=0).prod(-1)
