"""Cars of several shapes: what they look like from behind, from the front and from the side."""

import functools
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ranvier.data.street.classes import VEHICLE
from ranvier.data.street.panel import Panel, Thing, across, along
from ranvier.data.street.texture import Shape, Texture, box, draw, ellipse

Heading = Literal["away", "towards", "left", "right"]

TEXEL = 0.02
# Metres between the ground and the metal.
LOWEST = 0.25
TYRE, GLASS, PLATE, TAIL_LIGHT, HEAD_LIGHT = 0.02, 0.06, 0.6, 0.3, 0.9


@dataclass(frozen=True)
class Body:
    """The shape of a car; outline and windows of its side are shares of length (rear to front) and height.

    Attributes:
        length: metres.
        width: metres.
        height: metres.
        belt: share of the height at which the cabin begins, which is narrower and stands further in.
        set_back: metres from the rear, and from the front, to the cabin.
        wheels: shares of the length.
    """

    length: float
    width: float
    height: float
    belt: float
    set_back: tuple[float, float]
    wheels: tuple[float, float]
    outline: tuple[tuple[float, float], ...]
    windows: tuple[tuple[tuple[float, float], ...], ...]


BODIES = {
    "saloon": Body(
        4.5, 1.8, 1.45, 0.62, (0.9, 1.5), (0.18, 0.81),
        ((0, 0.2), (0, 0.52), (0.03, 0.62), (0.19, 0.66), (0.31, 0.97), (0.4, 1), (0.58, 0.99), (0.72, 0.68),
         (0.93, 0.58), (1, 0.45), (1, 0.2)),
        (((0.23, 0.67), (0.33, 0.92), (0.46, 0.94), (0.46, 0.67)), ((0.48, 0.67), (0.48, 0.94), (0.57, 0.92),
         (0.68, 0.68))),
    ),
    "hatchback": Body(
        3.9, 1.72, 1.5, 0.6, (0.25, 1.2), (0.17, 0.8),
        ((0, 0.2), (0, 0.5), (0.02, 0.64), (0.1, 0.95), (0.2, 1), (0.52, 0.99), (0.7, 0.66), (0.95, 0.56),
         (1, 0.42), (1, 0.2)),
        (((0.1, 0.66), (0.16, 0.9), (0.38, 0.92), (0.38, 0.66)), ((0.41, 0.66), (0.41, 0.92), (0.51, 0.91),
         (0.65, 0.67))),
    ),
    "estate": Body(
        4.7, 1.9, 1.72, 0.6, (0.2, 1.4), (0.18, 0.8),
        ((0, 0.22), (0, 0.6), (0.05, 0.95), (0.12, 1), (0.6, 0.98), (0.73, 0.66), (0.96, 0.6), (1, 0.48), (1, 0.22)),
        (((0.06, 0.64), (0.09, 0.88), (0.25, 0.9), (0.25, 0.64)), ((0.27, 0.64), (0.27, 0.9), (0.45, 0.91),
         (0.45, 0.64)), ((0.47, 0.64), (0.47, 0.91), (0.58, 0.9), (0.68, 0.66))),
    ),
    "van": Body(
        5.4, 2.0, 2.4, 1.0, (0.0, 0.0), (0.2, 0.8),
        ((0, 0.14), (0, 0.96), (0.03, 1), (0.74, 1), (0.86, 0.62), (0.97, 0.5), (1, 0.36), (1, 0.14)),
        (((0.66, 0.58), (0.66, 0.88), (0.75, 0.88), (0.83, 0.58)),),
    ),
    "lorry": Body(
        7.5, 2.4, 3.1, 1.0, (0.0, 0.0), (0.2, 0.85),
        ((0, 0.2), (0, 1), (0.74, 1), (0.74, 0.82), (0.97, 0.8), (1, 0.45), (1, 0.15), (0.74, 0.15), (0.74, 0.2)),
        (((0.86, 0.5), (0.86, 0.72), (0.96, 0.71), (0.985, 0.5)),),
    ),
}  # fmt: skip


def car(
    kind: str,
    paint: float,
    heading: Heading,
    *,
    x: float,
    z: float,
    vx: float = 0.0,
    vz: float = 0.0,
) -> Thing:
    """Return a car.

    Args:
        kind: a key of `BODIES`.
        paint: brightness of its body.
        heading: where it goes: away from the camera, towards it, left or right.
        x: where its middle is at time 0, metres.
        z: where its nearest end is, metres.
        vx: metres a second to the right.
        vz: metres a second forwards.
    """
    body = BODIES[kind]
    sideways = heading in ("left", "right")
    panels = _sideways(kind, paint, heading) if sideways else _lengthwise(kind, paint, heading)
    wide, long = (body.length, body.width) if sideways else (body.width, body.length)
    return Thing(VEHICLE, x, z, lambda seconds: panels, wide / 2, long, wide / 2, vx, vz)


