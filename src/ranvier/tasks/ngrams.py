"""What counting words can do: unigrams and bigrams of the training text, for a language model to be compared with.

With n(.) counts in the training text, V words and N tokens:

    unigram  p(w)     = (n(w) + a) / (N + a V)
    bigram   p(w | c) = max(n(c w) - d, 0) / n(c) + d m(c) / n(c) q(w)

where m(c) is the number of different words after c, q(w) = (k(w) + a) / (sum of k + a V), and k(w) the number of
different words before w. After a c that was never seen, p = q. a and d are those of a few that predict the validation
text best. Source: R. Kneser, H. Ney, "Improved backing-off for m-gram language modeling", ICASSP 1995, interpolated.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranvier.data import datasets
from ranvier.data.datasets import Samples, Split
from ranvier.recipes import Recipe

ADDED = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
DISCOUNTS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)

Words = NDArray[np.int64]
Probability = Callable[[Words, Words], NDArray[np.float64]]
"""From previous words and next words, both `[n]`, to p(next | previous)."""


def baselines(recipe: Recipe, split: Split) -> dict[str, float]:
    """Return `unigram_perplexity` and `bigram_perplexity` of a split, fitted on `train` and tuned on `val`."""
    train, val, measured = (pairs(datasets.build(recipe.data, part)) for part in ("train", "val", split))
    counts = Counts.of(*train, vocabulary=len(datasets.build(recipe.data, "train").classes))
    unigrams = [counts.unigram(added) for added in ADDED]
    bigrams = [counts.bigram(discount, added) for discount in DISCOUNTS for added in ADDED]
    return {
        f"{name}_perplexity": perplexity(min(models, key=lambda model: perplexity(model, *val)), *measured)
        for name, models in (("unigram", unigrams), ("bigram", bigrams))
    }


def pairs(samples: Samples) -> tuple[Words, Words]:
    """Return the words `[n]` of all samples, and the word that follows each."""
    x, y = zip(*(samples[i] for i in range(len(samples))), strict=True)
    return np.concatenate(x), np.concatenate(y)


def perplexity(model: Probability, previous: Words, following: Words) -> float:
    """Return exp of the mean of -log p."""
    return math.exp(-float(np.log(model(previous, following)).mean()))


@dataclass(frozen=True)
class Counts:
    """What was counted: words `[V]`, and the pairs that occur, as c V + w in rising order, with their counts."""

    words: Words
    pairs: Words
    pair_counts: Words

    @classmethod
    def of(cls, previous: Words, following: Words, *, vocabulary: int) -> "Counts":
        """Count words `[n]` and what follows each."""
        words = np.bincount(following, minlength=vocabulary)
        return cls(words, *np.unique(previous * vocabulary + following, return_counts=True))

    def unigram(self, added: float) -> Probability:
        """Return the model that knows how often each word is."""
        p = _smoothed(self.words, added)
        return lambda previous, following: p[following]

    def bigram(self, discount: float, added: float) -> Probability:
        """Return the model that knows how often each word follows each other one.

        >>> counts = Counts.of(np.array([0, 1, 0, 1]), np.array([1, 0, 1, 2]), vocabulary=3)
        >>> p = counts.bigram(0.5, 0.01)
        >>> bool(np.isclose(sum(p(np.array([1]), np.array([w]))[0] for w in range(3)), 1))
        True
        """
        vocabulary = len(self.words)
        before, after = np.divmod(self.pairs, vocabulary)
        lower = _smoothed(np.bincount(after, minlength=vocabulary), added)
        often = np.bincount(before, self.pair_counts, minlength=vocabulary)
        # All that a word never seen leaves to what follows it is q.
        left = np.divide(
            discount * np.bincount(before, minlength=vocabulary), often, where=often > 0, out=often * 0 + 1
        )

        def p(previous: Words, following: Words) -> NDArray[np.float64]:
            key = previous * vocabulary + following
            place = np.minimum(np.searchsorted(self.pairs, key), len(self.pairs) - 1)
            seen = np.where(self.pairs[place] == key, self.pair_counts[place] - discount, 0.0)
            return seen / np.maximum(often[previous], 1) + left[previous] * lower[following]

        return p


def _smoothed(counts: Words, added: float) -> NDArray[np.float64]:
    return (counts + added) / (counts.sum() + added * len(counts))
