"""Where things may stand on a sensor without hiding each other."""

import numpy as np
from numpy.typing import NDArray

# Places that are tried for a box before it is left out.
TRIES = 64


def arrange(
    sizes: NDArray[np.int64],
    path: NDArray[np.float64],
    sensor: tuple[int, int],
    *,
    overlap: float,
    generator: np.random.Generator,
) -> tuple[list[int], NDArray[np.int64]]:
    """Find places for moving boxes, one after the other, such that no two overlap by more than `overlap` (IoU).

    Args:
        sizes: `[n, 2]` width and height.
        path: `[n, moments, 2]` pixels from a box's first place, moving in one direction.
        sensor: (width, height), which no box leaves.

    Returns:
        The numbers of the k boxes that found a place, and the left top corners `[k, 2]` of their first places.
    """
    low = np.ceil(-path.min(axis=1)).astype(np.int64)
    high = np.floor(np.array(sensor) - sizes - path.max(axis=1)).astype(np.int64)
    tries = generator.integers(low, high + 1, (TRIES, *sizes.shape)).swapaxes(0, 1)
    found, corners = [], []
    for k, corner in enumerate(tries):
        mine = corner[:, None] + path[k]
        good = np.ones(TRIES, np.bool_)
        for other, there in zip(found, corners, strict=True):
            good &= _iou(mine, sizes[k], there + path[other], sizes[other]).max(axis=1) <= overlap
        if good.any():
            found.append(k)
            corners.append(corner[good.argmax()])
    return found, np.stack(corners)


def _iou(corner: NDArray, size: NDArray, other: NDArray, other_size: NDArray) -> NDArray:
    both = np.minimum(corner + size, other + other_size) - np.maximum(corner, other)
    shared = np.clip(both, 0, None).prod(axis=-1)
    return shared / (size.prod() + other_size.prod() - shared)
