"""The networks of `ranvier.models`, each with the settings from which its builder makes it."""

from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from ranvier.genotype import Genotype, load
from ranvier.recipes.checked import Checked


@dataclass(frozen=True)
class ConvClassifier(Checked):
    """Spiking convolution blocks and a linear readout at every step."""

    name: Literal["conv_classifier"] = "conv_classifier"
    """the builder in `ranvier.models`"""
    in_channels: int = 2
    """channels of a frame: OFF and ON events"""
    size: tuple[int, int] = (34, 34)
    """height and width of a frame in pixels"""
    channels: tuple[int, ...] = (16, 32, 64)
    """feature maps of each block"""
    classes: int = 10
    """outputs a step"""
    neuron: Literal["lif", "plif", "relu"] = "lif"
    """relu is the twin without spikes and without memory, for comparison"""
    decay: float = 0.5
    """share of the membrane that is left after one step (where PLIF starts to learn)"""
    dropout: float = 0.0
    """share of the readout's inputs that is silenced in training"""


@dataclass(frozen=True)
class SpikeFPN(Checked):
    """SpikeFPN: a searched spiking encoder, a spiking feature pyramid and anchor heads."""

    name: Literal["spikefpn"] = "spikefpn"
    """the builder in `ranvier.models`"""
    genotype: Genotype = field(default_factory=partial(load, "spikefpn"))
    """cell, levels and channels of the encoder"""
    in_channels: int = 3
    """channels of a time step"""
    size: tuple[int, int] = (256, 256)
    """height and width in training; any multiple of the largest stride works afterwards"""
    classes: int = 2
    """kinds of objects"""
    scales: int = 3
    """deepest levels of the encoder that answer"""
    anchors: tuple[tuple[int, int], ...] = ()
    """width and height of each anchor in pixels, small first, equally many a scale; default: the published ones"""
    head: Literal["boxes", "logit"] = "boxes"
    """what is answered: a box at every anchor, or one logit for the whole picture (N-CARS)"""
    prior: float = 0.5
    """objectness of every anchor before training; published: about a half"""
    neuron: Literal["lif", "relu"] = "lif"
    """relu is the twin without spikes and without memory, for comparison"""
    stem: Literal["alif-", "alif+", "lif"] = "alif-"
    """first layer's neurons: a spike lowers (-) or raises (+) their threshold, or leaves it"""
    v_threshold: float = 0.3
    """where neurons fire"""
    decay: float = 0.2
    """share of the membrane that is left after one step"""
    norm: Literal["batch", "per_step"] = "per_step"
    """batch statistics of all steps at once, or of each step alone as in the published training"""


@dataclass(frozen=True)
class SpikingEDN(Checked):
    """SpikingEDN: a searched spiking encoder, spatial pyramid pooling and a decoder; frames modulate through SSAM."""

    name: Literal["spikingedn"] = "spikingedn"
    """the builder in `ranvier.models`"""
    genotype: Genotype = field(default_factory=partial(load, "spikingedn"))
    """cell, levels and channels of the encoder"""
    event_channels: int = 5
    """channels of the events of a time step"""
    frame_channels: int = 0
    """channels of the frame, which come before those of the events; 0: events only"""
    fusion: Literal["none", "ssam", "concatenate"] = "none"
    """how frames join the events: not, by spiking spatially-adaptive modulation, or as further input channels"""
    size: tuple[int, int] = (200, 346)
    """height and width in training; others work afterwards"""
    classes: int = 6
    """outputs a pixel"""
    depth: int = 256
    """channels of pyramid pooling and decoder"""
    neuron: Literal["lif", "relu"] = "lif"
    """relu is the twin without spikes and without memory, for comparison"""
    stem: Literal["alif+", "alif-", "lif"] = "alif+"
    """first layer's neurons: a spike raises (+) or lowers (-) their threshold, or leaves it"""
    stem_threshold: float = 0.5
    """where the first layer's neurons fire"""
    resize: Literal["bilinear", "nearest"] = "bilinear"
    """between levels: bilinear as released, whose values are no spikes any more, or nearest, which keeps them"""
    norm: Literal["batch", "per_step"] = "batch"
    """batch statistics of all steps at once, or of each step alone"""

    @property
    def in_channels(self) -> int:
        """Channels of the input: frame, then events."""
        return self.frame_channels + self.event_channels
