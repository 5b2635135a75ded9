"""The colours of the classes, in the eyes of those who see fewer colours."""

import numpy as np

from ranvier.colours import AMBER, BLUE, CLASSES, GROUND, rgb

# Machado, Oliveira, Fernandes 2009, severity 1, on linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def oklab(colours, sight):
    values = np.array([rgb(colour) for colour in colours]) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    cones = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    axes = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return np.cbrt(np.clip(linear @ SIGHT[sight].T, 0, 1) @ cones.T) @ axes.T


def nearest(colours, others=None):
    """The smallest distance between two colours, over all ways of seeing."""
    found = []
    for sight in SIGHT:
        a = oklab(colours, sight)
        b = a if others is None else oklab(others, sight)
        apart = np.linalg.norm(a[:, None] - b[None], axis=-1)
        found.append(apart[~np.eye(len(a), dtype=bool)].min() if others is None else apart.min())
    return min(found)


def test_the_classes_can_be_told_apart():
    assert len(set(CLASSES)) == 20
    assert nearest(CLASSES[:8]) > 0.10
    assert nearest(CLASSES) > 0.05


def test_the_classes_stand_out_from_the_ground():
    assert nearest(CLASSES, (GROUND,)) > 0.27


def test_events_stand_out_from_each_other_and_from_the_ground():
    assert nearest((AMBER, BLUE)) > 0.19
    assert nearest((AMBER, BLUE), (GROUND,)) > 0.3
