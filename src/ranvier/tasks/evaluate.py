"""Evaluation on held-out data: what the task measures, and how often each spiking layer fires."""

from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ranvier.data import datasets
from ranvier.data.datasets import Split
from ranvier.layers import mean_over_time
from ranvier.neurons import LeakyReadout, Neuron
from ranvier.recipes import Recipe
from ranvier.recipes.recipe import Precision
from ranvier.run import open_run
from ranvier.tasks.task import Task, baselines, build


def evaluate(
    run: str | Path,
    *,
    split: Split = "test",
    folded: Precision | None = None,
    device: str = "cpu",
    threads: int | None = None,
) -> dict[str, Any]:
    """Measure the weights that a run kept, if asked in the form that `ranvier.layers.folded` gives the network.

    Returns:
        As `judge`.

    Raises:
        FileNotFoundError: there is no run, or it is not finished.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    opened = open_run(run)
    return judge(opened.net(folded=folded).to(device), opened.config, split, device=device)


def judge(
    net: nn.Module, recipe: Recipe, split: Split = "test", *, device: str | torch.device = "cpu"
) -> dict[str, Any]:
    """Measure a network on a split, and what it has to beat there.

    Returns:
        The task's result (see `Evaluation.result` of each task), `samples` (how many were measured), `firing_rate`
        (spikes per neuron and step, by the layer's name), and what simple models reach, where the task has any (see
        `ranvier.tasks.task.BASELINES`).
    """
    batches = held_out(recipe, split)
    return measure(net, batches, build(recipe, net), device=device) | baselines(recipe, split)


def held_out(recipe: Recipe, split: Split) -> Iterable[datasets.Batch]:
    """Return the batches of a split in fixed order, as large as in training: what fits there fits here."""
    dataset = datasets.build(recipe.data, split)
    return DataLoader(dataset, batch_size=recipe.train.batch_size, collate_fn=dataset.collate)  # type: ignore[arg-type]


def measure(
    net: nn.Module, batches: Iterable[datasets.Batch], task: Task, *, device: str | torch.device = "cpu"
) -> dict[str, Any]:
    """Run `net` over all batches without gradients; its mode is put back afterwards.

    Returns:
        As `judge`, without the simple models.
    """
    evaluation, samples = task.evaluation(), 0
    was_training = net.training
    net.eval()
    try:
        with torch.inference_mode(), count_spikes(net) as fired:
            for batch in batches:
                fired.lengths = batch.lengths.to(device)
                output = answers(net, batch._replace(x=batch.x.to(device)))
                evaluation.add(output, batch)
                samples += output.shape[1]
    finally:
        net.train(was_training)
    return evaluation.result() | {"samples": samples, "firing_rate": fired.rates()}


def answers(net: nn.Module, batch: datasets.Batch) -> Tensor:
    """Return the output of a network; one that says so (`uses_lengths`) is told the steps of each lane.

    Where samples are from different days, the network is told from which.
    """
    if batch.day is not None:
        return net(batch.x, day=batch.day.to(batch.x.device))
    if getattr(net, "uses_lengths", False):
        return net(batch.x, lengths=batch.lengths.to(batch.x.device))
    return net(batch.x)


class SpikeCount:
    """Sums of spikes by layer; `lengths` of the current batch keeps the padding out."""

    def __init__(self) -> None:
        self.lengths: Tensor | None = None
        self._sums: dict[str, float] = {}
        self._lanes: dict[str, int] = {}

    def add(self, name: str, spikes: Tensor) -> None:
        """Count the spikes `[T, B, ...]` of one layer."""
        rate = mean_over_time(spikes.flatten(2).float().mean(2), self.lengths)
        self._sums[name] = self._sums.get(name, 0.0) + float(rate.sum())
        self._lanes[name] = self._lanes.get(name, 0) + len(rate)

    def rates(self) -> dict[str, float]:
        """Return spikes per neuron and step of each layer, in the order of the forward pass."""
        return {name: self._sums[name] / self._lanes[name] for name in self._sums}


@contextmanager
def count_spikes(net: nn.Module):
    """Count the spikes of every spiking layer of `net` while the context is open; no hook is left behind."""
    count = SpikeCount()

    def hook(name: str):
        return lambda module, inputs, y: count.add(name, y[0] if isinstance(y, tuple) else y)

    spiking = [
        (name, m) for name, m in net.named_modules() if isinstance(m, Neuron) and not isinstance(m, LeakyReadout)
    ]
    handles = [module.register_forward_hook(hook(name)) for name, module in spiking]
    try:
        yield count
    finally:
        for handle in handles:
            handle.remove()
