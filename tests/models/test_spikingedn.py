"""SpikingEDN: the published sizes to the unit, shapes, what is a spike and what is not, memory, options and errors."""

import functools
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from ranvier import Carry, models
from ranvier.audit import audit
from ranvier.layers import PerStep, event_driven
from ranvier.models.spikingedn import EncoderDecoder
from ranvier.neurons import AdaptiveLIF, Neuron
from ranvier.recipes import SpikingEDN
from ranvier.record import record

DDD17 = SpikingEDN()
DSEC = SpikingEDN(size=(440, 640), classes=11)
DDD17_SSAM = SpikingEDN(fusion="ssam", frame_channels=1, stem_channels=64, classes=7)
DSEC_SSAM = replace(DSEC, fusion="ssam", frame_channels=3, stem_channels=64)

SECOND_NORM = 2 * 96
"""Parameters of the batch norm that the released events-only network owns and passes by."""
BETA = 64 * 64 * 9 + 64
"""Parameters of the convolution that the released network with SSAM owns and never calls."""

SMALL = SpikingEDN(
    genotype=replace(DDD17.genotype, filters=2),
    event_channels=2,
    size=(24, 20),
    classes=3,
    stem_channels=4,
    depth=8,
    low_channels=4,
    dilations=(1, 2),
    pool_momentum=0.1,
)
FUSIONS = {
    "none": SMALL,
    "concatenate": replace(SMALL, fusion="concatenate", frame_channels=1),
    "ssam": replace(SMALL, fusion="ssam", frame_channels=1),
    "events by themselves": replace(SMALL, fusion="ssam"),
}


def build(config: SpikingEDN) -> EncoderDecoder:
    torch.manual_seed(0)
    return models.build(config)  # type: ignore[return-value]


def clip(config: SpikingEDN, *, steps: int = 4, size: tuple[int, int] | None = None) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    size = size or config.size
    frame = torch.rand(steps, 2, config.frame_channels, *size, generator=generator)
    return torch.cat((frame, torch.randint(-1, 2, (steps, 2, config.event_channels, *size), generator=generator)), 2)


def warm(config: SpikingEDN) -> EncoderDecoder:
    """A network whose running statistics have seen its input, so that all layers fire."""
    net = build(config)
    for _ in range(20):
        net(clip(config))
    return net.eval()


class Described:
    """Parameters, MACs of a step and output shapes of a network, by the name of each part; nothing is computed."""

    def __init__(self, config: SpikingEDN) -> None:
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.convolutions: dict[str, int] = {}
        with torch.device("meta"):
            self.net = models.build(config).eval()
            for name, module in self.net.named_modules():
                module.register_forward_hook(partial(self._look, name))
            self.net(torch.empty(1, 1, config.in_channels, *config.size))

    def _look(self, name: str, module: nn.Module, inputs: tuple, y: Tensor | list[Tensor]) -> None:
        if isinstance(y, Tensor):
            self.shapes[name] = tuple(y.shape[-3:])
        if isinstance(module, nn.Conv2d):
            self.convolutions[name] = y.numel() * module.weight[0].numel()

    def parameters(self, *parts: str) -> int:
        return sum(p.numel() for part in parts for p in self.net.get_submodule(part).parameters())

    def giga_macs(self, *parts: str) -> float:
        return sum(n for name, n in self.convolutions.items() if name.startswith(parts)) / 1e9


described = functools.cache(Described)


@pytest.mark.parametrize(
    ("config", "parameters", "giga_macs"),
    [
        (DDD17, 8_496_822, 75.89),
        (DSEC, 8_498_107, 308.28),
        (DDD17_SSAM, 8_624_007 - BETA, 79.39),
        (DSEC_SSAM, 8_626_187 - BETA, 322.85),
    ],
    ids=["ddd17", "dsec", "ddd17-ssam", "dsec-ssam"],
)
def test_the_published_size(config: SpikingEDN, parameters: int, giga_macs: float) -> None:
    net = described(config)
    assert net.parameters("") == parameters
    assert net.giga_macs("") == pytest.approx(giga_macs, abs=0.005)
    assert net.shapes[""] == (config.classes, *config.size)


def test_what_the_release_carries_unused_is_here_an_option() -> None:
    assert described(replace(DDD17, second_norm=False)).parameters("") == 8_496_822 - SECOND_NORM
    assert described(replace(DDD17_SSAM, modulation="scale_shift")).parameters("") == 8_624_007
    assert described(replace(DSEC_SSAM, modulation="scale_shift")).parameters("") == 8_626_187


