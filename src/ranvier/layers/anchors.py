"""What the raw answers of an anchor-based detector mean."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from ranvier.layers.boxes import clip, nms, xyxy_to_xywh

# No box is larger than e^6, about 400 times, its anchor: an untrained answer must not overflow.
LARGEST = 6.0


class Detections(NamedTuple):
    """Objects in one picture, the strongest first: `xywh [N, 4]` in pixels, `label [N]`, `score [N]`."""

    xywh: Tensor
    label: Tensor
    score: Tensor


@dataclass(frozen=True)
class AnchorGrid:
    """Where the A anchors of a picture are: the small stride first, then row, column, anchor."""

    height: int
    """of the picture in pixels"""
    width: int
    """of the picture in pixels"""
    stride: Tensor
    """pixels between two cells `[A]`"""
    cell: Tensor
    """column and row `[A, 2]`"""
    size: Tensor
    """width and height of the anchor in pixels `[A, 2]`"""

    @classmethod
    def make(
        cls,
        height: int,
        width: int,
        strides: Sequence[int],
        anchors: Sequence[tuple[int, int]],
        *,
        device: torch.device | str | None = None,
    ) -> "AnchorGrid":
        """Return the grid of a picture, with equally many of `anchors` (width, height) for each stride.

        Raises:
            ValueError: the picture is no multiple of the strides, or the anchors cannot be shared out.

        >>> len(AnchorGrid.make(256, 256, (8, 16, 32), ((10, 10),) * 9).stride)
        4032
        """
        if any(height % stride or width % stride for stride in strides):
            raise ValueError(f"expected a height and width that {max(strides)} divides, got {height} x {width}")
        if not anchors or len(anchors) % len(strides):
            raise ValueError(f"expected equally many anchors for {len(strides)} strides, got {len(anchors)}")
        share = len(anchors) // len(strides)
        sizes = torch.tensor(anchors, dtype=torch.float32, device=device).view(len(strides), share, 2)
        cells = []
        for stride in strides:
            rows = torch.arange(height // stride, device=device)
            columns = torch.arange(width // stride, device=device)
            places = torch.cartesian_prod(rows, columns).flip(1)
            cells.append(places.float().repeat_interleave(share, 0))
        return cls(
            height,
            width,
            torch.cat([cell.new_full((len(cell),), stride) for cell, stride in zip(cells, strides, strict=True)]),
            torch.cat(cells),
            torch.cat([size.repeat(len(cell) // share, 1) for cell, size in zip(cells, sizes, strict=True)]),
        )

    def __getitem__(self, index: Tensor) -> "AnchorGrid":
        """Return some of the anchors."""
        return replace(self, stride=self.stride[index], cell=self.cell[index], size=self.size[index])


def decode(raw: Tensor, grid: AnchorGrid) -> Tensor:
    """Return corners `[..., A, 4]` in pixels for raw answers `[..., A, 4]` (tx, ty, tw, th).

    centre = (cell + sigmoid(t_xy)) stride;   size = anchor exp(t_wh)

    >>> grid = AnchorGrid.make(8, 8, (8,), ((4, 2),))
    >>> decode(torch.zeros(1, 4), grid)
    tensor([[2., 3., 6., 5.]])
    """
    place, size = raw.float().split(2, -1)
    centre = (place.sigmoid() + grid.cell) * grid.stride[:, None]
    half = size.clamp(max=LARGEST).exp() * grid.size / 2
    return torch.cat([centre - half, centre + half], -1)


def detect(y: Tensor, grid: AnchorGrid, *, score: float, nms_iou: float) -> list[Detections]:
    """Return the objects in each picture of a batch for raw answers `[B, A, 1 + K + 4]`.

    An anchor answers with its likeliest class, at the score softmax(class) sigmoid(objectness). Answers below `score`
    go, then those that a stronger one of their class overlaps by more than `nms_iou`; boxes end at the picture's edge.
    """
    objectness, classes, raw = y.float().split((1, y.shape[-1] - 5, 4), -1)
    best, label = (objectness.sigmoid() * classes.softmax(-1)).max(-1)
    found = []
    for lane in range(len(y)):
        index = (best[lane] >= score).nonzero().squeeze(1)
        xyxy = decode(raw[lane, index], grid[index])
        stays = nms(xyxy, best[lane, index], label[lane, index], threshold=nms_iou)
        xywh, index = xyxy_to_xywh(clip(xyxy[stays], grid.height, grid.width)), index[stays]
        found.append(Detections(xywh, label[lane, index], best[lane, index]))
    return found
