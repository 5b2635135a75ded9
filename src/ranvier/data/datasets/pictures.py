"""Masks and frames that are kept as pictures."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Label of pixels that nobody judges, in every published set.
UNJUDGED = 255


def read_picture(path: Path) -> Image.Image:
    """Read and unpack a picture.

    Raises:
        ValueError: it is damaged, or none.
    """
    try:
        with Image.open(path) as picture:
            picture.load()
            return picture
    except Exception as error:  # a damaged picture raises whatever its decoder happens to raise
        raise ValueError(f"{path} cannot be read as a picture: {error}") from None


def read_mask(path: Path, *, size: tuple[int, int], classes: tuple[str, ...]) -> NDArray[np.uint8]:
    """Read a grey picture whose values are classes, or 255 where nobody judges; `size` is (width, height).

    Raises:
        ValueError: no readable grey picture, another size, or a value that is not a class.
    """
    picture = read_picture(path)
    if picture.mode != "L" or picture.size != size:
        (width, height), (wide, high) = picture.size, size
        raise ValueError(
            f"{path} is a {width}x{height} picture in mode {picture.mode}, expected a mask of {wide}x{high} in mode L "
            "(8 bits of grey)"
        )
    mask = np.array(picture)
    for value in mask[(mask >= len(classes)) & (mask != UNJUDGED)][:1]:
        raise ValueError(f"{path} holds class {value}, expected 0 to {len(classes) - 1}, or {UNJUDGED} (not judged)")
    return mask