@pytest.mark.parametrize(
    ("parts", "shape", "parameters", "giga_macs"),
    [
        (("first",), (48, 200, 346), 432, 0.0166),
        (("second",), (96, 100, 173), 41_760, 0.7175),
        (("encoder.cells.0",), (96, 100, 173), 345_984, 5.98),
        (("encoder.cells.1",), (192, 50, 87), 922_368, 4.01),
        (("encoder.cells.2",), (192, 50, 87), 1_383_168, 6.01),
        (("encoder.cells.3",), (192, 50, 87), 1_843_968, 8.02),
        (("encoder.cells.4",), (96, 100, 173), 921_984, 15.94),
        (("encoder.cells.5",), (96, 100, 173), 691_584, 11.96),
        (("pool",), (256, 100, 173), 1_043_456, 17.57),
        (("decoder", "low_level"), (6, 50, 87), 1_302_118, 5.66),
    ],
)
def test_each_part_has_the_published_size(
    parts: tuple[str, ...], shape: tuple[int, ...], parameters: int, giga_macs: float
) -> None:
    net = described(DDD17)
    assert net.shapes[parts[0]] == shape
    assert net.parameters(*parts) == parameters
    assert net.giga_macs(*parts) == pytest.approx(giga_macs, abs=0.005)


def test_a_cell_has_six_edges_of_5x5_each_with_statistics_of_its_own() -> None:
    """Those from one source lie side by side in one convolution."""
    for cell, level in zip(described(DDD17).net.encoder.cells, (0, 1, 1, 1, 0, 0), strict=True):
        convolutions = [module for module in cell.modules() if isinstance(module, nn.Conv2d)]
        norms = [module for module in cell.modules() if isinstance(module, nn.BatchNorm2d)]
        assert [conv.out_channels for conv in convolutions] == 2 * [3 * 32 * 2**level]
        assert [norm.num_features for norm in norms] == [conv.out_channels for conv in convolutions]
        assert all(conv.kernel_size == (5, 5) and conv.bias is None for conv in convolutions)


def test_the_pooling_averages_its_statistics_slowly() -> None:
    net = described(DDD17).net
    assert {m.momentum for m in net.pool.modules() if isinstance(m, nn.BatchNorm2d)} == {3e-4}
    assert {m.momentum for m in net.decoder.modules() if isinstance(m, nn.BatchNorm2d)} == {0.1}


@pytest.mark.parametrize("name", FUSIONS)
def test_logits_at_the_size_of_the_input_and_gradients_everywhere(name: str) -> None:
    config = FUSIONS[name]
    net = build(config)
    y = net(clip(config))
    assert y.shape == (4, 2, 3, 24, 20)
    (y * torch.linspace(-1, 1, y.numel()).view_as(y)).sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("size", [(24, 20), (25, 19), (23, 41), (45, 26)])
@pytest.mark.parametrize("resize", ["bilinear", "nearest"])
def test_every_size_works(size: tuple[int, int], resize: str) -> None:
    config = replace(SMALL, resize=resize)  # type: ignore[arg-type]
    assert build(config).eval()(clip(config, size=size)).shape == (4, 2, 3, *size)


@pytest.mark.parametrize("name", FUSIONS)
def test_chunks_equal_the_whole(name: str) -> None:
    config = FUSIONS[name]
    net, x = warm(config).double(), clip(config).double()
    carry = Carry()
    whole = net(x)
    torch.testing.assert_close(torch.cat([net(step, carry) for step in x.split([1, 1, 2])]), whole)
    assert not torch.allclose(net(x[2:]), whole[2:]), "nothing is remembered"


def test_a_burn_in_step_is_remembered() -> None:
    net, x = warm(SMALL), clip(SMALL)
    other = x.clone()
    other[0] = x[0].flip(-1)
    assert not torch.equal(net(x)[1:], net(other)[1:])


@pytest.mark.parametrize("frame_decay", [0.0, 0.2])
def test_the_frames_path_has_a_memory_of_its_own(frame_decay: float) -> None:
    stem = build(replace(FUSIONS["ssam"], frame_decay=frame_decay, decay=0.3)).first
    assert [m.leak()[0] for m in stem.modules() if isinstance(m, Neuron)] == [frame_decay, 0.3]


def test_with_nearest_all_but_the_first_layer_sees_spikes_and_with_bilinear_resized_cells_do_not() -> None:
    def real(resize: str) -> set[str]:
        config = replace(SMALL, resize=resize)  # type: ignore[arg-type]
        cost = audit(warm(config), clip(config))
        assert cost.uncounted == ()
        return {layer.name for layer in cost.layers if not layer.multiplication_free}

    assert real("nearest") == {"first.0"}
    mixed = real("bilinear") - {"first.0"}
    # Cells whose s0 or s1 comes from another resolution: s0 of 0, s1 of 1, s0 of 2, s1 of 4 and s0 of 4 and 5.
    assert {name.split(".")[2] for name in mixed} == {"0", "1", "2", "4", "5"}


