"""Classification of event recordings."""

from dataclasses import replace

from ranvier.recipes.recipe import ConvClassifier, EventFrames, Recipe, Train


def nmnist_conv() -> Recipe:
    """Handwritten digits seen by a real event camera (N-MNIST, 1,000 recordings): three spiking convolutions."""
    return Recipe(
        name="nmnist-conv",
        data=EventFrames(name="nmnist", window_us=50_000, steps=6),
        model=ConvClassifier(),
        train=Train(epochs=100),
    )


def nmnist_conv_tiny() -> Recipe:
    """The same on narrow layers for one epoch: a smoke test, not an experiment."""
    base = nmnist_conv()
    return replace(
        base, name="nmnist-conv-tiny", model=replace(base.model, channels=(2, 4)), train=replace(base.train, epochs=1)
    )


def digits_conv() -> Recipe:
    """The digits of scikit-learn moved before the simulated event camera: the demo, needs no download."""
    return Recipe(
        name="digits-conv",
        data=EventFrames(name="digits", window_us=50_000, steps=6),
        model=ConvClassifier(),
        train=Train(epochs=10),
    )


def digits_conv_tiny() -> Recipe:
    """The same on narrow layers for one epoch: a smoke test, not an experiment."""
    base = digits_conv()
    return replace(
        base, name="digits-conv-tiny", model=replace(base.model, channels=(2, 4)), train=replace(base.train, epochs=1)
    )
