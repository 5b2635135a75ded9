"""What was taken for what."""

import torch
from torch import Tensor


def confusion(answers: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Return how often class i (row) was taken for class j (column); labels that are not a class are left out.

    >>> confusion(torch.tensor([0, 1, 1, 0]), torch.tensor([0, 0, 1, -1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    known = (labels >= 0) & (labels < classes)
    pairs = labels[known] * classes + answers[known]
    return torch.bincount(pairs, minlength=classes**2).view(classes, classes)
