"""Random changes of whole recordings, for training."""

import numpy as np
import torch
from torch import Tensor


def jitter(
    x: Tensor,
    *,
    generator: np.random.Generator,
    shift: float = 2.0,
    degrees: float = 10.0,
    scale: float = 0.1,
    shear: float = 0.1,
) -> Tensor:
    """Move, turn, scale and shear all frames of a recording alike.

    With the centre `c` of the image, a pixel `p` takes the value of the pixel nearest to where it came from:

        x'[..., p] = x[..., round(c + A^-1 (p - c - d))],  0 outside,  A = z * R(a) * [[1, k], [0, 1]]

    where `d` (pixels, both axes), `a` (degrees), `ln z` and `k` are uniform within plus or minus `shift`, `degrees`,
    `scale` and `shear`. Counts stay whole numbers, and steps and channels (polarities) stay apart.

    Args:
        x: images `[..., H, W]`.
        generator: the source of the five numbers.
        shift: pixels.
        degrees: of rotation.
        scale: logarithm of the magnification.
        shear: columns a row.

    >>> x = torch.arange(4.0).view(2, 2)
    >>> torch.equal(jitter(x, generator=np.random.default_rng(0), shift=0, degrees=0, scale=0, shear=0), x)
    True
    """
    move = generator.uniform(-shift, shift, 2)
    angle = np.deg2rad(generator.uniform(-degrees, degrees))
    zoom = np.exp(generator.uniform(-scale, scale))
    slant = generator.uniform(-shear, shear)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    back = np.linalg.inv(zoom * turn @ np.array([[1.0, slant], [0.0, 1.0]]))

    height, width = x.shape[-2:]
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    offset = centre - back @ (centre + move)
    row, column = np.ogrid[:height, :width]
    from_x, from_y = (np.rint(a * column + b * row + o) for (a, b), o in zip(back, offset, strict=True))
    inside = (from_x >= 0) & (from_x < width) & (from_y >= 0) & (from_y < height)
    source = torch.from_numpy(np.where(inside, from_y * width + from_x, 0).astype(np.int64).ravel())
    moved = x.flatten(-2).index_select(-1, source).unflatten(-1, (height, width))
    return moved * torch.from_numpy(inside)
