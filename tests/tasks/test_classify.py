"""Loss and metric of classification, the tally, and the order of the batches."""

import dataclasses
import math
from dataclasses import replace

import pytest
import torch

from ranvier.data.datasets import Batch
from ranvier.recipes import Classify, load
from ranvier.tasks import classify
from ranvier.tasks.batches import epoch_batches, mix
from ranvier.tasks.tally import Tally
from ranvier.tasks.task import build


def test_the_answer_is_the_mean_or_the_last_of_the_steps_of_each_lane() -> None:
    y = torch.tensor([[[1.0, 0.0], [2.0, 0.0]], [[3.0, 0.0], [float("nan"), 9.0]]])
    lanes = Batch(torch.zeros(2, 2, 1), torch.tensor([0, 0]), torch.tensor([2, 1]))
    answers = {name: classify.Classification(Classify(readout=name)).answer(y, lanes) for name in ("mean", "last")}
    assert answers["mean"].tolist() == [[2.0, 0.0], [2.0, 0.0]]
    assert answers["last"].tolist() == [[3.0, 0.0], [2.0, 0.0]]


def batch(target: torch.Tensor) -> Batch:
    return Batch(x=torch.zeros(1, len(target), 1), target=target, lengths=torch.ones(len(target), dtype=torch.long))


def test_loss_of_a_uniform_answer_is_the_log_of_the_classes() -> None:
    task = classify.Classification(Classify())
    loss, means = task.loss(torch.zeros(1, 3, 10), batch(torch.tensor([0, 4, 9])))
    assert loss.item() == pytest.approx(math.log(10))
    assert means == {"accuracy": pytest.approx(1 / 3)}


def test_tally_weighs_batches_by_their_size() -> None:
    tally = Tally()
    tally.add({"loss": 0.5, "accuracy": 1.0}, samples=3)
    tally.add({"loss": 2.5, "accuracy": 0.0}, samples=1)
    assert tally.means() == {"loss": 1.0, "accuracy": 0.75}
    assert Tally(**dataclasses.asdict(tally)).means() == tally.means()


def test_a_task_is_found_by_its_name() -> None:
    recipe = load("digits-conv-tiny")
    assert isinstance(build(recipe, torch.nn.Identity()), classify.Classification)
    with pytest.raises(ValueError, match="no task 'classfy': expected one of classify, detect, segment"):
        build(replace(recipe, task=replace(recipe.task, name="classfy")), torch.nn.Identity())  # type: ignore[arg-type]


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
