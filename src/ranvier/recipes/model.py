"""The networks of `ranvier.models`, each with the settings from which its builder makes it."""

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Literal

from ranvier.genotype import Genotype, load
from ranvier.recipes.checked import Checked

Surrogate = Literal["triangle", "rectangle", "atan", "sigmoid", "tanh"]

# Width and height in pixels of a 256 x 256 input, small first, by the number of scales; released code of SpikeFPN.
ANCHORS = {
    3: ((12, 33), (25, 17), (33, 24), (23, 58), (46, 31), (63, 42), (79, 58), (97, 78), (147, 112)),
    2: ((14, 38), (26, 18), (40, 28), (59, 44), (85, 63), (119, 97)),
    1: ((26, 23), (52, 37), (90, 69)),
}


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
    """what is answered: a box at every anchor, or which of two classes the whole picture has, by one logit (N-CARS)"""
    prior: float = 0.5
    """objectness of every anchor before training; published: about a half"""
    neuron: Literal["lif", "relu"] = "lif"
    """relu is the twin without spikes and without memory, for comparison"""
    stem: Literal["alif-", "alif+", "lif"] = "alif-"
    """first layer's neurons: a spike lowers (-) or raises (+) their threshold, or leaves it"""
    v_threshold: float = 0.3
    """where neurons fire"""
    surrogate: Surrogate = "tanh"
    """derivative of a spike in training (`ranvier.kernels.surrogate`); published: tanh; atan learns in fewer steps"""
    temperature: float = 3.0
    """of the surrogate"""
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
    """how frames join the events: not, by spiking spatially-adaptive modulation, or as further input channels; ssam
    without a frame lets the events modulate themselves"""
    modulation: Literal["add", "scale", "scale_shift"] = "add"
    """ssam: what the frame says is added to the events, or multiplies them; scale_shift does both (SPADE)"""
    frame_neuron: Literal["lif", "relu"] = "lif"
    """ssam: relu lets the frame's path pass real values"""
    frame_decay: float = 0.0
    """ssam: membrane left after one step in the frame's path; published: 0 for DDD17, 0.2 for DSEC"""
    size: tuple[int, int] = (200, 346)
    """height and width in training; others work afterwards"""
    classes: int = 6
    """outputs a pixel"""
    stem_channels: int = 48
    """channels of the first layer; published with ssam: 64"""
    second_norm: bool = True
    """normalise the second layer's currents; the published events-only network does not"""
    depth: int = 256
    """channels of pyramid pooling and decoder"""
    low_channels: int = 48
    """channels that the third cell's output keeps in the decoder"""
    dilations: tuple[int, ...] = (6, 12, 18)
    """pixels between the taps of each 3x3 convolution in the pyramid pooling"""
    pool_momentum: float = 3e-4
    """share of the pyramid pooling's running statistics that a batch replaces; short trainings need 0.1"""
    dropout: tuple[float, float] = (0.5, 0.1)
    """share of the decoder's spikes that is silenced in training, after its first and second 3x3 convolution"""
    neuron: Literal["lif", "relu"] = "lif"
    """relu is the twin without spikes and without memory, for comparison"""
    stem: Literal["alif+", "alif-", "lif"] = "alif+"
    """first layer's neurons: a spike raises (+) or lowers (-) their threshold, or leaves it"""
    stem_threshold: float = 0.5
    """where the first layer's neurons fire; published: 0.3 with ssam and for DSEC"""
    v_threshold: float = 0.5
    """where all others fire"""
    surrogate: Surrogate = "tanh"
    """derivative of a spike in training (`ranvier.kernels.surrogate`); published: tanh; atan learns in fewer steps"""
    temperature: float = 3.0
    """of the surrogate"""
    decay: float = 0.2
    """share of the membrane that is left after one step"""
    resize: Literal["bilinear", "nearest"] = "bilinear"
    """between levels: bilinear as released, whose values are no spikes any more, or nearest, which keeps them"""
    norm: Literal["batch", "per_step"] = "batch"
    """batch statistics of all steps at once, or of each step alone"""

    @property
    def in_channels(self) -> int:
        """Channels of the input: frame, then events."""
        return self.frame_channels + self.event_channels


