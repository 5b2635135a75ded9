"""Classification of event recordings."""

from dataclasses import replace

from ranvier.recipes.data import EventFrames
from ranvier.recipes.model import ConvClassifier
from ranvier.recipes.recipe import Expected, Recipe, Train
from ranvier.recipes.task import Classify


def nmnist_conv() -> Recipe:
    """Handwritten digits seen by a real event camera (N-MNIST, 1,000 recordings): three spiking convolutions.

    bfloat16 needs a processor that has instructions for it to be fast; elsewhere type --train.precision float32.
    """
    return Recipe(
        name="nmnist-conv",
        data=EventFrames(name="nmnist"),
        model=ConvClassifier(channels=(32, 64, 128), dropout=0.3),
        task=Classify(label_smoothing=0.05),
        train=Train(epochs=50, weight_decay=0.05, precision="bfloat16"),
        expected=Expected(
            value=0.970, source="measured: mean of `ranvier train nmnist-conv --data.fold 0` to 4 (96.0 to 98.0 %)"
        ),
    )


def nmnist_conv_tiny() -> Recipe:
    """The same on narrow layers for one epoch: a smoke test, not an experiment."""
    base = nmnist_conv()
    return replace(
        base,
        name="nmnist-conv-tiny",
        model=replace(base.model, channels=(2, 4), dropout=0.0),
        train=replace(base.train, epochs=1, precision="float32"),
        expected=None,
    )


def digits_conv() -> Recipe:
    """The digits of scikit-learn moved before the simulated event camera: the demo, needs no download."""
    return Recipe(
        name="digits-conv",
        data=EventFrames(name="digits"),
        model=ConvClassifier(),
        train=Train(epochs=10),
        expected=Expected(value=0.975, source="measured: `ranvier train digits-conv` with 2 threads (97.8 % with one)"),
    )


def digits_conv_tiny() -> Recipe:
    """The same on narrow layers for one epoch: a smoke test, not an experiment."""
    base = digits_conv()
    return replace(
        base,
        name="digits-conv-tiny",
        model=replace(base.model, channels=(2, 4)),
        train=replace(base.train, epochs=1),
        expected=None,
    )
