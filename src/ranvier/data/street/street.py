"""A street at all moments: what stands in it, how the camera moves through it, how it is lit."""

from dataclasses import dataclass

import numpy as np

from ranvier.data.street.ground import Ground
from ranvier.data.street.panel import Panel, Thing
from ranvier.data.street.projection import Pose
from ranvier.data.street.texture import Texture

# Focal length as a share of the sensor's width: the camera sees 49 degrees.
FOCAL = 1.1
# Where the horizon is, as a share of the height.
HORIZON = 0.5

Waves = tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class Ride:
    """How the camera moves.

    Attributes:
        speed: metres a second forwards.
        height: metres above the ground.
        turn: radians a second that it looks further to the right.
        yaw: how it shakes from side to side: waves of (amplitude in radians, frequency in Hz, phase in radians).
        pitch: how it shakes up and down.
    """

    speed: float
    height: float
    turn: float
    yaw: Waves
    pitch: Waves

    def pose(self, seconds: float, sensor: tuple[int, int]) -> Pose:
        """Return where the camera is at a time."""
        yaw, pitch = (
            sum(a * np.sin(2 * np.pi * f * seconds + p) for a, f, p in waves) for waves in (self.yaw, self.pitch)
        )
        width, height = sensor
        focal = FOCAL * width
        cx = width / 2 - focal * (yaw + self.turn * seconds)
        return Pose(sensor, focal, cx, HORIZON * height + focal * pitch, 0.0, self.height, self.speed * seconds)


@dataclass(frozen=True)
class Lamp:
    """A light of 50 Hz mains, which is brightest a hundred times a second.

    Attributes:
        place: x, y, z in metres.
        reach: metres around it that it lights.
        strength: at its brightest, times daylight.
    """

    place: tuple[float, float, float]
    reach: float
    strength: float


@dataclass(frozen=True, eq=False)
class Street:
    """Everything that a renderer needs.

    Attributes:
        sensor: (width, height) in pixels.
        ride: of the camera.
        sky: clouds, twice as wide and high as the image.
        ground: the plane below everything.
        backdrop: class and panel of what stands still and never hides a thing, the farthest first.
        things: everything else.
        lamps: what is lit besides.
        daylight: what all brightnesses are multiplied with.
        flicker: share by which the daylight swings a hundred times a second.
        sun: metres by which shadows reach further to the right; to the left if negative.
    """

    sensor: tuple[int, int]
    ride: Ride
    sky: Texture
    ground: Ground
    backdrop: tuple[tuple[int, Panel], ...]
    things: tuple[Thing, ...]
    lamps: tuple[Lamp, ...]
    daylight: float
    flicker: float
    sun: float

    @property
    def focal(self) -> float:
        """Focal length in pixels."""
        return FOCAL * self.sensor[0]
