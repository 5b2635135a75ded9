"""The pyramid: shapes, who hears of whom, and the published sizes."""

import torch
from torch import nn

from ranvier.layers.pyramid import Pyramid

CHANNELS = (4, 8, 16)


def features() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 1, c, 16 // 2**i, 24 // 2**i, generator=generator) for i, c in enumerate(CHANNELS)]


def test_features_keep_their_shapes() -> None:
    for count in (1, 2, 3):
        x = features()[-count:]
        y = Pyramid(CHANNELS[-count:], neuron=nn.ReLU)(x)
        assert [value.shape for value in y] == [value.shape for value in x]


def test_what_is_coarse_reaches_what_is_fine_and_not_the_other_way() -> None:
    torch.manual_seed(0)
    net, x = Pyramid(CHANNELS, neuron=nn.ReLU).eval(), features()
    y = net(x)
    for changed in range(3):
        other = net([value + 1 if level == changed else value for level, value in enumerate(x)])
        moved = [not torch.equal(a, b) for a, b in zip(y, other, strict=True)]
        assert moved == [level <= changed for level in range(3)]


def test_published_parameters() -> None:
    with torch.device("meta"):
        net = Pyramid((192, 384, 768), neuron=nn.ReLU, bias=True)
    assert sum(p.numel() for p in net.parameters()) == 4_015_872
