"""SpikeFPN: a searched spiking encoder, a spiking feature pyramid and anchor heads (Zhang et al., IEEE TCDS 2024)."""

import math
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, pad

from ranvier.carry import Carry, Temporal
from ranvier.layers import conv_block, fold_time
from ranvier.layers.anchors import AnchorGrid
from ranvier.layers.cell import Encoder
from ranvier.layers.pyramid import Pyramid
from ranvier.models.neuron import hidden, stem
from ranvier.recipes import SpikeFPN
from ranvier.recipes.model import ANCHORS

STEM_STRIDE = 4


def spikefpn(config: SpikeFPN) -> "Detector | Classifier":
    """Return the network that a recipe describes: boxes at every anchor, or one of two classes for the whole picture.

    Raises:
        ValueError: more scales than levels, anchors that cannot be shared out, a size, a prior or a number of classes
            that is impossible.
    """
    return Detector(config) if config.head == "boxes" else Classifier(config)


class Detector(Temporal):
    """Answers at every step for every anchor: objectness logit, K class logits, tx, ty, tw, th.

    `ranvier.layers.anchors.detect` turns an answer into boxes. Pictures may have any size that the largest stride,
    `multiple`, divides, in training and afterwards.
    """

    def __init__(self, config: SpikeFPN) -> None:
        super().__init__()
        self.maps = AnswerMaps(config)
        self.multiple = self.maps.strides[-1]
        self.anchors = _anchors(config)

    def forward(self, x: Tensor, carry: Carry | None = None) -> Tensor:
        """Return `[T, B, A, 1 + K + 4]` for a picture `[T, B, C, H, W]`; `grid(H, W)` says where the A anchors are."""
        return torch.cat([_by_anchor(answers, self.maps.anchors) for answers in self.maps(x, carry)], 2)

    def grid(self, height: int, width: int) -> AnchorGrid:
        """Return the anchors of a picture of this size.

        Raises:
            ValueError: the largest stride does not divide it.
        """
        device = next(self.parameters()).device
        return AnchorGrid.make(height, width, self.maps.strides, self.anchors, device=device)


class Classifier(Temporal):
    """Tells two kinds of pictures apart, as published for N-CARS: the detector's answers, pooled to 2 x 2 each, and one
    linear logit of the second class against 0 for the first.
    """

    def __init__(self, config: SpikeFPN) -> None:
        super().__init__()
        if config.classes != 2:
            raise ValueError(f"expected two classes for head='logit', got {config.classes}")
        self.maps = AnswerMaps(config)
        self.readout = nn.Linear(4 * config.scales * self.maps.channels, 1)

    def forward(self, x: Tensor, carry: Carry | None = None) -> Tensor:
        """Return `[T, B, 2]` for a picture `[T, B, C, H, W]`."""
        pooled = [adaptive_avg_pool2d(answers.flatten(0, 1), 2).flatten(1) for answers in self.maps(x, carry)]
        return pad(self.readout(torch.cat(pooled, 1)), (1, 0)).unflatten(0, x.shape[:2])


class AnswerMaps(Temporal):
    """Stem, encoder, pyramid and heads: everything up to the answers of each scale.

    Two stem layers halve the picture twice; the cells of the genotype follow. The pyramid reads the last output at
    each of the deepest `scales` levels that the genotype's path reaches; level l has stride 4 2^l. Channels follow
    from the genotype too: the second stem layer has those of a cell at level 0, the first half of them.

    For the n anchors of a place, a map holds n objectness logits, then K class logits of each anchor, then tx, ty, tw,
    th of each anchor: the order of the released weights.
    """

    def __init__(self, config: SpikeFPN) -> None:
        super().__init__()
        genotype, norm, neuron = config.genotype, config.norm, partial(hidden, config)
        reached = sorted(set(genotype.path))
        if not 1 <= config.scales <= len(reached):
            raise ValueError(f"expected 1 to {len(reached)} scales for path {genotype.path}, got {config.scales}")
        if genotype.channels(0) < 2:
            raise ValueError("expected at least 2 channels at level 0: use more filters or more blocks")
        self.levels = reached[-config.scales :]
        self.strides = [STEM_STRIDE * 2**level for level in self.levels]
        self._check(*config.size)  # refused here, not at the first picture
        self.anchors = len(_anchors(config)) // config.scales
        self.channels = self.anchors * (1 + config.classes + 4)

        second = genotype.channels(0)
        first = second // 2
        block = partial(conv_block, stride=2, norm=norm, bias=True)
        self.stem0 = block(
            config.in_channels, first, stem(config, first, v_threshold=config.v_threshold), kernel_size=5
        )
        self.stem1 = block(first, second, neuron())
        self.encoder = Encoder(genotype, in_channels=(first, second), neuron=neuron, norm=norm, bias=True)
        channels = [genotype.channels(level) for level in self.levels]
        self.pyramid = Pyramid(channels, neuron=neuron, norm=norm, bias=True)
        self.heads = nn.ModuleList(nn.Conv2d(c, self.channels, 1) for c in channels)
        for head in self.heads:
            nn.init.constant_(head.bias[: self.anchors], _logit(config.prior))  # type: ignore[index]

    def forward(self, x: Tensor, carry: Carry | None = None) -> list[Tensor]:
        """Return `[T, B, n (1 + K + 4), H / stride, W / stride]` for each scale, the finest first.

        Raises:
            ValueError: the largest stride does not divide height and width.
        """
        self._check(*x.shape[-2:])
        s0 = self.stem0(x, carry)
        s1 = self.stem1(s0, carry)
        # A later output at a level takes the place of an earlier one.
        last = dict(zip(self.encoder.levels, self.encoder((s0, s1), carry), strict=True))
        features = self.pyramid([last[level] for level in self.levels], carry)
        return [fold_time(head, feature) for head, feature in zip(self.heads, features, strict=True)]

    def _check(self, height: int, width: int) -> None:
        if height % self.strides[-1] or width % self.strides[-1]:
            raise ValueError(f"expected a height and width that {self.strides[-1]} divides, got {height} x {width}")


def _anchors(config: SpikeFPN) -> tuple[tuple[int, int], ...]:
    anchors = config.anchors or ANCHORS.get(config.scales, ())
    if not anchors or len(anchors) % config.scales:
        raise ValueError(f"expected equally many anchors for each of {config.scales} scales, got {anchors}")
    return anchors


def _logit(prior: float) -> float:
    if not 0 < prior < 1:
        raise ValueError(f"expected a prior between 0 and 1, got {prior}")
    return math.log(prior / (1 - prior))


def _by_anchor(answers: Tensor, anchors: int) -> Tensor:
    """Return `[T, B, H W n, 1 + K + 4]` for the map `[T, B, n (1 + K + 4), H, W]` of one scale."""
    classes = answers.shape[2] // anchors - 5
    parts = answers.split([anchors, anchors * classes, anchors * 4], 2)
    joined = torch.cat([part.unflatten(2, (anchors, -1)) for part in parts], 3)
    return joined.permute(0, 1, 4, 5, 2, 3).flatten(2, 4)
