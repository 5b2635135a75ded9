"""`ranvier protocol NAME`."""

import importlib
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.table import Table

from ranvier.cli import INTERRUPTED, complain
from ranvier.cli.options import (
    Device,
    Folder,
    Threads,
    call,
    check_device,
    console,
    print_json,
    use_threads,
    wrote,
)

Root = Annotated[str | None, tyro.conf.arg(metavar="FILE|DIR|cortex")]


def run(arguments: list[str]) -> int:
    """Take the protocol's name off the arguments; what may follow it depends on the protocol."""
    from ranvier.recipes.protocols import PROTOCOLS, quick

    name = arguments[0] if arguments else ""
    if name in ("", "-h", "--help"):
        return _list()
    if name not in PROTOCOLS:
        return complain(f"no protocol {name!r}: expected one of {', '.join(PROTOCOLS)}")
    kind: Any = Annotated[PROTOCOLS[name], tyro.conf.arg(name="")]
    # What is typed beside it still holds: other settings, not other values of those that were given.
    settings = quick(PROTOCOLS[name]()) if "--quick" in arguments else PROTOCOLS[name]()

    def protocol(
        settings: kind = settings,  # type: ignore[valid-type]
        *,
        data: Root = None,
        out: Folder = None,
        quick: bool = False,
        device: Device = "cpu",
        threads: Threads = 1,
        json: bool = False,
    ) -> int:
        """Train and measure what a protocol asks for, print its table, write it and a picture.

        What is finished is not repeated, and an interrupted training goes on: repeat the command.

        Args:
            settings: what is trained and measured.
            data: a session file (.mat, .nwb, .npz) or a folder of them, one a day; cortex: days of the made one, as is
                the default where no recordings are.
            out: the folder of all runs, table.json and table.png; default: runs/protocol/ and the name.
            quick: settings of a trial that takes seconds and says nothing about the backbones.
            device: where the networks run.
            threads: torch threads.
            json: one line of JSON for a script, and no progress.
        """
        folder = out or Path("runs") / "protocol" / (f"{name}-quick" if quick else name)
        use_threads(threads)
        try:
            return _do(name, settings, data, folder, device=check_device(device), json=json)
        except KeyboardInterrupt:
            return complain(f"interrupted; repeat the command to go on with {folder}", code=INTERRUPTED)

    return call(protocol, arguments[1:], verb=f"protocol {name}")


def _do(name: str, settings: Any, data: str | None, folder: Path, *, device: str, json: bool) -> int:
    from ranvier.protocols.bench import Bench
    from ranvier.recipes.protocols import Protocol
    from ranvier.report.table import markdown
    from ranvier.run import write_json

    def say(what: str) -> None:
        console().print(f"[bold]{name}[/] {what}")

    if data is not None and not isinstance(settings, Protocol):
        raise ValueError(f"{name} reads no recordings: leave --data away")
    module = importlib.import_module(f"ranvier.protocols.{name.replace('-', '_')}")
    found = module.measure(settings, Bench(folder, data, device, None if json else say))
    table, picture = folder / "table.json", folder / "table.png"
    write_json(table, {"protocol": name} | found)
    _draw(module, found, picture)
    if json:
        print_json({"protocol": name, "folder": str(folder)} | found)
        return 0
    print("", *map(markdown, module.tables(found)), sep="\n")
    wrote(table, picture)
    return 0


def _draw(module: Any, found: dict[str, Any], picture: Path) -> None:
    import matplotlib
    from matplotlib.figure import Figure

    from ranvier import plot

    with matplotlib.rc_context(plot.STYLE):
        figure = Figure(layout="constrained", dpi=150)
        module.draw(figure, found)
        # Ink needs paper.
        figure.savefig(picture, format="png", facecolor="white")


def _list() -> int:
    from ranvier.recipes.protocols import PROTOCOLS

    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for name, kind in PROTOCOLS.items():
        table.add_row(f"[bold]{name}[/]", (kind.__doc__ or "").split("\n")[0])
    console().print("usage: ranvier protocol NAME [...]; ranvier protocol NAME --help lists every setting\n")
    console().print(table)
    return 0
