"""SpikingSSM: long sequences through S4D blocks that speak in spikes (Shen et al., AAAI 2025)."""

import torch
from torch import Tensor, nn

from ranvier.carry import Carry, Temporal
from ranvier.kernels import reference
from ranvier.layers.readout import mean_over_time
from ranvier.layers.sdn import SDN
from ranvier.layers.sdn_neuron import SDNNeuron, load_sdn
from ranvier.layers.spiking_ssm import NormedResidual, SpikingS4D
from ranvier.layers.ssm import S4D
from ranvier.layers.stack import fold_time
from ranvier.neurons import LIF, LIFWithoutReset
from ranvier.recipes import SpikingLM, SpikingSSM

GRADIENTS = {"exact": "detached", "loop": "detached", "full": "full", "sltt": "spatial"}
# What a surrogate network makes of one small current tells the decay that it was trained for, about as exactly.
MOST_DECAY_OFF = 0.03


def spikingssm(config: SpikingSSM) -> "Sequence | Pair":
    """Return the network that a recipe describes: an answer at every step, or one for each pair of documents.

    Raises:
        ValueError: an odd state, a vocabulary together with several values a step, or a surrogate network that was
            trained for neurons of another decay.
        FileNotFoundError: there is no such surrogate network.
    """
    return Pair(config) if config.pair else Sequence(config)


class Body(Temporal):
    """Encoder and blocks: values `[T, B, in_channels]` or tokens `[T, B]` int64 to features `[T, B, width]`."""

    vocabulary: int

    def __init__(self, config: SpikingSSM) -> None:
        super().__init__()
        if config.vocabulary and config.in_channels != 1:
            raise ValueError(f"expected in_channels=1 for tokens, got {config.in_channels}")
        width = config.width
        self.vocabulary = config.vocabulary
        self.encoder = (
            nn.Embedding(config.vocabulary, width) if config.vocabulary else nn.Linear(config.in_channels, width)
        )
        self.blocks = nn.ModuleList(block(config) for _ in range(config.layers))

    def forward(self, x: Tensor, carry: Carry | None = None, *, lengths: Tensor | None = None) -> Tensor:
        """Return features; `lengths` as in `ranvier.layers.ssm.S4D`.

        Raises:
            ValueError: a token outside the vocabulary, or values of another width.
        """
        x = self.encoder(tokens(x, self.vocabulary)) if self.vocabulary else fold_time(self.encoder, x)
        for block in self.blocks:
            x = block(x, carry, lengths=lengths)
        return x


class Sequence(Temporal):
    """Answers at every step; their mean over time is the answer to a sequence."""

    def __init__(self, config: SpikingSSM) -> None:
        super().__init__()
        self.uses_lengths = config.bidirectional
        self.body = Body(config)
        self.decoder = nn.Linear(config.width, config.classes)

    def forward(self, x: Tensor, carry: Carry | None = None, *, lengths: Tensor | None = None) -> Tensor:
        """Return `[T, B, classes]` for values `[T, B, in_channels]` or tokens `[T, B]`."""
        return fold_time(self.decoder, self.body(x, carry, lengths=lengths))


class Pair(Temporal):
    """Answers once for two documents a and b, from their means: MLP([a, b, a - b, a * b])."""

    uses_lengths = True

    def __init__(self, config: SpikingSSM) -> None:
        super().__init__()
        self.body = Body(config)
        width = config.width
        self.decoder = nn.Sequential(nn.Linear(4 * width, width), nn.GELU(), nn.Linear(width, config.classes))

    def forward(self, x: Tensor, carry: Carry | None = None, *, lengths: Tensor | None = None) -> Tensor:
        """Return `[1, B, classes]` for documents `[T, 2 B]`: first in lanes 0..B-1, second in B..2B-1.

        Raises:
            ValueError: a carry is given, or an odd number of lanes.
        """
        if carry is not None:
            raise ValueError("an answer to two whole documents cannot stream: leave the carry out")
        if x.shape[1] % 2:
            raise ValueError(f"expected two documents a sample, got {x.shape[1]} lanes")
        a, b = mean_over_time(self.body(x, lengths=lengths), lengths).chunk(2)
        return self.decoder(torch.cat((a, b, a - b, a * b), -1)).unsqueeze(0)


class Loop(LIF):
    """LIF by the readable reference, whatever the device: what a Python loop over time costs."""

    def fire(self, *arguments, **options):  # type: ignore[override]
        with reference():
            return super().fire(*arguments, **options)


def tokens(x: Tensor, known: int) -> Tensor:
    """Return tokens `[T, B]` if they are some of 0 to `known` - 1.

    Raises:
        ValueError: they are not.
    """
    if x.ndim != 2 or x.is_floating_point():
        raise ValueError(f"expected tokens [time, batch] of integers, got {x.dtype} {tuple(x.shape)}")
    if not torch.compiler.is_compiling() and x.numel() and not (int(x.min()) >= 0 and int(x.max()) < known):
        raise ValueError(f"expected tokens 0 to {known - 1}, got {int(x.min())} to {int(x.max())}")
    return x


def block(config: SpikingSSM | SpikingLM) -> NormedResidual:
    """Return one block, with fresh weights."""
    s4d = S4D(
        config.width,
        state=config.state,
        dt_range=config.dt_range,
        trainable_b=config.trainable_b,
        bidirectional=config.bidirectional,
    )
    body = SpikingS4D(s4d, _neuron(config), threshold=config.threshold, dropout=config.dropout)
    norm = nn.BatchNorm1d(config.width) if config.norm == "batch" else nn.LayerNorm(config.width)
    return NormedResidual(body, norm, placed=config.norm_placed, dropout=config.dropout)


def _neuron(config: SpikingSSM | SpikingLM) -> nn.Module:
    """Fires at 1; the triangle of height 1 is the published derivative of a spike."""
    if config.neuron == "gelu":
        return nn.GELU()
    if config.neuron == "no-reset":
        return LIFWithoutReset(decay=config.decay, surrogate="triangle", temperature=1.0)
    if config.neuron == "sdn":
        return SDNNeuron(_surrogate(config), surrogate="triangle", temperature=1.0)
    kind = Loop if config.neuron == "loop" else LIF
    gradient = GRADIENTS[config.neuron]
    return kind(decay=config.decay, surrogate="triangle", temperature=1.0, gradient=gradient)  # type: ignore[arg-type]


def _surrogate(config: SpikingSSM | SpikingLM) -> SDN:
    """The network of the package or of a file, if it was trained for this neuron."""
    net = load_sdn(config.sdn)
    found = net(torch.tensor([0.5, 0.0]).view(2, 1, 1))[1].item() / 0.5
    if abs(found - config.decay) > MOST_DECAY_OFF:
        raise ValueError(
            f"expected a surrogate network for neurons of decay {config.decay}, got one for about {found:.2f}: type "
            f"ranvier train sdn --data.tau {config.decay} --run RUN, then --model.sdn RUN/weights.safetensors"
        )
    return net
