"""Who is in the street: parked cars, cars that drive, people."""

from collections.abc import Iterator

import numpy as np

from ranvier.data.street.car import BODIES, car
from ranvier.data.street.panel import Thing
from ranvier.data.street.pedestrian import Figure, pedestrian
from ranvier.data.street.plan import LEFT, PARKING, Plan

KINDS = {"saloon": 0.3, "hatchback": 0.3, "estate": 0.2, "van": 0.13, "lorry": 0.07}
PAINTS = (0.04, 0.1, 0.18, 0.3, 0.5, 0.75)
MOST_PEOPLE = 10


def parked(generator: np.random.Generator, plan: Plan, side: int) -> Iterator[Thing]:
    """Yield the cars along one kerb."""
    x = plan.kerb[side] + PARKING / 2 * (1 if side == LEFT else -1)
    full = generator.uniform(0.3, 0.95)
    z = generator.uniform(-4, 4)
    while z < plan.far:
        kind, paint = _car(generator)
        length = BODIES[kind].length
        if generator.random() < full and plan.clear(z, length):
            heading = "towards" if (side == LEFT) == (generator.random() < 0.9) else "away"
            yield car(kind, paint, heading, x=x + generator.normal(0, 0.1), z=z)
        z += length + generator.uniform(0.8, 2.5)


def driving(generator: np.random.Generator, plan: Plan, speed: float) -> Iterator[Thing]:
    """Yield the cars in all lanes and on the crossing; `speed` is the camera's own."""
    for x in plan.away:
        z = generator.uniform(6, 40)
        while z < plan.far and generator.random() < 0.8:
            kind, paint = _car(generator)
            yield car(kind, paint, "away", x=x, z=z, vz=speed * generator.uniform(0.6, 1.3))
            z += BODIES[kind].length + generator.uniform(5, 30)
    for x in plan.towards:
        z = generator.uniform(2, 40)
        while z < plan.far and generator.random() < 0.7:
            kind, paint = _car(generator)
            yield car(kind, paint, "towards", x=x, z=z, vz=-generator.uniform(3, 14))
            z += BODIES[kind].length + generator.uniform(8, 40)
    if plan.crossing:
        middle = sum(plan.crossing) / 2
        for way in (1, -1):
            if generator.random() < 0.6:
                kind, paint = _car(generator)
                x, speed = generator.uniform((-12, 2), (12, 11))
                # Traffic keeps to the right: what comes from the left drives nearer to the camera.
                heading = "right" if way > 0 else "left"
                yield car(kind, paint, heading, x=x, z=middle - 1.7 * way, vx=way * speed)


def people(generator: np.random.Generator, plan: Plan) -> Iterator[Thing]:
    """Yield people on the pavements, and some who cross the street."""
    for _ in range(int(generator.integers(1, MOST_PEOPLE + 1))):
        z = 4 + generator.exponential(10)
        pace, phase = generator.uniform((0.8, 0), (2.0, 2 * np.pi))
        if generator.random() < 0.6:
            side = int(generator.integers(2))
            x = plan.kerb[side] + (plan.front[side] - plan.kerb[side]) * generator.uniform(0.15, 0.85)
            vx, vz = 0.0, pace * generator.choice((-1, 0, 1), p=(0.45, 0.1, 0.45))
        else:
            x = generator.uniform(*plan.kerb)
            vx, vz = pace * generator.choice((-1, 1)), 0.0
        yield pedestrian(_figure(generator), x=x, z=z, vx=vx, vz=vz, phase=phase)


def _car(generator: np.random.Generator) -> tuple[str, float]:
    return str(generator.choice(list(KINDS), p=list(KINDS.values()))), float(generator.choice(PAINTS))


def _figure(generator: np.random.Generator) -> Figure:
    child = generator.random() < 0.2
    return Figure(
        height=generator.uniform(1.1, 1.5) if child else generator.normal(1.72, 0.08),
        girth=generator.uniform(0.85, 1.4),
        skin=generator.uniform(0.1, 0.45),
        top=generator.choice((0.05, 0.15, 0.35, 0.6)),
        legs=generator.choice((0.04, 0.1, 0.25)),
        coat=generator.choice((0.5, 0.5, 0.3, 0.25)),
        hat=bool(generator.random() < 0.25),
        bag=generator.uniform(0.1, 0.25) if generator.random() < 0.35 else 0.0,
    )
