"""`ranvier demo`: the whole job on data that comes with the package."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Literal, cast

import tyro

from ranvier.cli.options import Folder, Threads, call, console
from ranvier.quantity import seconds

if TYPE_CHECKING:
    from ranvier.data.datasets.batch import RecordedSamples
    from ranvier.data.events import Events
    from ranvier.run import Run

MARK = ".ranvier-demo"
# Held-out recordings among which the one to show is chosen.
LOOKED_AT = 64
# Held-out expressions among which the one of about so many tokens is read.
SENTENCES, TOKENS = 200, 18
# Held-out scenes that are shown one after the other.
SCENES = 6


@dataclass(frozen=True)
class Demo:
    """One demo: what it trains, in which folder, and what that is about."""

    recipe: str
    folder: Path
    about: str


DEMOS = {
    "classify": Demo("digits-conv", Path("runs/demo"), "handwritten digits, moved before a simulated event camera"),
    "detect": Demo("digits-spikefpn", Path("runs/demo-detect"), "find and read handwritten digits: a box around each"),
    "segment": Demo("digits-spikingedn", Path("runs/demo-segment"), "read handwritten digits: a class for each pixel"),
    "decode": Demo("cortex-gru", Path("runs/demo-decode"), "a hand's velocity from the spikes of 96 made neurons"),
    "sequence": Demo("listops-tiny", Path("runs/demo-sequence"), "nested operations on digits, read token by token"),
}
"""By what is shown."""

What = tyro.conf.Positional[
    Annotated[
        Literal["classify", "detect", "segment", "sequence", "decode"],
        tyro.conf.arg(metavar="[classify|detect|segment|sequence|decode]"),
    ]
]


def demo(what: What = "classify", *, run: Folder = None, threads: Threads = None) -> int:
    """Train, test, stream and count a small network on data that the package makes.

    Nothing is downloaded. An earlier demo in the folder is replaced.

    Args:
        what: handwritten digits before a simulated event camera: the one of a recording, or several of them, by a box
            around each or the digit of each pixel; a long sequence, the value of an expression of digits; or the
            movement of a hand, from the neurons of a motor cortex.
        run: the folder; default: runs/demo, or runs/demo- and what is shown.
        threads: torch threads.
    """
    from ranvier import recipes
    from ranvier.cli import audit, report, stream, stream_session
    from ranvier.cli.train import train_recipe
    from ranvier.run import STREAM, open_run

    start = time.monotonic()
    out, shown = console(), DEMOS[what]
    folder = run or shown.folder
    _clear(folder)
    out.print(f"[bold]1  train[/]  ranvier train {shown.recipe}: {shown.about}")
    try:
        recipe = recipes.load(shown.recipe)
        code = train_recipe(recipe, folder, resume=False, device="cpu", threads=threads, json=False)
    finally:
        # Also where it was interrupted: the next demo may replace what this one has begun.
        if folder.exists():
            (folder / MARK).touch()
    if code:
        return code
    picture, again = None, None
    if what == "sequence":
        out.print("\n[bold]2  stream[/]  a held-out expression, token by token, with carried memory")
        _read_aloud(open_run(folder))
    elif what == "decode":
        recording, content = _write_session(open_run(folder))
        out.print(f"\n[bold]2  stream[/]  {content}, bin by bin, with carried memory")
        stream_session.stream_session(folder, str(recording), picture=folder / "decoded.png")
        again = f"ranvier stream {folder} {recording} --speed 1"
    else:
        recording, content = _write_recording(open_run(folder))
        picture = None if what == "classify" else folder / STREAM
        out.print(f"\n[bold]2  stream[/]  {content}, step by step, with carried memory")
        stream.stream(folder, str(recording), picture=picture)
        again = f"ranvier stream {folder} {recording}"
    out.print("\n[bold]3  audit[/]  what it costs")
    audit.audit(folder)
    if picture is not None:
        out.print("\n[bold]4  report[/]  once more, with the moving picture of the stream")
        report.report(folder)
    out.print(f"\ndone in {seconds(time.monotonic() - start)}\n")
    out.print(f"look at    [bold]{folder / 'report.html'}[/]")
    out.print("type next  [bold]ranvier recipes[/]                      what else can be trained")
    if again:
        out.print(f"           [bold]{again}[/]")
    out.print(f"           [bold]ranvier train {shown.recipe} --train.lr 1e-3[/]   the same with another setting")
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


def _write_recording(run: "Run") -> tuple[Path, str]:
    """Write a held-out recording into the run's folder; return the file and what it shows."""
    from ranvier.data import datasets
    from ranvier.data.formats import write_npz

    # Every demo is of event recordings.
    dataset = cast("RecordedSamples", datasets.build(run.config.data, "test"))
    choose = _one_digit if run.config.task.name == "classify" else _scenes
    events, content = choose(run, dataset)
    path = run.path / "recording.npz"
    write_npz(path, events)
    return path, content


