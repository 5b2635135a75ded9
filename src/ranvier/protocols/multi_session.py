"""One decoder for all days, against one of the same size for each day."""

import statistics
from typing import Any

from matplotlib.figure import Figure

from ranvier.colours import AMBER, BLUE, INK
from ranvier.protocols.bench import Bench, trainings
from ranvier.protocols.shown import grouped, mean, r2, spread
from ranvier.recipes.protocols import MultiSession, some_days
from ranvier.report.table import Table


def measure(protocol: MultiSession, bench: Bench) -> dict[str, Any]:
    """Train on all days together and on each alone, and return what was reached on each.

    Raises:
        ValueError: there is one day alone.
    """
    data, names = bench.days(protocol)
    if len(names) < 2:
        raise ValueError(
            f"expected two days or more, got {len(names)}: use --days, or --data with a folder of sessions"
        )
    rows = []
    for backbone, seed in trainings(protocol):
        recipe = protocol.recipe(backbone, data, seed=seed, epochs=protocol.epochs_together, together=True)
        together = bench.train(recipe, f"{backbone}-{seed}-together").result["r2_by_day"]
        for day, name in enumerate(names):
            recipe = protocol.recipe(backbone, some_days(data, day), seed=seed, epochs=protocol.epochs)
            alone = bench.train(recipe, f"{backbone}-{seed}-day-{day + 1}").result
            row = {"day": name, "backbone": backbone, "seed": seed, "ridge": alone["baselines"]["ridge"]["r2"]}
            rows.append(row | {"together": together[day], "alone": alone["r2"]})
    return {"rows": rows}


def tables(found: dict[str, Any]) -> list[Table]:
    """Return a row for each backbone; R² are means over the days."""
    cells = []
    for backbone, rows in grouped(found["rows"], "backbone").items():
        seeds = [mean(same, "together") for same in grouped(rows, "seed").values()]
        by_day = grouped(rows, "day").values()
        alone, together = ([mean(same, key) for same in by_day] for key in ("alone", "together"))
        better = [b - a for a, b in zip(alone, together, strict=True)]
        cells.append(
            (
                backbone,
                r2(mean(rows, "ridge")),
                spread(alone),
                spread(together),
                " ".join(map(r2, seeds)),
                f"{statistics.mean(better):+.3f}",
                f"{sum(x > 0 for x in better)} of {len(better)}",
            )
        )
    heads = ("decoder", "ridge", "of one day", "of all days ↑", "each seed", "difference", "better on")
    note = "R², each judged on the end of the same days: mean ± standard deviation over the days"
    return [Table("multi-session", heads, tuple(cells), names=1, notes=(note,))]


def draw(figure: Figure, found: dict[str, Any]) -> None:
    """Draw R² of each day: blue by a decoder of its own, amber by that of all days, a line for the ridge."""
    kinds = grouped(found["rows"], "backbone")
    figure.set_size_inches(3 * len(kinds), 3)
    axes = figure.subplots(1, len(kinds), squeeze=False, sharey=True)[0]
    for ax, (backbone, rows) in zip(axes, kinds.items(), strict=True):
        days = grouped(rows, "day")
        for x, same in enumerate(days.values()):
            alone, together, ridge = (mean(same, key) for key in ("alone", "together", "ridge"))
            ax.plot([x, x], [alone, together], color=INK, linewidth=0.8, zorder=1)
            ax.plot(x, alone, "o", color=BLUE, label=None if x else "of one day")
            ax.plot(x, together, "o", color=AMBER, label=None if x else "of all days")
            ax.plot(x, ridge, "_", color=INK, markersize=10, label=None if x else "ridge")
        ax.set_xticks(range(len(days)), [str(x + 1) for x in range(len(days))])
        ax.set_xlabel("day")
        ax.set_title(backbone, weight="bold")
    axes[0].set_ylabel("R²")
    axes[0].legend()
