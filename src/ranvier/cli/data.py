"""`ranvier data`: which files of a collection of data sets are there, and what is missing."""

from typing import Annotated, Literal

import tyro

from ranvier.cli.options import Folder, call, console, print_json

Collection = tyro.conf.Positional[Annotated[Literal["lra"], tyro.conf.arg(metavar="lra")]]


def data(what: Collection, *, root: Folder = None, json: bool = False) -> int:
    """Say which files of Long Range Arena are there, what is missing and where it belongs; exit code 1 if any is.

    Args:
        what: the collection; lra are the six tasks of Long Range Arena.
        root: the folder that holds listops, imdb, aan, cifar10 and pathfinder; default: $RANVIER_DATA, else
            ../shared/data.
        json: one line of JSON for a script.
    """
    from ranvier.data.root import data_root
    from ranvier.data.sequences.arena import check

    folder = (root or data_root()).absolute()
    findings = check(folder)
    missing = [finding for finding in findings if finding.found is None]
    if json:
        print_json(
            [
                {
                    "task": finding.place.task,
                    "found": finding.found and str(finding.found),
                    "belongs": [str(folder / path) for path in finding.place.paths],
                    "source": finding.place.source,
                }
                for finding in findings
            ]
        )
        return bool(missing)
    out = console()
    for finding in findings:
        belongs = finding.found or " or ".join(str(folder / path) for path in finding.place.paths)
        mark = "[yellow]missing[/]" if finding.found is None else "[green]ok     [/]"
        out.print(f"{mark}  [bold]{finding.place.task:<10}[/]  {belongs}", soft_wrap=True)
        if finding.found is None:
            out.print(f"{'':21}from {finding.place.source}", soft_wrap=True)
    if missing:
        out.print(f"\n{len(missing)} of {len(findings)} are missing: unpack each archive and move the part there")
        out.print("without files: --data.source generated makes ListOps and Pathfinder by the published rules")
    return bool(missing)


def run(arguments: list[str]) -> int:
    return call(data, arguments, verb="data")