@dataclass(frozen=True)
class SDN(Checked):
    """Surrogate dynamic network: predicts a neuron's membrane from its currents, all steps at once (SpikingSSM)."""

    # One current in, one membrane out.
    in_channels: ClassVar[int] = 1
    size: ClassVar[tuple[int, ...]] = ()
    classes: ClassVar[int] = 0
    name: Literal["sdn"] = "sdn"
    """the builder in `ranvier.models`"""
    width: int = 8
    """channels"""
    kernel_size: int = 8
    """steps that a layer sees"""
    layers: int = 1
    """depthwise convolutions over time, each followed by a mix of the channels"""


@dataclass(frozen=True)
class SpikingBlocks(Checked):
    """S4D blocks whose non-linearity is a spiking neuron."""

    size: ClassVar[tuple[int, ...]] = ()
    layers: int = 4
    """blocks"""
    width: int = 256
    """channels of a block"""
    state: int = 64
    """numbers that each channel remembers"""
    dt_range: tuple[float, float] = (1e-3, 0.1)
    """smallest and largest step of the modes before training"""
    trainable_b: bool = False
    """learn how the input drives each mode"""
    neuron: Literal["exact", "full", "sltt", "sdn", "loop", "no-reset", "gelu"] = "exact"
    """exact: LIF, no gradient through its reset; full: with it; sltt: none through time; sdn: as sltt, spikes by the
    published approximation; loop: exact by the readable reference; no-reset: LIF that goes on as if it had not fired;
    gelu: the twin without spikes"""
    decay: float = 0.125
    """share of the membrane that is left after one step"""
    sdn: str | None = None
    """sdn: weights of the surrogate network, a file of `ranvier train sdn`; default: those of the package"""
    threshold: Literal["channel", "shared", "fixed"] = "channel"
    """learn a threshold for each channel, one for a layer, or leave it at 1"""
    norm: Literal["batch", "layer"] = "layer"
    """what is normalised: each channel over batch and time, or the channels of a step"""
    norm_placed: Literal["before", "after", "released"] = "before"
    """before the modes, after the residual sum, or, as released for the latter, computed and not used"""
    dropout: float = 0.0
    """share of the channels that training silences, spikes and outputs of a block each"""


@dataclass(frozen=True)
class SpikingSSM(SpikingBlocks):
    """SpikingSSM: S4D blocks whose non-linearity is a spiking neuron; one answer a step."""

    name: Literal["spikingssm"] = "spikingssm"
    """the builder in `ranvier.models`"""
    in_channels: int = 1
    """values of a step; with a vocabulary, 1: the number of a token"""
    vocabulary: int = 0
    """tokens that there are; 0: a step holds values"""
    classes: int = 10
    """outputs a step"""
    pair: bool = False
    """two documents a sample, in lanes b and B + b: one answer for both, from the means of their outputs (retrieval)"""
    bidirectional: bool = False
    """look ahead too; such a network cannot stream"""


@dataclass(frozen=True)
class SpikingLM(SpikingBlocks):
    """SpikingSSM as a language model: words in; out come features, of which a tied softmax makes the next word."""

    in_channels: ClassVar[int] = 1
    # Words are no classes that a recipe would name.
    classes: ClassVar[int] = 0
    bidirectional: ClassVar[bool] = False
    name: Literal["spikinglm"] = "spikinglm"
    """the builder in `ranvier.models`"""
    vocabulary: int = 267_735
    """words that there are, often ones first"""
    cutoffs: tuple[int, ...] = ()
    """number of the first word of each cluster of rarer words (adaptive softmax); none: a plain softmax"""
    division: int = 4
    """a cluster's words have vectors so many times shorter than those of the cluster before"""
    embedding_dropout: float = 0.0
    """share of the numbers of the words' vectors that training silences at the input"""
    softmax_dropout: float = 0.0
    """the same of what the words' vectors are compared with at the output"""
