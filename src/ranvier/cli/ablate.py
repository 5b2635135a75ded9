"""`ranvier ablate NAME`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from ranvier.quantity import seconds

if TYPE_CHECKING:
    from ranvier.recipes import Recipe
    from ranvier.report.compare import Row
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
    from ranvier.report.compare import Row, subjects
    from ranvier.report.table import markdown, table
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
    rows = [Row(tuple(runs), {"variant": variant}) for variant, runs in finished.items()]
    with console().status("counting"):
        found = [row.as_dict() | {"variant": row.settings["variant"], "stem_firing_rate": _stem(row)} for row in rows]
        shown = [markdown(table(same, more=_more(same))) for same in subjects(rows)]
    if json:
        print_json({"ablation": name, "claim": ablation.claim, "variants": found})
        return 0
    print(f"\nclaim: {ablation.claim}\n")
    print(*shown, sep="\n")
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


def _more(rows: "list[Row]") -> dict[str, list[str]]:
    from ranvier.report.table import percent

    return {
        "stem fires, %": [percent(_stem(row)) for row in rows],
        "time": [seconds(row.seconds) for row in rows],
    }


def _stem(row: "Row") -> float | None:
    """Return how often the neurons of the stem fire, in the first run."""
    rates = [rate for name, rate in row.results[0]["firing_rate"].items() if name.startswith(STEMS)]
    return rates[-1] if rates else None


def run(arguments: list[str]) -> int:
    return call(ablate, arguments, verb="ablate")
