"""Long sequences with SpikingSSM: the published experiments, and small ones for a machine without a GPU.

Published are the configurations that were released with Shen et al., AAAI 2025; the expected numbers are those of the
paper for learned thresholds. Batch norms see a whole batch and its padding, as there.
"""

from dataclasses import replace

from ranvier.recipes.classes import CIFAR, CITATIONS, GESTURES, PATHS, REVIEWS, WORDS
from ranvier.recipes.model import SpikingSSM
from ranvier.recipes.recipe import Expected, Recipe, Train
from ranvier.recipes.sequences import Documents, DVSGesture, ListOps, Pathfinder, Pixels, Speech
from ranvier.recipes.task import Classify

PAPER = "Shen et al., AAAI 2025, table 2"


def lra_listops() -> Recipe:
    """ListOps of Long Range Arena: nested operations on digits, 2,048 tokens."""
    return Recipe(
        name="lra-listops",
        data=ListOps(length=2048),
        model=SpikingSSM(
            vocabulary=18,
            layers=6,
            state=4,
            trainable_b=True,
            bidirectional=True,
            norm="batch",
            norm_placed="released",
        ),
        train=Train(epochs=40, batch_size=32, lr=0.01, weight_decay=0.01, warmup_steps=12_000, schedule_steps=120_000),
        expected=Expected(value=0.6023, source=PAPER),
    )


def lra_text() -> Recipe:
    """Film reviews of Long Range Arena: 4,096 characters, praise or not."""
    return Recipe(
        name="lra-text",
        data=Documents(name="imdb", length=4096),
        model=SpikingSSM(
            vocabulary=135, classes=2, layers=6, state=4, trainable_b=True, bidirectional=True, norm="batch"
        ),
        task=Classify(classes=REVIEWS),
        train=Train(epochs=32, batch_size=16, lr=0.01, weight_decay=0.05, warmup_steps=5_000, schedule_steps=50_000),
        expected=Expected(value=0.8041, source=PAPER),
    )


def lra_retrieval() -> Recipe:
    """Pairs of papers of Long Range Arena: twice 4,000 characters, does one cite the other."""
    return Recipe(
        name="lra-retrieval",
        data=Documents(name="aan", length=4000),
        model=SpikingSSM(vocabulary=98, classes=2, pair=True, layers=6, bidirectional=True, norm="batch"),
        task=Classify(classes=CITATIONS),
        train=Train(epochs=20, batch_size=64, lr=0.01, weight_decay=0.01, warmup_steps=5_000, schedule_steps=50_000),
        expected=Expected(value=0.8877, source=PAPER),
    )


def lra_image() -> Recipe:
    """Photographs of Long Range Arena, sequential CIFAR-10: 1,024 grey pixels."""
    return Recipe(
        name="lra-image",
        data=Pixels(name="scifar"),
        model=SpikingSSM(layers=6, width=512, bidirectional=True, norm_placed="released", dropout=0.1),
        task=Classify(classes=CIFAR),
        train=Train(epochs=200, batch_size=50, lr=0.01, weight_decay=0.01, warmup_steps=18_000, schedule_steps=180_000),
        expected=Expected(value=0.8821, source=PAPER),
    )


def lra_pathfinder() -> Recipe:
    """Pathfinder of Long Range Arena: 32x32 pixels, does a dashed line lead from dot to dot."""
    return Recipe(
        name="lra-pathfinder",
        data=Pathfinder(size=32),
        model=SpikingSSM(classes=2, layers=6, bidirectional=True, norm="batch"),
        task=Classify(classes=PATHS),
        train=Train(
            epochs=200, batch_size=64, lr=0.004, weight_decay=0.01, warmup_steps=50_000, schedule_steps=500_000
        ),
        expected=Expected(value=0.9351, source=PAPER),
    )


def lra_pathx() -> Recipe:
    """Path-X of Long Range Arena: the same on 128x128 pixels, 16,384 steps."""
    base = lra_pathfinder()
    return replace(
        base,
        name="lra-pathx",
        data=Pathfinder(size=128),
        model=replace(base.model, trainable_b=True, dt_range=(1e-4, 0.1)),
        train=replace(base.train, epochs=50, batch_size=16, lr=0.001),
        expected=Expected(value=0.9482, source=PAPER),
    )


