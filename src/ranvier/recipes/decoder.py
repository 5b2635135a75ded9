"""The decoder of neural recordings, with the settings from which `ranvier.models.decoder` makes it."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from ranvier.recipes.checked import Checked


@dataclass(frozen=True)
class Decoder(Checked):
    """Counts of spikes in; out comes, for every bin, what they say about a movement."""

    # What a bin says is a number, no class.
    classes: ClassVar[int] = 0
    size: ClassVar[tuple[int, ...]] = ()
    name: Literal["decoder"] = "decoder"
    """the builder in `ranvier.models`"""
    in_channels: int = 96
    """electrodes or units"""
    outputs: int = 2
    """numbers a bin: the velocity in x and y"""
    backbone: Literal["gru", "mamba"] = "gru"
    """what remembers"""
    width: int = 128
    """channels of the backbone"""
    layers: int = 2
    """of the backbone, one after the other"""
    adapter: Literal["shared", "per_day", "day_embedding"] = "shared"
    """how channels enter: by one matrix; by one for each recording day; by one, and a learned vector of the day"""
    days: int = 1
    """recording days that an adapter knows apart"""
    channel_dropout: float = 0.0
    """share of the channels that training silences, each for all bins of a sample"""
    dropout: float = 0.0
    """share of the numbers that training silences between layers of the backbone"""
