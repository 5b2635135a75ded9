"""One decoder for each day, judged on the end of that day."""

import statistics
from typing import Any

from matplotlib.figure import Figure

from ranvier import plot
from ranvier.colours import BLUE
from ranvier.protocols.bench import Bench, recorded_days, trainings
from ranvier.protocols.shown import grouped, mean, r2, spread
from ranvier.recipes.neural import Neural
from ranvier.recipes.protocols import SingleSession, some_days
from ranvier.report.table import Table


def measure(protocol: SingleSession, bench: Bench) -> dict[str, Any]:
    """Train on each day, and return what was reached there."""
    rows = []
    for day, data in _days(protocol, bench).items():
        for backbone, seed in trainings(protocol):
            name = f"{day.replace(' ', '-')}-{backbone}-{seed}"
            run = bench.train(protocol.recipe(backbone, data, seed=seed, epochs=protocol.epochs), name)
            result = run.result
            found = {key: result[key] for key in ("r2", "r2_per_axis", "baselines", "seconds")}
            rows.append({"day": day, "backbone": backbone, "seed": seed, "run": str(run.path)} | found)
    return {"rows": rows}


def tables(found: dict[str, Any]) -> list[Table]:
    """Return one table for each day: the backbones, then the linear decoders."""
    return [_table(day, rows) for day, rows in grouped(found["rows"], "day").items()]


def draw(figure: Figure, found: dict[str, Any]) -> None:
    """Draw the mean R² of each decoder, and a line at that of the ridge."""
    days = grouped(found["rows"], "day")
    figure.set_size_inches(4 * len(days), 3)
    for ax, (day, rows) in zip(figure.subplots(1, len(days), squeeze=False)[0], days.items(), strict=True):
        values = {name: mean(same, "r2") for name, same in grouped(rows, "backbone").items()}
        ridge = rows[0]["baselines"]["ridge"]["r2"]
        plot.bars(ax, values, unit="")
        ax.axvline(ridge, color=BLUE)
        ax.set_xlim(0, 1.18 * max(*values.values(), ridge))
        ax.set_title(f"R² on {day}; line: ridge", weight="bold")


def _days(protocol: SingleSession, bench: Bench) -> dict[str, Neural]:
    if bench.data is None and (named := recorded_days()):
        return named
    data, names = bench.days(protocol)
    return {name: some_days(data, day) for day, name in enumerate(names)}


def _table(day: str, rows: list[dict[str, Any]]) -> Table:
    baselines = rows[0]["baselines"]
    ridge = baselines["ridge"]["r2"]
    cells = []
    for backbone, same in grouped(rows, "backbone").items():
        axes = [statistics.mean(axis) for axis in zip(*(row["r2_per_axis"] for row in same), strict=True)]
        scores = [row["r2"] for row in same]
        better = f"{mean(same, 'r2') - ridge:+.3f}"
        cells.append((backbone, " ".join(map(r2, scores)), spread(scores), *map(r2, axes), better))
    for name, score in baselines.items():
        cells.append((name, "", r2(score["r2"]), *map(r2, score["r2_per_axis"]), f"{score['r2'] - ridge:+.3f}"))
    axes = [f"R² {axis}" for axis in "xyz"[: len(baselines["ridge"]["r2_per_axis"])]]
    heads = ("decoder", "R² of each seed", "R² ↑", *axes, "to ridge")
    bins = f"{baselines['ridge']['bins']:,} bins"
    return Table(f"single-session, {day}", heads, tuple(cells), names=1, notes=(f"Judged on {bins} of the day's end",))
