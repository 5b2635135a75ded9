"""Where things may stand on a sensor without hiding each other."""

import numpy as np
from numpy.typing import NDArray

# Places that are tried for a box before it is left out.
TRIES = 32


def find_places(
    sizes: NDArray[np.int64],
    path: NDArray[np.float64],
    sensor: tuple[int, int],
    *,
    overlap: float,
    generator: np.random.Generator,
) -> tuple[list[int], NDArray[np.float64]]:
    """Find places for moving boxes, one after the other, such that no two overlap by more than `overlap` (IoU).

    Args:
        sizes: `[n, 2]` width and height.
        path: `[n, moments, 2]` pixels from a box's first place, moving in one direction.
        sensor: (width, height), which no box leaves.

    Returns:
        The numbers of the k boxes that found a place, and their left top corners `[k, moments, 2]`.
    """
    low = np.ceil(-path.min(axis=1)).astype(np.int64)
    high = np.floor(np.array(sensor) - sizes - path.max(axis=1)).astype(np.int64)
    tries = generator.integers(low, high + 1, (TRIES, *sizes.shape)).swapaxes(0, 1)
    found: list[int] = []
    taken = np.empty((0, *path.shape[1:]))
    for k, corner in enumerate(tries):
        mine = corner[:, None] + path[k]
        good = (_iou(mine[:, None], sizes[k], taken, sizes[found, None]) <= overlap).all(axis=(1, 2))
        if good.any():
            found.append(k)
            taken = np.concatenate([taken, mine[good.argmax()][None]])
    return found, taken


def _iou(corner: NDArray, size: NDArray, other: NDArray, other_size: NDArray) -> NDArray:
    shared = np.maximum(np.minimum(corner + size, other + other_size) - np.maximum(corner, other), 0)
    both = shared[..., 0] * shared[..., 1]
    return both / (size.prod() + other_size.prod(axis=-1) - both)