@functools.cache
def _sideways(kind: str, paint: float, heading: str) -> tuple[Panel, ...]:
    body = BODIES[kind]
    half = body.length / 2
    return (across(_side(kind, paint, heading == "left"), (-half, half), (0, body.height), 0),)


@functools.cache
def _lengthwise(kind: str, paint: float, heading: str) -> tuple[Panel, ...]:
    """Return the cabin's end, both sides and the body's end of a car that drives along the street."""
    body = BODIES[kind]
    half = body.width / 2
    end = across(_end(kind, paint, heading), (-half, half), (0, body.height), 0)
    side = _side(kind, paint, heading == "towards")
    sides = [along(side, half * faces, (0, body.height), (0, body.length), faces=faces) for faces in (-1, 1)]
    if body.belt == 1:
        return *sides, end
    set_back = body.set_back[heading == "towards"]
    cabin = across(_cabin(kind, paint), (-half, half), (LOWEST, body.height), set_back)
    return cabin, *sides, end


def _side(kind: str, paint: float, mirrored: bool) -> Texture:
    body = BODIES[kind]
    size = np.array([body.length, body.height])
    shapes: list[Shape] = [(paint, size * body.outline)]
    shapes += [(GLASS, size * window) for window in body.windows]
    # The gap between the doors, the sill, and the light at either end.
    shapes += [(paint / 2, box(0.47 * size[0], 0.25 * size[1], 0.47 * size[0] + 0.03, 0.6 * size[1]))]
    shapes += [(paint / 2, box(0.2 * size[0], 0.2 * size[1], 0.8 * size[0], 0.24 * size[1]))]
    low, high = 0.42 * size[1] * body.belt, 0.5 * size[1] * body.belt
    shapes += [(TAIL_LIGHT, box(0, low, 0.15, high)), (HEAD_LIGHT, box(size[0] - 0.2, low, size[0], high))]
    radius = 0.32 if body.height < 2 else 0.4
    for share in body.wheels:
        centre = share * size[0], radius
        shapes += [(TYRE, ellipse(centre, radius, radius)), (0.25, ellipse(centre, radius / 2, radius / 2))]
    if mirrored:
        shapes = [(brightness, _mirror(corners, size[0])) for brightness, corners in shapes]
    return draw(shapes, *size, texel=TEXEL)


def _mirror(corners, length: float) -> NDArray[np.float64]:
    return np.array([length, 0]) + np.array([-1, 1]) * np.asarray(corners)


def _end(kind: str, paint: float, heading: str) -> Texture:
    """Draw the rear or the front up to the belt."""
    body = BODIES[kind]
    w, top = body.width, body.belt * body.height
    shapes: list[Shape] = [(TYRE, box(x, 0, x + 0.22, 0.4)) for x in (0.08, w - 0.3)]
    shapes += [(paint, [(0, LOWEST), (0, 0.7 * top), (0.06, top), (w - 0.06, top), (w, 0.7 * top), (w, LOWEST)])]
    shapes += [(0.6 * paint, box(0, LOWEST, w, 0.42)), (PLATE, box(w / 2 - 0.26, 0.45, w / 2 + 0.26, 0.57))]
    light = HEAD_LIGHT if heading == "towards" else TAIL_LIGHT
    bottom = 0.55 if body.height < 2 else 0.8
    shapes += [(light, box(x, bottom, x + 0.3, bottom + 0.2)) for x in (0.05, w - 0.35)]
    if heading == "towards":
        shapes += [(TYRE, box(0.4, 0.58, w - 0.4, 0.74))]
    if body.belt == 1:
        shapes += _tall(kind, paint, w, top, heading)
    return draw(shapes, w, body.height, texel=TEXEL)


def _tall(kind: str, paint: float, w: float, top: float, heading: str) -> list[Shape]:
    if heading == "towards":
        return [(GLASS, box(0.15, 0.55 * top, w - 0.15, 0.85 * top))]
    middle: Shape = (0.4 * paint, box(w / 2 - 0.02, 0.45, w / 2 + 0.02, top))
    if kind == "lorry":
        return [middle]
    return [middle, *((GLASS, box(x, 0.6 * top, x + 0.6, 0.85 * top)) for x in (0.2, w - 0.8))]


def _cabin(kind: str, paint: float) -> Texture:
    """Draw what stands above the belt, roof and window, and below it the metal that lies between here and the end."""
    body = BODIES[kind]
    w, belt, top = body.width, body.belt * body.height - LOWEST, body.height - LOWEST
    shoulder = belt + 0.9 * (top - belt)
    roof = [(0.06, belt), (0.2, shoulder), (0.3, top), (w - 0.3, top), (w - 0.2, shoulder), (w - 0.06, belt)]
    rim = shoulder - 0.04
    window = [(0.16, belt + 0.08), (0.27, rim), (w - 0.27, rim), (w - 0.16, belt + 0.08)]
    return draw([(1.2 * paint, box(0, 0, w, belt)), (paint, roof), (GLASS, window)], w, top, texel=TEXEL)
