"""Pathfinder pictures: dashed lines that do not touch, and two dots on ends of them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# All lengths are in 32nds of the picture's width: they are pixels at size 32.
WIDTH = 32.0
DASH, GAP = 1.2, 0.8
HALF_WIDTH, RADIUS = 0.4, 1.2
# What stays dark between two lines, or a line and a dot.
CLEARANCE = 1.4
# Dashes of the two long lines, which the name curv_contour_length_14 states; a distractor is a third as long.
LONG = 14
SHORT = LONG // 3
DISTRACTORS = 8
# Largest turn between two dashes, in radians.
TURN = 0.45
# Directions that are tried for a dash, and places for a line.
TRIES = 8
# Dashes between two of one line that may come near each other.
NEAR = 2


class Drawing(NamedTuple):
    """What is in a picture: `lines`, each `[dashes, 2, 2]` (begin and end, x and y), and `dots` `[2, 2]`.

    The first two lines are the long ones. `joined` says whether the dots are the two ends of one line.
    """

    lines: list[NDArray[np.float64]]
    dots: NDArray[np.float64]
    joined: bool


def random_drawing(generator: np.random.Generator) -> Drawing:
    """Return two long dashed lines, up to 8 short ones, and dots on two ends of the long ones, joined half the time.

    Lines turn by up to 0.45 radians at each dash, stay in the picture and nowhere come near another or themselves.

    Source of the rules: D. Linsley, J. Kim, V. Veerabadran, C. Windolf, T. Serre, "Learning long-range spatial
    dependencies with horizontal gated recurrent units", NeurIPS 2018; 14 dashes: Y. Tay et al., "Long Range Arena",
    ICLR 2021. Sizes, turns and the number of distractors are ours.
    """
    while True:
        lines: list[NDArray[np.float64]] = []
        for dashes in (LONG, LONG, *[SHORT] * DISTRACTORS):
            line = _find_line(lines, dashes, generator)
            if line is not None:
                lines.append(line)
            elif dashes == LONG:
                break
        else:
            break
    joined = bool(generator.random() < 0.5)
    ends = [(line[0, 0], line[-1, 1]) for line in lines[:2]]
    dots = ends[int(generator.random() * 2)] if joined else [pair[int(generator.random() * 2)] for pair in ends]
    return Drawing(lines, np.array(dots), joined)


def draw(drawing: Drawing, size: int) -> NDArray[np.uint8]:
    """Return a picture `[size, size]`, white on black with soft edges."""
    scale = size / WIDTH
    y, x = np.mgrid[:size, :size] + 0.5
    picture = np.zeros((size, size))
    for begin, end in scale * np.concatenate(drawing.lines):
        _paint(picture, begin, end, HALF_WIDTH * scale, x, y)
    for centre in scale * drawing.dots:
        _paint(picture, centre, centre, RADIUS * scale, x, y)
    return np.rint(255 * picture).astype(np.uint8)


def _find_line(lines: list[NDArray], dashes: int, generator: np.random.Generator) -> NDArray[np.float64] | None:
    others = _points(np.concatenate(lines)) if lines else np.empty((0, 2))
    for _ in range(TRIES):
        line = _grow_line(others, dashes, generator)
        if line is not None:
            return line
    return None


def _grow_line(others: NDArray, dashes: int, generator: np.random.Generator) -> NDArray[np.float64] | None:
    place = RADIUS + (WIDTH - 2 * RADIUS) * generator.random(2)
    angle = 2 * np.pi * generator.random()
    line = np.empty((0, 2, 2))
    for _ in range(dashes):
        taken = np.concatenate([others, _points(line[:-NEAR])])
        for _ in range(TRIES):
            turned = angle + TURN * (2 * generator.random() - 1) if len(line) else angle
            way = np.array([np.cos(turned), np.sin(turned)])
            dash = np.stack([place, place + DASH * way])
            if _free(dash, taken):
                break
        else:
            return None
        line, angle = np.concatenate([line, dash[None]]), turned
        place = dash[1] + GAP * way
    return line


def _free(dash: NDArray, taken: NDArray) -> bool:
    if dash.min() < RADIUS or dash.max() > WIDTH - RADIUS:
        return False
    apart = _points(dash[None])[:, None] - taken
    # A long line may get a dot at either end: all keep the distance of a dot everywhere.
    return not bool(((apart * apart).sum(-1) < (CLEARANCE + RADIUS + HALF_WIDTH) ** 2).any())


def _points(dashes: NDArray) -> NDArray[np.float64]:
    """Return begin, middle and end of each dash `[n, 2, 2]`, as `[3 n, 2]`."""
    begin, end = dashes[:, 0], dashes[:, 1]
    return np.concatenate([begin, (begin + end) / 2, end])


def _paint(picture: NDArray, begin: NDArray, end: NDArray, radius: float, x: NDArray, y: NDArray) -> None:
    """Brighten, in place, what lies within `radius` of the line from `begin` to `end`."""
    way = end - begin
    square = max(float(way @ way), 1e-12)
    along = np.clip(((x - begin[0]) * way[0] + (y - begin[1]) * way[1]) / square, 0, 1)
    distance = np.hypot(x - begin[0] - along * way[0], y - begin[1] - along * way[1])
    np.maximum(picture, np.clip(radius + 0.5 - distance, 0, 1), out=picture)
