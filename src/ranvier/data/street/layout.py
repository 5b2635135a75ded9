"""Streets at random."""

from collections.abc import Iterator

import numpy as np

from ranvier.data.street.ground import WIDE, Ground, Mark
from ranvier.data.street.plan import LANE, LEFT, RIGHT, Plan, make_plan
from ranvier.data.street.roadside import backdrop, furniture
from ranvier.data.street.street import Lamp, Ride, Street
from ranvier.data.street.texture import Texture, fractal
from ranvier.data.street.traffic import driving, parked, people

# How far ahead there is anything but the end of the street, in metres.
SIGHT = 70.0
# The width of as many grains of asphalt as the sensor has columns, in metres.
GRAINS = 5.12
KERB = 0.25
PAINT = 0.65
DUSK = 0.3


def make_street(generator: np.random.Generator, sensor: tuple[int, int], *, seconds: float) -> Street:
    """Return a street that is long enough for a ride of some seconds; equal generators give equal streets.

    One in four is seen at dusk: daylight is at 30 %, it swings a hundred times a second, and so do the lamps.
    """
    ride = _ride(generator)
    plan = make_plan(generator, SIGHT + ride.speed * seconds)
    beside = [found for side in (LEFT, RIGHT) for found in furniture(generator, plan, side)]
    along = [thing for side in (LEFT, RIGHT) if plan.parking[side] for thing in parked(generator, plan, side)]
    moving = [*driving(generator, plan, ride.speed), *people(generator, plan)]
    dusk = generator.random() < 0.25
    posts = [thing for kind, thing in beside if kind == "lamp"] if dusk else []
    return Street(
        sensor=sensor,
        ride=ride,
        sky=_clouds(generator),
        ground=_ground(generator, plan, GRAINS / sensor[0]),
        backdrop=tuple(backdrop(generator, plan)),
        things=tuple([thing for _, thing in beside] + along + moving),
        lamps=tuple(Lamp((p.x, 6.3, p.z), *generator.uniform((1.5, 0.2), (4, 1))) for p in posts[:4]),
        daylight=DUSK if dusk else 1.0,
        flicker=generator.uniform(0.02, 0.08) if dusk else 0.0,
        sun=0.0 if dusk else generator.uniform(-1.5, 1.5),
    )


def _ride(generator: np.random.Generator) -> Ride:
    def shake() -> tuple[tuple[float, float, float], ...]:
        frequencies = generator.uniform((0.5, 2, 6), (2, 6, 14))
        return tuple((generator.uniform(0, 0.004) / f, f, generator.uniform(0, 2 * np.pi)) for f in frequencies)

    speed, height = generator.uniform((3, 1.2), (14, 1.7))
    return Ride(speed, height, generator.normal(0, 0.03), shake(), shake())


def _clouds(generator: np.random.Generator) -> Texture:
    clouds = np.exp(generator.uniform(0, 0.12) * fractal(generator, (128, 128), slope=1.6))
    return Texture.of(np.linspace(1.6, 0.9, 128)[:, None] * clouds)


def _ground(generator: np.random.Generator, plan: Plan, texel: float) -> Ground:
    asphalt = generator.uniform(0.12, 0.25)
    marks = [Mark((-WIDE, WIDE), asphalt)]
    for side in (LEFT, RIGHT):
        marks += _pavement(generator, plan, side, asphalt)
    if plan.crossing:
        marks += [Mark((-WIDE, WIDE), asphalt, plan.crossing)]
        zebra = plan.crossing[0] - 4, plan.crossing[0] - 1
        marks += [Mark((x, x + 0.5), PAINT, zebra) for x in np.arange(plan.kerb[LEFT] + 0.3, plan.kerb[RIGHT] - 0.5)]
    for x in (*plan.towards, *plan.away):
        line, begin = x + LANE / 2, generator.uniform(-9, 0)
        # Dashes of 3.6 metres every 9 metres.
        marks += [Mark((line - 0.08, line + 0.08), PAINT, (begin, begin + WIDE), 0.9, period=9, filled=0.4)]
    for _ in range(int(generator.integers(2, 8))):
        # Where the asphalt has been mended.
        x, z = generator.uniform((plan.kerb[LEFT], 0), (plan.kerb[RIGHT], 40))
        wide, long = generator.uniform((0.3, 0.5), (2.5, 8))
        marks += [Mark((x, x + wide), asphalt * generator.uniform(0.5, 1.4), (z, z + long), 0.8)]
    rough, *start = generator.uniform((0.02, 0, 0), (0.15, 1000, 1000))
    grass = ((-WIDE, plan.front[LEFT]),) * plan.park[LEFT] + ((plan.front[RIGHT], WIDE),) * plan.park[RIGHT]
    return Ground(tuple(marks), rough, texel, (start[0], start[1]), grass)


def _pavement(generator: np.random.Generator, plan: Plan, side: int, asphalt: float) -> Iterator[Mark]:
    out = -1 if side == LEFT else 1
    kerb, front = plan.kerb[side], plan.front[side]
    slabs, joint = generator.uniform((0.25, 0.4), (0.45, 1.0))

    def between(first: float, second: float) -> tuple[float, float]:
        return min(first, second), max(first, second)

    yield Mark(between(kerb, out * WIDE), slabs)
    # Slabs that touch along a joint of 4 cm.
    yield Mark(between(kerb, front), slabs * 0.5, opacity=0.8, period=joint, filled=0.04 / joint)
    yield Mark(between(kerb, kerb - out * 0.1), asphalt * 0.5)
    yield Mark(between(kerb, kerb + out * KERB), slabs * 1.3)
    if plan.park[side]:
        yield Mark(between(front, out * WIDE), 0.1)
