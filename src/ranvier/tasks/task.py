"""What training and evaluation ask of a task; `build` finds the one that a recipe names."""

import importlib
from typing import Any, Protocol

from torch import Tensor, nn

from ranvier.data.datasets import Batch, Split
from ranvier.recipes import Recipe


class Evaluation(Protocol):
    """What is gathered over the batches of a held-out set; memory does not grow with a batch's pictures."""

    def add(self, output: Tensor, batch: Batch) -> None:
        """Take the network's output `[T, B, ...]` on one batch, on any device."""
        ...

    def result(self) -> dict[str, Any]:
        """Return what was found as plain JSON values, `loss` and the score that the recipe names among them."""
        ...


class Task(Protocol):
    """Loss and metric for the outputs `[T, B, ...]` of a network."""

    def loss(self, output: Tensor, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Return the mean loss over a batch, and further means that a reader of the log wants."""
        ...

    def evaluation(self) -> Evaluation:
        """Return an evaluation that has seen nothing."""
        ...


TASKS = {
    "classify": "ranvier.tasks.classify:classification",
    "detect": "ranvier.tasks.detect:detection",
    "segment": "ranvier.tasks.segment:segmentation",
    "imitate": "ranvier.tasks.imitate:imitation",
    "language": "ranvier.tasks.language:language",
    "decode": "ranvier.tasks.decode:decoding",
}
"""The field `name` of a task's dataclass, and the function that makes it for a network."""

BASELINES = {"language": "ranvier.tasks.ngrams:baselines", "decode": "ranvier.tasks.baselines:baselines"}
"""Tasks that simple models can do too, and the function (recipe, split) that fits these and says what they reach."""


def build(recipe: Recipe, net: nn.Module) -> Task:
    """Return the task that a recipe describes, for its network.

    Raises:
        ValueError: no task has this name.
    """
    name = recipe.task.name
    if name not in TASKS:
        raise ValueError(f"no task {name!r}: expected one of {', '.join(TASKS)}")
    module, function = TASKS[name].split(":")
    return getattr(importlib.import_module(module), function)(recipe.task, net)


def baselines(recipe: Recipe, split: Split) -> dict[str, Any]:
    """Return what simple models reach on a split: entries of the result beside those of the network."""
    if recipe.task.name not in BASELINES:
        return {}
    module, function = BASELINES[recipe.task.name].split(":")
    return getattr(importlib.import_module(module), function)(recipe, split)
