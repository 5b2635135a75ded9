"""SpikingEDN: a searched encoder, pyramid pooling and a decoder, all spiking, name the class of every pixel."""

from functools import partial

from torch import Tensor, nn

from ranvier.carry import Carry, Temporal
from ranvier.layers import Stack, conv_block
from ranvier.layers.aspp import ASPP
from ranvier.layers.cell import Encoder
from ranvier.layers.resize import resize, scaled
from ranvier.layers.ssam import SSAM
from ranvier.layers.stack import join
from ranvier.models.neuron import hidden, stem
from ranvier.recipes import SpikingEDN

LOW_LEVEL = 2
"""The cell whose output joins the pooled one in the decoder."""


class EncoderDecoder(Temporal):
    """Segments every step of a clip.

        s0 = first(x),   s1 = second(s0)                     at full and at half resolution
        y_0, y_1, ..., y_n = encoder(s0, s1)
        z = decoder([resize(pool(y_n)), low_level(y_2)])     at the resolution of y_2
        logits = resize(z)                                   bilinear, to that of x

    Shapes: `[T, B, C, H, W]` to `[T, B, classes, H, W]`, for every H and W.
    """

    def __init__(
        self, first: nn.Module, second: nn.Module, encoder: Encoder, pool: ASPP, low_level: Stack, decoder: Stack
    ) -> None:
        super().__init__()
        self.first = first
        self.second = second
        self.encoder = encoder
        self.pool = pool
        self.low_level = low_level
        self.decoder = decoder

    def forward(self, x: Tensor, carry: Carry | None = None) -> Tensor:
        """Return logits `[T, B, classes, H, W]` for input `[T, B, C, H, W]`."""
        s0 = self.first(x, carry)
        features = self.encoder((s0, self.second(s0, carry)), carry)
        low = self.low_level(features[LOW_LEVEL], carry)
        pooled = resize(self.pool(features[-1], carry), low.shape[-2:], mode="nearest")
        z = self.decoder(join((pooled, low)), carry)
        return resize(z, x.shape[-2:], mode="bilinear")


def spikingedn(config: SpikingEDN) -> EncoderDecoder:
    """Return the network of R. Zhang et al., "Accurate and Efficient Event-based Semantic Segmentation Using Adaptive
    Spiking Encoder-Decoder Network" (IEEE TNNLS 36(5), 2025), at the width that `config` asks for.

    Everything that a convolution behind the first one sees is spikes, but for what `resize="bilinear"` mixes.

    Raises:
        ValueError: frames without a fusion or the reverse, a path too short for the decoder, or dilations that reach
            beyond the map.
    """
    _check(config)
    neuron = partial(hidden, config)
    genotype, norm = config.genotype, config.norm
    second = conv_block(
        config.stem_channels,
        genotype.channels(0),
        neuron(),
        stride=2,
        norm=norm if config.second_norm else None,
        bias=True,
    )
    encoder = Encoder(
        genotype,
        in_channels=(config.stem_channels, genotype.channels(0)),
        neuron=neuron,
        norm=norm,
        resize=config.resize,
    )
    pool = ASPP(
        encoder.channels[-1],
        config.depth,
        neuron,
        dilations=config.dilations,
        norm=norm,
        momentum=config.pool_momentum,
    )
    low_level = conv_block(encoder.channels[LOW_LEVEL], config.low_channels, neuron(), kernel_size=1, norm=norm)
    first_drop, second_drop = config.dropout
    decoder = Stack(
        conv_block(config.depth + config.low_channels, config.depth, neuron(), norm=norm),
        nn.Dropout(first_drop),
        conv_block(config.depth, config.depth, neuron(), norm=norm),
        nn.Dropout(second_drop),
        nn.Conv2d(config.depth, config.classes, 1),
    )
    # The published start; stem and encoder keep PyTorch's.
    for module in (*pool.modules(), *low_level.modules(), *decoder.modules()):
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    return EncoderDecoder(_first(config), second, encoder, pool, low_level, decoder)


def _first(config: SpikingEDN) -> Temporal:
    channels, fused = config.stem_channels, config.fusion == "ssam"
    span = (0.64, 2.3) if fused else (0.64, 1.1)
    neuron = stem(config, channels, v_threshold=config.stem_threshold, tau_a_range=span)
    if not fused:
        return conv_block(config.in_channels, channels, neuron, kernel_size=1, norm=config.norm, bias=True)
    return SSAM(
        config.frame_channels,
        config.event_channels,
        channels,
        neuron,
        nn.ReLU() if config.frame_neuron == "relu" else hidden(config, decay=config.frame_decay),
        modulation=config.modulation,
        norm=config.norm,
    )


def _check(config: SpikingEDN) -> None:
    if config.fusion == "none" and config.frame_channels:
        raise ValueError(
            f"expected no frame_channels with fusion='none', got {config.frame_channels}: type fusion='ssam' or "
            "'concatenate'"
        )
    if config.fusion == "concatenate" and not config.frame_channels:
        raise ValueError("expected frame_channels to concatenate, got 0: type frame_channels=1, or fusion='none'")
    path = config.genotype.path
    if len(path) <= LOW_LEVEL:
        raise ValueError(f"expected a path of at least {LOW_LEVEL + 1} cells for the decoder, got {list(path)}")
    height, width = ((length + 1) // 2 for length in config.size)
    for previous, level in zip((0, *path), path, strict=False):
        height, width = (scaled(length, 2.0 ** (previous - level)) for length in (height, width))
    if max(config.dilations, default=0) >= min(height, width):
        raise ValueError(
            f"expected dilations smaller than the map of {height}x{width} that a {config.size[0]}x{config.size[1]} "
            f"input becomes, got {config.dilations}: type dilations=(1, 2, 3), or so"
        )
