"""`ranvier table RUNS...`."""

import json as as_json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from ranvier.cli import FAILED, OK, complain
from ranvier.cli.options import File, Threads, call, console, use_threads, wrote

if TYPE_CHECKING:
    from ranvier.run import Run

Folders = tyro.conf.Positional[Annotated[tuple[Path, ...], tyro.conf.arg(metavar="RUN [RUN ...]")]]


def table(
    runs: Folders,
    *,
    format: Literal["markdown", "latex"] = "markdown",
    samples: Annotated[int, tyro.conf.arg(metavar="N")] = 8,
    out: File = None,
    threads: Threads = 1,
    json: bool = False,
) -> int:
    """Print the table of a paper: score (mean ± sd over seeds), firing rate, energy and parameters of finished runs.

    Runs that differ in nothing but the seed are one row; each kind of data has a table of its own. A run that is not
    finished is named on stderr and left out.

    Args:
        runs: folders of runs, or folders that hold such folders.
        format: markdown, or latex (a table with booktabs).
        samples: held-out recordings on which the energy of a row is counted; 0: without energy and firing rates, and
            without the data.
        out: write it to this file.
        threads: torch threads.
        json: one line of JSON for a script.
    """
    from ranvier.report import compare
    from ranvier.report.table import latex, markdown
    from ranvier.report.table import table as typeset
    from ranvier.run import write_atomically

    if not runs:
        raise ValueError("expected folders of runs: ranvier table runs/one runs/other")
    if samples < 0:
        raise ValueError(f"expected --samples of 0 or more, got {samples}")
    use_threads(threads)
    finished, repeated = compare.distinct(_finished(runs))
    for run, known in repeated:
        _leave_out(run.path, f"same settings and seed as {known.path}")
    if not finished:
        return complain("no finished run: nothing to tabulate", code=FAILED)
    comparisons = compare.compare(finished, samples=samples)
    with console().status("counting"):
        if json:
            text = as_json.dumps({"tables": [[row.as_dict() for row in rows] for rows in comparisons]}) + "\n"
        else:
            text = "\n".join({"markdown": markdown, "latex": latex}[format](typeset(rows)) for rows in comparisons)
    if out is None:
        print(text, end="", flush=True)
    else:
        write_atomically(out, text.encode())
        wrote(out)
    return OK


def _finished(folders: Sequence[Path]) -> "Iterator[Run]":
    """Yield the finished runs at and below the folders, each once, and say which are left out."""
    from ranvier.run import CONFIG, RESULT, open_run

    seen = set()
    for folder in folders:
        found = sorted(file.parent for file in folder.rglob(CONFIG))
        for path in found or [folder]:
            if path.resolve() in seen:
                continue
            seen.add(path.resolve())
            try:
                run = open_run(path)
            except ValueError as error:
                _leave_out(path, str(error))
                continue
            if (path / RESULT).exists():
                yield run
            else:
                _leave_out(path, "not finished")


def _leave_out(path: Path, reason: str) -> None:
    print(f"left out: {path}: {reason}", file=sys.stderr)


def run(arguments: list[str]) -> int:
    return call(table, arguments, verb="table")
