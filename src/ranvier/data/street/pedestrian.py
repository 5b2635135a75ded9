"""People who walk: figures whose legs and arms swing."""

from dataclasses import dataclass

import numpy as np

from ranvier.data.street.classes import PERSON
from ranvier.data.street.panel import Panel, Thing, across
from ranvier.data.street.texture import Shape, box, draw, ellipse, limb

TEXEL = 0.025


@dataclass(frozen=True)
class Figure:
    """What somebody looks like.

    Attributes:
        height: metres.
        girth: 1 is slim.
        skin: brightness, as are `top` and `legs`.
        coat: share of the height at which the coat, or the skirt, ends; 0.5 is a jacket.
        hat: whether there is one.
        bag: metres that a bag or rucksack stands out; 0 is none.
    """

    height: float = 1.75
    girth: float = 1.0
    skin: float = 0.35
    top: float = 0.2
    legs: float = 0.08
    coat: float = 0.5
    hat: bool = False
    bag: float = 0.0


def pedestrian(figure: Figure, *, x: float, z: float, vx: float = 0.0, vz: float = 0.0, phase: float = 0.0) -> Thing:
    """Return somebody who stands, or walks with (vx, vz) metres a second, with a stride that fits the speed.

    `phase` is the point of the stride at time 0, in radians.
    """
    speed = float(np.hypot(vx, vz))
    # A pair of steps is about 0.8 of the height, whatever the speed of a walk.
    turn = 2 * np.pi * speed / (0.8 * figure.height)
    swing = min(0.55, 0.4 * speed)
    half = 0.45 * figure.height

    def panels(seconds: float) -> tuple[Panel, ...]:
        angle = phase + turn * seconds
        if abs(vx) > abs(vz):
            shapes = _from_the_side(figure, angle, swing, np.sign(vx))
        else:
            shapes = _from_behind(figure, angle, swing)
        size = 2 * half, 1.05 * figure.height
        centred: list[Shape] = [(brightness, np.add(corners, (half, 0))) for brightness, corners in shapes]
        return (across(draw(centred, *size, texel=TEXEL), (-half, half), (0, size[1]), 0),)

    return Thing(PERSON, x, z, panels, half, 0.5, 0.25, vx, vz)


def _from_the_side(figure: Figure, angle: float, swing: float, way: float) -> list[Shape]:
    h, wide = figure.height, 0.085 * figure.height * figure.girth
    hip, shoulder = np.array([0.0, 0.5 * h]), np.array([0.02 * way * h, 0.8 * h])
    far, near = angle + np.pi, angle
    shapes = _leg(figure, hip, far, swing, way, 0.7) + _arm(figure, shoulder, near, swing, way, 0.7)
    shapes += _leg(figure, hip, near, swing, way, 1.0)
    if figure.bag:
        behind = -way * (0.5 * wide + figure.bag / 2)
        shapes += [(0.12, ellipse((behind, 0.68 * h), figure.bag / 2 + 0.05, 0.11 * h))]
    shapes += [
        (figure.top, limb((0, figure.coat * h), shoulder, 2.2 * wide if figure.coat < 0.5 else 1.6 * wide, wide))
    ]
    shapes += [(figure.top, ellipse(shoulder, 0.75 * wide, 0.06 * h))]
    shapes += _head(figure, 0.03 * way * h)
    return shapes + _arm(figure, shoulder, far, swing, way, 1.3)


def _from_behind(figure: Figure, angle: float, swing: float) -> list[Shape]:
    h, wide = figure.height, 0.13 * figure.height * figure.girth
    shapes: list[Shape] = []
    for side, turned in ((-1, angle), (1, angle + np.pi)):
        # A leg that swings towards or away from the camera looks shorter, and its foot is lifted.
        lift = 0.09 * h * swing * max(0.0, np.sin(turned)) / 0.55
        foot = (side * 0.45 * wide, lift)
        shapes += [(figure.legs, limb((side * 0.4 * wide, 0.52 * h), foot, 0.1 * h, 0.055 * h))]
        shapes += [(0.03, ellipse((foot[0], lift + 0.02 * h), 0.035 * h, 0.025 * h))]
        hand = (side * (1.0 * wide + 0.03 * h), 0.47 * h + 0.04 * h * np.cos(turned) * swing / 0.55)
        shapes += [(0.8 * figure.top, limb((side * 0.85 * wide, 0.8 * h), hand, 0.06 * h, 0.045 * h))]
        shapes += [(figure.skin, ellipse(hand, 0.022 * h, 0.03 * h))]
    hem = 1.3 if figure.coat < 0.5 else 0.95
    torso = [(-hem, figure.coat), (-0.95, 0.8), (-0.4, 0.84), (0.4, 0.84), (0.95, 0.8), (hem, figure.coat)]
    shapes += [(figure.top, np.array(torso) * (wide, h))]
    if figure.bag:
        shapes += [(0.12, box(-0.7 * wide, 0.55 * h, 0.7 * wide, 0.8 * h))]
    return shapes + _head(figure, 0.0)


def _leg(figure: Figure, hip, angle: float, swing: float, way: float, shade: float) -> list[Shape]:
    h = figure.height
    thigh = swing * np.sin(angle)
    # The knee bends while the leg swings forwards.
    shank = thigh - 1.3 * swing * max(0.0, np.cos(angle))
    knee = hip + 0.25 * h * np.array([way * np.sin(thigh), -np.cos(thigh)])
    foot = knee + 0.24 * h * np.array([way * np.sin(shank), -np.cos(shank)])
    wide = 0.095 * h * figure.girth
    return [
        (shade * figure.legs, limb(hip, knee, wide, 0.75 * wide)),
        (shade * figure.legs, limb(knee, foot, 0.75 * wide, 0.5 * wide)),
        (0.03, ellipse(np.add(foot, (way * 0.03 * h, 0)), 0.06 * h, 0.022 * h)),
    ]


def _arm(figure: Figure, shoulder, angle: float, swing: float, way: float, shade: float) -> list[Shape]:
    h = figure.height
    bent = 0.8 * swing * np.sin(angle)
    elbow = shoulder + 0.17 * h * np.array([way * np.sin(bent), -np.cos(bent)])
    hand = elbow + 0.16 * h * np.array([way * np.sin(bent + 0.35), -np.cos(bent + 0.35)])
    return [
        (shade * figure.top, limb(shoulder, elbow, 0.055 * h, 0.045 * h)),
        (shade * figure.top, limb(elbow, hand, 0.045 * h, 0.035 * h)),
        (figure.skin, ellipse(hand, 0.022 * h, 0.022 * h)),
    ]


def _head(figure: Figure, x: float) -> list[Shape]:
    h = figure.height
    shapes: list[Shape] = [
        (figure.skin, limb((x, 0.8 * h), (x, 0.88 * h), 0.06 * h, 0.06 * h)),
        (figure.skin, ellipse((x, 0.925 * h), 0.05 * h, 0.07 * h)),
        (0.06, np.array([(-0.052, 0.93), (-0.045, 0.98), (0, 1), (0.045, 0.98), (0.052, 0.93)]) * h + (x, 0)),
    ]
    if figure.hat:
        shapes += [(figure.top, box(x - 0.08 * h, 0.95 * h, x + 0.08 * h, 0.965 * h))]
        shapes += [(figure.top, box(x - 0.05 * h, 0.96 * h, x + 0.05 * h, 1.03 * h))]
    return shapes
