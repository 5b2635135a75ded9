"""A decoder of other days learns a new one from its first minutes."""

from dataclasses import replace
from functools import partial
from typing import Any, get_args

import torch
from matplotlib.figure import Figure

from ranvier import models
from ranvier.colours import AMBER, BLUE, INK
from ranvier.data import datasets
from ranvier.data.neural.samples import NeuralSamples
from ranvier.models.decoder import NeuralDecoder, of_day, with_new_day
from ranvier.protocols.bench import Bench, trainings
from ranvier.protocols.shown import grouped, mean, r2
from ranvier.recipes.decoder import Backbone
from ranvier.recipes.protocols import NewSession, some_days
from ranvier.recipes.saved import to_plain
from ranvier.report.table import Table
from ranvier.run import Run
from ranvier.tasks.baselines import fit_ridge, judge
from ranvier.tasks.batches import mix
from ranvier.tasks.calibrate import VALIDATION, Parts, calibrate, decoded

LOOKS: dict[str, dict[str, Any]] = {
    "full": {"color": AMBER, "marker": "o"},
    "adapter": {"color": AMBER, "marker": "s", "linestyle": "--"},
    "readout": {"color": AMBER, "marker": "^", "linestyle": ":"},
    "from scratch": {"color": BLUE, "marker": "o"},
    "ridge": {"color": INK, "marker": "x", "linestyle": "--"},
}
"""The line of each way to a decoder of the new day."""


def measure(protocol: NewSession, bench: Bench) -> dict[str, Any]:
    """Train on all days but the last, learn that one from more and more of it, and judge by its end.

    Raises:
        ValueError: there is one day alone, or the new one has less than is asked for.
    """
    train, test = new_day(protocol, bench)
    parts = {minutes: train.first(60 * minutes) for minutes in protocol.calibration}
    rows = []
    for backbone, seed in trainings(protocol):
        run = pretrained(protocol, bench, backbone, seed)
        for minutes, samples in {0.0: None, **parts}.items():
            settings = calibrated_as(protocol, run, minutes)
            if samples is None:
                learn = partial(_zero_shot, bench, run, test)
            else:
                learn = partial(_ways, protocol, bench, run, samples, test)
            found = bench.once(f"{run.path.name}-{f'{minutes:g}-minutes' if minutes else 'zero-shot'}", settings, learn)
            rows += [{"backbone": backbone, "seed": seed, "minutes": minutes, **way} for way in found["ways"]]
    return {"rows": rows}


def new_day(protocol: NewSession, bench: Bench) -> tuple[NeuralSamples, NeuralSamples]:
    """Return the training and the test part of the last day.

    Raises:
        ValueError: there is no other.
    """
    data, names = bench.days(protocol)
    if len(names) < 2:
        raise ValueError(
            f"expected two days or more, got {len(names)}: use --days, or --data with a folder of sessions"
        )
    train, test = (datasets.build(some_days(data, len(names) - 1), split) for split in ("train", "test"))
    assert isinstance(train, NeuralSamples)
    assert isinstance(test, NeuralSamples)
    return train, test


def pretrained(protocol: NewSession, bench: Bench, backbone: Backbone, seed: int) -> Run:
    """Return the finished run on all days but the last."""
    data, names = bench.days(protocol)
    others = some_days(data, 0, len(names) - 2)
    recipe = protocol.recipe(backbone, others, seed=seed, epochs=protocol.epochs, together=True)
    return bench.train(recipe, f"{backbone}-{seed}")


def calibrated_as(protocol: NewSession, run: Run, minutes: float) -> dict[str, Any]:
    """Return all that a calibration depends on, as plain values."""
    return {"minutes": minutes, "steps": protocol.steps, "lr": protocol.lr, "run": to_plain(run.config)}


def tables(found: dict[str, Any]) -> list[Table]:
    """Return a row for each backbone and way, a column for each number of minutes."""
    minutes = list(grouped(found["rows"], "minutes"))
    cells = []
    for backbone, rows in grouped(found["rows"], "backbone").items():
        zero, *learned = grouped(rows, "minutes").values()
        for way in LOOKS:
            begins = "" if way in ("from scratch", "ridge") else r2(mean(zero, "r2"))
            scores = [r2(mean(grouped(same, "way")[way], "r2")) for same in learned]
            cells.append((backbone, way, begins, *scores))
    heads = ("decoder", "learns", "zero-shot", *(f"{m:g} min" for m in minutes[1:]))
    note = "R² on the end of the new day, after learning from so much of its beginning; ridge and scratch know no other"
    return [Table("new-session", heads, tuple(cells), names=2, notes=(note,))]


def draw(figure: Figure, found: dict[str, Any]) -> None:
    """Draw R² over the minutes that were learned from."""
    kinds = grouped(found["rows"], "backbone")
    figure.set_size_inches(3.5 * len(kinds), 3)
    axes = figure.subplots(1, len(kinds), squeeze=False, sharey=True)[0]
    for ax, (backbone, rows) in zip(axes, kinds.items(), strict=True):
        ways = grouped(rows, "way")
        for way, look in LOOKS.items():
            points = {minutes: mean(same, "r2") for minutes, same in grouped(ways[way], "minutes").items()}
            ax.plot(points.keys(), points.values(), label=way, **look)
        ax.axhline(mean(ways["zero-shot"], "r2"), color=INK, linewidth=0.8, linestyle=":", label="zero-shot")
        ax.set_xscale("log")
        ax.set_xticks(list(points), [f"{minutes:g}" for minutes in points])
        ax.minorticks_off()
        ax.set_xlabel("minutes of the new day")
        ax.set_title(backbone, weight="bold")
    axes[0].set_ylabel("R²")
    axes[-1].legend(fontsize=8)


def _zero_shot(bench: Bench, run: Run, test: NeuralSamples) -> dict[str, Any]:
    net = bench.net(run)
    return {"ways": [{"way": "zero-shot", "r2": decoded(of_day(with_new_day(net), -1), test)}]}


def _ways(protocol: NewSession, bench: Bench, run: Run, samples: NeuralSamples, test: NeuralSamples) -> dict[str, Any]:
    """Learn from the samples in every way."""
    net, seed, steps = bench.net(run), run.config.train.seed, protocol.steps
    train, val = samples.parted(1 - VALIDATION)
    ways = []
    for way in (*get_args(Parts), "from scratch"):
        if way == "from scratch":
            own, fresh = run.config.train, _fresh(run, train).to(bench.device)
            found = calibrate(fresh, samples, steps=steps, lr=own.lr, weight_decay=own.weight_decay, seed=seed)
        else:
            found = calibrate(net, samples, parts=way, steps=steps, lr=protocol.lr, seed=seed)
        best = {key: found.best[key] for key in ("step", "seconds")}
        ways.append({"way": way, "r2": decoded(found.net, test)} | best)
    ways.append({"way": "ridge", "r2": judge(fit_ridge(train.stretches, val.stretches), test)["r2"]})
    return {"ways": ways}


def _fresh(run: Run, train: NeuralSamples) -> NeuralDecoder:
    """Return a decoder of the same kind that has learned nothing."""
    torch.manual_seed(mix(run.config.train.seed))
    net = models.build(replace(run.config.model, days=1))  # type: ignore[call-arg]
    assert isinstance(net, NeuralDecoder)
    net.set_scale(*map(torch.from_numpy, train.scale()))
    return net
