"""`ranvier info` on a session of neural recordings."""

from pathlib import Path
from typing import Any

from ranvier.cli.options import console, print_json, wrote
from ranvier.cli.show import density_picture, facts
from ranvier.data.neural.describe import Excerpt, describe_session, excerpt
from ranvier.data.neural.files import open_session
from ranvier.quantity import memory, seconds


def about_session(file: Path, picture: Path | None, *, json: bool) -> None:
    """Show facts and a raster of a session; one line of JSON for a script."""
    session = open_session(file)
    found, out = describe_session(session), console()
    if json:
        print_json({"path": str(file), "bytes": file.stat().st_size} | found)
    else:
        out.print(facts(_sentences(file, found)))
    # Without a terminal there are no colours, and the picture would be a block of equal characters.
    drawn = out.is_terminal and not json
    if not drawn and picture is None:
        return
    part = excerpt(session)
    if drawn:
        columns = min(80, out.width - 1)
        out.print(density_picture(part.counts.T, 0 * part.counts.T, columns=columns))
    if picture is not None:
        _draw(part, session.name, picture)
        if not json:
            wrote(picture)


def _sentences(file: Path, found: dict[str, Any]) -> dict[str, str]:
    dead, segments = found["dead"], found["segments"]
    some = ", ".join(dead[:6]) + (" and others" if len(dead) > 6 else "")
    rows = {
        "session": f"{file} ({memory(file.stat().st_size)})",
        "units": f"{found['units']}, {len(dead)} of them silent" + (f": {some}" if dead else ""),
        "spikes": f"{found['spikes']:,}"
        + (f", counted in bins of {found['bin_ms']:g} ms" if found["bin_ms"] else " times")
        + (f"; {found['outside']:,} more are outside the clock" if found["outside"] else ""),
        "rate": f"{found['rate_mean']:.1f} spikes/s a unit (median {found['rate_median']:.1f}, most "
        f"{found['rate_max']:.1f})"
        + ("" if found["drift"] is None else f", {100 * found['drift']:+.1f} % in the last fifth"),
        "time": f"{seconds(found['seconds'])} ({found['first_s']:.3f} to {found['last_s']:.3f} s, steps of "
        f"{found['clock_ms']:g} ms)",
        "segments": f"{segments['count']:,}, median {seconds(segments['median_s'])}, longest "
        f"{seconds(segments['longest_s'])}"
        if segments["count"] > 1
        else "one, without a gap",
    }
    return rows | {name: _signal(signal) for name, signal in found["behaviour"].items()}


def _signal(signal: dict[str, Any]) -> str:
    deviations = " and ".join("nothing" if std is None else f"{std:.3g}" for std in signal["std"])
    missing = f"; not a number at {signal['missing']:,} times" if signal["missing"] else ""
    return f"{signal['axes']} axes, standard deviation {deviations} {signal['unit']}".rstrip() + missing


def _draw(part: Excerpt, name: str, picture: Path) -> None:
    import matplotlib
    import numpy as np
    import torch
    from matplotlib.figure import Figure

    from ranvier import plot
    from ranvier.colours import AMBER, BLUE

    with matplotlib.rc_context(plot.STYLE):
        figure = Figure(figsize=(9, 5), layout="constrained", dpi=150)
        upper, lower = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
        plot.raster(upper, torch.from_numpy(part.counts.astype(np.int64)), rows=200, step_ms=part.bin_s)
        upper.set_title(f"{name}, from {part.start_s:.1f} s on", weight="bold")
        upper.set_ylabel(f"{part.counts.shape[1]} units")
        t = part.bin_s * (np.arange(len(part.velocity)) + 0.5)
        for axis, colour, letter in zip(part.velocity.T, (AMBER, BLUE), "xy", strict=False):
            lower.plot(t, axis, color=colour, label=letter)
        lower.legend(loc="upper right", ncols=2)
        lower.set_xlabel("s")
        lower.set_ylabel(f"velocity ({part.unit})")
        # Ink needs paper: unlike a picture of events, this one is opaque.
        figure.savefig(picture, format="png", facecolor="white")
