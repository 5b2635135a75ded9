"""`ranvier train RECIPE`: the options of a run, and every setting of the recipe by its name."""

import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from ranvier.cli import INTERRUPTED, complain
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
from ranvier.recipes import Sessions

HELP = """usage: ranvier train RECIPE [--data DIR] [--run DIR] [--resume] [--seed N] [--device cpu|cuda] [--threads N]
                     [--json] [--train.lr 1e-3 ...]

Train a recipe into a run folder, test it on the held-out recordings and write its report.

  ranvier recipes                  lists the recipes
  ranvier train RECIPE --help      lists every setting of one
  ranvier train RECIPE --data DIR  takes the recordings from DIR, as --data.root DIR does"""


Root = Annotated[str | None, tyro.conf.arg(metavar="DIR")]


def run(arguments: list[str]) -> int:
    """Take the recipe's name off the arguments; what may follow it depends on the recipe."""
    from ranvier.recipes import load

    names = [i for i, word in enumerate(arguments[:1]) if not word.startswith("-")]
    if not names and arguments[1:]:
        return complain("the recipe comes first: ranvier train RECIPE [...]; `ranvier recipes` lists them")
    if not names:
        print(HELP, file=sys.stdout if arguments[:1] in (["--help"], ["-h"]) else sys.stderr)
        return 0 if arguments[:1] in (["--help"], ["-h"]) else 2
    try:
        listed = load(arguments[0])
    except KeyError as error:
        return complain(error.args[0])
    # The number to expect belongs to the listing and is no setting.
    recipe = replace(listed, expected=None)
    kind: Any = Annotated[type(recipe), tyro.conf.arg(name="")]

    def train(
        recipe: kind = recipe,  # type: ignore[valid-type]
        *,
        data: Root = None,
        run: Folder = None,
        resume: bool = False,
        seed: Number = None,
        device: Device = "cpu",
        threads: Threads = None,
        json: bool = False,
    ) -> int:
        """Train a recipe into a run folder, test it on the held-out recordings and write its report.

        Args:
            recipe: what is trained.
            data: the same as --data.root: the folder of the data set, or one that holds the folders of several; neural
                recordings: also one session file of your own, or a folder of them.
            run: the folder; default: runs/ and the recipe's name.
            resume: go on where the run in the folder stopped.
            seed: the same as --train.seed.
            device: where the network runs.
            threads: torch threads; another number may give other last bits.
            json: one line of JSON for a script, and no progress.
        """
        recipe = replace(recipe, expected=listed.expected)
        if data is not None:
            recipe = replace(recipe, data=_from(recipe.data, data))
        if seed is not None:
            recipe = replace(recipe, train=replace(recipe.train, seed=seed))
        return train_recipe(
            recipe, run or Path("runs") / recipe.name, resume=resume, device=device, threads=threads, json=json
        )

    return call(train, arguments[1:], verb=f"train {recipe.name}")


def _from(data: Any, root: str) -> Any:
    """Return the data part of a recipe with another root; sessions that are not in it under a known name are one's own.

    Raises:
        ValueError: it reads no files.
    """
    if "root" not in {field.name for field in fields(data)}:
        raise ValueError(f"the data {data.name!r} is generated and reads no files: leave --data away")
    data = replace(data, root=root)
    return _own(data) if isinstance(data, Sessions) else data


def _own(data: Sessions) -> Sessions:
    from ranvier.data.neural.recorded import session_files

    try:
        known = session_files(data)[0].name != Path(data.root or "").name
    except FileNotFoundError:
        known = False
    return data if known else replace(data, name="sessions")


def train_recipe(recipe: Any, folder: Path, *, resume: bool, device: str, threads: int | None, json: bool) -> int:
    """Train, write the report, and say what was reached."""
    from ranvier.cli.show import score_line
    from ranvier.report import write_report
    from ranvier.tasks.train import train

    use_threads(threads)
    try:
        finished = train(recipe, folder, resume=resume, device=check_device(device), progress=not json)
    except KeyboardInterrupt:
        return complain(f"interrupted; repeat the command with --resume to go on with {folder}", code=INTERRUPTED)
    report = write_report(finished)
    if json:
        print_json({"run": str(folder), "report": str(report)} | finished.result)
        return 0
    console().print(score_line(finished.result, recipe.task))
    wrote(folder, report)
    return 0
