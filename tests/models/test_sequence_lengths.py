"""Sequences of every length: a padded batch answers as each lane alone, and one step is a sequence."""

from dataclasses import replace

import pytest
import torch

from ranvier import models
from ranvier.data.datasets import Batch, collate
from ranvier.data.sequences.samples import collate_pairs
from ranvier.layers import mean_over_time
from ranvier.recipes import Classify, SpikingSSM
from ranvier.tasks.classify import Classification
from ranvier.tasks.evaluate import answers

SMALL = SpikingSSM(vocabulary=7, classes=3, layers=2, width=8, state=4)
LENGTHS = (1, 3, 70, 9)
TASK = Classification(Classify(classes=("a", "b", "c"), readout="mean"))


def network(**changes):
    torch.manual_seed(0)
    return models.build(replace(SMALL, **changes)).double().eval()


def documents():
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(7, (length,), generator=generator) for length in LENGTHS]


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("neuron", ["exact", "sdn", "no-reset", "gelu"])
def test_padding_changes_no_answer(neuron: str, bidirectional: bool) -> None:
    net = network(neuron=neuron, bidirectional=bidirectional)
    batch = collate([(x, 0) for x in documents()])
    with torch.no_grad():
        output = answers(net, batch)
        together = mean_over_time(output, batch.lengths)
        for lane, x in enumerate(documents()):
            alone = collate([(x, 0)])
            found = answers(net, alone)
            torch.testing.assert_close(together[lane], found.mean(0)[0], rtol=0, atol=1e-12)
            # Tasks judge in float32.
            judged = TASK.answer(output, batch)[lane]
            torch.testing.assert_close(judged, TASK.answer(found, alone)[0], rtol=0, atol=1e-6)


def test_padding_changes_no_answer_to_a_pair() -> None:
    net = network(bidirectional=True, pair=True)
    one, two, three, four = documents()
    pairs = [(one, three, 0), (two, four, 1), (four, one, 1)]
    with torch.no_grad():
        together = answers(net, collate_pairs(pairs))
        for lane, pair in enumerate(pairs):
            alone = answers(net, collate_pairs([pair]))
            torch.testing.assert_close(together[:, lane : lane + 1], alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize("neuron", ["exact", "full", "sltt", "loop", "sdn", "no-reset", "gelu"])
def test_one_step_is_a_sequence(neuron: str) -> None:
    net = network(neuron=neuron)
    x = torch.tensor([[3], [5], [1]])
    torch.testing.assert_close(net(x[:1]), net(x)[:1], rtol=0, atol=1e-12)
    assert net(x[:1]).sum().requires_grad


@pytest.mark.parametrize("neuron", ["exact", "sdn", "no-reset", "gelu"])
def test_no_step_has_no_answer(neuron: str) -> None:
    net, nothing = network(neuron=neuron), torch.zeros(0, 2, dtype=torch.int64)
    assert net(nothing).shape == (0, 2, 3)
    empty = Batch(nothing, torch.zeros(2, dtype=torch.int64), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"expected lengths \[2\] in 1\.\.0, got \[0, 0\]"):
        TASK.answer(answers(net, empty), empty)
