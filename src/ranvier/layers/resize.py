"""Features brought from one resolution to another."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor
from torch.nn.functional import interpolate

Resize = Literal["nearest", "bilinear"]
"""nearest keeps spikes zeros and ones; bilinear, with aligned corners, does not"""


def scaled(length: int, scale: float) -> int:
    """Return how many rows or columns `length` ones become: an odd d becomes (d - 1) scale + 1, an even one d scale.

    So corners stay corners, and of 2n + 1 rows n + 1 remain.

    >>> [scaled(346, 0.5), scaled(173, 0.5), scaled(87, 2)]
    [173, 87, 173]
    """
    return int((length - 1) * scale + 1) if length % 2 else int(length * scale)


def resize(x: Tensor, size: Sequence[int], *, mode: Resize = "nearest") -> Tensor:
    """Return `x` `[T, B, C, H, W]` at another height and width.

    >>> import torch
    >>> resize(torch.eye(2).view(1, 1, 1, 2, 2), (2, 4)).tolist()
    [[[[[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]]]]]
    """
    height, width = x.shape[-2:]
    if (height, width) == tuple(size):
        return x
    if mode == "nearest" and height % size[0] == 0 and width % size[1] == 0:
        return x[..., :: height // size[0], :: width // size[1]].clone()  # a tenth of interpolate's time, or less
    y = interpolate(x.flatten(0, 1), list(size), mode=mode, align_corners=True if mode == "bilinear" else None)
    return y.unflatten(0, x.shape[:2])
