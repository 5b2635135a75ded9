"""Segmentation: a class for each pixel at every step."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ranvier.data.datasets import Batch
from ranvier.recipes import Segment
from ranvier.tasks.confusion import confusion

# A label that no class can have, for pixels that nobody judges.
UNJUDGED = -1


def segmentation(config: Segment, net: nn.Module) -> "Segmentation":
    """Return the task; it is the same for every network."""
    return Segmentation(config)


class Segmentation:
    """Cross-entropy of the hardest pixels or of all; every metric comes from one confusion matrix.

    Nobody judges the first `burn_in` steps, in which the memory of the network fills, steps after the length of a
    lane, the label `ignore`, and labels that are not a class. The labels of the batch are left as they are.
    """

    def __init__(self, config: Segment) -> None:
        self.config = config

    def loss(self, output: Tensor, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Return the mean cross-entropy of outputs `[T, B, K, H, W]` and labels `[T, B, H, W]`, and pixel accuracy.

        Raises:
            ValueError: output, labels and classes do not fit, or no step is left after the burn-in.
        """
        logits, labels = self._judged(output, batch)
        # A tenth of the time of an argmax, whose classes lie far apart in memory.
        best, judged = logits.detach().amax(1), labels != UNJUDGED
        right = logits.detach().gather(1, labels.clamp(min=0)[:, None]).squeeze(1) == best
        return self._mean(logits, labels), {"pixel_accuracy": int((right & judged).sum()) / max(int(judged.sum()), 1)}

    def evaluation(self) -> "SegmentationResult":
        """Return an evaluation that has seen nothing."""
        return SegmentationResult(self)

    def measure(self, output: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the mean loss of a batch and its confusion matrix (see `confusion`)."""
        logits, labels = self._judged(output, batch)
        return self._mean(logits, labels), confusion(logits.detach().argmax(1), labels, logits.shape[1])

    def _mean(self, logits: Tensor, labels: Tensor) -> Tensor:
        losses = F.cross_entropy(logits, labels, ignore_index=UNJUDGED, reduction="none")
        counts = labels != UNJUDGED
        if self.config.loss == "ohem":
            counts &= hardest(losses.detach(), threshold=self.config.ohem_threshold, least=self.config.ohem_least)
        # Multiplied, not selected: a loss that is not a number must not drop out. Without any label the loss is 0.
        return (losses * counts).sum() / counts.sum().clamp(min=1)

    def _judged(self, output: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return logits `[N, K, H, W]` and labels `[N, H, W]` of the steps after the burn-in."""
        steps, lanes, classes, height, width = output.shape
        burn_in = self.config.burn_in
        if tuple(batch.target.shape) != (steps, lanes, height, width):
            raise ValueError(
                f"expected a label for each pixel of the output, [time, batch, height, width] "
                f"{[steps, lanes, height, width]}, got labels {list(batch.target.shape)}"
            )
        if classes != len(self.config.classes):
            raise ValueError(f"expected {len(self.config.classes)} outputs a pixel (--task.classes), got {classes}")
        if burn_in >= steps:
            raise ValueError(f"a burn-in of {burn_in} leaves none of {steps} steps: use a smaller --task.burn-in")
        labels = batch.target.to(output.device, torch.long)
        judged = (labels >= 0) & (labels < classes) & (labels != self.config.ignore)
        before_end = torch.arange(steps)[:, None] < batch.lengths.cpu()
        judged &= before_end[:, :, None, None].to(output.device)
        labels = torch.where(judged, labels, UNJUDGED)
        return output[burn_in:].flatten(0, 1).float(), labels[burn_in:].flatten(0, 1)


class SegmentationResult:
    """Sums over batches; memory does not grow with them."""

    def __init__(self, task: Segmentation) -> None:
        self.task = task
        self.classes = task.config.classes
        self.confusion = torch.zeros(len(self.classes), len(self.classes), dtype=torch.long)
        self.loss = 0.0

    def add(self, output: Tensor, batch: Batch) -> None:
        """Count one batch of outputs `[T, B, K, H, W]`."""
        loss, confusion = self.task.measure(output, batch)
        self.confusion += confusion.cpu()
        self.loss += float(loss) * int(confusion.sum())

    def result(self) -> dict[str, Any]:
        """Return `loss` (the mean over batches, weighed by their judged pixels), what `scores` returns and `classes`.

        Raises:
            ValueError: no pixel has a label.
        """
        total = int(self.confusion.sum())
        if total == 0:
            raise ValueError(f"no pixel has a label from 0 to {len(self.classes) - 1} to judge the answers by")
        return {"loss": self.loss / total, **scores(self.confusion, self.classes), "classes": list(self.classes)}


def hardest(losses: Tensor, *, threshold: float, least: int) -> Tensor:
    """Return which pixels are hard enough to learn from (online hard example mining, OHEM).

    With `p = exp(-loss)`, the probability of the true class, and `p_(least)` the one at rank `least` (from 0) of all:

        hard = p <= max(threshold, p_(least))

    so that at least `least` + 1 pixels count, or all if there are fewer.

    Source: the released loss of SpikingEDN, where pixels without a label have p = 1 as they have here.

    >>> losses = -torch.tensor([0.1, 0.9, 0.8, 0.6]).log()
    >>> hardest(losses, threshold=0.7, least=1), hardest(losses, threshold=0.7, least=2)
    (tensor([ True, False, False,  True]), tensor([ True, False,  True,  True]))
    """
    limit = -math.log(threshold) if threshold > 0 else math.inf
    if int((losses >= limit).sum()) <= least:
        limit = losses.flatten().topk(min(least + 1, losses.numel()), sorted=False).values.min()
    return losses >= limit


def scores(confusion: Tensor, classes: tuple[str, ...]) -> dict[str, Any]:
    """Return the metrics of a confusion matrix `[K, K]` (rows: what it is, columns: what it was taken for).

    With TP on the diagonal, FN the rest of a row and FP the rest of a column:

        iou of a class = TP / (TP + FP + FN), None for a class that neither is nor was answered anywhere
        miou = mean of iou over the other classes
        pixel_accuracy = sum of TP / all pixels
        class_accuracy = mean of TP / (TP + FN) over the classes that are somewhere
        fwiou = mean of iou, weighed by how many pixels each class has

    >>> found = scores(torch.tensor([[3, 1, 0], [1, 5, 0], [0, 0, 0]]), ("road", "car", "tree"))
    >>> found["iou"], round(found["miou"], 6), found["pixel_accuracy"]
    ({'road': 0.6, 'car': 0.7142857142857143, 'tree': None}, 0.657143, 0.8)
    """
    counts = confusion.double()
    right, true, answered, total = counts.diag(), counts.sum(1), counts.sum(0), counts.sum()
    iou = right / (true + answered - right)
    return {
        "miou": float(iou.nanmean()),
        "pixel_accuracy": float(right.sum() / total),
        "class_accuracy": float((right / true).nanmean()),
        "fwiou": float((iou * true / total).nansum()),
        "iou": {name: None if math.isnan(value) else value for name, value in zip(classes, iou.tolist(), strict=True)},
        "confusion": confusion.tolist(),
    }
