"""What lines a street: buildings, hedges, trees, posts, signs, and what is seen at its end."""

import functools

import numpy as np

from ranvier.data.street.classes import NATURE, OBJECT
from ranvier.data.street.panel import Panel, Thing, across
from ranvier.data.street.texture import Shape, Texture, box, draw, ellipse, fractal, limb

WALL_TEXEL = 0.08
# How many trees look different.
TREES = 12

Post = tuple[float, float, list[Shape]]
"""width and height in metres, and what it is drawn from"""


def facade(generator: np.random.Generator, length: float, height: float) -> Texture:
    """Return the front of a building: storeys of windows, a ground floor, ledges, a rough wall."""
    rows, columns = round(height / WALL_TEXEL), round(length / WALL_TEXEL)
    y = (np.arange(rows, 0, -1) - 0.5) * WALL_TEXEL
    x = (np.arange(columns) + 0.5) * WALL_TEXEL
    wall = generator.uniform(0.15, 0.6)
    picture = wall * np.exp(generator.uniform(0.05, 0.15) * fractal(generator, (rows, columns), slope=0.7))
    storey, pitch = generator.uniform(2.8, 3.6), generator.uniform(1.8, 3.6)
    wide, tall = generator.uniform(0.35, 0.6) * pitch, generator.uniform(0.4, 0.6) * storey
    floor, up = np.divmod(y - 0.6, storey)
    window, right = np.divmod(x, pitch)
    pane = (np.abs(up - storey / 2) < tall / 2)[:, None] & (np.abs(right - pitch / 2) < wide / 2)
    frame = (np.abs(up - storey / 2) < tall / 2 + 0.12)[:, None] & (np.abs(right - pitch / 2) < wide / 2 + 0.12)
    glass = generator.uniform(0.03, 0.25, (int(floor.max()) + 2, int(window.max()) + 1))
    picture = np.where(frame, min(1.0, wall * generator.choice((0.6, 1.5))), picture)
    picture = np.where(pane, glass[floor.astype(int)[:, None] % len(glass), window.astype(int)], picture)
    picture[np.abs(up) < 0.12] = wall * 0.6
    if generator.random() < 0.5:
        picture[y < 2.8] *= generator.uniform(0.4, 0.8)
    return Texture.of(picture)


def foliage(generator: np.random.Generator, length: float, height: float, *, texel: float = 0.08) -> Texture:
    """Return a hedge or a row of bushes with a ragged top."""
    shape = round(height / texel), round(length / texel)
    y = np.linspace(1, 0, shape[0])[:, None]
    top = 0.8 + 0.08 * fractal(generator, shape, slope=1.0)
    leaves = 0.12 * np.exp(0.55 * fractal(generator, shape, slope=0.5))
    return Texture.of(leaves, y < top)


@functools.cache
def _crown(number: int) -> Texture:
    """Return tree `number`: a trunk, branches, and leaves with gaps, 6 x 8 metres."""
    generator = np.random.default_rng([817, number])
    texel, width, height = 0.05, 6.0, 8.0
    trunk: list[Shape] = [(0.07, limb((3, 0), (3, 4.5), 0.4, 0.2))]
    trunk += [(0.07, limb((3, 2.5 + 0.4 * i), 3 + generator.uniform(-2, 2, 2) + (0, 2), 0.15, 0.05)) for i in range(5)]
    bare = draw(trunk, width, height, texel=texel)
    wood = np.diff(np.diff(bare.sums, axis=0), axis=1)
    rows, columns = bare.shape
    y, x = np.mgrid[rows:0:-1, 0:columns] * texel
    round_ = 1 - np.hypot((x - 3) / 2.9, (y - 5.3) / 2.7)
    leafy = round_ + 0.22 * fractal(generator, (rows, columns), slope=0.8) > generator.uniform(0.05, 0.3)
    # Light from above, shade below.
    leaves = (0.08 + 0.025 * (y - 3)) * np.exp(0.5 * fractal(generator, (rows, columns), slope=0.5))
    return Texture.of(np.where(leafy, np.maximum(leaves, 0.01), wood[..., 0]), np.where(leafy, 1, wood[..., 1]))


