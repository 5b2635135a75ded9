"""All temporal modules of the package, held to one contract."""

import torch
from torch import Tensor, nn

from ranvier import Carry, Temporal, models
from ranvier.genotype import Genotype
from ranvier.layers import PerStep, Residual, Stack, conv_block
from ranvier.layers.aspp import ASPP
from ranvier.layers.attention import Attention, TransformerBlock
from ranvier.layers.cell import Encoder
from ranvier.layers.gru import GRU
from ranvier.layers.mamba import Mamba, mamba
from ranvier.layers.rwkv import ChannelMix, TimeMix, rwkv
from ranvier.layers.sdn import SDN, reparameterised
from ranvier.layers.sdn_neuron import SDNNeuron, load_sdn
from ranvier.layers.spiking_block import spiking
from ranvier.layers.ssam import SSAM
from ranvier.layers.ssm import S4D
from ranvier.neurons import IF, LI, LIF, PLI, PLIF, AdaptiveLIF, LIFWithoutReset
from ranvier.recipes import Decoder, SpikeFPN, SpikingEDN, SpikingLM, SpikingSSM

from .temporal import temporal

CELL = Genotype(
    "", "", ((0, "conv3x3"), (1, "conv5x5"), (2, "skip"), (4, "conv3x3")), (1, 0), filters=1, nodes=2, blocks=2
)


class EncoderAlone(Temporal):
    """An encoder that reads one input twice and answers with its last output."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder(CELL, in_channels=(2, 2), neuron=lambda: LIF(decay=0.2), norm="per_step")

    def forward(self, x: Tensor, carry: Carry | None = None) -> Tensor:
        return self.encoder((x, x), carry)[-1]


def learned(net: nn.Module) -> nn.Module:
    """What begins with matrices of zeros computes nothing yet: move every parameter."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return net


class OfTokens(Temporal):
    """A network on tokens, which reads values as such."""

    def __init__(self, net: nn.Module, vocabulary: int) -> None:
        super().__init__()
        self.net, self.vocabulary = net, vocabulary

    def forward(self, x: Tensor, carry: Carry | None = None) -> Tensor:
        return self.net((7 * x).long() % self.vocabulary, carry)


