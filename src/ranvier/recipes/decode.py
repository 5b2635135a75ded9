"""Decoding of a hand's velocity: one recipe for each backbone, on recordings or on a made cortex.

Settings were chosen by the validation parts of the recordings, with seed 0.
"""

from dataclasses import replace
from typing import Literal, NamedTuple

from ranvier.recipes.decoder import Backbone, Decoder
from ranvier.recipes.neural import Cortex, Sessions
from ranvier.recipes.recipe import Recipe, Train
from ranvier.recipes.task import Decode

Recorded = Literal["s1-random-target", "m1-center-out", "m1-trials"]


class Fit(NamedTuple):
    """What a backbone is trained with; a strong decay of weights, as recordings are short."""

    lr: float
    weight_decay: float
    dropout: float = 0.3
    channel_dropout: float = 0.3
    repeats: int = 1
    """how many times as many passes as the others: a pass of spiking neurons takes a fifth of the time"""


class Length(NamedTuple):
    """How a recording is cut and how often it is passed over."""

    bin_ms: float
    steps: int
    epochs: int
    batch_size: int = 16


FITS: dict[Backbone, Fit] = {
    "gru": Fit(3e-3, 1.0),
    "rwkv": Fit(3e-3, 3.0),
    "mamba": Fit(4e-3, 3.0),
    "transformer": Fit(3e-3, 3.0),
    "spiking": Fit(4e-3, 1.0, dropout=0.2, channel_dropout=0.2, repeats=2),
}
LENGTHS: dict[Recorded, Length] = {
    "s1-random-target": Length(50.0, 100, 40),
    "m1-center-out": Length(50.0, 100, 150),
    "m1-trials": Length(100.0, 10, 30, batch_size=32),
}


def decode_gru() -> Recipe:
    """GRU: velocity of a monkey's hand from 52 units, bins of 50 ms; --data FILE: from a session of your own."""
    return decode("gru")


def decode_rwkv() -> Recipe:
    """RWKV-4: as decode-gru."""
    return decode("rwkv")


def decode_mamba() -> Recipe:
    """Mamba-1: as decode-gru."""
    return decode("mamba")


def decode_transformer() -> Recipe:
    """Causal Transformer that looks back one second: as decode-gru."""
    return decode("transformer")


def decode_spiking() -> Recipe:
    """Spiking neurons whose synapses and membranes forget at many rates: as decode-gru."""
    return decode("spiking")


def cortex_gru() -> Recipe:
    """GRU on a made motor cortex of 96 units, bins of 20 ms: ten seconds on one core."""
    recipe = decode("gru")
    return replace(
        recipe,
        name="cortex-gru",
        data=Cortex(bin_ms=20.0, minutes=10.0, gain=0.1),
        model=replace(recipe.model, width=64),
        train=replace(recipe.train, epochs=12),
    )


def decode(backbone: Backbone, name: Recorded = "s1-random-target") -> Recipe:
    """Return the recipe of a backbone on one of the recordings of neural_reach."""
    fit, length = FITS[backbone], LENGTHS[name]
    return Recipe(
        name=f"decode-{backbone}",
        data=Sessions(name=name, bin_ms=length.bin_ms, steps=length.steps, smooth_ms=50.0, shares=(0.7, 0.1)),
        model=Decoder(
            in_channels=None,
            days=None,
            backbone=backbone,
            channel_dropout=fit.channel_dropout,
            dropout=fit.dropout,
            window=round(1000 / length.bin_ms),
        ),
        task=Decode(),
        train=Train(
            epochs=fit.repeats * length.epochs,
            batch_size=length.batch_size,
            lr=fit.lr,
            weight_decay=fit.weight_decay,
            clip=1.0,
            select="best",
        ),
    )
