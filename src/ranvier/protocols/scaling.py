"""R² of decoders of more and more days, and of more and more parameters."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ranvier.models.decoder import NeuralDecoder, of_day
from ranvier.plot import round_ticks
from ranvier.protocols.bench import Bench, trainings
from ranvier.protocols.shown import LOOKS, Rows, grouped, mean, r2
from ranvier.quantity import count
from ranvier.recipes.protocols import Scaling, some_days
from ranvier.report.table import Table

EXPONENTS = np.geomspace(0.02, 5, 400)


class PowerLaw(NamedTuple):
    """error = floor + factor N^-exponent."""

    floor: float
    factor: float
    exponent: float


def fit_power_law(n: Sequence[float], error: Sequence[float]) -> PowerLaw:
    """Return the power law with the least squared difference to errors at sizes `n`, neither part of it below 0.

    For each exponent of a grid, floor and factor are a linear problem with two unknowns.

    >>> law = fit_power_law([1, 2, 4, 8], [0.5, 0.4, 0.35, 0.325])
    >>> [round(value, 2) for value in law]
    [0.3, 0.2, 1.0]
    """
    sizes, wanted = np.asarray(n, np.float64), np.asarray(error, np.float64)
    laws = []
    for exponent in EXPONENTS:
        powers = sizes**-exponent
        both = np.linalg.lstsq(np.stack([np.ones_like(powers), powers], 1), wanted, rcond=None)[0]
        alone = (0.0, float(powers @ wanted / (powers @ powers)))
        flat = (float(wanted.mean()), 0.0)
        laws += [
            PowerLaw(float(part[0]), float(part[1]), float(exponent)) for part in (both, alone, flat) if min(part) >= 0
        ]
    return min(laws, key=lambda law: np.square(law.floor + law.factor * sizes**-law.exponent - wanted).sum())


def measure(protocol: Scaling, bench: Bench) -> dict[str, Any]:
    """Train every width on every number of days, and judge all by the end of the days that all of them know.

    Raises:
        ValueError: there are fewer days than asked for.
    """
    data, names = bench.days(protocol)
    if max(protocol.numbers) > len(names):
        raise ValueError(f"expected {max(protocol.numbers)} days, got {len(names)}: use --days or smaller --numbers")
    rows = []
    for backbone, seed in trainings(protocol):
        for width in protocol.widths:
            for days in protocol.numbers:
                recipe = protocol.cell(backbone, some_days(data, 0, days - 1), seed=seed, width=width, days=days)
                run = bench.train(recipe, f"{backbone}-{seed}-width-{width}-days-{days}")
                result, net = run.result, run.net()
                assert isinstance(net, NeuralDecoder)
                row = {"backbone": backbone, "seed": seed, "width": width, "days": days, "seconds": result["seconds"]}
                row["parameters"] = sum(p.numel() for p in of_day(net, 0).parameters())
                row["r2"] = float(np.mean(result.get("r2_by_day", [result["r2"]])[: min(protocol.numbers)]))
                rows.append(row)
    return {"rows": rows, "laws": _laws(rows)}


def tables(found: dict[str, Any]) -> list[Table]:
    """Return the grid of each backbone, and the power laws."""
    rows = found["rows"]
    days = list(grouped(rows, "days"))
    cells = [
        (
            backbone,
            str(width),
            count(same[0]["parameters"]),
            *(r2(mean(at, "r2")) for at in grouped(same, "days").values()),
        )
        for (backbone, width), same in grouped(rows, "backbone", "width").items()
    ]
    heads = ("decoder", "width", "parameters", *(f"{n} day{'s' if n > 1 else ''}" for n in days))
    note = "R² on the days that all decoders know; as many gradient steps each; parameters with one day's adapter"
    laws = [
        (law["backbone"], f"{law['over']}, {law['at']}", *(f"{law[key]:.3f}" for key in PowerLaw._fields))
        for law in found["laws"]
    ]
    fits = ("decoder", "N", "c", "a", "exponent")
    return [
        Table("scaling", heads, tuple(cells), names=1, notes=(note,)),
        Table("1 - R² = c + a N^-exponent", fits, tuple(laws), names=2),
    ]


def draw(figure: Figure, found: dict[str, Any]) -> None:
    """Draw 1 - R² over days and over parameters, with the power laws."""
    figure.set_size_inches(9, 3.5)
    left, right = figure.subplots(1, 2, sharey=True)
    for ax, over in ((left, "days"), (right, "parameters")):
        for law in found["laws"]:
            if law["over"] == over:
                _draw_law(ax, law)
        ax.set_xscale("log")
        ax.set_yscale("log")
        round_ticks(ax.xaxis, count)
        round_ticks(ax.yaxis, count)
        ax.set_xlabel(over)
    left.set_ylabel("1 - R²")
    left.set_title("of the widest, over days", weight="bold")
    right.set_title("of the most days, over parameters", weight="bold")
    left.legend()


def _draw_law(ax: Axes, law: dict[str, Any]) -> None:
    look, n = LOOKS[law["backbone"]], np.geomspace(min(law["n"]), max(law["n"]), 50)
    ax.plot(law["n"], law["error"], **{**look, "linestyle": ""}, label=law["backbone"])
    ax.plot(n, law["floor"] + law["factor"] * n ** -law["exponent"], **{**look, "marker": ""})


def _laws(rows: Rows) -> list[dict[str, Any]]:
    """Fit the widest decoders over days, and those of the most days over parameters."""
    laws = []
    for backbone, same in grouped(rows, "backbone").items():
        for over, kept in (("days", "width"), ("parameters", "days")):
            most = max(row[kept] for row in same)
            points = grouped((row for row in same if row[kept] == most), over)
            n, error = list(points), [1 - mean(at, "r2") for at in points.values()]
            at = f"width {most}" if kept == "width" else f"{most} days"
            found = fit_power_law(n, error)._asdict()
            laws.append({"backbone": backbone, "over": over, "at": at, "n": n, "error": error} | found)
    return laws