def tree(number: int, size: float, *, x: float, z: float) -> Thing:
    """Return a tree that is `size` times as large as one of 8 metres."""
    panels = (across(_crown(number % TREES), (-3 * size, 3 * size), (0, 8 * size), 0),)
    return Thing(NATURE, x, z, lambda seconds: panels, 3 * size, 2 * size, 2 * size)


def post(kind: str, paint: float, *, x: float, z: float) -> Thing:
    """Return something out of `POSTS`."""
    panels = _post(kind, paint)
    return Thing(OBJECT, x, z, lambda seconds: panels, panels[0].x[1], 0.3, 0.15)


@functools.cache
def _post(kind: str, paint: float) -> tuple[Panel, ...]:
    width, height, shapes = POSTS[kind](paint)
    return (across(draw(shapes, width, height, texel=0.02), (-width / 2, width / 2), (0, height), 0),)


def _lamp(paint: float) -> Post:
    shapes: list[Shape] = [(paint, box(0.9, 0, 1.1, 6.5)), (paint, box(0.2, 6.4, 1.1, 6.5))]
    return 2.0, 6.5, [*shapes, (0.8, box(0, 6.25, 0.5, 6.45))]


def _sign(paint: float) -> Post:
    shapes: list[Shape] = [(paint, box(0.45, 0, 0.55, 2.9)), (0.7, ellipse((0.5, 2.5), 0.4, 0.4))]
    return 1.0, 2.9, [*shapes, (0.15, ellipse((0.5, 2.5), 0.3, 0.3)), (0.7, box(0.3, 2.44, 0.7, 2.56))]


def _bollard(paint: float) -> Post:
    return 0.25, 1.0, [(paint, box(0, 0, 0.25, 1.0)), (0.7, box(0, 0.7, 0.25, 0.85))]


def _kiosk(paint: float) -> Post:
    shapes: list[Shape] = [(paint, box(0.1, 0, 2.1, 2.3)), (0.6, [(0, 2.2), (0.2, 2.5), (2, 2.5), (2.2, 2.2)])]
    return (
        2.2,
        2.5,
        [*shapes, (0.05, box(0.3, 1.0, 1.9, 2.0)), (0.5, box(0.4, 1.0, 1.1, 1.5)), (0.3, box(1.2, 1, 1.7, 1.7))],
    )


def _pillar(paint: float) -> Post:
    shapes: list[Shape] = [(paint, box(0, 0, 1.2, 2.8)), (0.1, [(0, 2.8), (0.6, 3.0), (1.2, 2.8)])]
    shapes += [(0.7, box(0.1, 0.7, 1.1, 2.4))]
    return 1.2, 3.0, shapes + [(0.2, box(0.2, low, right, low + 0.18)) for low, right in LETTERING]


LETTERING = ((0.9, 1.0), (1.3, 0.8), (1.7, 0.9), (2.1, 0.6))
POSTS = {"lamp": _lamp, "sign": _sign, "bollard": _bollard, "pillar": _pillar, "kiosk": _kiosk}


def skyline(generator: np.random.Generator, width: float, height: float, *, texel: float = 0.4) -> Texture:
    """Return the houses at the end of the street."""
    rows, columns = round(height / texel), round(width / texel)
    ends = np.cumsum(generator.uniform(8, 25, int(width / 8) + 1))
    house = np.searchsorted(ends, (np.arange(columns) + 0.5) * texel)
    tops, walls = generator.uniform(0.3, 0.95, len(ends) + 1), generator.uniform(0.15, 0.5, len(ends) + 1)
    y = np.linspace(1, 0, rows)[:, None]
    grain = np.exp(0.2 * fractal(generator, (rows, columns), slope=0.6))
    return Texture.of(walls[house] * grain, y < tops[house])
