"""Decoders: sizes of the study's table, adapters of days, and what a bin may know."""

from dataclasses import replace

import pytest
import torch

from ranvier import Carry, models
from ranvier.models.decoder import of_day, with_new_day
from ranvier.recipes import Decoder

# Parameters by width and layers: spec of the decoding backbones, 96 channels, 2 outputs.
PARAMETERS = {
    "gru": {
        (64, 2): 56_258, (64, 4): 106_178, (128, 2): 210_818, (128, 4): 408_962,
        (256, 2): 814_850, (256, 4): 1_604_354, (512, 4): 6_354_434,
    },
    "transformer": {
        (64, 2): 106_434, (64, 4): 206_402, (128, 2): 409_474, (128, 4): 806_018,
        (256, 2): 1_605_378, (256, 4): 3_184_898, (512, 4): 12_661_250,
    },
    "rwkv": {
        (64, 2): 114_498, (64, 4): 222_402, (128, 2): 441_986, (128, 4): 870_786,
        (256, 2): 1_735_938, (256, 4): 3_445_506, (512, 4): 13_706_754,
    },
    "spiking": {(64, 2): 15_234, (128, 2): 46_850},  # not in the table: d (96 + 1) + layers (d^2 + 5 d) + d + 2 (d + 1)
    "mamba": {
        (64, 2): 71_810, (64, 4): 137_218, (128, 2): 246_018, (128, 4): 479_234,
        (256, 2): 901_634, (256, 4): 1_777_666, (512, 4): 6_832_130,
    },
}  # fmt: skip
STATE = {"gru": 1, "mamba": 38, "rwkv": 5, "transformer": 200, "spiking": 2}
READOUT = {"spiking": 1}
BACKBONES = pytest.mark.parametrize("backbone", PARAMETERS)
SMALL = Decoder(in_channels=5, width=32, days=3)


def build(config: Decoder):
    torch.manual_seed(0)
    return models.build(config).double().eval()


def counts(steps: int = 6, lanes: int = 3) -> torch.Tensor:
    return torch.poisson(torch.ones(steps, lanes, 5, dtype=torch.float64), generator=torch.Generator().manual_seed(1))


@BACKBONES
def test_parameters_are_those_of_the_table(backbone) -> None:
    for (width, layers), expected in PARAMETERS[backbone].items():
        with torch.device("meta"):
            net = models.build(Decoder(backbone=backbone, width=width, layers=layers))
        assert sum(p.numel() for p in net.parameters()) == expected


@BACKBONES
def test_the_memory_does_not_grow(backbone) -> None:
    net, carry = models.build(Decoder(in_channels=5, backbone=backbone, width=32, layers=3)), Carry()
    for _ in range(3):
        net(torch.zeros(4, 2, 5), carry)
        numbers = sum(
            tensor[0].numel() for state in carry.values() for tensor in state.values() if tensor.is_floating_point()
        )
        assert numbers == 32 * (3 * STATE[backbone] + READOUT.get(backbone, 0))


@BACKBONES
def test_a_bin_knows_no_later_one(backbone) -> None:
    net, x = build(replace(SMALL, backbone=backbone)), counts()
    later = x.clone()
    later[4:] += 1
    assert torch.equal(net(later)[:4], net(x)[:4])
    assert not torch.allclose(net(later)[4:], net(x)[4:])


@pytest.mark.parametrize("adapter", ["per_day", "day_embedding"])
def test_every_lane_goes_through_its_day(adapter) -> None:
    net, x = build(replace(SMALL, adapter=adapter)), counts()
    if adapter == "day_embedding":
        torch.nn.init.normal_(net.adapter.embedding)
    together = net(x, day=torch.tensor([2, 0, 2]))
    for lane, day in enumerate((2, 0, 2)):
        torch.testing.assert_close(together[:, lane], net(x, day=day)[:, lane])
    assert not torch.allclose(together[:, 0], net(x, day=0)[:, 0])


@pytest.mark.parametrize("adapter", ["per_day", "day_embedding"])
def test_a_days_lanes_teach_nothing_to_other_days(adapter) -> None:
    net = build(replace(SMALL, adapter=adapter))
    net(counts(), day=torch.tensor([2, 0, 2])).square().sum().backward()
    learned = net.adapter.weight if adapter == "per_day" else net.adapter.embedding
    assert learned.grad[[0, 2]].abs().sum() > 0
    assert not learned.grad[1].any()


