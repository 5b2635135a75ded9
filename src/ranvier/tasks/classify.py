"""Classification: loss, metric and optimiser."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ranvier.layers import mean_over_time
from ranvier.recipes import Classify, Train


def logits(y: Tensor, lengths: Tensor | None) -> Tensor:
    """Return one answer `[B, K]` for the outputs of all steps `[T, B, K]`: their mean over the steps of each lane."""
    return mean_over_time(y.float(), lengths)


def loss(answer: Tensor, target: Tensor, task: Classify) -> Tensor:
    """Return the mean cross-entropy of `answer` `[B, K]` and classes `target` `[B]`."""
    return F.cross_entropy(answer, target, label_smoothing=task.label_smoothing)


@dataclass
class Tally:
    """Running sums over batches; plain numbers, so that they survive a checkpoint."""

    count: int = 0
    correct: int = 0
    loss: float = 0.0

    def add(self, answer: Tensor, target: Tensor, loss: float) -> None:
        """Count one batch with its mean loss."""
        self.count += len(target)
        self.correct += int((answer.argmax(1) == target).sum())
        self.loss += loss * len(target)

    def means(self) -> dict[str, float]:
        """Return mean loss and accuracy."""
        return {"loss": self.loss / self.count, "accuracy": self.correct / self.count}


def confusion(answers: Tensor, targets: Tensor, classes: int) -> list[list[int]]:
    """Return how often class i (row) was taken for class j (column).

    >>> confusion(torch.tensor([[0.9, 0.1], [0.8, 0.2]]), torch.tensor([0, 1]), 2)
    [[1, 0], [1, 0]]
    """
    return torch.bincount(targets * classes + answers.argmax(1), minlength=classes**2).view(classes, classes).tolist()


def optimizer(net: nn.Module, train: Train) -> torch.optim.Optimizer:
    """Return AdamW; vectors and scalars (biases, norms, time constants) are not decayed."""
    matrices = [p for p in net.parameters() if p.ndim > 1]
    vectors = [p for p in net.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": train.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=train.lr)


def learning_rate(step: int, steps: int, train: Train) -> float:
    """Return the learning rate of step 0..`steps`-1: a linear rise over the warm-up, then half a cosine down to 0.

    >>> [round(learning_rate(step, 8, Train(lr=1.0, warmup=0.25)), 3) for step in range(8)]
    [0.5, 1.0, 1.0, 0.933, 0.75, 0.5, 0.25, 0.067]
    """
    rise = max(1, round(train.warmup * steps))
    if step < rise:
        return train.lr * (step + 1) / rise
    return train.lr * 0.5 * (1 + math.cos(math.pi * (step - rise) / (steps - rise)))
