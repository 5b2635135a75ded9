"""`ranvier ablate NAME`."""

import statistics
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.table import Table

from ranvier.cli.options import (
    Device,
    Folder,
    Number,
    Threads,
    call,
    check_device,
    console,
    print_json,
    use_threads,
    wrote,
)
from ranvier.quantity import count, seconds

if TYPE_CHECKING:
    from ranvier.recipes import Recipe, Task
    from ranvier.run import Run

# Where the neurons of a stem are called so: SpikeFPN's, SpikingEDN's (behind those of its frames).
STEMS = ("maps.stem0.", "first.")

Name = tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="NAME")]]


def ablate(
    name: Name = "",
    *,
    run: Folder = None,
    seeds: int = 1,
    epochs: Number = None,
    device: Device = "cpu",
    threads: Threads = None,
    json: bool = False,
) -> int:
    """Train recipes that differ in one thing and print the table; without a name, list the comparisons.

    Trainings that are finished are not repeated, and an interrupted one goes on: repeat the command.

    Args:
        name: which comparison.
        run: the folder of all its runs; default: runs/ablate/ and the name.
        seeds: trainings of each variant, with seeds 0, 1, ...
        epochs: epochs of each training; default: as the recipe says.
        device: where the networks run.
        threads: torch threads.
        json: one line of JSON for a script, and no progress.
    """
    from ranvier.recipes.ablations import ABLATIONS
    from ranvier.tasks.train import train

    if name not in ABLATIONS:
        return _list(name)
    if seeds < 1:
        raise ValueError(f"expected --seeds of 1 or more, got {seeds}")
    ablation, folder = ABLATIONS[name](), run or Path("runs") / "ablate" / name
    use_threads(threads)
    finished: dict[str, list[Run]] = {}
    for variant, recipe in ablation.variants.items():
        for seed in range(seeds):
            one, place = _with(recipe, seed=seed, epochs=epochs), folder / f"{_slug(variant)}-{seed}"
            if not json:
                console().print(f"[bold]{variant}[/], seed {seed}: {place}")
            one_run = train(one, place, resume=True, device=check_device(device), progress=not json)
            finished.setdefault(variant, []).append(one_run)
    rows = [_row(variant, runs) for variant, runs in finished.items()]
    if json:
        print_json({"ablation": name, "claim": ablation.claim, "variants": rows})
        return 0
    out = console()
    out.print(f"\nclaim: {ablation.claim}")
    out.print(_table(rows, next(iter(ablation.variants.values())).task))
    wrote(folder)
    return 0


def _list(name: str) -> int:
    from ranvier.recipes.ablations import ABLATIONS

    if name:
        raise ValueError(f"no comparison {name!r}: expected one of {', '.join(ABLATIONS)}")
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for known, function in ABLATIONS.items():
        table.add_row(f"[bold]{known}[/]", (function.__doc__ or "").split("\n")[0])
    console().print(table)
    return 0


def _with(recipe: "Recipe", *, seed: int, epochs: int | None) -> "Recipe":
    changed = replace(recipe.train, seed=seed)
    return replace(recipe, train=changed if epochs is None else replace(changed, epochs=epochs))


def _slug(variant: str) -> str:
    return "-".join("".join(c if c.isalnum() or c in "+-" else " " for c in variant.lower()).split())


def _row(variant: str, runs: "list[Run]") -> dict[str, Any]:
    """What one variant reached: the mean over its runs, and the spread."""
    results, task = [run.result for run in runs], runs[0].config.task
    scores = [result[task.metric] for result in results]
    rates = [rate for result in results for rate in result["firing_rate"].values()]
    stems = [rate for name, rate in results[0]["firing_rate"].items() if name.startswith(STEMS)]
    return {
        "variant": variant,
        "score": task.metric_name,
        "mean": statistics.mean(scores),
        "spread": max(scores) - min(scores),
        "runs": len(runs),
        "firing_rate": statistics.mean(rates) if rates else None,
        "stem_firing_rate": stems[-1] if stems else None,
        "parameters": sum(p.numel() for p in runs[0].net().parameters()),
        "seconds": statistics.mean(result["seconds"] for result in results),
    }


def _table(rows: list[dict[str, Any]], task: "Task") -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for i, head in enumerate(
        ("variant", rows[0]["score"], "spread", "layers fire", "stem fires", "parameters", "time")
    ):
        table.add_column(head, justify="left" if i == 0 else "right")
    for row in rows:
        spread = f"± {task.shown(row['spread'] / 2)}" if row["runs"] > 1 else ""
        rates = (row["firing_rate"], row["stem_firing_rate"])
        fires = ("no spikes" if rate is None else f"{100 * rate:.1f} %" for rate in rates)
        numbers = (count(row["parameters"]), seconds(row["seconds"]))
        table.add_row(row["variant"], task.shown(row["mean"]), spread, *fires, *numbers)
    return table


def run(arguments: list[str]) -> int:
    return call(ablate, arguments, verb="ablate")