def _write_session(run: "Run") -> tuple[Path, str]:
    """Write what a decoder has not seen of the session that was made for it; return the file and what it holds."""
    from dataclasses import replace

    from ranvier.data.neural import Counts, Signal, write_npz_session
    from ranvier.data.neural.cortex import make_day
    from ranvier.recipes import Cortex

    data = run.config.data
    assert isinstance(data, Cortex)
    session = make_day(data, 0)
    assert isinstance(session.spikes, Counts)
    seen = round(sum(data.shares) * len(session.clock))
    rest = replace(
        session,
        spikes=Counts(session.spikes.counts[seen:], session.spikes.bin_s),
        clock=session.clock[seen:],
        behaviour={name: Signal(found.values[seen:], found.unit) for name, found in session.behaviour.items()},
        segment=session.segment[seen:],
    )
    path = run.path / "session.npz"
    write_npz_session(path, rest)
    return path, f"{seconds((len(rest.clock)) * session.spikes.bin_s)} of a held-out session"


def _read_aloud(run: "Run") -> None:
    """Show the answer to an expression after each of its tokens, and how long a token took."""
    import torch

    from ranvier import Carry
    from ranvier.cli.show import bar
    from ranvier.data import datasets
    from ranvier.data.sequences.samples import SequenceDataset
    from ranvier.layers import event_driven

    dataset = datasets.build(run.config.data, "test")
    assert isinstance(dataset, SequenceDataset)
    assert dataset.vocabulary is not None
    chosen = min(range(SENTENCES), key=lambda i: abs(len(dataset[i][0]) - TOKENS))
    (x, value), net, carry = dataset[chosen], event_driven(run.net()), Carry()
    out, logits, taken = console(), [], []
    for token in x:
        begin = time.perf_counter()
        with torch.inference_mode():
            logits.append(net(token.view(1, 1), carry)[0, 0])
        taken.append(1e3 * (time.perf_counter() - begin))
        chance = torch.stack(logits).mean(0).softmax(-1)
        guess = int(chance.argmax())
        out.print(
            f"   {dataset.vocabulary.words[int(token)]:<6} {guess}  {bar(float(chance[guess]))} {chance[guess]:.0%}"
        )
    out.print(f"   the value is {value}; a token took {median(taken):.2f} ms (median of {len(taken)})")


def _one_digit(run: "Run", dataset: "RecordedSamples") -> tuple["Events", str]:
    """Return the recording that the run was least sure of at first."""
    from ranvier.report.classify import look
    from ranvier.samples import held_out, spread

    batch = held_out(run, count=LOOKED_AT)
    hardest = look(run, run.net(), batch).hardest()
    digit = run.config.task.classes[int(batch.target[hardest])]
    return dataset.events(spread(len(dataset), LOOKED_AT)[hardest]), f"a held-out recording of {digit}"


def _scenes(run: "Run", dataset: "RecordedSamples") -> tuple["Events", str]:
    """Return the first scenes, one after the other."""
    from dataclasses import replace

    from ranvier.data.events import Events

    data = run.config.event_data
    parts = [dataset.events(i) for i in range(SCENES)]
    shifted = [replace(part, t=part.t + i * data.steps * data.window_us) for i, part in enumerate(parts)]
    return Events.merge(shifted), f"{SCENES} held-out scenes, one after the other"


def run(arguments: list[str]) -> int:
    return call(demo, arguments, verb="demo")
