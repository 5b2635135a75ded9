"""Currents and membranes: as asked for, the same every time, and what the exact neuron says."""

import numpy as np
import pytest
import torch

from ranvier.data import datasets
from ranvier.data.datasets.currents import membrane
from ranvier.neurons import LIF
from ranvier.recipes import Currents

FEW = Currents(tau=0.5, sigma=2.0, steps=60, count=40, held_out=20)


@pytest.mark.parametrize("tau", [0.125, 0.2, 0.9, 1.0])
def test_the_membrane_has_the_bits_of_the_exact_neuron(tau: float) -> None:
    x = np.random.default_rng(0).standard_normal((300, 50), dtype=np.float32)
    x[:, 0] = 0.9
    spikes, v = LIF(decay=tau)(torch.from_numpy(x), return_v=True)
    m = torch.from_numpy(membrane(x, tau))
    assert torch.equal(m + torch.from_numpy(x), v)
    assert torch.equal((m + torch.from_numpy(x) >= 1).float(), spikes)


def test_samples_batches_and_splits() -> None:
    train, val, test = (datasets.build(FEW, split) for split in ("train", "val", "test"))
    assert [len(split) for split in (train, val, test)] == [40, 20, 20]
    x, target = train[3]
    assert x.shape == target.m.shape == (60, 1)
    assert target.tau == 0.5
    batch = train.collate([train[3], train[5]])
    assert batch.x.shape == batch.target.m.shape == (60, 2, 1)
    assert torch.equal(batch.x[:, 0], x)
    assert batch.lengths.tolist() == [60, 60]
    assert not torch.equal(val[0][0], test[0][0])
    assert not torch.equal(val[0][0], train[0][0])


def test_currents_depend_on_the_seed_alone_and_have_the_deviation_asked_for() -> None:
    one, again = (datasets.build(FEW, "train") for _ in range(2))
    other = datasets.build(Currents(tau=0.5, sigma=2.0, steps=60, count=40, held_out=20, seed=1), "train")
    assert torch.equal(one.x, again.x)
    assert not torch.equal(one.x, other.x)
    assert float(one.x.std()) == pytest.approx(2.0, rel=0.05)


def test_numbers_without_a_meaning_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected tau from 0 to 1, got 1\.5"):
        Currents(tau=1.5)
    with pytest.raises(ValueError, match="expected sigma above 0"):
        Currents(sigma=0.0)
