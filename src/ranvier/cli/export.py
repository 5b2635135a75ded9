"""`ranvier export RUN`."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier.cli import FAILED, OK, complain
from ranvier.cli.options import File, Number, RunFolder, call, console, print_json, use_threads, wrote
from ranvier.cli.show import facts
from ranvier.quantity import memory, seconds

if TYPE_CHECKING:
    from ranvier.data.datasets import Batch
    from ranvier.export import Agreement, Step
    from ranvier.run import Run

# A spike within rounding of its threshold may flip, and is heard for a while.
MOST_APART = 0.01


def export(
    run: RunFolder, *, out: File = None, int8: bool = False, day: Number = None, steps: int = 2000, json: bool = False
) -> int:
    """Write one step of a run's network as an ONNX file, and check it step by step on held-out recordings.

    Args:
        run: the folder of the run.
        out: the file; default: step.onnx, or step-int8.onnx, in the folder of the run.
        int8: keep the matrices of linear layers in 8 bits.
        day: of a decoder that knows several recording days, the one that the file is for, from 0.
        steps: time steps of held-out recordings to check the file on.
        json: one line of JSON for a script.
    """
    from ranvier.export import export_step, load_step
    from ranvier.run import open_run

    use_threads(1)
    opened = open_run(run)
    net, path = opened.net(), out or run / ("step-int8.onnx" if int8 else "step.onnx")
    screen = console()
    with screen.status("reading"):
        recordings = list(_held_out(opened, day=day, steps=steps))
    with screen.status("exporting"):
        export_step(net, path, x=recordings[0].x[0], day=day, int8=int8, about=_about(opened, day))  # type: ignore[arg-type]
    step = load_step(path)
    with screen.status("checking"):
        found = _compared(net, step, recordings, day=day)
    scores = _r2(found, recordings) if opened.config.task.name == "decode" else {}
    if json:
        print_json(_plain(path, step, found) | scores)
    else:
        screen.print(facts(_sentences(path, step, found, scores)))
    if not int8 and found.apart > MOST_APART:
        return complain(f"{path} does not say what the network says: see the differences above", code=FAILED)
    if not json:
        wrote(path)
    return OK


def _held_out(run: "Run", *, day: int | None, steps: int) -> Iterator["Batch"]:
    """Yield test recordings, alone and whole but for the last, until there are so many time steps.

    Raises:
        ValueError: a day is missing, wrong, or of a network that knows none; or fewer steps than one.
    """
    from ranvier.data import datasets

    _check_day(run, day)
    if steps < 1:
        raise ValueError(f"expected --steps of 1 or more, got {steps}")
    samples: Any = datasets.build(run.config.data, "test")
    if day is not None:
        samples = samples.of_day(day)
    for i in range(len(samples)):
        batch = samples.collate([samples[i]])
        yield batch._replace(x=batch.x[:steps])
        steps -= len(batch.x)
        if steps <= 0:
            return


def _check_day(run: "Run", day: int | None) -> None:
    from ranvier.recipes import Decoder

    model = run.config.model
    days = (model.days or 1) if isinstance(model, Decoder) else 0
    if day is not None and not 0 <= day < days:
        raise ValueError(f"{run.path} knows {days} recording days, numbered from 0; got --day {day}")
    if day is None and days > 1 and isinstance(model, Decoder) and model.adapter != "shared":
        raise ValueError(f"{run.path} knows {days} recording days: say for which one, --day 0 to --day {days - 1}")


def _about(run: "Run", day: int | None) -> dict[str, str]:
    """Return what a reader of the file wants to know of the run, such as the width of a bin."""
    from ranvier.recipes.saved import to_plain

    # Where the recordings lie is nobody else's business.
    data = {f"data.{name}": str(value) for name, value in to_plain(run.config.data).items() if name != "root"}
    return {"recipe": run.config.name, **data} | ({} if day is None else {"day": str(day)})


def _compared(net: Any, step: "Step", recordings: list["Batch"], *, day: int | None) -> "Agreement":
    from ranvier.export import Agreement, compare

    each = [compare(net, step, recording.x, day=day) for recording in recordings]
    return Agreement(*(np.concatenate(parts) for parts in zip(*each, strict=True)))


def _r2(found: "Agreement", recordings: list["Batch"]) -> dict[str, float]:
    """Return R² of a decoder and of its file over the bins of the check."""
    from ranvier.tasks.r2 import R2

    true = np.concatenate([recording.target[: len(recording.x), 0].numpy() for recording in recordings])
    scores = {}
    for name, answers in (("r2_network", found.network), ("r2_file", found.file)):
        r2 = R2()
        r2.add(answers[:, 0], true)
        scores[name] = r2.result()["r2"]
    return scores


def _plain(path: Path, step: "Step", found: "Agreement") -> dict[str, Any]:
    return {
        "path": str(path),
        "bytes": path.stat().st_size,
        "shapes": step.shapes,
        "steps": len(found.file),
        "largest_answer": found.largest,
        "largest_difference": found.difference,
        "steps_apart": found.apart,
        "step_s": float(np.median(found.file_s)),
        "network_step_s": float(np.median(found.network_s)),
    }


def _sentences(path: Path, step: "Step", found: "Agreement", scores: dict[str, float]) -> dict[str, str]:
    from ranvier.export.agreement import TOLERANCE

    remembered = [f"{name} {list(step.shapes[name])}" for name in step.rest()]
    said = {
        "file": f"{memory(path.stat().st_size)}, {step.about['recipe']}",
        "inputs": f"x {list(step.shapes['x'])} and the memory: {', '.join(remembered)}",
        "outputs": f"y {list(step.shapes['y'])} and the same memory after the step, names with .next",
        "check": f"{len(found.file):,} held-out steps one by one: largest difference {found.difference:.2g}, largest "
        f"answer {found.largest:.3g}; {100 * found.apart:.2g} % of the steps apart by more than {TOLERANCE:g} of that",
        "a step": f"{seconds(np.median(found.file_s))} in ONNX Runtime, {seconds(np.median(found.network_s))} in torch "
        "(median, one thread)",
    }
    if scores:
        said["R²"] = f"{scores['r2_file']:.4f} by the file, {scores['r2_network']:.4f} by the network, on these steps"
    return said


def run(arguments: list[str]) -> int:
    return call(export, arguments, verb="export")
