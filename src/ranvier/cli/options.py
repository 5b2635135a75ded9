"""What the commands share: how arguments become a function call, and how results are printed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console

from ranvier.recipes.recipe import Precision

Device = Annotated[str, tyro.conf.arg(metavar="cpu|cuda|cuda:N")]
Threads = Annotated[int | None, tyro.conf.arg(metavar="N")]
Folded = Annotated[Precision | None, tyro.conf.arg(metavar="float32|bfloat16")]
Number = Annotated[int | None, tyro.conf.arg(metavar="N")]
Folder = Annotated[Path | None, tyro.conf.arg(metavar="DIR")]
File = Annotated[Path | None, tyro.conf.arg(metavar="FILE")]
Sensor = Annotated[tuple[int, int] | None, tyro.conf.arg(metavar="WIDTH HEIGHT")]
RunFolder = tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="RUN")]]
EventSource = tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="FILE|udp://HOST:PORT|camera")]]
EventFile = tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="FILE")]]


def call(function: Callable[..., int | None], arguments: list[str], *, verb: str) -> int:
    """Parse `arguments` by the signature of `function`, call it, and return its exit code."""
    config = (tyro.conf.FlagCreatePairsOff, tyro.conf.AvoidSubcommands)
    return tyro.cli(function, args=arguments, prog=f"ranvier {verb}", config=config) or 0


def console() -> Console:
    """Return the console for people: as wide as the terminal, or 100 columns where there is none."""
    out = Console(highlight=False)
    return out if out.is_terminal else Console(highlight=False, width=100)


def print_json(value: Any) -> None:
    """Print one line of JSON for a script, which may be waiting for it behind a pipe."""
    print(json.dumps(value), flush=True)


def wrote(*paths: Path | str) -> None:
    """End a command by naming what it wrote."""
    for path in paths:
        print(f"wrote {path}")


def check_device(device: str) -> str:
    """Return the name of a device that is there.

    Raises:
        ValueError: it is not.
    """
    import torch

    kind, _, number = device.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdecimal()):
        raise ValueError(f"expected --device cpu, cuda or cuda:N, got {device!r}")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"no device {device!r}: torch {torch.__version__} sees {torch.cuda.device_count()} CUDA devices"
        )
    return device


def use_threads(threads: int | None) -> None:
    """Let torch use so many threads; `None` leaves the number as it is.

    Raises:
        ValueError: fewer than one.
    """
    import torch

    if threads is not None:
        if threads < 1:
            raise ValueError(f"expected --threads of 1 or more, got {threads}")
        torch.set_num_threads(threads)
