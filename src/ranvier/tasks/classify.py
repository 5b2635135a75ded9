"""Classification: the logits of all steps, or of the last one, are the answer."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ranvier.data.datasets import Batch
from ranvier.layers import READOUTS
from ranvier.recipes import Classify
from ranvier.tasks.confusion import confusion


def classification(config: Classify, net: nn.Module) -> "Classification":
    """Return the task; it is the same for every network."""
    return Classification(config)


class Classification:
    """Cross-entropy of what is read out of the logits of each lane; accuracy and confusion."""

    def __init__(self, config: Classify) -> None:
        self.config = config

    def answer(self, output: Tensor, batch: Batch) -> Tensor:
        """Return one answer `[B, K]` for the outputs of all steps `[T, B, K]`: their mean, or that of the last step."""
        return READOUTS[self.config.readout](output.float(), batch.lengths.to(output.device))

    def loss(self, output: Tensor, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Return the mean cross-entropy of outputs `[T, B, K]` and classes `[B]`, and the accuracy."""
        answer = self.answer(output, batch)
        target = batch.target.to(answer.device)
        loss = F.cross_entropy(answer, target, label_smoothing=self.config.label_smoothing)
        return loss, {"accuracy": float((answer.argmax(1) == target).double().mean())}

    def evaluation(self) -> "ClassificationResult":
        """Return an evaluation that has seen nothing."""
        return ClassificationResult(self)


class ClassificationResult:
    """Counts over batches: loss, accuracy and what was taken for what."""

    def __init__(self, task: Classification) -> None:
        self.task = task
        self.classes = task.config.classes
        self.confusion = torch.zeros(len(self.classes), len(self.classes), dtype=torch.long)
        self.loss = 0.0

    def add(self, output: Tensor, batch: Batch) -> None:
        """Count one batch of outputs `[T, B, K]`."""
        self.loss += float(self.task.loss(output, batch)[0]) * len(batch.target)
        answers = self.task.answer(output, batch).argmax(1)
        self.confusion += confusion(answers.cpu(), batch.target.cpu(), len(self.classes))

    def result(self) -> dict[str, Any]:
        """Return `accuracy`, `loss`, `confusion` (rows: what it is, columns: what it was taken for) and `classes`."""
        total = int(self.confusion.sum())
        return {
            "accuracy": int(self.confusion.trace()) / total,
            "loss": self.loss / total,
            "confusion": self.confusion.tolist(),
            "classes": list(self.classes),
        }