TestIF = temporal(lambda: IF(), features=(4,))
TestLIF = temporal(lambda: LIF(tau=2.0), features=(4,))
TestLIFSoftDetached = temporal(lambda: LIF(decay=0.5, reset="soft", gradient="detached"), features=(2, 3, 3))
TestLIFSpatial = temporal(lambda: LIF(decay=0.5, gradient="spatial"), features=(4,))
TestLIFUndecayedReset = temporal(lambda: LIF(decay=0.5, v_reset=0.2, decay_reset=False), features=(4,))
TestPLIF = temporal(lambda: PLIF(channels=4), features=(4,))
TestAdaptiveLIF = temporal(lambda: AdaptiveLIF(decay=0.2, v_threshold=0.3, channels=4), features=(4,))
TestAdaptiveLIFDown = temporal(lambda: AdaptiveLIF(tau=2.0, v_threshold=0.3, sign=-1), features=(4, 2))
TestLIFWithoutReset = temporal(lambda: LIFWithoutReset(decay=0.5), features=(4, 2))
TestLI = temporal(lambda: LI(tau=3.0), features=(4,))
TestPLI = temporal(lambda: PLI(torch.tensor([1.5, 2.0, 4.0, 9.0])), features=(4,))
TestSpikingBody = temporal(lambda: spiking(4, 2, dropout=0.5), features=(4,))
TestSDN = temporal(lambda: SDN(), features=(4,))
TestDeepSDN = temporal(lambda: SDN(width=3, kernel_size=4, layers=3), features=(2, 2))
TestReparameterisedSDN = temporal(lambda: reparameterised(SDN()), features=(4,))
TestReparameterisedDeepSDN = temporal(lambda: reparameterised(SDN(width=3, kernel_size=4, layers=3)), features=(2, 2))
TestSDNNeuron = temporal(lambda: SDNNeuron(load_sdn(), surrogate="triangle", temperature=1.0), features=(2, 2))
TestS4D = temporal(lambda: S4D(4, state=6), features=(4,))
TestS4DTrainableB = temporal(lambda: S4D(3, state=2, trainable_b=True), features=(3,))
TestTimeMix = temporal(lambda: learned(TimeMix(4)), features=(4,))
TestChannelMix = temporal(lambda: learned(ChannelMix(3, layer=1, layers=2)), features=(3,))
TestRWKV = temporal(lambda: learned(rwkv(4, 2)), features=(4,))
TestGRU = temporal(lambda: GRU(3, 5), features=(3,))
TestDeepGRU = temporal(lambda: GRU(4, 3, layers=3, dropout=0.5), features=(4,))
TestMamba = temporal(lambda: Mamba(4, state=3, rank=2), features=(4,))
TestMambaBody = temporal(lambda: mamba(4, 2), features=(4,))
TestAttention = temporal(lambda: Attention(4, window=3, heads=2), features=(4,))
TestTransformerBlock = temporal(lambda: TransformerBlock(6, window=20, heads=1), features=(6,))
TestStack = temporal(
    lambda: Stack(nn.Linear(4, 8), LIF(tau=2.0), Residual(nn.Linear(8, 8), PLIF()), nn.Linear(8, 2), LI(decay=0.9)),
    features=(4,),
)
TestConv = temporal(
    lambda: Stack(
        conv_block(2, 3, LIF(tau=2.0)),
        nn.MaxPool2d(2),
        conv_block(3, 4, AdaptiveLIF(decay=0.3), norm="per_step"),
        PerStep(nn.AvgPool2d(2)),
        nn.Flatten(),
        nn.Linear(16, 2),
    ),
    features=(2, 8, 8),
)
TestEncoder = temporal(EncoderAlone, features=(2, 6, 6))
TestSpikeFPN = temporal(lambda: models.build(SpikeFPN(genotype=CELL, size=(8, 8), scales=2)), features=(3, 16, 8))
TestASPP = temporal(
    lambda: ASPP(3, 4, lambda: LIF(decay=0.2, v_threshold=0.5), dilations=(1, 2)),
    features=(3, 4, 5),
)
TestSSAM = temporal(
    lambda: SSAM(
        1,
        2,
        4,
        AdaptiveLIF(decay=0.2, v_threshold=0.3, channels=4),
        LIF(decay=0.2, v_threshold=0.5),
        modulation="scale_shift",
    ),
    features=(3, 5, 4),
)
TestSpikingEDN = temporal(
    lambda: models.build(
        SpikingEDN(
            genotype=Genotype("", "", CELL.edges, (0, 1, 0), filters=1, nodes=2, blocks=2),
            event_channels=1,
            frame_channels=1,
            fusion="ssam",
            frame_decay=0.2,
            size=(7, 8),
            classes=2,
            stem_channels=4,
            depth=3,
            low_channels=2,
            dilations=(1, 2),
        )
    ),
    features=(2, 7, 8),
)
TestSpikingSSM = temporal(
    lambda: models.build(SpikingSSM(in_channels=3, classes=2, layers=2, width=4, state=4)), features=(3,)
)
TestSpikingSSMReleased = temporal(
    lambda: models.build(
        SpikingSSM(in_channels=3, layers=1, width=4, state=2, neuron="full", norm="batch", norm_placed="released")
    ),
    features=(3,),
)
TestSpikingLM = temporal(
    lambda: OfTokens(models.build(SpikingLM(vocabulary=9, cutoffs=(2, 5), division=2, layers=2, width=4, state=4)), 9),
    features=(),
)
TestGRUDecoder = temporal(
    lambda: models.build(Decoder(in_channels=3, width=4, channel_dropout=0.5, dropout=0.5)), features=(3,)
)
TestMambaDecoder = temporal(
    lambda: models.build(Decoder(in_channels=3, width=4, backbone="mamba", adapter="day_embedding", dropout=0.5)),
    features=(3,),
)
