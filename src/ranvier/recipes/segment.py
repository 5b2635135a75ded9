"""Segmentation: a class for each pixel that an event camera sees."""

from dataclasses import replace

from ranvier.genotype import Genotype, load
from ranvier.recipes.data import Scenes
from ranvier.recipes.model import SpikingEDN
from ranvier.recipes.recipe import Expected, Recipe, Train
from ranvier.recipes.task import Segment

STREET = ("flat", "background", "object", "nature", "person", "vehicle")


def _narrow(path: tuple[int, ...]) -> Genotype:
    """Return the published cell with few filters and small kernels: those of 5x5 take nearly three times as long."""
    found = load("spikingedn")
    # No node of the cell reads another, so that two blocks of output need two nodes.
    edges = tuple((edge, "conv3x3") for edge, _ in found.edges[:4])
    return replace(found, nodes=2, blocks=2, edges=edges, filters=16, path=path)


def mosaic_spikingedn() -> Recipe:
    """Real digits (N-MNIST) side by side, overlapping, drifting, in noise: a narrow SpikingEDN reads every pixel."""
    return Recipe(
        name="mosaic-spikingedn",
        data=Scenes(
            name="mosaic",
            grade="hard",
            target="masks",
            steps=3,
            window_us=100_000,
            bins=5,
            events_per_bin=850,
            count=3000,
        ),
        model=SpikingEDN(
            genotype=_narrow((0, 1, 0, 1)),
            event_channels=5,
            size=(96, 96),
            classes=11,
            stem_channels=16,
            depth=32,
            low_channels=16,
            dilations=(1, 2, 4),
            pool_momentum=0.1,
            dropout=(0.0, 0.0),
            resize="nearest",
            stem_threshold=0.3,
            v_threshold=0.3,
            surrogate="atan",
            temperature=0.7,
        ),
        task=Segment(ohem_least=4000),
        train=Train(epochs=8, batch_size=4, lr=1e-2, weight_decay=0.01, precision="bfloat16", clip=10.0),
        expected=Expected(value=0.680, source="measured: `ranvier train mosaic-spikingedn --threads 1`"),
    )


def mosaic_spikingedn_tiny() -> Recipe:
    """The same on a narrow network for one epoch: a smoke test, not an experiment."""
    base = mosaic_spikingedn()
    return replace(
        base,
        name="mosaic-spikingedn-tiny",
        expected=None,
        data=replace(base.data, count=16),
        model=replace(
            base.model, genotype=replace(load("spikingedn"), filters=2, path=(0, 1, 0)), depth=8, low_channels=4
        ),
        train=replace(base.train, epochs=1, precision="float32"),
    )


def digits_spikingedn() -> Recipe:
    """Digits that come with the package, side by side before the simulated camera: the quick one, no download."""
    base = mosaic_spikingedn()
    return replace(
        base,
        name="digits-spikingedn",
        expected=None,
        data=replace(base.data, of="digits", grade="plain", sensor=(72, 72), count=2000),
        model=replace(base.model, genotype=_narrow((0, 1, 1)), size=(72, 72)),
        train=replace(base.train, epochs=4),
    )


def drive_spikingedn() -> Recipe:
    """A rendered street before the simulated event camera, six classes a pixel, from events alone."""
    base = mosaic_spikingedn()
    return replace(
        base,
        name="drive-spikingedn",
        expected=Expected(value=0.606, source="measured: `ranvier train drive-spikingedn --threads 1`"),
        data=Scenes(name="drive", target="masks", sensor=(128, 128), steps=3, window_us=50_000, bins=5, count=1000),
        model=replace(base.model, size=(128, 128), classes=len(STREET)),
        task=replace(base.task, classes=STREET),
        train=replace(base.train, epochs=12),
    )


def drive_spikingedn_frames() -> Recipe:
    """The same street from events and grey frames, which modulate them through SSAM."""
    base = drive_spikingedn()
    return replace(
        base,
        name="drive-spikingedn-frames",
        data=replace(base.data, frames=True),
        model=replace(base.model, frame_channels=1, fusion="ssam"),
        expected=Expected(value=0.699, source="measured: `ranvier train drive-spikingedn-frames --threads 1`"),
    )
