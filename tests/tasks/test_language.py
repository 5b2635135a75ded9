"""Perplexity: padding does not count, and a batch of unequal segments is one text."""

import math

import pytest
import torch
from torch import nn

from ranvier import models
from ranvier.data.datasets import Batch
from ranvier.data.sequences.wikitext import collate_text
from ranvier.recipes import Language, Recipe, SpikingLM, Text, load
from ranvier.tasks import task


def net() -> nn.Module:
    torch.manual_seed(0)
    return models.build(SpikingLM(vocabulary=9, cutoffs=(4,), layers=1, width=8, state=2)).eval()


def batch(*lengths: int) -> Batch:
    generator = torch.Generator().manual_seed(1)
    texts = [torch.randint(9, (length + 1,), generator=generator) for length in lengths]
    return collate_text([(text[:-1], text[1:]) for text in texts])


@torch.no_grad()
def test_perplexity_is_that_of_the_words_one_by_one() -> None:
    language, segments = net(), batch(7, 3)
    judged = task.build(Recipe("x", data=Text(), model=SpikingLM(vocabulary=9), task=Language()), language)
    evaluation = judged.evaluation()
    # In two parts, of which each is padded otherwise.
    for part in (batch(7), segments):
        evaluation.add(language(part.x), part)
    found = evaluation.result()
    texts = [
        (part.x[:n, lane], part.target[:n, lane])
        for part in (batch(7), segments)
        for lane, n in enumerate(part.lengths)
    ]
    surprises = [
        -float(language.words.log_probs(language(x[: t + 1, None])[-1])[0, y[t]])
        for x, y in texts
        for t in range(len(x))
    ]
    assert found["words"] == len(surprises) == 7 + 7 + 3
    assert found["loss"] == pytest.approx(sum(surprises) / len(surprises), rel=1e-5)
    assert found["perplexity"] == pytest.approx(math.exp(found["loss"]))
    loss, means = judged.loss(language(segments.x), segments)
    assert means == {}
    assert float(loss) == pytest.approx(sum(surprises[7:]) / 10, rel=1e-5)


def test_less_is_better_and_it_is_no_share() -> None:
    assert Language().shown(33.94) == "33.94"
    assert Language().worth(30.0) > Language().worth(40.0)
    accuracy = load("digits-conv").task
    assert accuracy.shown(0.978) == "97.8 %"
    assert accuracy.worth(0.9) > accuracy.worth(0.8)


def test_another_network_is_told() -> None:
    recipe = Recipe("x", data=Text(), model=SpikingLM(vocabulary=9), task=Language())
    with pytest.raises(ValueError, match="expected a language model, got Linear"):
        task.build(recipe, nn.Linear(2, 2))
