"""Detection: boxes around objects seen by an event camera."""

from dataclasses import replace

from ranvier.genotype import load
from ranvier.recipes.data import Scenes
from ranvier.recipes.model import SpikeFPN
from ranvier.recipes.recipe import Expected, Recipe, Train
from ranvier.recipes.task import DIGITS, Detect

DRIVE_ANCHORS = {
    3: ((11, 9), (7, 17), (15, 11), (18, 15), (11, 26), (25, 19), (20, 41), (35, 28), (43, 58)),
    2: ((12, 9), (8, 18), (18, 14), (14, 32), (28, 22), (39, 48)),
    1: ((11, 12), (21, 19), (35, 42)),
}
"""By number of scales: the boxes of 1000 training scenes, zoomed as in training, in that many groups of three (k-means
by IoU, the medians)."""


def mosaic_spikefpn() -> Recipe:
    """Real digits (N-MNIST) side by side, overlapping, drifting, in noise: a narrow SpikeFPN finds and reads them."""
    return Recipe(
        name="mosaic-spikefpn",
        data=Scenes(name="mosaic", grade="hard", steps=3, window_us=100_000, bins=5, events_per_bin=850, count=6000),
        model=SpikeFPN(
            genotype=replace(load("spikefpn"), filters=16, path=(0, 1)),
            in_channels=5,
            size=(96, 96),
            classes=10,
            scales=1,
            anchors=((16, 16), (16, 24), (24, 24)),
            prior=0.02,
            norm="batch",
            surrogate="atan",
            temperature=0.7,
        ),
        task=Detect(classes=DIGITS, form="focal"),
        train=Train(epochs=11, batch_size=8, lr=1e-2, weight_decay=0.01, precision="bfloat16", clip=10.0),
        expected=Expected(value=0.917, source="measured: `ranvier train mosaic-spikefpn --threads 1` (mAP 59.0 %)"),
    )


def mosaic_plain_spikefpn() -> Recipe:
    """The same digits with little overlap, at rest and without noise."""
    base = mosaic_spikefpn()
    return replace(
        base,
        name="mosaic-plain-spikefpn",
        data=replace(base.data, grade="plain"),
        train=replace(base.train, epochs=24),
        expected=Expected(
            value=0.944, source="measured: `ranvier train mosaic-plain-spikefpn --threads 1` (mAP 69.7 %)"
        ),
    )


def mosaic_spikefpn_tiny() -> Recipe:
    """The same on a narrow network for one epoch: a smoke test, not an experiment."""
    base = mosaic_spikefpn()
    return replace(
        base,
        name="mosaic-spikefpn-tiny",
        expected=None,
        data=replace(base.data, count=16),
        model=replace(base.model, genotype=replace(load("spikefpn"), filters=2, path=(1,))),
        train=replace(base.train, epochs=1, precision="float32"),
    )


def digits_spikefpn() -> Recipe:
    """Digits that come with the package, side by side before the simulated camera: the quick one, no download."""
    base = mosaic_spikefpn()
    return replace(
        base,
        name="digits-spikefpn",
        expected=None,
        data=replace(base.data, of="digits", grade="plain", count=2000),
        train=replace(base.train, epochs=6),
    )


def drive_spikefpn() -> Recipe:
    """Cars and pedestrians of a rendered street before the simulated event camera, found on three scales."""
    base = mosaic_spikefpn()
    return replace(
        base,
        name="drive-spikefpn",
        expected=Expected(value=0.602, source="measured: `ranvier train drive-spikefpn --threads 1` (mAP 22.7 %)"),
        data=Scenes(name="drive", sensor=(128, 128), steps=3, window_us=50_000, bins=5, count=3000, zoom=(0.8, 1.6)),
        model=replace(
            base.model,
            genotype=replace(load("spikefpn"), filters=16, path=(0, 1, 2)),
            size=(128, 128),
            classes=2,
            scales=3,
            anchors=DRIVE_ANCHORS[3],
        ),
        task=replace(base.task, classes=("car", "pedestrian")),
        train=replace(base.train, epochs=20),
    )
