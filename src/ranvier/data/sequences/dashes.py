"""Pathfinder pictures: dashed lines that do not touch, and two dots on ends of them."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# All lengths are in 32nds of the picture's width: they are pixels at size 32.
WIDTH = 32.0
# A gap is darkest in the middle: both its ends are round, half a width into it.
DASH, GAP = 0.8, 1.2
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
# So many dashes before it may be near a dash of the same line.
NEAR = 2
# Where nothing may come any more is kept on a grid, so many cells to a 32nd.
CELLS = 8
# Cells around a point that are taken: a long line may get a dot at either end, so all keep the distance of a dot; one
# more, because points are rounded to cells.
REACH = math.ceil(CELLS * (CLEARANCE + RADIUS + HALF_WIDTH)) + 1
_DISC = np.hypot(*np.ogrid[-REACH : REACH + 1, -REACH : REACH + 1]) <= REACH

Dash = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
"""Begin, middle and end of a dash, each (x, y)."""


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
    while len(lines := _random_lines(generator)) < 2:
        pass
    joined = bool(generator.random() < 0.5)
    ends = [(line[0, 0], line[-1, 1]) for line in lines[:2]]
    dots = ends[int(generator.random() * 2)] if joined else [pair[int(generator.random() * 2)] for pair in ends]
    return Drawing(lines, np.array(dots), joined)


def draw(drawing: Drawing, size: int) -> NDArray[np.uint8]:
    """Return a picture `[size, size]`, white on black with soft edges."""
    scale = size / WIDTH
    picture = np.zeros((size, size))
    for begin, end in scale * np.concatenate(drawing.lines):
        _paint(picture, begin, end, HALF_WIDTH * scale)
    for centre in scale * drawing.dots:
        _paint(picture, centre, centre, RADIUS * scale)
    return np.rint(255 * picture).astype(np.uint8)


def _random_lines(generator: np.random.Generator) -> list[NDArray[np.float64]]:
    """Return the two long lines and all short ones that found a place; fewer than two if a long one found none."""
    lines: list[NDArray[np.float64]] = []
    cells = int(WIDTH * CELLS) + 2 * REACH
    taken = np.zeros((cells, cells), bool)
    for dashes in (LONG, LONG, *[SHORT] * DISTRACTORS):
        for _ in range(TRIES):
            after = taken.copy()
            line = _grow_line(after, dashes, generator)
            if line:
                taken = after
                lines.append(np.array(line)[:, ::2])
                break
        else:
            if dashes == LONG:
                break
    return lines


def _grow_line(taken: NDArray[np.bool_], dashes: int, generator: np.random.Generator) -> list[Dash]:
    """Return a line, around which cells are now taken; an empty one if it met another line or the edge."""
    x, y = (RADIUS + (WIDTH - 2 * RADIUS) * generator.random() for _ in range(2))
    # The first dash may point anywhere.
    angle, turn = 0.0, math.pi
    line: list[Dash] = []
    for _ in range(dashes):
        for _ in range(TRIES):
            turned = angle + turn * (2 * generator.random() - 1)
            across, down = math.cos(turned), math.sin(turned)
            dash = ((x, y), (x + DASH / 2 * across, y + DASH / 2 * down), (x + DASH * across, y + DASH * down))
            if all(_free(point, taken) for point in dash):
                break
        else:
            return []
        line.append(dash)
        if len(line) > NEAR:
            _take(line[-1 - NEAR], taken)
        angle, turn = turned, TURN
        x, y = x + (DASH + GAP) * across, y + (DASH + GAP) * down
    for dash in line[-NEAR:]:
        _take(dash, taken)
    return line


def _free(point: tuple[float, float], taken: NDArray[np.bool_]) -> bool:
    x, y = point
    inside = RADIUS <= x <= WIDTH - RADIUS and RADIUS <= y <= WIDTH - RADIUS
    return inside and not taken[int(CELLS * y) + REACH, int(CELLS * x) + REACH]


def _take(dash: Dash, taken: NDArray[np.bool_]) -> None:
    """Mark, in place, what is too near to a dash; the grid has a margin of `REACH` cells."""
    for x, y in dash:
        row, column = int(CELLS * y), int(CELLS * x)
        taken[row : row + 2 * REACH + 1, column : column + 2 * REACH + 1] |= _DISC


def _paint(picture: NDArray, begin: NDArray, end: NDArray, radius: float) -> None:
    """Brighten, in place, what lies within `radius` of the line from `begin` to `end`."""
    low = np.maximum(np.minimum(begin, end) - radius - 1, 0).astype(int)
    high = (np.maximum(begin, end) + radius + 2).astype(int)
    part = picture[low[1] : high[1], low[0] : high[0]]
    y, x = np.ogrid[: part.shape[0], : part.shape[1]]
    x, y = x + (low[0] + 0.5 - begin[0]), y + (low[1] + 0.5 - begin[1])
    way = end - begin
    # A dot is a line of no length.
    square = max(float(way @ way), 1e-12)
    along = np.clip((x * way[0] + y * way[1]) / square, 0, 1)
    distance = np.hypot(x - along * way[0], y - along * way[1])
    np.maximum(part, np.clip(radius + 0.5 - distance, 0, 1), out=part)
