"""Random changes of whole recordings, for training."""

import numpy as np
import torch
from numpy.typing import NDArray
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
    return _from_nearest(x, from_x, from_y, (from_x >= 0) & (from_x < width) & (from_y >= 0) & (from_y < height))


def reframe(
    x: Tensor,
    *,
    generator: np.random.Generator,
    area: tuple[float, float] = (0.6, 1.0),
    aspect: float = 4 / 3,
    tilt: float = 0.5,
    tilted: float = 0.5,
    degrees: float = 25.0,
) -> Tensor:
    """Cut a window out of all frames of a recording, tilt it in depth and turn it, all frames alike.

    Three pictures of the size of the frame follow each other, and a pixel takes the value of the one that it came from:

        window: a share `area` of the frame, `aspect` to 1 wide or high at most, anywhere in it, fills the picture
        tilt:   with the chance `tilted`, each corner moves inwards, by up to `tilt` / 2 of the width and of the height
        turn:   by up to `degrees` about the centre

    All amounts are uniform, the logarithm of the aspect is; a window that does not fit is drawn again. What lies
    outside any of the pictures is 0. The way back is followed through all three and the nearest pixel is taken once, so
    that counts stay whole numbers; steps and channels stay apart.

    Args:
        x: images `[..., H, W]`.
        generator: the source of all numbers.
        area: smallest and largest share of the frame.
        aspect: 1 or more.
        tilt: up to 0.5.
        tilted: from 0 to 1.
        degrees: of rotation.

    >>> x = torch.arange(4.0).view(2, 2)
    >>> torch.equal(reframe(x, generator=np.random.default_rng(0), area=(1, 1), aspect=1, tilted=0, degrees=0), x)
    True

    Source: the released input pipeline of SpikingSSM, whose amounts are the defaults; it interpolates the tilt.
    """
    height, width = x.shape[-2:]
    size = np.array([width, height])
    window = _unwindow(size, generator, area, aspect)
    tilting = _untilt(size, generator, tilt) if generator.random() < tilted else np.eye(3)
    turn = _unturn(size, np.deg2rad(generator.uniform(-degrees, degrees)))
    # Places are counted in pixels from the corner of a picture, so that the middle of its first pixel is at 0.5.
    column, row = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    inside = np.ones((height, width), np.bool_)
    for back in (turn, tilting, window):
        column, row, depth = np.einsum("ij,jhw->ihw", back, np.stack([column, row, np.ones((height, width))]))
        column, row = column / depth, row / depth
        inside &= (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return _from_nearest(x, np.floor(column), np.floor(row), inside)


def _from_nearest(x: Tensor, from_x: NDArray, from_y: NDArray, inside: NDArray[np.bool_]) -> Tensor:
    """Return images `[..., H, W]` whose pixels come from whole places `[H, W]`; those not `inside` are 0."""
    height, width = x.shape[-2:]
    source = torch.from_numpy(np.where(inside, from_y * width + from_x, 0).astype(np.int64).ravel())
    flat = x.flatten(-2)
    moved = flat.gather(-1, source.expand_as(flat)).unflatten(-1, (height, width))
    return moved * torch.from_numpy(inside)


def _unwindow(size: NDArray, generator: np.random.Generator, area: tuple[float, float], aspect: float) -> NDArray:
    """Return the map `[3, 3]` from a picture of (width, height) pixels to a window in one of the same size."""
    while True:
        ratio = np.exp(generator.uniform(-np.log(aspect), np.log(aspect)))
        side = np.sqrt(generator.uniform(*area) * np.array([ratio, 1 / ratio]))
        if side.max() <= 1:
            left, top = generator.uniform(0, 1 - side) * size
            return np.array([[side[0], 0, left], [0, side[1], top], [0, 0, 1]])


def _untilt(size: NDArray, generator: np.random.Generator, tilt: float) -> NDArray:
    """Return the projective map `[3, 3]` that takes corners that have moved inwards back to those of the picture."""
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64)
    moved = (corners + (1 - 2 * corners) * generator.uniform(0, tilt / 2, (4, 2))) * size
    corners = corners * size
    # For each corner, x' (g x + h y + 1) = a x + b y + c, and y' likewise with d, e, f.
    rows = []
    for (x, y), (to_x, to_y) in zip(moved, corners, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -to_x * x, -to_x * y], [0, 0, 0, x, y, 1, -to_y * x, -to_y * y]]
    return np.append(np.linalg.solve(np.array(rows), corners.ravel()), 1).reshape(3, 3)


def _unturn(size: NDArray, angle: float) -> NDArray:
    """Return the map `[3, 3]` that turns a picture back about its centre."""
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    return np.vstack([np.column_stack([turn, size / 2 - turn @ (size / 2)]), [0, 0, 1]])