def smnist() -> Recipe:
    """MNIST pixel by pixel, 784 steps."""
    return Recipe(
        name="smnist-spikingssm",
        data=Pixels(name="smnist"),
        model=SpikingSSM(layers=2, width=400, norm_placed="released", dropout=0.1),
        train=Train(epochs=100, batch_size=50, lr=0.01, weight_decay=0.01, warmup_steps=1_000, schedule_steps=90_000),
        expected=Expected(value=0.996, source="Shen et al., AAAI 2025, table 1"),
    )


def psmnist() -> Recipe:
    """MNIST pixel by pixel in bit-reversed order."""
    base = smnist()
    return replace(
        base,
        name="psmnist-spikingssm",
        data=Pixels(name="psmnist"),
        model=replace(base.model, layers=4, width=256),
        expected=Expected(value=0.984, source="Shen et al., AAAI 2025, table 1"),
    )


def speech_commands() -> Recipe:
    """35 spoken words as raw waveforms, 16,000 steps."""
    return Recipe(
        name="sc35-spikingssm",
        data=Speech(name="speech-commands", length=16_000),
        model=SpikingSSM(classes=35, layers=6, width=128, state=16, trainable_b=True, bidirectional=True, norm="batch"),
        task=Classify(classes=WORDS),
        train=Train(epochs=40, batch_size=16, lr=0.01, weight_decay=0.01, warmup_steps=1_000, schedule_steps=200_000),
    )


def dvs_gesture() -> Recipe:
    """Eleven gestures of DVS128 Gesture, one row of an image a step, 4,352 steps."""
    return Recipe(
        name="dvs-gesture-spikingssm",
        data=DVSGesture(),
        model=SpikingSSM(
            in_channels=64,
            classes=11,
            layers=6,
            width=512,
            state=16,
            trainable_b=True,
            bidirectional=True,
            norm_placed="released",
            dropout=0.1,
        ),
        task=Classify(classes=GESTURES),
        train=Train(epochs=200, batch_size=32, lr=0.005, weight_decay=0.05, warmup_steps=900, schedule_steps=180_000),
    )


def psmnist_small() -> Recipe:
    """psMNIST on 20,000 images: ten minutes on one core."""
    return Recipe(
        name="psmnist-small",
        data=Pixels(name="psmnist", count=20_000),
        model=SpikingSSM(layers=2, width=64, state=16, norm="batch"),
        train=Train(epochs=8, batch_size=50, lr=0.01, weight_decay=0.01, checkpoint_every=200),
        expected=Expected(value=0.9245, source="measured: `ranvier train psmnist-small --threads 1`"),
    )


def spoken_digits() -> Recipe:
    """Ten digits by five speakers as raw waveforms at 8 kHz, up to 16,384 steps: half an hour on one core."""
    return Recipe(
        name="spoken-digits",
        data=Speech(name="spoken-digits", length=16_384),
        model=SpikingSSM(layers=3, width=64, state=16, norm="batch"),
        train=Train(epochs=12, batch_size=16, lr=0.01, weight_decay=0.01, checkpoint_every=100),
        expected=Expected(value=0.936, source="measured: `ranvier train spoken-digits --threads 1`"),
    )


def listops_small() -> Recipe:
    """ListOps of up to 1,024 tokens, made by the package; tested on the original file d20s: a quarter of an hour."""
    return Recipe(
        name="listops-small",
        # The original's rules: operations have at most five arguments and are nested 20 deep.
        data=ListOps(
            source="generated", test="d20s", length=1024, tokens=(2, 1024), depth=20, arguments=5, count=40_000
        ),
        model=SpikingSSM(vocabulary=18, layers=4, width=64, state=16, bidirectional=True, norm="batch"),
        train=Train(epochs=6, batch_size=32, lr=0.01, weight_decay=0.01, checkpoint_every=500),
        expected=Expected(value=0.5449, source="measured: `ranvier train listops-small --threads 1`"),
    )


def listops_tiny() -> Recipe:
    """The same by a causal network on short expressions, in a minute: what `ranvier demo sequence` trains."""
    base = listops_small()
    return replace(
        base,
        name="listops-tiny",
        data=replace(base.data, test="own", length=200, tokens=(2, 200), depth=6, count=10_000),
        model=replace(base.model, layers=2, bidirectional=False),
        train=replace(base.train, epochs=6, checkpoint_every=100),
        expected=Expected(value=0.5095, source="measured: `ranvier train listops-tiny --threads 1`"),
    )
