"""The fused engine answers as the network does, remembers what a carry remembers, and says what it cannot step."""

import functools
import itertools

import numpy as np
import pytest
import torch
from torch import nn

from ranvier import models
from ranvier.kernels import native, step
from ranvier.layers.stack import Stack
from ranvier.models.decoder import NeuralDecoder
from ranvier.neurons import LIF
from ranvier.recipes import Decoder
from ranvier.stream import StreamingDecoder, engine
from ranvier.stream.engine import TorchEngine
from ranvier.stream.fused import FusedEngine

CHANNELS, BINS, WINDOW = 7, 300, 7
WIDTHS = {
    "gru": (8, 30, 33),
    "rwkv": (8, 30, 33),
    "mamba": (8, 30, 33),
    "transformer": (32, 96),
    "spiking": (8, 30, 33),
}
"""Attention divides its channels into heads of 32."""
CASES = [(name, width, layers) for name, widths in WIDTHS.items() for width in widths for layers in (1, 2)]
EACH = pytest.mark.parametrize("backbone", WIDTHS)


def made(backbone: str, width: int = 32, layers: int = 2, **settings) -> NeuralDecoder:
    torch.manual_seed(0)
    config = Decoder(in_channels=CHANNELS, backbone=backbone, width=width, layers=layers, window=WINDOW, **settings)  # type: ignore[arg-type]
    net = models.build(config).eval()
    assert isinstance(net, NeuralDecoder)
    with torch.no_grad():
        # RWKV starts as the identity, norms and days as no change.
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        for module in net.modules():
            if isinstance(module, nn.BatchNorm1d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.uniform_(-0.2, 0.2)
                module.running_var.uniform_(0.02, 0.1)
    net.set_scale(
        torch.linspace(1, 2, CHANNELS), torch.linspace(0.0, 2, CHANNELS), torch.tensor([1, -2]), torch.ones(2)
    )
    return net


def counts(bins: int = BINS, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(1.5, (bins, CHANNELS)).astype(np.float32)


def pushed(one, bins: np.ndarray) -> np.ndarray:
    return np.stack([one.push(x) for x in bins])


def assert_close(y: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.fixture(params=[0, 1, 2], ids=native.ISA_NAMES)
def isa(request):
    library = native.library()
    assert library is not None
    if library.ranvier_select_isa(request.param) != request.param:
        library.ranvier_select_isa(2)
        pytest.skip("not on this machine")
    yield
    library.ranvier_select_isa(2)


@functools.cache
def with_holes(backbone: str, width: int, layers: int) -> tuple[NeuralDecoder, np.ndarray, np.ndarray]:
    """A network, counts of which some are missing, and its answers; the same for all instruction sets."""
    net, x = made(backbone, width, layers), counts()
    x[np.random.default_rng(1).random(x.shape) < 0.05] = np.nan
    x[10] = np.nan
    return net, x, pushed(TorchEngine(net, None), x)


@pytest.mark.parametrize(("backbone", "width", "layers"), CASES)
def test_answers_are_those_of_the_network(isa, backbone: str, width: int, layers: int) -> None:
    net, x, expected = with_holes(backbone, width, layers)
    assert np.ptp(expected, axis=0).min() > 0.1, "an answer that says nothing shows nothing"
    assert_close(pushed(FusedEngine(net, None), x), expected)


@EACH
@pytest.mark.parametrize("bins", [3, 40])
def test_memory_goes_both_ways(backbone: str, bins: int) -> None:
    """After fewer bins than the window has, and after the ring has gone round."""
    net, x = made(backbone), counts(100)
    expected = pushed(TorchEngine(net, None), x)[bins:]
    for first, second in itertools.product((FusedEngine(net, None), TorchEngine(net, None)), repeat=2):
        first.rest()
        pushed(first, x[:bins])
        memory = first.memory()
        second.rest()
        pushed(second, counts(5, seed=2))
        second.load(memory)
        assert_close(pushed(second, x[bins:]), expected)


@EACH
def test_memory_has_the_names_shapes_and_numbers_of_a_carry(backbone: str) -> None:
    net, x = made(backbone), counts(40)
    fused, torch_ = FusedEngine(net, None), TorchEngine(net, None)
    for one in (fused, torch_):
        pushed(one, x)
    kept, expected = fused.memory(), torch_.memory()
    assert kept.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(kept[name], tensor, rtol=1e-4, atol=1e-5)
    fused.push(x[0])
    torch.testing.assert_close(kept[name], expected[name], rtol=1e-4, atol=1e-5)  # a copy: it did not go on


@EACH
def test_vectors_in_between_remember_nothing(backbone: str) -> None:
    net, x = made(backbone, 30 if backbone != "transformer" else 32), counts(30)
    fused = FusedEngine(net, None)
    expected = pushed(fused, x)
    fused.rest()
    answers = []
    for one in x:
        for vector in fused.program.scratch:
            vector.fill_(torch.nan)
        answers.append(fused.push(one))
    assert np.array_equal(np.stack(answers), expected)


@EACH
def test_two_engines_do_not_meet(backbone: str) -> None:
    net, x, other = made(backbone), counts(30), counts(30, seed=1)
    alone = [pushed(FusedEngine(net, None), one) for one in (x, other)]
    first, second = FusedEngine(net, None), FusedEngine(net, None)
    together = [(first.push(a), second.push(b)) for a, b in zip(x, other, strict=True)]
    assert np.array_equal(np.stack([y for y, _ in together]), alone[0])
    assert np.array_equal(np.stack([y for _, y in together]), alone[1])


@pytest.mark.parametrize("adapter", ["per_day", "day_embedding"])
def test_days_are_told_apart(adapter: str) -> None:
    net, x = made("gru", adapter=adapter, days=3), counts(20)
    answers = [pushed(FusedEngine(net, day), x) for day in range(3)]
    for day, y in enumerate(answers):
        assert_close(y, pushed(TorchEngine(net, day), x))
    assert not np.allclose(answers[0], answers[2], atol=1e-3)


@pytest.mark.parametrize("backbone", ["gru", "rwkv", "mamba", "transformer"])
def test_whole_numbers_for_weights_change_little(backbone: str) -> None:
    net, x = made(backbone), counts()
    expected = pushed(TorchEngine(net, None), x)
    error = pushed(FusedEngine(net, None, weights="int8"), x) - expected
    assert 0 < np.sqrt((error**2).mean()) < 0.03 * expected.std()


def test_rounded_weights_of_spikes_are_summed_as_they_are() -> None:
    """Where the rounding is exact, so is the answer: rows of whole numbers up to 127."""
    program = step.Program("int8")
    x, v = torch.tensor([1.0, 0.0, 2.0, 3.0, -1.0]), torch.zeros(5)
    weight = torch.from_numpy(np.random.default_rng(0).integers(-127, 128, (35, 5))).float()
    weight[:, 2] = 127
    y = program.linear(program.fire(x, torch.ones(5), torch.ones(5), torch.ones(5), v, reset=0.0, strict=False), weight)
    program.run()
    assert torch.equal(y, weight[:, [0, 2, 3]].sum(1))
    assert torch.equal(v, torch.tensor([0.0, 0, 0, 0, -1]))


def test_a_layer_without_a_step_is_named() -> None:
    net = made("gru")
    net.backbone = Stack(nn.Tanh())
    with pytest.raises(TypeError, match=r'fused step, got Tanh: type engine="torch"'):
        FusedEngine(net, None)
    net.backbone = Stack(LIF(tau=2.0, reset="soft"))
    with pytest.raises(TypeError, match='reset="hard"'):
        FusedEngine(net, None)


def test_auto_is_the_fastest_engine_there_is(monkeypatch) -> None:
    net = made("gru")
    assert isinstance(StreamingDecoder(net)._engine, FusedEngine)
    monkeypatch.setattr(native, "load", lambda: (None, "the C kernels were not built"))
    step._function.cache_clear()
    with pytest.raises(RuntimeError, match='the C kernels were not built; or type engine="torch"'):
        FusedEngine(net, None)
    monkeypatch.setattr(engine.native, "library", lambda: None)
    assert isinstance(StreamingDecoder(net)._engine, TorchEngine)
    step._function.cache_clear()