def test_an_audit_tells_the_forms_of_modulation_apart() -> None:
    def real(**options: str) -> set[str]:
        config = replace(FUSIONS["ssam"], resize="nearest", **options)
        cost = audit(warm(config), clip(config))
        return {layer.name for layer in cost.layers if not layer.multiplication_free}

    assert real() == {"first.events.0", "first.frame.0"}
    assert real(modulation="scale_shift") == {"first.events.0", "first.frame.0", "first.product"}
    through = {f"first.gamma.{i}" for i in range(4)}
    assert real(frame_neuron="relu") == {"first.events.0", "first.frame.0"} | through


@pytest.mark.parametrize("name", FUSIONS)
def test_event_driven_inference_answers_the_same(name: str) -> None:
    config = FUSIONS[name]
    net, x = warm(config).double(), clip(config).double()
    fast = event_driven(net)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    torch.testing.assert_close(fast(x), net(x))


def test_every_cell_fires_and_says_its_rate() -> None:
    net, x = warm(SMALL), clip(SMALL)
    outputs = {}
    handles = [
        cell.register_forward_hook(lambda cell, inputs, y, i=i: outputs.update({i: y}))
        for i, cell in enumerate(net.encoder.cells)
    ]
    _, said = record(net, x)
    for handle in handles:
        handle.remove()
    for i, y in outputs.items():
        rates = [s.mean() for name, s in said.items() if name.startswith(f"encoder.cells.{i}.")]
        assert 0 < y.mean() < 1
        torch.testing.assert_close(y.mean(), torch.stack(rates).mean())


def test_the_twin_has_neither_spikes_nor_memory() -> None:
    config = replace(FUSIONS["ssam"], neuron="relu")
    net, x = warm(config), clip(config)
    assert not any(isinstance(m, Neuron) for m in net.modules())
    spiking = sum(p.numel() for p in build(FUSIONS["ssam"]).parameters())
    assert sum(p.numel() for p in net.parameters()) == spiking - config.stem_channels
    torch.testing.assert_close(net(x[2:]), net(x)[2:])


@pytest.mark.parametrize(("stem", "sign"), [("alif+", 1), ("alif-", -1), ("lif", None)])
def test_the_first_layers_threshold(stem: str, sign: int | None) -> None:
    for config, span in ((SMALL, (0.64, 1.1)), (FUSIONS["ssam"], (0.64, 2.3))):
        net = build(replace(config, stem=stem, stem_threshold=0.3))  # type: ignore[arg-type]
        *_, neuron = (m for m in net.first.modules() if isinstance(m, Neuron))
        assert neuron.v_threshold == 0.3
        assert neuron.strict
        assert isinstance(neuron, AdaptiveLIF) is (sign is not None)
        if isinstance(neuron, AdaptiveLIF):
            assert (neuron.sign, neuron.tau_a_range, neuron.tau_a.shape) == (sign, span, (4,))
    others = [m for name, m in net.named_modules() if isinstance(m, Neuron) and not name.startswith("first")]
    assert {(m.v_threshold, m.leak()[0], m.surrogate, m.temperature, m.strict) for m in others} == {
        (0.5, 0.2, "tanh", 3.0, True)
    }


def test_dropout_is_where_the_paper_has_it() -> None:
    kinds = [type(module).__name__ for module in build(SMALL).decoder]
    assert kinds == ["Stack", "Dropout", "Stack", "Dropout", "Conv2d"]
    assert [m.p for m in build(SMALL).decoder if isinstance(m, nn.Dropout)] == [0.5, 0.1]


def test_statistics_of_each_step() -> None:
    norms = [m for m in build(replace(SMALL, norm="per_step")).modules() if isinstance(m, PerStep)]
    batch = [m for m in build(SMALL).modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == len(batch) == 1 + 1 + 6 * 2 + 5 + 3


def test_errors_say_what_is_wrong() -> None:
    with pytest.raises(ValueError, match=r"no frame_channels with fusion='none', got 1: type fusion='ssam'"):
        build(replace(SMALL, frame_channels=1))
    with pytest.raises(ValueError, match="frame_channels to concatenate, got 0"):
        build(replace(SMALL, fusion="concatenate"))
    with pytest.raises(ValueError, match=r"dilations smaller than the map of 12x9 .* got \(6, 12, 18\)"):
        build(replace(SMALL, dilations=(6, 12, 18)))
    with pytest.raises(ValueError, match=r"at least 3 cells for the decoder, got \[0, 1\]"):
        build(replace(SMALL, genotype=replace(SMALL.genotype, path=(0, 1))))
    with pytest.raises(ValueError, match="dropout from 0 to 1"):
        replace(SMALL, dropout=(0.5, 1.5))
    with pytest.raises(ValueError, match="expected 2 features on axis 2, got 3"):
        build(SMALL)(torch.zeros(2, 1, 3, 24, 20))
