"""Loss, tally and learning rate of classification, and the order of the batches."""

import math

import pytest
import torch

from ranvier.recipes import Classify, Train
from ranvier.tasks import classify
from ranvier.tasks.batches import epoch_batches, mix


def test_the_answer_is_the_mean_over_the_steps_of_each_lane() -> None:
    y = torch.tensor([[[1.0, 0.0], [2.0, 0.0]], [[3.0, 0.0], [float("nan"), 9.0]]])
    answer = classify.logits(y, torch.tensor([2, 1]))
    assert answer.tolist() == [[2.0, 0.0], [2.0, 0.0]]


def test_loss_of_a_uniform_answer_is_the_log_of_the_classes() -> None:
    value = classify.loss(torch.zeros(3, 10), torch.tensor([0, 4, 9]), Classify())
    assert value.item() == pytest.approx(math.log(10))


def test_tally_weighs_batches_by_their_size() -> None:
    tally = classify.Tally()
    right, wrong = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    tally.add(right.repeat(3, 1), torch.zeros(3, dtype=torch.long), 0.5)
    tally.add(wrong, torch.zeros(1, dtype=torch.long), 2.5)
    assert tally.means() == {"loss": 1.0, "accuracy": 0.75}


def test_only_matrices_decay() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    groups = classify.optimizer(net, Train(weight_decay=0.5)).param_groups
    assert [(group["weight_decay"], len(group["params"])) for group in groups] == [(0.5, 1), (0.0, 3)]


@pytest.mark.parametrize("warmup", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_learning_rate_stays_within_its_peak(steps: int, warmup: float) -> None:
    train = Train(lr=0.5, warmup=warmup)
    rates = [classify.learning_rate(step, steps, train) for step in range(steps)]
    assert all(0 < rate <= 0.5 for rate in rates)
    assert max(rates) == 0.5


def test_every_epoch_sees_every_sample_once_in_its_own_order() -> None:
    epochs = [epoch_batches(10, 4, seed=3, epoch=epoch) for epoch in range(3)]
    assert [len(batch) for batch in epochs[0]] == [4, 4, 2]
    flat = [[number for batch in batches for number in batch] for batches in epochs]
    assert all(sorted(order) == list(range(10)) for order in flat)
    assert flat[0] != flat[1] != flat[2]
    assert epochs[1] == epoch_batches(10, 4, seed=3, epoch=1) != epoch_batches(10, 4, seed=4, epoch=1)


def test_mixed_seeds_do_not_collide() -> None:
    seeds = {mix(a, b) for a in range(50) for b in range(50)}
    assert len(seeds) == 2500
    assert all(0 <= seed < 2**63 for seed in seeds)
