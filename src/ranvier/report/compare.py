"""Finished runs side by side: those that differ only in the seed are one row, those on the same data one comparison."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, combinations
from typing import Any

from ranvier import models
from ranvier.audit import Audit, alone, audit
from ranvier.recipes import Recipe, Task
from ranvier.recipes.recipe import EventData
from ranvier.recipes.saved import leaves, to_plain
from ranvier.run import Run
from ranvier.samples import held_out

SEEDS = ("train.seed", "data.seed")
# Neither changes what is learned.
BESIDE = ("data.root", "train.checkpoint_every")


@dataclass(frozen=True)
class Cost:
    """The audit of a network, and the energy of a recording of `steps` time steps."""

    audit: Audit
    steps: float
    events: bool

    @property
    def energy_pj(self) -> float:
        """Energy of a recording."""
        return self.steps * self.audit.energy_pj

    @property
    def ann_energy_pj(self) -> float:
        """The same in the ANN of the same shape, which computes on every step."""
        return self.steps * self.audit.ann_energy_pj

    @property
    def ann_pass_pj(self) -> float | None:
        """The same in one pass, which takes in all events of a recording at once; None where there are no events."""
        return self.audit.ann_energy_pj if self.events else None


@dataclass(frozen=True)
class Row:
    """Runs with the same settings and different seeds, what they reached and what they cost.

    `settings` is what tells the row from the others, by dotted name. Energy and firing rates need an audit, on
    `samples` held-out recordings of the first run; 0: they are None.
    """

    runs: tuple[Run, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    samples: int = 8

    @property
    def recipe(self) -> Recipe:
        """The recipe of the first run."""
        return self.runs[0].config

    @property
    def task(self) -> Task:
        """What all were trained for."""
        return self.recipe.task

    @cached_property
    def results(self) -> list[dict[str, Any]]:
        """What `result.json` says, run by run."""
        return [run.result for run in self.runs]

    @property
    def scores(self) -> list[float]:
        """The score of each run."""
        return [result[self.task.metric] for result in self.results]

    @property
    def mean(self) -> float:
        """Mean score."""
        return statistics.mean(self.scores)

    @property
    def sd(self) -> float | None:
        """Standard deviation of the scores, as of a sample (divided by n - 1); None for one run."""
        return statistics.stdev(self.scores) if len(self.runs) > 1 else None

    @property
    def expected(self) -> Mapping[str, Any] | None:
        """The expected number and its source, as when the first run ended."""
        return self.results[0]["expected"]

    @property
    def seconds(self) -> float:
        """Mean time of a training."""
        return statistics.mean(result["seconds"] for result in self.results)

    @cached_property
    def parameters(self) -> int:
        """Parameters of the network."""
        return sum(p.numel() for p in models.build(self.recipe.model).parameters())

    @cached_property
    def cost(self) -> "Cost | None":
        """What the first run costs."""
        return _cost(self.runs[0], samples=self.samples) if self.samples else None

    @property
    def firing_rate(self) -> float | None:
        """Share of all spiking neurons that fires in a step: rates of `result.json`, mean over the runs."""
        rates = [result["firing_rate"] for result in self.results]
        if self.cost is None or not rates[0]:
            return None
        neurons = {neuron.name: neuron.neurons for neuron in self.cost.audit.neurons if neuron.name in rates[0]}
        fired = [sum(rate[name] * number for name, number in neurons.items()) for rate in rates]
        return statistics.mean(fired) / sum(neurons.values())

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values for JSON."""
        return {
            "recipe": self.recipe.name,
            "data": self.recipe.data.name,
            "settings": dict(self.settings),
            "folders": [str(run.path) for run in self.runs],
            "runs": len(self.runs),
            "score": self.task.metric_name,
            "scores": self.scores,
            "mean": self.mean,
            "sd": self.sd,
            "firing_rate": self.firing_rate,
            "energy_pj": self.cost and self.cost.energy_pj,
            "ann_energy_pj": self.cost and self.cost.ann_energy_pj,
            "ann_pass_pj": self.cost and self.cost.ann_pass_pj,
            "uncounted": self.cost and list(self.cost.audit.uncounted),
            "parameters": self.parameters,
            "seconds": self.seconds,
            "expected": self.expected,
        }


def _cost(run: Run, *, samples: int) -> Cost:
    batch, recipe = held_out(run, count=samples), run.config
    # Two sequences that are compared are one recording and two lanes.
    lanes = 2 if getattr(recipe.model, "pair", False) else 1
    cost = audit(alone(run.net()), batch.x, lengths=batch.lengths)
    return Cost(cost, lanes * cost.steps, events=isinstance(recipe.data, EventData))


def distinct(runs: Iterable[Run]) -> tuple[list[Run], list[tuple[Run, Run]]]:
    """Return one run of each recipe and seed, and each further one with the run that it repeats.

    The same seed again says nothing about the spread.
    """
    first: dict[str, Run] = {}
    repeated = []
    for run in runs:
        known = first.setdefault(_key(run, without=BESIDE), run)
        if known is not run:
            repeated.append((run, known))
    return list(first.values()), repeated


def compare(runs: Iterable[Run], *, samples: int = 8) -> list[list[Row]]:
    """Return the rows of each comparison: of runs of one task on the same kind of data.

    The settings of a row name its recipe, where there are several, and what differs between rows of the same recipe.
    """
    rows: dict[str, list[Run]] = {}
    for run in runs:
        rows.setdefault(_key(run, without=(*BESIDE, *SEEDS)), []).append(run)
    return [_told_apart(group) for group in subjects(Row(tuple(same), samples=samples) for same in rows.values())]


def subjects(rows: Iterable[Row]) -> list[list[Row]]:
    """Return the rows in groups whose scores can be compared: the same task on the same kind of data."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.task.name, row.recipe.data.name), []).append(row)
    return list(groups.values())


def _told_apart(rows: Sequence[Row]) -> list[Row]:
    plain = [_settings(row.runs[0], without=(*BESIDE, *SEEDS)) for row in rows]
    differ = [
        name
        for name in dict.fromkeys(chain(*plain))
        if any(a["name"] == b["name"] and a.get(name) != b.get(name) for a, b in combinations(plain, 2))
    ]
    several = len({values["name"] for values in plain}) > 1
    recipes = [{"recipe": row.recipe.name} if several or not differ else {} for row in rows]
    return [
        replace(row, settings=recipe | {name: values.get(name) for name in differ})
        for row, recipe, values in zip(rows, recipes, plain, strict=True)
    ]


def _settings(run: Run, *, without: Sequence[str]) -> dict[str, Any]:
    plain = leaves(to_plain(replace(run.config, expected=None)))
    return {name: value for name, value in plain.items() if name not in without}


def _key(run: Run, *, without: Sequence[str]) -> str:
    return repr(_settings(run, without=without))
