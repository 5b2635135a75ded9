"""SpikeFPN to the unit of the published table, its neurons' traces, its memory, and what the options change."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from ranvier import Carry, models
from ranvier.audit import audit
from ranvier.genotype import load
from ranvier.layers import event_driven
from ranvier.layers.anchors import detect
from ranvier.models.spikefpn import Detector
from ranvier.neurons import LIF, AdaptiveLIF, Neuron
from ranvier.recipes import SpikeFPN

SMALL = SpikeFPN(genotype=replace(load("spikefpn"), path=(0, 1, 1, 2), filters=4), size=(64, 96), scales=2)

# Part of the network: parameters, millions of multiply-accumulates a step at 256 x 256 (spec of SpikeFPN, section 5).
TABLE = {
    "stem0": (3_792, 59.0),
    "stem1": (41_760, 169.9),
    "encoder.cells.0": (101_952, 415.2),
    "encoder.cells.1": (129_600, 528.5),
    "encoder.cells.2": (296_064, 302.0),
    "encoder.cells.3": (406_656, 415.2),
    "encoder.cells.4": (517_248, 528.5),
    "encoder.cells.5": (1_181_952, 302.0),
    "encoder.cells.6": (1_624_320, 415.2),
    "encoder.cells.7": (2_066_688, 528.5),
    "encoder.cells.8": (4_723_200, 302.0),
    "encoder.cells.9": (6_492_672, 415.2),
    "pyramid.merge.2": (296_064, 18.9),
    "pyramid.up.1": (74_304, 4.7),
    "pyramid.merge.1": (111_168, 28.3),
    "pyramid.up.0": (18_720, 4.7),
    "pyramid.merge.0": (27_936, 28.3),
    "pyramid.smooth.2": (2_656_512, 169.9),
    "pyramid.smooth.1": (664_704, 169.9),
    "pyramid.smooth.0": (166_464, 169.9),
    "heads": (28_287, 7.2),
}


def small(**changes) -> nn.Module:
    torch.manual_seed(0)
    return models.build(replace(SMALL, **changes))


def events(steps: int = 3, batch: int = 2, size: tuple[int, int] = (64, 96)) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(-1, 2, (steps, batch, 3, *size), generator=generator).float()


@pytest.fixture(scope="module")
def published() -> Detector:
    torch.manual_seed(0)
    return models.build(SpikeFPN())  # type: ignore[return-value]


def test_the_published_network_to_the_unit(published) -> None:
    cost = audit(published, events(1, 1, (256, 256)))
    parts = dict(published.maps.named_modules())
    for name, (parameters, macs) in TABLE.items():
        assert sum(p.numel() for p in parts[name].parameters()) == parameters, name
        counted = sum(layer.macs for layer in cost.layers if layer.name.startswith(f"maps.{name}."))
        assert round(counted / 1e6, 1) == macs, name
    assert cost.parameters == sum(parameters for parameters, _ in TABLE.values()) == 21_630_063
    assert cost.macs == pytest.approx(4.983e9, abs=5e5)
    assert [layer.name for layer in cost.layers if not layer.multiplication_free] == ["maps.stem0.0"]
    # Every norm folds: what is left to count is convolutions.
    assert {layer.kind for layer in cost.layers} == {"Conv2d"}


def test_the_published_answers_at_every_step(published) -> None:
    with torch.no_grad():
        y = published.eval()(events(3, 1, (256, 256)))
    assert y.shape == (3, 1, 4032, 1 + 2 + 4)
    grid = published.grid(256, 256)
    assert [int((grid.stride == stride).sum()) for stride in (8, 16, 32)] == [3072, 768, 192]
    assert grid.size[3072].tolist() == [23, 58]
    (found,) = detect(y[-1], grid, score=0.0, nms_iou=0.5)
    assert len(found.label) > 0
    assert found.score.tolist() == sorted(found.score.tolist(), reverse=True)
    assert set(found.label.tolist()) <= {0, 1}


def test_answers_keep_the_place_and_the_order_of_the_released_heads() -> None:
    net = small()
    maps = [torch.randn(1, 2, 3 * (1 + 2 + 4), h, w) for h, w in ((8, 12), (4, 6))]
    net.maps.forward = lambda x, carry=None: maps  # type: ignore[union-attr, assignment]
    y = net(events(1))
    grid = net.grid(64, 96)  # type: ignore[operator]
    assert y.shape == (1, 2, 3 * (96 + 24), 7)
    for answers, stride, column, row, anchor in ((maps[0], 8, 11, 2, 1), (maps[1], 16, 0, 3, 2)):
        first_of_place = (grid.stride == stride) & (grid.cell == torch.tensor([column, row])).all(1)
        place = int(first_of_place.nonzero()[anchor])
        channels = [anchor, *range(3 + 2 * anchor, 5 + 2 * anchor), *range(9 + 4 * anchor, 13 + 4 * anchor)]
        assert torch.equal(y[0, :, place], answers[0, :, channels, row, column])


STEADY, SPARSE = [0.35] * 6, [0.35, 0, 0.28, 0.22, 0.22, 0.1]


@pytest.mark.parametrize(
    ("stem", "x", "v", "s", "saturation"),
    [
        ("alif+", STEADY, [0.35, 0.35, 0.42, 0.35, 0.42, 0.35], [1, 0, 1, 0, 1, 0], 0.402462),
        ("alif-", STEADY, STEADY, [1] * 6, 0.197538),
        ("alif-", SPARSE, [0.35, 0, 0.28, 0.22, 0.264, 0.1528], [1, 0, 1, 0, 0, 0], 0.197538),
        ("lif", [0.27] * 6, [0.27, 0.324] * 3, [0, 1] * 3, None),
    ],
)
def test_traces_of_the_stem(stem, x: list[float], v: list[float], s: list[int], saturation: float | None) -> None:
    neuron = small(stem=stem).maps.stem0[-1]  # type: ignore[union-attr, index, operator]
    current = torch.tensor(x).view(6, 1, 1, 1, 1).expand(6, 1, 6, 1, 1)
    spikes, membranes = neuron(current, return_v=True)
    assert spikes[:, 0, 0, 0, 0].tolist() == s
    torch.testing.assert_close(membranes[:, 0, -1, 0, 0], torch.tensor(v), atol=1e-6, rtol=0)
    if saturation is None:
        assert type(neuron) is LIF
    else:
        beta, rho, sign = neuron.adaptation()
        assert 0.3 + sign * beta / (1 - rho.mean().item()) == pytest.approx(saturation, abs=1e-6)


def test_the_surrogate_of_every_neuron() -> None:
    neurons = [module for module in small().modules() if isinstance(module, Neuron)]
    assert len(neurons) == 2 + 4 * 3 + 2 + 1 + 2
    at = [0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 1.0, -0.1]
    slope = [0.98865, 1.17922, 1.65719, 1.17922, 0.50548, 0.17162, 0.12891, 0, 0]
    for neuron in neurons:
        channels = neuron.tau_a.numel() if isinstance(neuron, AdaptiveLIF) else 1
        x = torch.tensor(at).repeat(channels, 1)[None, None].requires_grad_()
        neuron(x).sum().backward()
        assert x.grad is not None
        torch.testing.assert_close(x.grad[0, 0, 0], torch.tensor(slope), atol=1e-5, rtol=0)


def test_the_adaptation_stays_in_its_range() -> None:
    neuron = small().maps.stem0[-1]  # type: ignore[union-attr, index, operator]
    nn.init.uniform_(neuron.tau_a, -3, 3)
    rho = neuron.rho().detach()
    assert [rho.min().item(), rho.max().item()] == pytest.approx([0.2096, 0.4029], abs=1e-4)


def test_all_but_the_stem_sees_spikes() -> None:
    net = small().eval()
    fired = audit(net, events())
    assert [layer.name for layer in fired.layers if not layer.multiplication_free] == ["maps.stem0.0"]
    assert all(0 < layer.input_rate < 1 for layer in fired.layers)


def test_samples_do_not_meet_and_nothing_is_remembered() -> None:
    net, x = small().eval(), events(batch=3)
    y = net(x)
    assert torch.equal(net(x), y)
    torch.testing.assert_close(net(x[:, [2, 0, 1]]), y[:, [2, 0, 1]])
    torch.testing.assert_close(net(x[:1]), y[:1])


def test_windows_of_a_stream_answer_like_the_clip() -> None:
    net, x, carry = small().eval(), events(5), Carry()
    y = torch.cat([net(window, carry) for window in x.split(1)])
    torch.testing.assert_close(y, net(x))
    assert float((y[1:] - y[:-1]).detach().abs().max()) > 1e-3


def test_any_multiple_of_the_largest_stride() -> None:
    net = small().eval()
    assert net(events(size=(16, 128))).shape[2] == len(net.grid(16, 128).stride)  # type: ignore[operator]
    with pytest.raises(ValueError, match="height and width that 16 divides, got 64 x 100"):
        net(events(size=(64, 100)))
    with pytest.raises(ValueError, match="that 16 divides, got 60 x 96"):
        small(size=(60, 96))
    with pytest.raises(ValueError, match="that 16 divides, got 60 x 96"):
        small(size=(60, 96), head="logit")


@pytest.mark.parametrize(("scales", "strides"), [(1, [16]), (2, [8, 16]), (3, [4, 8, 16])])
def test_the_deepest_scales_answer(scales: int, strides: list[int]) -> None:
    net = small(scales=scales)
    y = net(events())
    grid = net.grid(64, 96)  # type: ignore[operator]
    assert sorted({int(stride) for stride in grid.stride}) == strides
    assert y.shape == (3, 2, len(grid.stride), 7)
    y.sum().backward()
    assert all(p.grad is not None for p in net.parameters())


def test_the_twin_without_spikes_has_the_same_shape_and_no_memory() -> None:
    twin, net, carry = small(neuron="relu"), small(), Carry()
    assert twin(events(), carry).shape == net(events()).shape
    assert len(carry) == 0
    assert not any(isinstance(module, Neuron) for module in twin.modules())
    assert net.state_dict().keys() - twin.state_dict().keys() == {"maps.stem0.2.tau_a"}


def test_the_classifier_of_whole_pictures() -> None:
    config = SpikeFPN(in_channels=1, head="logit", genotype=replace(load("spikefpn"), filters=1))
    net = models.build(config)
    assert net.readout.weight.shape == (1, 252)  # type: ignore[union-attr]
    y = net(torch.randn(2, 3, 1, 64, 96))
    assert y.shape == (2, 3, 2)
    assert not bool(y[..., 0].any())
    # Cross-entropy of two logits, the first of which is 0, is the published loss of one.
    target = torch.tensor([1, 0, 1])
    loss = cross_entropy(y[-1], target)
    torch.testing.assert_close(loss, binary_cross_entropy_with_logits(y[-1, :, 1], target.float()))
    loss.backward()
    assert all(p.grad is not None for p in net.parameters())
    with pytest.raises(ValueError, match="two classes for head='logit', got 3"):
        models.build(replace(config, classes=3))


def test_a_prior_is_where_objectness_starts() -> None:
    net = small(prior=0.01)
    for head in net.maps.heads:  # type: ignore[union-attr]
        torch.testing.assert_close(head.bias[:3].sigmoid(), torch.full((3,), 0.01))
        assert float(head.bias[3:].detach().abs().max()) < 1
    with pytest.raises(ValueError, match="prior between 0 and 1, got 0"):
        small(prior=0)


@pytest.mark.parametrize("norm", ["batch", "per_step"])
def test_every_norm_folds(norm) -> None:
    net = small(norm=norm)
    for _ in range(3):
        net(events())
    fast = event_driven(net.eval())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    # Rounding may move a spike; answers follow the few that it moves.
    difference = (fast(events()) - net(events())).detach().abs()
    assert float((difference > 1e-3).float().mean()) < 0.02


def test_errors_say_what_is_wrong() -> None:
    with pytest.raises(ValueError, match=r"1 to 3 scales for path \(0, 1, 1, 2\), got 4"):
        small(scales=4)
    with pytest.raises(ValueError, match=r"equally many anchors for each of 2 scales, got \(\(5, 5\),\)"):
        small(anchors=((5, 5),))
    with pytest.raises(ValueError, match="at least 2 channels at level 0"):
        small(genotype=replace(SMALL.genotype, filters=1, blocks=1))
