"""`ranvier calibrate RUN --data FILE`."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from ranvier.cli.options import Folder, RunFolder, Threads, call, console, print_json, use_threads, wrote
from ranvier.cli.show import facts
from ranvier.quantity import seconds

Session = Annotated[str | None, tyro.conf.arg(metavar="FILE")]


def calibrate(
    run: RunFolder,
    *,
    data: Session = None,
    minutes: float = 1.0,
    parts: Literal["full", "adapter", "readout"] = "full",
    out: Folder = None,
    steps: int = 300,
    lr: float = 1e-3,
    seed: int = 0,
    threads: Threads = 1,
    json: bool = False,
) -> None:
    """Teach a decoder of other days a new one from its first minutes, and write it as a run of its own.

    Args:
        run: the folder of the run.
        data: the session of the new day (.mat, .nwb, .npz); a decoder of a made cortex has the day that follows.
        minutes: how much of its beginning to learn from; the rest judges.
        parts: what changes: everything, the adapter, by which channels enter, or the readout.
        out: the new folder; default: that of the run, and the name of the session.
        steps: gradient steps at most.
        lr: learning rate at its peak.
        seed: of windows and dropout.
        threads: torch threads.
        json: one line of JSON for a script.
    """
    from ranvier.run import open_run
    from ranvier.tasks.new_day import calibrate_run

    if minutes <= 0 or steps < 1 or lr <= 0:
        raise ValueError(f"expected --minutes, --steps and --lr above 0, got {minutes:g}, {steps} and {lr:g}")
    use_threads(threads)
    opened, out = open_run(run), out or run.with_name(f"{run.name}-{Path(data).stem if data else 'new-day'}")
    with console().status("calibrating"):
        new = calibrate_run(opened, out, root=data, minutes=minutes, parts=parts, steps=steps, lr=lr, seed=seed)
    result = new.result
    how = result["calibration"]
    if json:
        print_json({"run": str(new.path)} | result)
        return
    ridge = result["baselines"]["ridge"]["r2"]
    rows = {
        "before": f"R² {how['r2_before']:.3f} on the new day after its first {minutes:g} min",
        "after": f"R² {result['r2']:.3f}, learned from these minutes; a ridge fitted to them reaches {ridge:.3f}",
        "took": f"{seconds(result['seconds'])}, {how['steps']} gradient steps; the weights of step {how['best_step']}",
    }
    console().print(facts(rows))
    wrote(new.path)


def run(arguments: list[str]) -> int:
    return call(calibrate, arguments, verb="calibrate")
