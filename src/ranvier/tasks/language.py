"""Language modelling: how probable each word of a text was before it came."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from ranvier.data.datasets import Batch
from ranvier.layers.adaptive_softmax import IGNORED, AdaptiveSoftmax
from ranvier.recipes import Language


def language(config: Language, net: nn.Module) -> "NextWord":
    """Return the task for a network whose `words` turn features into probabilities.

    Raises:
        ValueError: another network.
    """
    words = getattr(net, "words", None)
    if not isinstance(words, AdaptiveSoftmax):
        raise ValueError(f"expected a language model, got {type(net).__name__}: the task 'language' needs its words")
    return NextWord(words)


class NextWord:
    """Mean negative log-probability of the words that came; padding does not count."""

    def __init__(self, words: AdaptiveSoftmax) -> None:
        self.words = words

    def surprise(self, output: Tensor, batch: Batch) -> tuple[Tensor, int]:
        """Return the sum of -log p over the words of a batch, for features `[T, B, width]`, and how many there are."""
        target = batch.target.to(output.device)
        return -self.words.log_prob(output, target).sum(dtype=torch.float32), int((target != IGNORED).sum())

    def loss(self, output: Tensor, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Return the mean over the words."""
        total, count = self.surprise(output, batch)
        return total / count, {}

    def evaluation(self) -> "Surprise":
        """Return an evaluation that has seen nothing."""
        return Surprise(self)


class Surprise:
    """The same over batches."""

    def __init__(self, task: NextWord) -> None:
        self.task = task
        self.total = 0.0
        self.words = 0

    def add(self, output: Tensor, batch: Batch) -> None:
        """Count one batch of features `[T, B, width]`."""
        total, count = self.task.surprise(output, batch)
        self.total += float(total)
        self.words += count

    def result(self) -> dict[str, Any]:
        """Return `loss`, `perplexity` = exp(loss), and `words`, how many were to be predicted."""
        loss = self.total / self.words
        return {"perplexity": math.exp(loss), "loss": loss, "words": self.words}
