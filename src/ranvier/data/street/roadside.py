"""What stands beside a street: houses with gaps, hedges, posts and trees, and what closes the view at its end."""

from collections.abc import Iterator

import numpy as np

from ranvier.data.street.classes import BACKGROUND, NATURE
from ranvier.data.street.panel import Panel, Thing, across, along
from ranvier.data.street.plan import LEFT, RIGHT, Plan
from ranvier.data.street.surroundings import facade, foliage, post, skyline, tree

SHORTEST_HOUSE = 4.0
# What stands on pavements, and how much of it on average: no two streets have the same mixture.
SHARES = {"tree": 3.0, "lamp": 1.5, "sign": 2.0, "bollard": 1.0, "pillar": 1.5, "kiosk": 1.0}


def backdrop(generator: np.random.Generator, plan: Plan) -> Iterator[tuple[int, Panel]]:
    """Yield class and panel of what no thing is ever behind, the farthest first."""
    end = plan.far + 40
    yield BACKGROUND, across(skyline(generator, 240, 40), (-120, 120), (0, generator.uniform(12, 40)), end)
    if generator.random() < 0.5:
        yield NATURE, across(foliage(generator, 160, 12, texel=0.3), (-80, 80), (0, generator.uniform(4, 12)), end - 10)
    for side in (LEFT, RIGHT):
        row = [*(_hedges if plan.park[side] else _houses)(generator, plan, side)]
        yield from reversed(row)


def _houses(generator: np.random.Generator, plan: Plan, side: int) -> Iterator[tuple[int, Panel]]:
    out = -1 if side == LEFT else 1
    z, gap = generator.uniform(-15, -5), False
    while z < plan.far:
        length, height = generator.uniform((9, 6), (24, 20))
        if generator.random() < 0.15:
            z, gap = z + generator.uniform(3, 9), True
        if plan.crossing and not plan.clear(z, length):
            # The last house before the crossing is shorter; the next one stands behind it.
            length = plan.crossing[0] - 2 - z
            if length < SHORTEST_HOUSE:
                z, gap = max(z, plan.crossing[1] + 2), True
                continue
        x = plan.front[side] + out * generator.choice((0, 0, 1.5))
        front = facade(generator, length, height)
        yield BACKGROUND, along(front, x, (0, height), (z, z + length), faces=-out)
        if gap:
            yield BACKGROUND, across(front, (min(x, x + 12 * out), max(x, x + 12 * out)), (0, height), z)
        z, gap = z + length, False


def _hedges(generator: np.random.Generator, plan: Plan, side: int) -> Iterator[tuple[int, Panel]]:
    out, length = -1 if side == LEFT else 1, 20.0
    x = plan.front[side] + out * generator.uniform(1, 6)
    for z in np.arange(-10, plan.far, length):
        height = generator.uniform(1.2, 5)
        if plan.clear(z, length):
            yield NATURE, along(foliage(generator, length, height), x, (0, height), (z, z + length), faces=-out)


def furniture(generator: np.random.Generator, plan: Plan, side: int) -> Iterator[tuple[str, Thing]]:
    """Yield what stands on a pavement with its kind, a key of `SHARES`."""
    out = -1 if side == LEFT else 1
    kerb, wide = plan.kerb[side], abs(plan.front[side] - plan.kerb[side])
    share = generator.dirichlet(list(SHARES.values()))
    z = generator.uniform(-2, 8)
    while z < plan.far:
        kind = str(generator.choice(list(SHARES), p=share))
        if plan.clear(z, 0) and kind == "tree":
            aside = wide + generator.uniform(0, 7) if plan.park[side] else wide / 2
            number, size = int(generator.integers(1 << 20)), generator.uniform(0.6, 1.2)
            yield kind, tree(number, size, x=kerb + out * aside, z=z)
        elif plan.clear(z, 0):
            aside = generator.uniform(1.2, wide - 0.6) if kind in ("pillar", "kiosk") else 0.5
            yield kind, post(kind, float(generator.choice((0.08, 0.25, 0.5))), x=kerb + out * aside, z=z)
        z += generator.uniform(2, 4) if kind == "bollard" else generator.uniform(4, 14)
