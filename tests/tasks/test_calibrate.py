"""Calibration: what changes, what stays, when it ends."""

import copy
from typing import get_args

import pytest
import torch

from ranvier import models
from ranvier.data.neural.cortex import cortex
from ranvier.models.decoder import of_day, with_new_day
from ranvier.recipes import Cortex, Decoder
from ranvier.recipes.decoder import Backbone
from ranvier.tasks.calibrate import VALIDATION, Parts, calibrate, decoded

DAY = Cortex(neurons=12, replaced=2, gain=0.5, minutes=1.0, bin_ms=50.0, steps=40, shares=(0.7, 0.1), first_day=3)


@pytest.fixture(scope="module")
def train():
    return cortex(DAY, "train")


@pytest.fixture(scope="module")
def net(train):
    """A decoder of two days that has learned nothing."""
    torch.manual_seed(0)
    net = models.build(Decoder(in_channels=12, days=2, width=16, layers=1, adapter="per_day", channel_dropout=0.1))
    net.set_scale(*map(torch.from_numpy, train.scale()))
    return net.eval()


def weights(net):
    return {name: p.detach().clone() for name, p in net.named_parameters()}


def test_a_new_day_is_learned_and_the_decoder_of_the_others_stays(net, train):
    before, test = weights(net), cortex(DAY, "test")
    found = calibrate(net, train, steps=60, lr=1e-2, every=20, judged=test)
    assert all(torch.equal(p, before[name]) for name, p in net.named_parameters())
    assert found.net.adapter.days == 1
    first, last = found.history[0], found.best
    assert last["judged"] > first["judged"] + 0.3
    assert last["judged"] == pytest.approx(decoded(found.net, test))
    assert first["judged"] == pytest.approx(decoded(of_day(with_new_day(net), -1), test))
    assert [look["step"] for look in found.history] == [0, 20, 40, 60]
    assert all(a["seconds"] < b["seconds"] for a, b in zip(found.history, found.history[1:], strict=False))


def test_the_weights_that_are_kept_decoded_the_last_fifth_best(net, train):
    found = calibrate(net, train, steps=30, lr=3e-2, every=5)
    _, val = train.parted(1 - VALIDATION)
    assert decoded(found.net, val) == pytest.approx(max(look["r2"] for look in found.history))


@pytest.mark.parametrize("parts", get_args(Parts))
def test_nothing_changes_but_the_part_that_is_named(parts, net, train):
    start = weights(of_day(with_new_day(net), -1))
    # Weights with a better R² than those at the start are needed, or these are kept.
    learned = calibrate(net, train, parts=parts, steps=20, lr=1e-2, every=20)
    assert learned.best["step"] == 20
    changed = {name.split(".")[0] for name, p in learned.net.named_parameters() if not torch.equal(p, start[name])}
    assert changed == ({"adapter", "backbone", "readout"} if parts == "full" else {parts})


def test_it_ends_when_nothing_better_comes(net, train):
    found = calibrate(net, train, steps=100, lr=1e-12, weight_decay=0.0, every=2, patience=3)
    assert found.history[-1]["step"] - found.best["step"] == 6


def test_it_is_a_function_of_its_seed(net, train):
    torch.manual_seed(1)
    once = calibrate(net, train, steps=4, every=2)
    drawn = torch.rand(1)
    again = calibrate(net, train, steps=4, every=2)
    other = calibrate(net, train, steps=4, every=2, seed=1)
    same, different = weights(again.net), weights(other.net)
    assert all(torch.equal(p, same[name]) for name, p in once.net.named_parameters())
    assert any(not torch.equal(p, different[name]) for name, p in once.net.named_parameters())
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), drawn), "the caller's generator moved"


def test_a_shared_adapter_goes_on_from_what_it_has(train):
    shared = models.build(Decoder(in_channels=12, width=16, layers=1))
    shared.set_scale(*map(torch.from_numpy, train.scale()))
    found = calibrate(shared, train, parts="adapter", steps=10, every=10, lr=1e-2)
    assert found.net.adapter.days == 1
    assert not torch.equal(found.net.adapter.weight, shared.adapter.weight)


@pytest.mark.parametrize("backbone", get_args(Backbone))
def test_every_backbone_can_be_frozen(backbone, train):
    net = models.build(Decoder(in_channels=12, width=32, layers=1, backbone=backbone))
    net.set_scale(*map(torch.from_numpy, train.scale()))
    found = calibrate(net, train, parts="adapter", steps=2, every=2, lr=1e-2, batch_size=4)
    before = weights(net)
    changed = {name for name, p in found.net.named_parameters() if not torch.equal(p, before[name])}
    assert all(name.startswith("adapter") for name in changed)
    assert len(found.history) == 2
    assert all(p.requires_grad for p in found.net.parameters())


def test_a_day_of_other_units_is_refused(train):
    with pytest.raises(ValueError, match=r"day 4 has 12 units, the decoder was trained on 20: .* ranvier train"):
        calibrate(models.build(Decoder(in_channels=20)), train)


@pytest.mark.gpu
def test_calibration_happens_where_the_decoder_is(net, train):
    found = calibrate(copy.deepcopy(net).cuda(), train, steps=20, lr=1e-2, every=20)
    here = calibrate(net, train, steps=20, lr=1e-2, every=20)
    assert found.net.x_mean.is_cuda
    assert found.history[0]["r2"] == pytest.approx(here.history[0]["r2"], abs=1e-3)
