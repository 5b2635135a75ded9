"""Agreement of a predicted membrane with the true one, by hand, and of networks that are known."""

import pytest
import torch
from torch import Tensor, nn

from ranvier.data.datasets.batch import Batch
from ranvier.data.datasets.currents import Membrane, membrane
from ranvier.recipes import Imitate
from ranvier.tasks.imitate import Agreement, imitation, probe


class Exact(nn.Module):
    """The neuron itself."""

    def __init__(self, tau: float) -> None:
        super().__init__()
        self.tau = tau

    def forward(self, x: Tensor) -> Tensor:
        return torch.from_numpy(membrane(x.numpy(), self.tau))


class Memoryless(nn.Module):
    """Nothing is ever left."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


def test_agreement_by_hand() -> None:
    x = torch.tensor([0.5, 1.0, 0.5, 2.0, 0.0])
    true = torch.tensor([0.5, 0.0, 0.25, 0.0, 0.0])
    predicted = torch.tensor([0.25, 0.0, 0.5, 0.0, -0.5])
    agreement = Agreement()
    agreement.add(predicted[:2], true[:2], x[:2])
    agreement.add(predicted[2:], true[2:], x[2:])
    # Spikes 1 1 0 1 0, predicted 0 1 1 1 0, without memory 0 1 0 1 0.
    assert agreement.result() == {
        "accuracy": pytest.approx(3 / 5),
        "f1": pytest.approx(2 / 3),
        "mse": pytest.approx((1 / 16 + 1 / 16 + 1 / 4) / 5),
        "mae": pytest.approx(1 / 5),
        "max_error": 0.5,
        "memoryless": 4 / 5,
        "firing": 3 / 5,
        "firing_predicted": 3 / 5,
    }


def test_where_nothing_fires_there_is_no_f1() -> None:
    agreement = Agreement()
    agreement.add(*torch.zeros(3, 4))
    assert agreement.result()["f1"] is None
    assert agreement.result()["accuracy"] == 1.0


@pytest.mark.parametrize(("current", "tau", "rate"), [(0.88, 0.125, 1 / 3), (0.9, 0.125, 1 / 2), (0.95, 0.125, 1 / 2)])
def test_probes_tell_the_neuron_from_one_without_memory(current: float, tau: float, rate: float) -> None:
    x = torch.full((300, 1, 1), current)
    found = probe(Exact(tau), x, tau=tau).result()
    assert found["accuracy"] == found["f1"] == 1.0
    assert found["max_error"] == 0.0
    assert found["firing"] == pytest.approx(rate, abs=0.01)
    assert probe(Memoryless(), x, tau=tau).result()["accuracy"] == pytest.approx(1 - rate, abs=0.01)


def test_loss_and_result_of_a_batch() -> None:
    x = torch.randn(200, 3, 1, generator=torch.Generator().manual_seed(0))
    m = torch.from_numpy(membrane(x.numpy(), 0.5))
    batch = Batch(x, Membrane(m, 0.5), torch.full((3,), 200))
    task = imitation(Imitate(), Memoryless())
    loss, means = task.loss(Memoryless()(x), batch)
    evaluation = task.evaluation()
    evaluation.add(Memoryless()(x), batch)
    result = evaluation.result()
    # Errors stay below 1 for almost all steps, where the smooth loss is half the squared error.
    assert result["loss"] == pytest.approx(float(loss)) == pytest.approx(float((m**2).mean()) / 2, rel=0.2)
    assert result["accuracy"] == result["memoryless"] == pytest.approx(means["accuracy"])
    assert 0.9 < result["accuracy"] < 0.96
    # A spike takes the positive part of a membrane with it: what is left holds back more often than it helps.
    assert result["firing_predicted"] > result["firing"]
    assert list(result["probes"]) == ["0.88", "0.90", "0.95"]
    squared, _ = imitation(Imitate(loss="mse"), Memoryless()).loss(Memoryless()(x), batch)
    assert float(squared) == pytest.approx(float((m**2).mean()))
