"""Optimisers and learning-rate curves."""

import pytest
import torch

from ranvier import models
from ranvier.neurons import AdaptiveLIF
from ranvier.recipes import SpikingSSM, Train
from ranvier.tasks.optimise import learning_rate, optimizer


def test_only_matrices_decay() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    groups = optimizer(net, Train(weight_decay=0.5)).param_groups
    assert [(group["weight_decay"], len(group["params"])) for group in groups] == [(0.5, 1), (0.0, 3)]


@pytest.mark.parametrize("warmup", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_learning_rate_stays_within_its_peak(steps: int, warmup: float) -> None:
    train = Train(lr=0.5, warmup=warmup)
    rates = [learning_rate(step, steps, train) for step in range(steps)]
    assert all(0 < rate <= 0.5 for rate in rates)
    assert max(rates) == 0.5


@pytest.mark.parametrize("rise", ["linear", "quartic", "geometric"])
@pytest.mark.parametrize("schedule", ["cosine", "constant", "poly"])
def test_every_curve_rises_to_the_peak_and_never_rises_again(rise: str, schedule: str) -> None:
    train = Train(lr=2.0, warmup=0.2, rise=rise, schedule=schedule)  # type: ignore[arg-type]
    rates = [learning_rate(step, 100, train) for step in range(100)]
    assert rates[:20] == sorted(rates[:20])
    assert max(rates) == rates[20] == 2.0
    assert rates[20:] == sorted(rates[20:], reverse=True)


def test_the_published_curve_of_spiking_edn() -> None:
    train = Train(lr=1e-3, warmup=1000 / 101_000, rise="geometric", schedule="poly")
    at = {step: learning_rate(step, 101_000, train) for step in (0, 500, 1000, 51_000, 100_999)}
    assert at[0] == pytest.approx(5e-6)
    assert at[500] == pytest.approx(7.07e-5, rel=1e-3)
    assert at[1000] == pytest.approx(1e-3)
    assert at[51_000] == pytest.approx(1e-3 * 0.5**0.9)
    assert 0 < at[100_999] < 1e-7


def test_the_published_curve_of_spikefpn() -> None:
    train = Train(lr=1e-3, warmup=1 / 30, rise="quartic", schedule="constant")
    assert learning_rate(49, 3000, train) == pytest.approx(1e-3 * 0.5**4)
    assert learning_rate(2999, 3000, train) == 1e-3


def test_amsgrad_decays_every_parameter_through_its_gradient() -> None:
    net = torch.nn.Linear(3, 2)
    groups = optimizer(net, Train(optimizer="amsgrad", weight_decay=5e-4)).param_groups
    assert [(g["weight_decay"], g["amsgrad"], len(g["params"])) for g in groups] == [(5e-4, True, 2)]


def test_time_constants_of_adaptive_thresholds_stay_in_their_range() -> None:
    neuron = AdaptiveLIF(decay=0.2, tau_a_range=(0.64, 1.1))
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), neuron)
    optimiser = optimizer(net, Train(lr=0.5))
    neuron.tau_a.grad = torch.tensor(-1.0)
    optimiser.step()
    assert neuron.tau_a.item() == pytest.approx(1.1)


def test_modules_say_which_parameters_are_trained_differently() -> None:
    net = models.build(SpikingSSM(in_channels=2, layers=1, width=4, state=4, trainable_b=True))
    groups = optimizer(net, Train(lr=0.01, weight_decay=0.5)).param_groups
    names = {p: name for name, p in net.named_parameters()}
    found = {names[p]: (group["scale"], group["weight_decay"]) for group in groups for p in group["params"]}
    modes = "body.blocks.0.body.s4d."
    for name in ("log_dt", "log_decay", "frequency", "b"):
        assert found.pop(modes + name) == (0.1, 0.0)
    assert found.pop(modes + "c") == (0.1, 0.5)
    assert found.pop(modes + "d") == (1.0, 0.5)
    assert found.pop("body.blocks.0.body.ln_threshold") == (1.0, 0.5)
    assert all(
        setting == (1.0, 0.5 if "weight" in name and "norm" not in name else 0.0) for name, setting in found.items()
    )


def test_a_low_learning_rate_is_everyones() -> None:
    net = models.build(SpikingSSM(in_channels=2, layers=1, width=4, state=4))
    assert {group["scale"] for group in optimizer(net, Train(lr=5e-4)).param_groups} == {1.0}


def test_the_schedule_may_end_before_the_training() -> None:
    train = Train(lr=1.0, warmup_steps=1, schedule_steps=5)
    rates = [learning_rate(step, 100, train) for step in (0, 3, 5, 6, 99)]
    assert rates == [1.0, pytest.approx(0.5), 0.0, 0.0, 0.0]
