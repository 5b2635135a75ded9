"""Random changes of whole recordings, for training."""

from dataclasses import replace

import numpy as np

from ranvier.data.events import Events


def jitter(
    events: Events,
    *,
    generator: np.random.Generator,
    shift: float = 2.0,
    degrees: float = 10.0,
    scale: float = 0.1,
    shear: float = 0.1,
) -> Events:
    """Move, turn, scale and shear a recording as a whole.

    With the sensor's centre `c` and `p` the place of an event:

        p' = round(c + d + z * R(a) * [[1, k], [0, 1]] * (p - c))

    where `d` (pixels, both axes), `a` (degrees), `ln z` and `k` are uniform within plus or minus `shift`, `degrees`,
    `scale` and `shear`. Times and polarities stay; events that leave the sensor are dropped.

    >>> events = Events.of(t=[0, 1], x=[1, 3], y=[0, 0], polarity=[1, 0], sensor=(4, 1))
    >>> len(jitter(events, generator=np.random.default_rng(0), shift=0, degrees=0, scale=0, shear=0))
    2
    """
    move = generator.uniform(-shift, shift, 2)
    angle = np.deg2rad(generator.uniform(-degrees, degrees))
    zoom = np.exp(generator.uniform(-scale, scale))
    slant = generator.uniform(-shear, shear)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = zoom * turn @ np.array([[1.0, slant], [0.0, 1.0]])

    width, height = events.sensor
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    offset = centre + move - matrix @ centre
    x, y = (np.rint(row[0] * events.x + row[1] * events.y + o) for row, o in zip(matrix, offset, strict=True))
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return replace(
        events,
        t=events.t[inside],
        x=x[inside].astype(np.uint16),
        y=y[inside].astype(np.uint16),
        polarity=events.polarity[inside],
    )
