"""What stands in the street: flat pictures, and the things that are made of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ranvier.data.street.texture import Texture

Range = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Panel:
    """A picture that stands upright across the street (all of it at one depth) or along it (all of it at one x).

    Metres: x to the right, y upwards from the ground, z forwards. Made by `across` and `along`.

    Attributes:
        texture: rows from top to bottom and columns from left to right; along the street, rows from near to far and
            columns from top to bottom.
        x: its left and right end.
        y: its lower and upper end.
        z: its near and far end.
        faces: along the street, the side that it is seen from: -1 left, +1 right; 0 across the street.
    """

    texture: Texture
    x: Range
    y: Range
    z: Range
    faces: int = 0

    def moved(self, x: float, z: float) -> "Panel":
        """Return the panel at another place."""
        return replace(self, x=(self.x[0] + x, self.x[1] + x), z=(self.z[0] + z, self.z[1] + z))


def across(texture: Texture, x: Range, y: Range, z: float) -> Panel:
    """Return a panel across the street."""
    return Panel(texture, x, y, (z, z))


def along(texture: Texture, x: float, y: Range, z: Range, *, faces: int) -> Panel:
    """Return a panel along the street; the columns of `texture` run from near to far."""
    # Kept with its axes swapped: a column of pixels looks at one place along the street.
    turned = Texture(np.ascontiguousarray(texture.sums.swapaxes(0, 1)))
    return Panel(turned, (x, x), y, z, faces)


@dataclass(frozen=True, eq=False)
class Thing:
    """Something with a class that stands, drives or walks: panels around a place that moves evenly.

    Attributes:
        label: its class, a number in `ranvier.data.street.CLASSES`.
        x: where it is at time 0, metres.
        z: the nearest end of it at time 0, metres.
        panels: seconds to panels relative to (x, z), the farthest first.
        reach: metres to the left and right of x that it never exceeds.
        length: metres forwards from z that it never exceeds.
        shade: metres to the left and right of x that are in its shadow at noon.
        vx: metres a second to the right.
        vz: metres a second forwards.
    """

    label: int
    x: float
    z: float
    panels: Callable[[float], tuple[Panel, ...]]
    reach: float
    length: float
    shade: float
    vx: float = 0.0
    vz: float = 0.0

    def place(self, seconds: float) -> tuple[float, float]:
        """Return x and z at a time."""
        return self.x + self.vx * seconds, self.z + self.vz * seconds
