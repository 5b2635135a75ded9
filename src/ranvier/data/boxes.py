"""Boxes around objects, and what becomes of bad ones."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor


class Boxes(NamedTuple):
    """Boxes in an image: `xywh [N, 4]` float32 (left, top, width, height) and `label [N]` int64.

    Pixel (column, row) covers the square from (column, row) to (column + 1, row + 1), so a box around columns 3 to 5
    has left 3 and width 3.
    """

    xywh: Tensor
    label: Tensor

    @classmethod
    def of(cls, xywh: ArrayLike, label: ArrayLike, *, sensor: tuple[int, int], classes: int) -> "Boxes":
        """Build from any array-likes, as they come from a file; what is outside the sensor (width, height) is cut off.

        A box that has no area then, or had none before, is left out: annotators leave such boxes where an object has
        just gone. A number that is not finite, or a label outside `0 <= label < classes`, means that the file or the
        list of classes is not the right one.

        Raises:
            ValueError: shapes that do not fit, a number that is not finite, or an unknown label.

        >>> Boxes.of([[-2, 1, 6, 3], [9, 9, 4, 4]], [0, 1], sensor=(8, 8), classes=2)
        Boxes(xywh=tensor([[0., 1., 4., 3.]]), label=tensor([0]))
        """
        corners, label = np.array(xywh, np.float64).reshape(-1, 4), np.asarray(label).reshape(-1)
        if len(corners) != len(label):
            raise ValueError(f"expected one label a box, got {len(corners)} boxes and {len(label)} labels")
        for i in np.flatnonzero(~np.isfinite(corners).all(axis=1))[:1]:
            raise ValueError(f"box {i} is {corners[i].tolist()}: expected finite left, top, width, height in pixels")
        for i in np.flatnonzero((label < 0) | (label >= classes))[:1]:
            raise ValueError(f"box {i} has label {label[i]}, expected 0 to {classes - 1}")
        corners[:, 2:] += corners[:, :2]
        corners = np.clip(corners, 0, np.tile(sensor, 2)).astype(np.float32)
        corners[:, 2:] -= corners[:, :2]
        keep = (corners[:, 2:] > 0).all(axis=1)
        return cls(torch.from_numpy(corners[keep]), torch.from_numpy(label[keep].astype(np.int64)))

    @classmethod
    def empty(cls) -> "Boxes":
        """Return no boxes."""
        return cls(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
