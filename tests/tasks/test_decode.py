"""Decoding as a task: what counts in the loss, and R² by day."""

import pytest
import torch

from ranvier import models
from ranvier.data.datasets import Batch
from ranvier.recipes import Decode, Decoder, load
from ranvier.tasks.decode import decoding
from ranvier.tasks.r2 import R2


def batch(lengths=(6, 4), day=(0, 1)) -> Batch:
    torch.manual_seed(0)
    target = torch.randn(6, 2, 2)
    return Batch(torch.ones(6, 2, 3), target, torch.tensor(lengths), day=torch.tensor(day))


def task(**settings):
    net = models.build(Decoder(in_channels=3, width=8, days=2))
    net.set_scale(torch.zeros(3), torch.ones(3), torch.zeros(2), torch.tensor([2.0, 4.0]))
    return decoding(Decode(**settings), net)


def test_the_loss_is_in_standard_deviations_and_leaves_padding_out() -> None:
    given = batch()
    output = given.target + torch.tensor([2.0, 4.0])
    output[4:, 1] = float("inf")
    loss, _ = task().loss(output, given)
    assert float(loss) == pytest.approx(1.0)


def test_the_first_bins_count_nothing_where_asked() -> None:
    given = batch()
    output = given.target.clone()
    output[:2] += 1000
    assert float(task(burn_in=2).loss(output, given)[0]) == 0


def test_r2_is_that_of_all_bins_and_of_each_day() -> None:
    given = batch()
    output = given.target + 0.1
    evaluation = task().evaluation()
    evaluation.add(output, given)
    result = evaluation.result()
    second = R2()
    second.add(output[:4, 1].numpy(), given.target[:4, 1].numpy())
    assert result["bins"] == 10
    assert result["r2_by_day"][1] == pytest.approx(second.result()["r2"])
    assert result["r2"] != pytest.approx(sum(result["r2_by_day"]) / 2)


def test_another_network_is_refused() -> None:
    with pytest.raises(TypeError, match="NeuralDecoder"):
        decoding(Decode(), torch.nn.Linear(3, 2))


@pytest.mark.parametrize("backbone", ["gru", "rwkv", "mamba", "transformer", "spiking"])
def test_every_backbone_has_its_recipe(backbone) -> None:
    assert load(f"decode-{backbone}").model.backbone == backbone
