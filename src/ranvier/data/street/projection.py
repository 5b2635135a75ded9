"""From metres in the street to pixels of a camera."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranvier.data.street.panel import Panel

# Nothing nearer than this is drawn, in metres: it is beside the camera or behind it.
NEAREST = 0.8


@dataclass(frozen=True)
class Pose:
    """Where a camera is and looks: column = cx + focal * (X - x) / Z, row = cy - focal * (Y - y) / Z, with Z from z.

    Small turns move the centre (cx, cy), as they do for what is far away.

    Attributes:
        sensor: (width, height) in pixels.
        focal: focal length in pixels.
        cx: column that looks straight ahead.
        cy: row of the horizon.
        x: metres to the right.
        y: metres above the ground.
        z: metres forwards.
    """

    sensor: tuple[int, int]
    focal: float
    cx: float
    cy: float
    x: float
    y: float
    z: float


class Cells(NamedTuple):
    """A part of an image that something covers.

    Attributes:
        part: rows and columns.
        value: mean of brightness times opacity, and of opacity, over each pixel, `[rows, columns, 2]`.
        depth: metres: one number, or `[columns]`, or `[rows, 1]`.
    """

    part: tuple[slice, slice]
    value: NDArray[np.float64]
    depth: float | NDArray[np.floating]


def project(panel: Panel, pose: Pose) -> Cells | None:
    """Return what a camera sees of a panel, if anything."""
    return _along(panel, pose) if panel.faces else _across(panel, pose)


def _across(panel: Panel, pose: Pose) -> Cells | None:
    depth = panel.z[0] - pose.z
    if depth < NEAREST:
        return None
    scale = pose.focal / depth
    left, right = (pose.cx + scale * (x - pose.x) for x in panel.x)
    bottom, top = (pose.cy - scale * (y - pose.y) for y in panel.y)
    rows, columns = _edges(top, bottom, pose.sensor[1]), _edges(left, right, pose.sensor[0])
    if len(rows) < 2 or len(columns) < 2:
        return None
    down, over = panel.texture.shape
    value = panel.texture.grid((rows - top) * (down / (bottom - top)), (columns - left) * (over / (right - left)))
    return Cells((slice(rows[0], rows[-1]), slice(columns[0], columns[-1])), value, depth)


def _along(panel: Panel, pose: Pose) -> Cells | None:
    aside = panel.x[0] - pose.x
    near, far = max(panel.z[0] - pose.z, NEAREST), panel.z[1] - pose.z
    if aside * panel.faces >= 0 or far <= near:
        return None
    ends = [pose.cx + pose.focal * aside / depth for depth in (near, far)]
    columns = _edges(min(ends), max(ends), pose.sensor[0])
    if len(columns) < 2:
        return None
    # From near to far is from the border of the image towards its middle. The last edge may lie beyond the far end,
    # even beyond the vanishing point.
    inwards = columns if aside < 0 else columns[::-1]
    inverse = np.maximum((inwards - pose.cx) / (aside * pose.focal), 1 / (2 * far))
    depth = 2 / (inverse[1:] + inverse[:-1])
    top, bottom = (pose.cy - pose.focal * (y - pose.y) / depth for y in (panel.y[1], panel.y[0]))
    rows = _edges(top.min(), bottom.max(), pose.sensor[1])
    if len(rows) < 2:
        return None
    forth, down = panel.texture.shape
    places = (1 / inverse - (panel.z[0] - pose.z)) * (forth / (panel.z[1] - panel.z[0]))
    value = panel.texture.lines(places, (rows - top[:, None]) * (down / (bottom - top))[:, None])
    if aside > 0:
        value, depth = value[::-1], depth[::-1]
    return Cells((slice(rows[0], rows[-1]), slice(columns[0], columns[-1])), value.swapaxes(0, 1), depth)


def _edges(first: float, last: float, size: int) -> NDArray[np.int64]:
    """Return the edges of the pixels that a range touches."""
    return np.arange(max(0, int(np.floor(first))), min(size, int(np.ceil(last))) + 1)
