"""What a camera sees of a street at a moment: brightness, and what is in each pixel."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranvier.data.street.classes import BACKGROUND, FLAT, NATURE
from ranvier.data.street.ground import Mark, seen
from ranvier.data.street.panel import Thing
from ranvier.data.street.projection import NEAREST, Cells, Pose, project
from ranvier.data.street.street import Street

# No pixel looks farther along the ground, in metres.
FARTHEST = 400.0
# A shadow takes half of the light; farther away than this it is too flat to be seen.
SHADOW, SHADOW_SIGHT = 0.5, 40.0
MAINS_HZ = 100
NOBODY = -1
# A pixel belongs to the nearest thing that covers so much of it.
COVERED = 0.5


@dataclass(frozen=True, eq=False)
class Annotation:
    """What is in each pixel, all `[H, W]` but the last.

    Attributes:
        label: class, uint8.
        owner: number in `Street.things`, -1 for none, int16.
        depth: metres along the optical axis, infinite for the sky, float32.
        whole: pixels that each thing would have if nothing stood before it, `[things]` int64.
    """

    label: NDArray[np.uint8]
    owner: NDArray[np.int16]
    depth: NDArray[np.float32]
    whole: NDArray[np.int64]


class Layer(NamedTuple):
    """What covers a part of the image: its class, one or one a pixel, and its number in `Street.things`, or -1."""

    cells: Cells
    label: int | NDArray[np.uint8]
    owner: int = NOBODY


def look(street: Street, seconds: float, *, beside: float = 0.0) -> NDArray[np.float64]:
    """Return the linear intensity `[H, W]` of each pixel: the mean over its area.

    The camera is the one of the street, or one `beside` metres to the right of it that looks the same way.
    """
    pose = _pose(street, seconds, beside)
    light = _sky(street, pose)
    for (part, value, _), _, _ in _layers(street, pose, seconds):
        under = light[part]
        under *= 1 - value[..., 1]
        under += value[..., 0]
    return light * _lighting(street, pose, seconds)


def annotate(street: Street, seconds: float, *, beside: float = 0.0) -> Annotation:
    """Return what is in each pixel: the nearest thing that covers at least half of it."""
    pose = _pose(street, seconds, beside)
    shape = street.sensor[1], street.sensor[0]
    label, owner = np.full(shape, BACKGROUND, np.uint8), np.full(shape, NOBODY, np.int16)
    depth = np.full(shape, np.inf, np.float32)
    alone = np.zeros((len(street.things), *shape), np.bool_)
    for cells, of, number in _layers(street, pose, seconds):
        solid = cells.value[..., 1] >= COVERED
        for picture, value in ((label, of), (owner, number), (depth, cells.depth)):
            picture[cells.part] = np.where(solid, value, picture[cells.part])
        if number != NOBODY:
            alone[number][cells.part] |= solid
    return Annotation(label, owner, depth, alone.sum(axis=(1, 2)))


def _pose(street: Street, seconds: float, beside: float) -> Pose:
    pose = street.ride.pose(seconds, street.sensor)
    return replace(pose, x=pose.x + beside)


def _layers(street: Street, pose: Pose, seconds: float) -> Iterator[Layer]:
    """Yield everything but the sky, the farthest first."""
    places = [thing.place(seconds) for thing in street.things]
    yield _ground(street, pose, places)
    for label, panel in street.backdrop:
        if cells := project(panel, pose):
            yield Layer(cells, label)
    # The near end decides: what is beside a car, and not before it, is never seen before the car.
    for number in sorted(range(len(places)), key=lambda n: -places[n][1]):
        thing, (x, z) = street.things[number], places[number]
        if _in_view(thing, x - pose.x, z - pose.z, pose):
            for panel in thing.panels(seconds):
                if cells := project(panel.moved(x, z), pose):
                    yield Layer(cells, thing.label, number)


def _in_view(thing: Thing, aside: float, depth: float, pose: Pose) -> bool:
    """Return whether a thing may be seen that is so far to the right, and whose near end is so far away."""
    far = depth + thing.length
    left, right = -pose.cx / pose.focal * far, (pose.sensor[0] - pose.cx) / pose.focal * far
    return far > NEAREST and left - thing.reach < aside < right + thing.reach


def _first_row(pose: Pose) -> int:
    """Return the first row of pixels that looks at the ground."""
    return min(pose.sensor[1], int(np.ceil(pose.cy + pose.focal * pose.y / FARTHEST)))


def _sky(street: Street, pose: Pose) -> NDArray[np.float64]:
    """Return clouds above the horizon, and darkness below it."""
    width, height = pose.sensor
    rows, columns = street.sky.shape
    light = np.zeros((height, width))
    end = _first_row(pose)
    # The camera goes where the middle of the clouds is.
    down = (np.arange(end + 1) - pose.cy) / (2 * height) + 0.5
    right = (np.arange(width + 1) - pose.cx) / (2 * width) + 0.5
    light[:end] = street.sky.grid(down * rows, right * columns)[..., 0]
    return light


def _ground(street: Street, pose: Pose, places: list[tuple[float, float]]) -> Layer:
    width, height = pose.sensor
    first = _first_row(pose)
    edges = pose.focal * pose.y / (np.arange(first, height + 1) - pose.cy)
    depth = pose.focal * pose.y / (np.arange(first, height) + 0.5 - pose.cy)[:, None]
    x = pose.x + (np.arange(width + 1) - pose.cx) * depth / pose.focal
    light = seen(street.ground, _shadows(street, pose, places), edges + pose.z, x)
    middle = (x[:, 1:] + x[:, :-1]) / 2
    label = np.full(light.shape, FLAT, np.uint8)
    for left, right in street.ground.grass:
        label[(middle > left) & (middle < right)] = NATURE
    value = np.stack([light, np.ones_like(light)], -1)
    return Layer(Cells((slice(first, height), slice(0, width)), value, depth), label)


def _shadows(street: Street, pose: Pose, places: list[tuple[float, float]]) -> list[Mark]:
    marks = []
    for thing, (x, z) in zip(street.things, places, strict=True):
        if -thing.length < z - pose.z < SHADOW_SIGHT:
            left, right = x - thing.shade + min(street.sun, 0), x + thing.shade + max(street.sun, 0)
            marks.append(Mark((left, right), 0.0, (z, z + thing.length), SHADOW))
    return marks


def _lighting(street: Street, pose: Pose, seconds: float) -> NDArray[np.float64]:
    """Return what brightnesses are multiplied with, `[H, W]`."""
    width, height = pose.sensor
    swing = np.cos(2 * np.pi * MAINS_HZ * seconds)
    light = np.full((height, width), street.daylight * (1 + street.flicker * swing))
    for lamp in street.lamps:
        x, y, z = lamp.place
        if z - pose.z > NEAREST:
            scale = pose.focal / (z - pose.z)
            column = (np.arange(width) + 0.5 - pose.cx) / scale - (x - pose.x)
            row = (np.arange(height) + 0.5 - pose.cy) / scale + (y - pose.y)
            glow = np.outer(np.exp(-((row / lamp.reach) ** 2)), np.exp(-((column / lamp.reach) ** 2)))
            light *= 1 + lamp.strength * (1 + swing) / 2 * glow
    return light
