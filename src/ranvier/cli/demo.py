"""`ranvier demo`: the whole job on data that comes with the package."""

import shutil
import time
from pathlib import Path

from ranvier.cli.options import Threads, call, console
from ranvier.quantity import seconds

RECIPE = "digits-conv"
LOOKED_AT = 64
MARK = ".ranvier-demo"
DEFAULT = Path("runs/demo")


def demo(*, run: Path = DEFAULT, threads: Threads = None) -> int:
    """Train, test, stream and count a small spiking network on handwritten digits before a simulated event camera.

    Nothing is downloaded. An earlier demo in the folder is replaced.

    Args:
        run: the folder.
        threads: torch threads.
    """
    from ranvier import recipes

    start = time.monotonic()
    out = console()
    _clear(run)
    out.print("[bold]1  train[/]  ranvier train digits-conv: handwritten digits, moved before a simulated event camera")
    from ranvier.cli.train import train_recipe

    try:
        code = train_recipe(recipes.load(RECIPE), run, resume=False, device="cpu", threads=threads, json=False)
    finally:
        # Also where it was interrupted: the next demo may replace what this one has begun.
        if run.exists():
            (run / MARK).touch()
    if code:
        return code
    recording, digit = _write_recording(run)
    out.print(f"\n[bold]2  stream[/]  a held-out recording of {digit}, step by step, with carried memory")
    from ranvier.cli import audit, stream

    stream.stream(run, str(recording))
    out.print("\n[bold]3  audit[/]  what it costs")
    audit.audit(run)
    out.print(f"\ndone in {seconds(time.monotonic() - start)}\n")
    out.print(f"look at    [bold]{run / 'report.html'}[/]")
    out.print("type next  [bold]ranvier recipes[/]                      what else can be trained")
    out.print(f"           [bold]ranvier stream {run} {recording}[/]")
    out.print(f"           [bold]ranvier train {RECIPE} --train.lr 1e-3[/]   the same with another setting")
    return 0


def _clear(folder: Path) -> None:
    """Remove an earlier demo; anything else stays and is complained about.

    Raises:
        FileExistsError: the folder holds something that no demo has made.
    """
    if not folder.exists():
        return
    if not (folder / MARK).exists():
        raise FileExistsError(f"{folder} holds something that no demo has made: choose another with --run")
    shutil.rmtree(folder)


def _write_recording(folder: Path) -> tuple[Path, str]:
    """Write the held-out recording that the run was least sure of at first; return the file and what it shows."""
    from ranvier.data import datasets
    from ranvier.data.formats import write_npz
    from ranvier.report.classify import look
    from ranvier.run import open_run
    from ranvier.samples import held_out, spread

    finished = open_run(folder)
    dataset = datasets.build(finished.config.data, "test")
    batch = held_out(finished, count=LOOKED_AT)
    hardest = look(finished, finished.net(), batch).hardest()
    path = folder / "recording.npz"
    write_npz(path, dataset.events(spread(len(dataset), LOOKED_AT)[hardest]))
    return path, finished.config.task.classes[int(batch.target[hardest])]


def run(arguments: list[str]) -> int:
    return call(demo, arguments, verb="demo")
