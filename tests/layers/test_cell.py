"""Cells and encoders: the published sizes, what flows through their edges, and options."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from ranvier.genotype import load
from ranvier.layers.cell import Cell, Encoder
from ranvier.layers.event_driven import event_driven
from ranvier.neurons import LIF

SMALL = replace(load("spikefpn"), filters=2, path=(0, 1, 1, 0))


def lif() -> LIF:
    return LIF(decay=0.2, v_threshold=0.3, surrogate="tanh", temperature=3.0, strict=True)


def encoder(genotype=SMALL, **options) -> Encoder:
    torch.manual_seed(0)
    return Encoder(genotype, in_channels=(3, 6), neuron=lif, **options)


def stem(height: int = 8, width: int = 8) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    s0 = torch.rand(4, 2, 3, 2 * height, 2 * width, generator=generator)
    s1 = torch.rand(4, 2, 6, height, width, generator=generator)
    return (s0 < 0.5).float(), (s1 < 0.5).float()


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


# Spec of SpikeDHS, section 5.1: the network that is retrained on CIFAR, whose stem is s0 and s1 of the first cell.
CIFAR_CELLS = [291_168, 291_168, 665_280, 914_112, 1_162_944, 2_657_664, 3_652_992, 4_648_320]
# Spec of SpikingEDN, section 5.1: 5x5 convolutions without bias.
SEGMENTATION_CELLS = [345_984, 922_368, 1_383_168, 1_843_968, 921_984, 691_584]


def test_published_cells_have_the_published_parameters() -> None:
    with torch.device("meta"):
        cifar = Encoder(load("cifar"), in_channels=(144, 144), neuron=lif, bias=True)
        segmentation = Encoder(load("spikingedn"), in_channels=(48, 96), neuron=lif)
    assert [parameters(cell) for cell in cifar.cells] == CIFAR_CELLS
    assert cifar.channels == (144, 144, 288, 288, 288, 576, 576, 576)
    assert [parameters(cell) for cell in segmentation.cells] == SEGMENTATION_CELLS


@pytest.mark.parametrize("resize", ["nearest", "bilinear"])
def test_levels_follow_the_path_at_odd_sizes(resize) -> None:
    net = encoder(replace(load("spikingedn"), filters=1), resize=resize)
    outputs = net(stem(25, 44))
    sizes = [tuple(y.shape[2:]) for y in outputs]
    assert sizes == [(3, 25, 44), (6, 13, 22), (6, 13, 22), (6, 13, 22), (3, 25, 44), (3, 25, 44)]


def test_a_node_fires_on_the_sum_of_its_edges() -> None:
    torch.manual_seed(0)
    wiring = ((0, "conv3x3"), (1, "conv3x3"), (2, "skip"), (4, "skip"), (7, "skip"), (8, "conv3x3"))
    cell = Cell(replace(load("cifar"), edges=wiring, filters=2), 0, from_level=0, in_channels=(3, 6), neuron=lif).eval()
    s0, s1 = stem()
    y = cell((s0, s1))
    s0 = s0[..., ::2, ::2]

    def current(edges: nn.Module, x: Tensor) -> Tensor:
        conv, norm = edges.convolution
        return norm(conv(x.flatten(0, 1))).unflatten(0, x.shape[:2])

    from_s0, from_s1, from_first, from_second = cell.edges
    first = lif()(current(from_s0, s0)[:, :, :2] + current(from_s1, s1))
    second = lif()(current(from_s0, s0)[:, :, 2:] + first)
    third = lif()(first + current(from_second, second))
    assert torch.equal(y, torch.cat([first, second, third], 2))
    assert all(0 < float(part.detach().mean()) < 1 for part in (first, second, third))
    # From an input a skip becomes a convolution; between nodes nothing is left to learn.
    assert from_first.convolution is None


def test_edges_of_one_kernel_from_one_source_share_a_convolution() -> None:
    def kernels(name: str, **edges: tuple) -> list[tuple[int, list[int], int]]:
        cell = Cell(replace(load(name), **edges), 0, from_level=0, in_channels=(3, 6), neuron=lif)
        return [(e.source, e.nodes, e.convolution[0].kernel_size[0]) for e in cell.edges]

    assert kernels("spikingedn") == [(0, [0, 1, 2], 5), (1, [0, 1, 2], 5)]
    assert kernels("spikefpn") == [(0, [0, 1], 3), (1, [0, 1], 3), (2, [2], 3), (3, [2], 3)]
    mixed = ((0, "conv5x5"), (1, "conv3x3"), (2, "conv3x3"), (3, "conv3x3_b5"), (7, "conv3x3"), (8, "conv3x3"))
    assert kernels("spikefpn", edges=mixed)[:3] == [(0, [0], 5), (1, [0, 1], 3), (0, [1], 3)]


def test_only_the_last_blocks_come_out() -> None:
    cell = Cell(replace(SMALL, blocks=2), 1, from_level=0, in_channels=(3, 6), neuron=lif)
    whole = Cell(SMALL, 1, from_level=0, in_channels=(3, 6), neuron=lif)
    whole.load_state_dict(cell.state_dict())
    assert torch.equal(cell.eval()(stem()), whole.eval()(stem())[:, :, 4:])


@pytest.mark.parametrize(("resize", "binary"), [("nearest", True), ("bilinear", False)])
def test_what_enters_an_edge_is_binary_when_neighbours_are_copied(resize, binary: bool) -> None:
    net = encoder(resize=resize).eval()
    seen = []
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_pre_hook(lambda module, x: seen.append(x[0]))
    net(stem())
    assert len(seen) == 4 * 4
    assert all(set(x.unique().tolist()) <= {0.0, 1.0} for x in seen) == binary
    assert min(float(x.count_nonzero()) for x in seen) > 0


def test_every_norm_folds_into_its_convolution() -> None:
    net = encoder(norm="per_step", bias=True)
    for _ in range(3):
        net(stem())
    fast = event_driven(net.eval())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    for y, expected in zip(fast(stem()), net(stem()), strict=True):
        assert float((y != expected).float().mean()) < 1e-3


def test_everything_learns() -> None:
    net = encoder()
    net(stem())[-1].sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())
    assert all(
        float(parameter.grad.abs().sum()) > 0 for name, parameter in net.named_parameters() if "0.weight" in name
    )
