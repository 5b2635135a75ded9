"""The plan of a street: which lanes it has, what is beside them, where another street crosses it."""

from dataclasses import dataclass

import numpy as np

from ranvier.data.street.panel import Range

LANE, PARKING = 3.2, 2.2
LEFT, RIGHT = 0, 1


@dataclass(frozen=True)
class Plan:
    """Places in metres, for a camera that drives along x = 0 on the right side of the street; pairs are left, right.

    Attributes:
        towards: middles of the lanes whose traffic comes towards the camera.
        away: middles of the other lanes; the first one is the camera's own.
        parking: whether cars are parked at the kerb.
        kerb: where the pavement begins.
        front: where it ends, and houses or grass begin.
        park: whether there is grass.
        crossing: from where to where another street crosses; `None` if there is none.
        far: where the street ends.
    """

    towards: tuple[float, ...]
    away: tuple[float, ...]
    parking: tuple[bool, bool]
    kerb: Range
    front: Range
    park: tuple[bool, bool]
    crossing: Range | None
    far: float

    def clear(self, start: float, length: float) -> bool:
        """Return whether something along the street keeps out of the crossing."""
        return self.crossing is None or start + length < self.crossing[0] - 1 or start > self.crossing[1] + 1


def make_plan(generator: np.random.Generator, far: float) -> Plan:
    """Return the plan of a street with 1 or 2 lanes each way."""
    towards, away = (int(n) for n in generator.integers(1, 3, 2))
    left_parking, right_parking, left_park, right_park = (bool(b) for b in generator.random(4) < (0.7, 0.7, 0.3, 0.3))
    kerb = -LANE * (towards + 0.5) - PARKING * left_parking, LANE * (away - 0.5) + PARKING * right_parking
    pavement = generator.uniform(2, 4.5, 2)
    start, wide = generator.uniform((10, 7), (45, 11))
    return Plan(
        towards=tuple(-LANE * (i + 1) for i in range(towards)),
        away=tuple(LANE * i for i in range(away)),
        parking=(left_parking, right_parking),
        kerb=kerb,
        front=(float(kerb[LEFT] - pavement[LEFT]), float(kerb[RIGHT] + pavement[RIGHT])),
        park=(left_park, right_park),
        crossing=(float(start), float(start + wide)) if generator.random() < 0.4 else None,
        far=far,
    )
