"""Counts of words as probabilities, against sums by hand."""

import numpy as np
import pytest

from ranvier.tasks.ngrams import Counts, perplexity

TEXT = np.array([0, 1, 0, 1, 2, 0, 2, 0, 1, 3])
V = 5
COUNTS = Counts.of(TEXT[:-1], TEXT[1:], vocabulary=V)


@pytest.mark.parametrize("model", [COUNTS.unigram(0.5), COUNTS.bigram(0.75, 0.1), COUNTS.bigram(0.5, 3.0)])
def test_probabilities_add_up_and_none_is_zero(model) -> None:
    previous, following = (each.ravel() for each in np.mgrid[:V, :V])
    p = model(previous, following).reshape(V, V)
    assert np.allclose(p.sum(1), 1)
    assert (p > 0).all()


def test_unigrams_by_hand() -> None:
    # The first word follows none: 1 0 1 2 0 2 0 1 3.
    p = COUNTS.unigram(1.0)(np.zeros(V, np.int64), np.arange(V))
    assert np.allclose(p, np.array([4, 4, 3, 2, 1]) / 14)


def test_bigrams_by_hand() -> None:
    p = COUNTS.bigram(0.5, 0.1)
    # Before 0 came 1 and 2, before 1 came 0, before 2 came 1 and 0, before 3 came 1: six pairs.
    lower = (np.array([2, 1, 2, 1, 0]) + 0.1) / 6.5
    after_0 = (np.array([0, 2.5, 0.5, 0, 0]) + 0.5 * 2 * lower) / 4
    assert np.allclose(p(np.zeros(V, np.int64), np.arange(V)), after_0)
    assert np.allclose(p(np.full(V, 4), np.arange(V)), lower)
    # Its only successors are the end of the text, and nothing.
    assert np.allclose(p(np.full(V, 3), np.arange(V)), lower)


def test_a_text_of_pairs_is_for_bigrams() -> None:
    text = np.tile([0, 3, 1, 4], 50)
    counts = Counts.of(text[:-1], text[1:], vocabulary=V)
    assert perplexity(counts.unigram(0.01), text[:-1], text[1:]) == pytest.approx(4, rel=0.01)
    assert perplexity(counts.bigram(0.5, 0.01), text[:-1], text[1:]) < 1.05
