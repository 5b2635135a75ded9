"""How long a decoder of other days takes to learn a new one."""

from functools import partial
from typing import Any, get_args

from matplotlib.figure import Figure

from ranvier.data.neural.samples import NeuralSamples
from ranvier.protocols.bench import Bench, trainings
from ranvier.protocols.new_session import calibrated_as, new_day, pretrained
from ranvier.protocols.shown import LOOKS, grouped, mean, r2
from ranvier.quantity import seconds
from ranvier.recipes.protocols import CalibrationSpeed
from ranvier.report.table import Table
from ranvier.run import Run
from ranvier.tasks.calibrate import Parts, calibrate

NEARLY = 0.95
"""The share of the final R² from which on a decoder is nearly as good as it gets."""


def measure(protocol: CalibrationSpeed, bench: Bench) -> dict[str, Any]:
    """Calibrate pretrained decoders, judging each look by the end of the new day, off the clock."""
    train, test = new_day(protocol, bench)
    rows = []
    for backbone, seed in trainings(protocol):
        run = pretrained(protocol, bench, backbone, seed)
        for minutes in protocol.calibration:
            samples = train.first(60 * minutes)
            settings = calibrated_as(protocol, run, minutes)
            learn = partial(_learn, protocol, bench, run, samples, test)
            found = bench.once(f"{run.path.name}-{minutes:g}-minutes", settings, learn)
            rows += [{"backbone": backbone, "seed": seed, "minutes": minutes, **way} for way in found["ways"]]
    return {"rows": rows}


def tables(found: dict[str, Any]) -> list[Table]:
    """Return a row for each backbone, number of minutes and way."""
    cells = []
    for (minutes, way, backbone), rows in grouped(found["rows"], "minutes", "way", "backbone").items():
        times = [(_mean(rows, key, "step"), _mean(rows, key, "seconds")) for key in ("nearly", "best", "stopped")]
        shown = [text for step, time in times for text in (f"{step:.0f}", seconds(time))]
        step = times[-1][1] / max(1.0, times[-1][0])
        scores = (r2(mean(rows, key)) for key in ("zero_shot", "r2"))
        cells.append((backbone, way, f"{minutes:g}", *scores, *shown, seconds(step)))
    reached = (f"{when}, {what}" for when in (f"{NEARLY:.0%}", "best", "end") for what in ("steps", "time"))
    heads = ("decoder", "learns", "minutes", "R² before", "R² after ↑", *reached, "a step")
    note = f"R² on the end of the new day. Until {NEARLY:.0%} of that R², to the weights that were kept, and to the end"
    return [Table("calibration-speed", heads, tuple(cells), names=2, notes=(note,))]


def draw(figure: Figure, found: dict[str, Any]) -> None:
    """Draw R² on the new day over seconds of calibration, everything learned, the most minutes; first seed."""
    most = max(row["minutes"] for row in found["rows"])
    figure.set_size_inches(6, 3.5)
    ax = figure.subplots()
    for row in found["rows"]:
        if (row["seed"], row["minutes"], row["way"]) != (0, most, "full"):
            continue
        look = LOOKS[row["backbone"]]
        ax.plot(*zip(*((at["seconds"], at["judged"]) for at in row["history"]), strict=True), **{**look, "marker": ""})
        ax.plot(row["nearly"]["seconds"], row["nearly"]["judged"], label=row["backbone"], **look)
    ax.set_xlabel("seconds of calibration")
    ax.set_ylabel("R² on the new day")
    ax.set_title(f"{most:g} minutes; a mark at {NEARLY:.0%} of what is reached", weight="bold")
    ax.legend()


def _mean(rows: list[dict[str, Any]], look: str, key: str) -> float:
    return mean((row[look] for row in rows), key)


def _learn(
    protocol: CalibrationSpeed, bench: Bench, run: Run, samples: NeuralSamples, test: NeuralSamples
) -> dict[str, Any]:
    net, seed, ways = bench.net(run), run.config.train.seed, []
    for way in get_args(Parts):
        learned = calibrate(net, samples, parts=way, steps=protocol.steps, lr=protocol.lr, seed=seed, judged=test)
        final = learned.best["judged"]
        ways.append(
            {
                "way": way,
                "r2": final,
                "zero_shot": learned.history[0]["judged"],
                "nearly": next(look for look in learned.history if look["judged"] >= NEARLY * final),
                "best": learned.best,
                "stopped": learned.history[-1],
                "history": learned.history,
            }
        )
    return {"ways": ways}
