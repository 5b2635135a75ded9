"""`ranvier info` on an event file, a neural session, a run or a genotype."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.cli.options import EventFile, File, Sensor, call, console, print_json, wrote
from ranvier.cli.show import density_picture, facts
from ranvier.genotype import Genotype, load, shipped
from ranvier.quantity import count, memory, seconds
from ranvier.recipes.recipe import Data, EventData


def info(
    file: EventFile,
    *,
    sensor: Sensor = None,
    picture: File = None,
    json: bool = False,
) -> None:
    """Show facts and a picture of an event file, of a neural session, of a run, or of the wiring that a search found.

    Args:
        file: an event file of any format, a neural session (.mat, .nwb, .npz), the folder of a run, a genotype (.json),
            or a published one by name.
        sensor: width and height in pixels, where the file does not say or says wrong.
        picture: also write the picture as PNG.
        json: one line of JSON for a script.
    """
    if file.is_dir():
        _about_run(file, json=json)
    elif file.suffix == ".json" or (not file.exists() and file.name in shipped()):
        _about_genotype(load(file), picture, json=json)
    elif _is_session(file):
        from ranvier.cli.session import about_session

        about_session(file, picture, json=json)
    else:
        _about_recording(file, sensor, picture, json=json)


def _is_session(file: Path) -> bool:
    from ranvier.data.neural.files import is_session

    return is_session(file)


def _about_recording(file: Path, sensor: tuple[int, int] | None, picture: Path | None, *, json: bool) -> None:
    from ranvier.data.describe import describe

    found, out = describe(file, sensor=sensor), console()
    if json:
        print_json(found)
    else:
        out.print(facts(_sentences(found)))
    # Without a terminal there are no colours, and the picture would be a block of equal characters.
    drawn = out.is_terminal and not json
    if not drawn and picture is None:
        return
    on, off = _density(file, sensor)
    if drawn:
        out.print(density_picture(on, off, columns=min(80, out.width - 1)))
    if picture is not None:
        _write_picture(on, off, picture)
        if not json:
            wrote(picture)


def _sentences(found: dict[str, Any]) -> dict[str, str]:
    rate = found["rate_mean"]
    width, height = found["sensor"]
    return {
        "file": f"{found['path']} ({memory(found['bytes'])})",
        "format": found["format"],
        "sensor": f"{width}x{height} pixels, events in the first {found['seen'][0]}x{found['seen'][1]}",
        "events": f"{found['events']:,}, {100 * found['on_share']:.1f} % ON",
        "time": f"{seconds(found['duration_us'] / 1e6)} ({found['first_us']:,} to {found['last_us']:,} µs)",
        "rate": f"{count(rate)} events/s, peak {count(max(rate, found['rate_peak']))}" if rate else "all at one time",
        "active pixels": f"{found['active_pixels']:,} ({100 * found['active_pixels'] / (width * height):.1f} %)",
        "busiest pixels": ", ".join(f"({p['x']}, {p['y']}) {p['events']:,} events" for p in found["busiest"]),
    }


def _density(file: Path, sensor: tuple[int, int] | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the ON and OFF events of each pixel, read in constant memory."""
    from ranvier.data.formats import open_events

    recording = open_events(file, sensor=sensor)
    width, height = recording.sensor
    sums = np.zeros((2, height * width), np.int64)
    for chunk in recording.chunks(count=1 << 18):
        site = chunk.y.astype(np.int64) * width + chunk.x
        sums += [np.bincount(site[chunk.polarity == on], minlength=height * width) for on in (True, False)]
    on, off = sums.reshape(2, height, width)
    return on, off


def _write_picture(on: np.ndarray, off: np.ndarray, picture: Path) -> None:
    import torch
    from matplotlib.image import imsave

    from ranvier.plot import frame_image

    imsave(picture, frame_image(torch.from_numpy(np.stack([off, on]))), format="png")


def _about_genotype(genotype: Genotype, picture: Path | None, *, json: bool) -> None:
    if json:
        print_json(asdict(genotype))
    else:
        console().print(facts(_wiring(genotype)))
    if picture is not None:
        _draw(genotype, picture)
        if not json:
            wrote(picture)


def _wiring(genotype: Genotype) -> dict[str, str]:
    operations = {"skip": "", "conv3x3": "3x3 of ", "conv3x3_b5": "3x3 (temperature 5) of ", "conv5x5": "5x5 of "}
    nodes = {
        f"node {node}": " + ".join(
            operations[operation] + (f"s{source}" if source < 2 else f"node {source - 2}")
            for source, operation in genotype.inputs(node)
        )
        for node in range(genotype.nodes)
    }
    levels = {
        f"level {level}": "".join(" ●" if level == visited else "  " for visited in genotype.path)
        + f"   {genotype.channels(level)} channels at 1/{2**level} of the stem's resolution"
        for level in range(max(genotype.path) + 1)
    }
    return {
        "genotype": genotype.name,
        "source": genotype.source,
        "cell": f"{genotype.nodes} nodes; the last {genotype.blocks}, side by side, are its output",
        **nodes,
        "path": f"{len(genotype.path)} cells",
        **levels,
    }


def _draw(genotype: Genotype, picture: Path) -> None:
    import matplotlib
    from matplotlib.figure import Figure

    from ranvier import plot

    with matplotlib.rc_context(plot.STYLE):
        figure = Figure(figsize=(9, 3.2), layout="constrained", dpi=150)
        left, right = figure.subplots(1, 2)
        plot.cell(left, genotype)
        left.set_title(genotype.name, weight="bold")
        plot.levels(right, genotype)
        # Ink needs paper: unlike a picture of events, this one is opaque.
        figure.savefig(picture, format="png", facecolor="white")


def _about_run(folder: Path, *, json: bool) -> None:
    from ranvier.recipes.saved import to_plain
    from ranvier.run import RESULT, open_run

    run = open_run(folder)
    task = run.config.task
    done = (folder / RESULT).exists()
    measured = run.metrics
    scores = [line[task.metric] for line in measured if line["split"] != "train"]
    if json:
        print_json(
            {
                "recipe": run.config.name,
                "finished": done,
                "result": run.result if done else None,
                "epochs": measured[-1]["epoch"] + 1 if measured else 0,
                "config": to_plain(run.config),
            }
        )
        return
    expected = run.config.expected
    rows = {
        "run": str(folder),
        "recipe": run.config.name,
        "trained": f"{measured[-1]['epoch'] + 1 if measured else 0} of {run.config.train.epochs} epochs",
        task.metric_name: f"{task.shown(run.result[task.metric])} held out"
        if done
        else "not finished: continue with --resume",
        "best so far": f"{task.shown(max(scores, key=task.worth))} on the validation split" if scores else "",
        "expected": f"{task.shown(expected.value)} ({expected.source})" if expected else "nothing stated",
        "data": _steps(run.config.data),
        "model": run.config.model.name,
    }
    console().print(facts({name: value for name, value in rows.items() if value}))


def _steps(data: Data) -> str:
    timing = f", {data.steps} steps of {data.window_us / 1000:g} ms" if isinstance(data, EventData) else ""
    return data.name + timing


def run(arguments: list[str]) -> int:
    return call(info, arguments, verb="info")
