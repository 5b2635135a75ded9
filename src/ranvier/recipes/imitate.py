"""Surrogate dynamic networks, as SpikingSSM trains them before it uses them (Shen et al., AAAI 2025)."""

from dataclasses import replace

from ranvier.recipes.currents import Currents
from ranvier.recipes.model import SDN
from ranvier.recipes.recipe import Expected, Recipe, Train
from ranvier.recipes.task import Imitate


def sdn() -> Recipe:
    """The surrogate of a LIF neuron of decay 0.125 as published: 100,000 sequences, 100 epochs."""
    return Recipe(
        name="sdn",
        # A tenth of the training sequences is set aside for the validation.
        data=Currents(tau=0.125, sigma=1.0, steps=1024, count=90_000, held_out=10_000),
        model=SDN(width=8, kernel_size=8, layers=1),
        task=Imitate(loss="smooth_l1"),
        # The release lets biases and norms decay too, lowers the learning rate once an epoch, and keeps the weights
        # with the least validation loss, where here the most right spikes decide.
        train=Train(
            epochs=100, batch_size=64, lr=0.01, weight_decay=0.01, warmup=0.0, select="best", checkpoint_every=1000
        ),
        expected=Expected(value=0.99967, source="measured with the released weights"),
    )


def sdn_small() -> Recipe:
    """The same on 8,192 sequences of 512 steps for 12 epochs: a quarter of a minute; any decay by --data.tau."""
    base = sdn()
    return replace(
        base,
        name="sdn-small",
        data=replace(base.data, steps=512, count=8192, held_out=1024),
        train=replace(base.train, epochs=12, select="last"),
        expected=Expected(value=0.9972, source="measured: `ranvier train sdn-small --threads 1`"),
    )
