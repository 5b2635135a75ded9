"""What a data set gives and a network takes: differences are said before a run begins."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from ranvier.data.datasets import collate
from ranvier.data.sequences.samples import SequenceDataset
from ranvier.data.sequences.vocabulary import Vocabulary
from ranvier.recipes import Classify, Recipe, SpikingSSM, load
from ranvier.tasks.fit import check_fit

VALUES = (torch.zeros(5, 3).numpy(), 0)
TOKENS = (torch.zeros(5, dtype=torch.int64).numpy(), 0)


def samples(
    *sample: Any, vocabulary: Vocabulary | None = None, classes: tuple[str, ...] = ("a", "b")
) -> SequenceDataset:
    return SequenceDataset(lambda i: sample, range(2), classes, vocabulary=vocabulary, collate=collate)


@pytest.fixture
def recipe() -> Recipe:
    base = load("psmnist-small")
    return replace(base, model=SpikingSSM(in_channels=3, classes=2), task=Classify(classes=("a", "b")))


def test_what_fits_passes(recipe: Recipe) -> None:
    check_fit(recipe, samples(*VALUES))
    words = Vocabulary(("a", "b", "c"))
    check_fit(replace(recipe, model=SpikingSSM(vocabulary=4, classes=2)), samples(*TOKENS, vocabulary=words))


def test_values_of_another_width(recipe: Recipe) -> None:
    narrow = replace(recipe, model=replace(recipe.model, in_channels=1))
    with pytest.raises(ValueError, match=r"has 3 values, the model takes \(1,\): type --model.in-channels 3"):
        check_fit(narrow, samples(*VALUES))


def test_tokens_and_values(recipe: Recipe) -> None:
    words = Vocabulary(tuple(map(str, range(1500))))
    with pytest.raises(ValueError, match=r"has 1,500 tokens, the model takes values: type --model.vocabulary 1500"):
        check_fit(recipe, samples(*TOKENS, vocabulary=words))
    tokens = replace(recipe, model=SpikingSSM(vocabulary=20, classes=2))
    with pytest.raises(ValueError, match=r"has 1,500 tokens, the model takes 20: type --model.vocabulary 1500"):
        check_fit(tokens, samples(*TOKENS, vocabulary=words))
    with pytest.raises(ValueError, match=r"gives values, the model takes tokens: type --model.vocabulary 0"):
        check_fit(tokens, samples(*VALUES))


def test_pairs(recipe: Recipe) -> None:
    with pytest.raises(ValueError, match=r"gives 2 sequences .* takes single sequences: type --model.pair"):
        check_fit(recipe, samples(VALUES[0], *VALUES))
    pairs = replace(recipe, model=replace(recipe.model, pair=True))
    with pytest.raises(ValueError, match=r"gives 1 sequences a sample, the model takes pairs: type --model.no-pair"):
        check_fit(pairs, samples(*VALUES))


def test_classes(recipe: Recipe) -> None:
    with pytest.raises(ValueError, match=r"has 3 classes, the task 2: type --task.classes a b c --model.classes 3"):
        check_fit(recipe, samples(*VALUES, classes=("a", "b", "c")))