def test_a_shared_adapter_reads_every_day_alike() -> None:
    net, x = build(SMALL), counts()
    assert torch.equal(net(x, day=7), net(x))
    assert with_new_day(net).adapter.days == 1


@pytest.mark.parametrize("adapter", ["per_day", "day_embedding"])
def test_a_new_day_begins_with_the_mean_of_the_others(adapter) -> None:
    net, x = build(replace(SMALL, adapter=adapter)), counts()
    with torch.no_grad():
        for parameter in net.adapter.parameters():
            parameter.normal_()
    more = with_new_day(net)
    assert net.adapter.days == 3
    assert more.adapter.days == 4
    adapted = torch.stack([net.adapter(x, day) for day in range(3)])
    torch.testing.assert_close(more.adapter(x, 3), adapted.mean(0))
    torch.testing.assert_close(more(x, day=1), net(x, day=1))
    saved = models.build(replace(SMALL, adapter=adapter, days=4))
    saved.load_state_dict(more.state_dict())


def test_a_silenced_channel_is_silent_for_all_bins() -> None:
    net = build(replace(SMALL, channel_dropout=0.5)).train()
    seen = []
    net.adapter.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0]))
    net(torch.ones(50, 40, 5, dtype=torch.float64))
    x = seen[0]
    assert torch.equal(x, x[:1].expand_as(x))
    assert set(x.unique().tolist()) == {0, 2}
    assert float((x == 0).double().mean()) == pytest.approx(0.5, abs=0.15)


def test_starts_are_those_of_a_linear_layer() -> None:
    weight = build(Decoder(in_channels=100, adapter="per_day", days=4)).adapter.weight.detach()
    assert float(weight.abs().max()) == pytest.approx(0.1, rel=0.01)
    assert not torch.equal(weight[0], weight[1])


@pytest.mark.parametrize(
    ("day", "message"),
    [
        (None, r"expected the recording day of the lanes, 0 to 2: type net\(x, carry, day=2\)"),
        (3, r"expected days 0 to 2, got 3 to 3: with_new_day\(net\)"),
        (-1, "expected days 0 to 2, got -1 to -1"),
        (torch.tensor([0, 1, 5]), "expected days 0 to 2, got 0 to 5"),
        (torch.tensor([0]), r"expected a day for each of 3 lanes, got \(1,\)"),
    ],
)
def test_days_that_are_not_known(day, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(replace(SMALL, adapter="per_day"))(counts(), day=day)


def test_other_channels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected \[time, batch, 5 channels\], got \(6, 3, 4\)"):
        build(SMALL)(counts()[..., :4])


def test_a_count_that_is_missing_is_taken_for_the_mean() -> None:
    net, x = build(SMALL), counts()
    mean, std = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]), torch.ones(5)
    net.set_scale(mean, std, torch.zeros(2), torch.ones(2))
    known, x[2, :, 3] = x.clone(), float("nan")
    known[2, :, 3] = 4.0
    assert torch.equal(net(x), net(known))


def test_a_channel_that_was_silent_in_training_says_nothing() -> None:
    net, x = build(SMALL), counts()
    net.set_scale(torch.zeros(5), torch.tensor([1.0, 1.0, 0.001, 1.0, 1.0]), torch.zeros(2), torch.ones(2))
    loud = x.clone()
    loud[..., 2] += 100
    assert torch.equal(net(x), net(loud))


def test_answers_are_in_the_unit_of_the_movement() -> None:
    net, x = build(SMALL), counts()
    before = net(x)
    net.set_scale(torch.zeros(5), torch.ones(5), torch.tensor([1.0, -1.0]), torch.tensor([10.0, 20.0]))
    torch.testing.assert_close(net(x), before * torch.tensor([10.0, 20.0]) + torch.tensor([1.0, -1.0]))


def test_one_day_of_several_is_a_decoder_of_its_own() -> None:
    net, x = build(replace(SMALL, adapter="per_day")), counts()
    torch.testing.assert_close(of_day(net, 1)(x), net(x, day=1))
    assert torch.equal(of_day(net, -1)(x), of_day(net, 2)(x))
    with pytest.raises(ValueError, match="expected a day from 0 to 2"):
        of_day(net, 3)
