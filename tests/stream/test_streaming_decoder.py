"""Decoding bin by bin: the answers of the whole recording, whatever comes later, and a memory that can be kept."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ranvier import models
from ranvier.data.neural.samples import smooth
from ranvier.models.decoder import BACKBONES, NeuralDecoder
from ranvier.recipes import Decoder, load
from ranvier.run import start_run
from ranvier.stream import StreamingDecoder

CHANNELS, BINS = 7, 150
EXACT = ("fused", "torch")
"""Engines that round nothing away."""


def made(backbone: str = "gru", **settings) -> NeuralDecoder:
    torch.manual_seed(0)
    settings = {"in_channels": CHANNELS, "width": 32, "layers": 2, "window": 20} | settings
    net = models.build(Decoder(backbone=backbone, **settings)).eval()  # type: ignore[arg-type]
    assert isinstance(net, NeuralDecoder)
    with torch.no_grad():
        # RWKV starts as the identity, which remembers nothing.
        for parameter in net.backbone.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    net.set_scale(torch.full((CHANNELS,), 1.5), torch.full((CHANNELS,), 1.2), torch.tensor([1.0, -2.0]), torch.ones(2))
    return net


def counts(bins: int = BINS, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(1.5, (bins, CHANNELS))


def pushed(decoder: StreamingDecoder, bins) -> np.ndarray:
    return np.stack([decoder.push(one) for one in bins])


@pytest.fixture(params=[(backbone, engine) for backbone in BACKBONES for engine in EXACT], ids="-".join)
def decoder(request) -> StreamingDecoder:
    backbone, engine = request.param
    decoder = StreamingDecoder(made(backbone), engine=engine)
    decoder.net, decoder.engine = made(backbone), engine  # type: ignore[attr-defined]
    return decoder


def test_answers_are_those_of_the_whole_recording(decoder) -> None:
    x = counts()
    whole = decoder.net(torch.from_numpy(x).float().unsqueeze(1))[:, 0].detach().numpy()
    np.testing.assert_allclose(pushed(decoder, x), whole, atol=1e-5 * np.abs(whole).max())
    decoder.reset()
    np.testing.assert_array_equal(decoder.push(x[0]), StreamingDecoder(decoder.net, engine=decoder.engine).push(x[0]))


def test_what_comes_later_changes_no_bit(decoder) -> None:
    x, other = counts(), counts(seed=1)
    first = pushed(decoder, x)
    decoder.reset()
    second = pushed(decoder, np.concatenate([x[:60], other[60:]]))
    assert np.array_equal(first[:60], second[:60])
    assert not np.array_equal(first[60], second[60])


def test_a_saved_stream_goes_on_to_the_bit(decoder, tmp_path) -> None:
    x = counts()
    expected = pushed(decoder, x)
    decoder.reset()
    pushed(decoder, x[:40])
    decoder.push(None)
    decoder.reset()
    pushed(decoder, x[:60])
    decoder.save(tmp_path / "memory.safetensors")
    again = StreamingDecoder.restore(tmp_path / "memory.safetensors", decoder.net, engine=decoder.engine)
    assert (again.bins, again.missed) == (decoder.bins, decoder.missed) == (BINS + 101, 1)
    assert np.array_equal(pushed(again, x[60:]), expected[60:])


def test_neither_memory_nor_answers_grow(decoder) -> None:
    """Two thousand bins; `benchmarks.decode_step` measures an hour of them."""
    decoder.push(None)
    sizes = {name: tensor.nbytes for name, tensor in decoder.memory().items()}
    answers = pushed(decoder, counts(2000))
    assert np.isfinite(answers).all()
    assert {name: tensor.nbytes for name, tensor in decoder.memory().items()} == sizes


def test_answers_are_not_overwritten_by_later_ones() -> None:
    decoder = StreamingDecoder(made())
    first = decoder.push(counts()[0])
    kept = first.copy()
    decoder.push(counts()[1])
    assert np.array_equal(first, kept)


def test_missing_counts_are_means() -> None:
    net, x = made(), counts().astype(float)
    mask = np.random.default_rng(1).random(x.shape) < 0.2
    mask[10] = True
    holes = np.where(mask, np.nan, x)
    by_mask, by_nan = StreamingDecoder(net), StreamingDecoder(net)
    answers = np.stack([by_mask.push(one, missing=gone) for one, gone in zip(x, mask, strict=True)])
    assert np.array_equal(answers, pushed(by_nan, holes))
    assert by_mask.missed == by_nan.missed == 1
    whole = net(torch.from_numpy(holes).float().unsqueeze(1))[:, 0].detach().numpy()
    np.testing.assert_allclose(answers, whole, atol=1e-5)


def test_a_packet_that_never_came_takes_its_time() -> None:
    net, x = made(), counts()
    decoder, other = StreamingDecoder(net), StreamingDecoder(net)
    for one in (x[0], None, x[2]):
        answer = decoder.push(one)
    skipped = pushed(other, x[[0, 2]])[-1]
    assert (decoder.bins, decoder.missed) == (3, 1)
    assert not np.array_equal(answer, skipped)


@pytest.fixture
def run(tmp_path):
    """A run that smooths its counts and looks 120 ms ahead."""
    recipe = load("decode-gru")
    recipe = replace(
        recipe,
        data=replace(recipe.data, smooth_ms=100.0, lag_ms=120.0),
        model=replace(recipe.model, in_channels=CHANNELS, width=32, days=1),
    )
    run = start_run(tmp_path / "run", recipe)
    net = models.build(recipe.model)
    net.x_mean.fill_(1.5)
    save_file(net.state_dict(), run.path / "weights.safetensors")
    return run


def test_a_run_is_streamed_with_its_own_settings(run, tmp_path) -> None:
    x = counts()
    decoder = StreamingDecoder(str(run.path))
    assert (decoder.bin_ms, decoder.lag_ms, decoder.channels) == (50.0, 100.0, CHANNELS)
    smoothed = torch.from_numpy(smooth(x, bins=2.0)).unsqueeze(1)
    expected = run.net()(smoothed)[:, 0].detach().numpy()
    answers = pushed(decoder, x[:90])
    decoder.save(tmp_path / "memory")
    answers = np.concatenate([answers, pushed(StreamingDecoder.restore(tmp_path / "memory", run), x[90:])])
    np.testing.assert_allclose(answers, expected, atol=1e-5)
    decoder.reset()
    np.testing.assert_allclose(decoder.push(x[0]), expected[0], atol=1e-6)


def test_a_missing_count_is_smoothed_as_the_mean(run) -> None:
    x = counts(20).astype(float)
    filled = x.copy()
    filled[5:8] = 1.5
    decoder = StreamingDecoder(run)
    answers = np.stack([decoder.push(None if 5 <= t < 8 else one) for t, one in enumerate(x)])
    assert np.array_equal(answers, pushed(StreamingDecoder(run), filled))


def test_days_are_told_apart() -> None:
    net, x = made(adapter="per_day", days=3), counts(3)
    answers = {day: pushed(StreamingDecoder(net, day=day), x) for day in (0, 2, -1)}
    assert np.array_equal(answers[2], answers[-1])
    assert not np.array_equal(answers[0], answers[2])
    for day in (None, 3, -4):
        with pytest.raises(ValueError, match=r"expected a day from 0 to 2, got .*type day=-1 for the last"):
            StreamingDecoder(net, day=day)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (np.zeros(CHANNELS - 1), r"expected a count of each of 7 channels, got shape \(6,\): type push\(None\)"),
        (np.zeros((1, CHANNELS)), r"got shape \(1, 7\)"),
        (3, r"got shape \(\)"),
        ([0, 0, -1, 0, 0, 0, 0], "expected counts from 0 on, got -1 in channel 2: type NaN"),
        ([0, np.nan, 0, 0, np.inf, 0, 0], "got inf in channel 4"),
    ],
)
def test_bins_that_make_no_sense_leave_no_trace(bad, said) -> None:
    net, x = made(), counts(2)
    decoder = StreamingDecoder(net)
    decoder.push(x[0])
    with pytest.raises(ValueError, match=said):
        decoder.push(bad)
    assert (decoder.bins, decoder.missed) == (1, 0)
    assert np.array_equal(decoder.push(x[1]), pushed(StreamingDecoder(net), x)[1])


@pytest.mark.parametrize("mask", [np.zeros(CHANNELS), np.zeros(3, bool)])
def test_masks_that_make_no_sense(mask) -> None:
    with pytest.raises(ValueError, match=r"expected missing as bool \[7\], got"):
        StreamingDecoder(made()).push(np.zeros(CHANNELS), missing=mask)


def test_a_masked_count_may_be_anything() -> None:
    decoder, gone = StreamingDecoder(made()), np.arange(CHANNELS) == 3
    x = np.where(gone, -1.0, 1.0)
    assert np.isfinite(decoder.push(x, missing=gone)).all()


def test_what_cannot_be_streamed(finished_run, tmp_path) -> None:
    with pytest.raises(ValueError, match="decodes no recording of neurons: choose a run of a recipe such as"):
        StreamingDecoder(finished_run)
    with pytest.raises(FileNotFoundError, match="no run at"):
        StreamingDecoder(tmp_path)
    with pytest.raises(ValueError, match=r"call net\.eval\(\) first"):
        StreamingDecoder(made().train())
    with pytest.raises(ValueError, match="expected engine auto or one of fused, fused-int8, torch"):
        StreamingDecoder(made(), engine="abacus")  # type: ignore[arg-type]


def test_the_memory_of_another_network_is_refused(tmp_path) -> None:
    decoder = StreamingDecoder(made())
    decoder.push(None)
    decoder.save(tmp_path / "memory")
    for other in (made("rwkv"), made(width=16)):
        with pytest.raises(ValueError, match="the memory of another network"):
            StreamingDecoder.restore(tmp_path / "memory", other)
    (tmp_path / "memory").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="not the memory of a stream"):
        StreamingDecoder.restore(tmp_path / "memory", made())
    with pytest.raises(FileNotFoundError):
        StreamingDecoder.restore(tmp_path / "absent", made())
