"""Decoding of a hand's velocity: one recipe for each backbone, on recordings or on a made cortex."""

from dataclasses import replace

from ranvier.recipes.decoder import Backbone, Decoder
from ranvier.recipes.neural import Cortex, Sessions
from ranvier.recipes.recipe import Recipe, Train
from ranvier.recipes.task import Decode


def decode_gru() -> Recipe:
    """GRU: velocity of a monkey's hand from 52 units, bins of 50 ms."""
    return _decode("gru")


def decode_rwkv() -> Recipe:
    """RWKV-4: as decode-gru."""
    return _decode("rwkv")


def decode_mamba() -> Recipe:
    """Mamba-1: as decode-gru."""
    return _decode("mamba")


def decode_transformer() -> Recipe:
    """Causal Transformer with a sliding window: as decode-gru."""
    return _decode("transformer")


def decode_spiking() -> Recipe:
    """Spiking neurons: as decode-gru."""
    return _decode("spiking")


def cortex_gru() -> Recipe:
    """GRU on a made motor cortex of 96 units, bins of 20 ms: half a minute on one core."""
    recipe = _decode("gru")
    return replace(
        recipe,
        name="cortex-gru",
        data=Cortex(bin_ms=20.0, minutes=10.0, gain=0.1),
        model=replace(recipe.model, width=64),
        train=replace(recipe.train, epochs=12),
    )


def _decode(backbone: Backbone) -> Recipe:
    return Recipe(
        name=f"decode-{backbone}",
        data=Sessions(name="s1-random-target", bin_ms=50.0, steps=100, shares=(0.7, 0.1)),
        model=Decoder(
            in_channels=None, days=None, backbone=backbone, width=128, layers=1, channel_dropout=0.1, dropout=0.2
        ),
        task=Decode(),
        train=Train(epochs=60, batch_size=16, lr=2e-3, clip=1.0, select="best"),
    )
