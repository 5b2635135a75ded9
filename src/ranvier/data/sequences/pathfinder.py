"""Pathfinder and Path-X: does a dashed line lead from one dot to the other, one pixel a step."""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ranvier.data.datasets.frames import Split
from ranvier.data.datasets.pictures import read_picture
from ranvier.data.generate import Progress
from ranvier.data.root import find
from ranvier.data.sequences.dashes import draw, random_drawing
from ranvier.data.sequences.files import read_text
from ranvier.data.sequences.samples import SequenceDataset, shuffled
from ranvier.recipes import Pathfinder
from ranvier.recipes.classes import PATHS

HELD_OUT = 20_000
# Of the pictures of Long Range Arena, those with lines of 14 dashes.
SUBSET = "curv_contour_length_14"


def pathfinder(config: Pathfinder, split: Split, progress: Progress | None = None) -> SequenceDataset:
    """Return one split of Pathfinder: x `[size * size, 1]`, grey values from 0 to 1, row by row.

    Released experiments of S4 centre them, `2 x - 1`; SpikingSSM does not, and neither do we. Files:
    `pathfinder32/curv_contour_length_14/metadata/0.npy`, 1.npy and so on, text whose lines begin with folder, name,
    number and label of a picture, and the pictures; of them, shuffled, 80 % are `train` and 10 % each `val` and `test`.
    Generated: `count` pictures to train on and 20,000 each for validation and test, drawn by
    `ranvier.data.sequences.dashes.random_drawing`; picture i of a split depends on (seed, split, i) alone.

    Raises:
        FileNotFoundError: no such files.
        ValueError: a line of another form; a damaged picture or one of another size, when it is asked for.

    Source: see `ranvier.data.sequences.dashes.random_drawing`; split as in the released experiments of S4.
    """
    if config.source == "generated":
        number = ("train", "val", "test").index(split)
        count = config.count if split == "train" else HELD_OUT
        return SequenceDataset(partial(_made, config.size, (config.seed, number)), range(count), PATHS)
    folder = find(config.root, "pathfinder") / f"pathfinder{config.size}" / SUBSET
    pictures = read_metadata(folder)
    order, tenth = shuffled(len(pictures)), len(pictures) // 10
    cut = len(order) - 2 * tenth
    indices = {"train": order[:cut], "val": order[cut : cut + tenth], "test": order[cut + tenth :]}[split]
    return SequenceDataset(partial(_stored, pictures, config.size), indices, PATHS)


def read_metadata(folder: Path) -> list[tuple[Path, int]]:
    """Return all pictures in a folder and their labels, in the order of their numbers.

    Raises:
        FileNotFoundError: there are none.
        ValueError: a line of another form.
    """
    found = []
    # 2.npy comes before 10.npy.
    for path in sorted((folder / "metadata").glob("*.npy"), key=lambda path: (len(path.stem), path.stem)):
        for number, line in enumerate(read_text(path).splitlines(), start=1):
            columns = line.split()
            if len(columns) < 4 or columns[3] not in ("0", "1"):
                raise ValueError(
                    f"{path}, line {number}: expected folder, name, number and label 0 or 1, got {line[:60]!r}"
                )
            found.append((folder / columns[0] / columns[1], int(columns[3])))
    if not found:
        raise FileNotFoundError(
            f"no pictures listed in {folder.absolute()}/metadata: unpack lra_release.gz there, or pass "
            "--data.root FOLDER, or --data.source generated"
        )
    return found


def _stored(pictures: list[tuple[Path, int]], size: int, i: int) -> tuple[NDArray, int]:
    path, label = pictures[i]
    picture = read_picture(path).convert("L")
    if picture.size != (size, size):
        width, height = picture.size
        raise ValueError(f"{path} has {width}x{height} pixels, expected {size}x{size}: unpack lra_release.gz again")
    return _sequence(np.asarray(picture)), label


def _made(size: int, seed: tuple[int, ...], i: int) -> tuple[NDArray, int]:
    drawing = random_drawing(np.random.default_rng([*seed, i]))
    return _sequence(draw(drawing, size)), int(drawing.joined)


def _sequence(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    return picture.reshape(-1, 1).astype(np.float32) / np.float32(255)
