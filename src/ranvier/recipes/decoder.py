"""The decoder of neural recordings, with the settings from which `ranvier.models.decoder` makes it."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from ranvier.recipes.checked import Checked

Backbone = Literal["gru", "rwkv", "mamba", "transformer", "spiking"]


@dataclass(frozen=True)
class Decoder(Checked):
    """Counts of spikes in; out comes, for every bin, what they say about a movement."""

    # What a bin says is a number, no class.
    classes: ClassVar[int] = 0
    size: ClassVar[tuple[int, ...]] = ()
    name: Literal["decoder"] = "decoder"
    """the builder in `ranvier.models`"""
    in_channels: int | None = 96
    """electrodes or units; None: as many as the recordings have"""
    outputs: int = 2
    """numbers a bin: the velocity in x and y"""
    backbone: Backbone = "gru"
    """what remembers"""
    width: int = 128
    """channels of the backbone"""
    layers: int = 2
    """of the backbone, one after the other"""
    adapter: Literal["shared", "per_day", "day_embedding"] = "shared"
    """how channels enter: by one matrix; by one for each recording day; by one, and a learned vector of the day"""
    days: int | None = 1
    """recording days that an adapter knows apart; None: as many as there are"""
    channel_dropout: float = 0.0
    """share of the channels that training silences, each for all bins of a sample"""
    count_jitter: float = 0.0
    """training multiplies each channel of a sample by a number of 1 - count_jitter to 1 + count_jitter"""
    dropout: float = 0.0
    """share of the numbers that training silences between layers of the backbone"""
    window: int = 100
    """transformer: bins that attention reaches back to, the present one among them"""
