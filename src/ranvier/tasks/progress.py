"""What the user sees while a network trains: a moving line on a terminal, one line an epoch elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from ranvier.recipes import Task


class Show(Protocol):
    """Called after every step, and after every epoch with the line of `metrics.jsonl`."""

    def step(self, step: int, *, epoch: int, loss: float) -> None:
        """Say how far the training is."""
        ...

    def measured(self, line: dict[str, Any]) -> None:
        """Say what was measured."""
        ...


class Silent:
    """Shows nothing."""

    def step(self, step: int, *, epoch: int, loss: float) -> None:
        pass

    def measured(self, line: dict[str, Any]) -> None:
        pass


class _Terminal:
    def __init__(self, bar: Any, line: Any, epochs: int, task: Task) -> None:
        self.bar, self.line, self.epochs, self.task = bar, line, epochs, task
        self.score = ""

    def step(self, step: int, *, epoch: int, loss: float) -> None:
        text = f"epoch {epoch + 1}/{self.epochs}  loss {loss:.3f}{self.score}"
        self.bar.update(self.line, completed=step, description=text)

    def measured(self, line: dict[str, Any]) -> None:
        if self.task.metric in line:
            self.score = f"  {line['split']}{_score(line, self.task).removeprefix(' ')}"


class _Lines:
    def __init__(self, epochs: int, task: Task) -> None:
        self.epochs, self.task = epochs, task

    def step(self, step: int, *, epoch: int, loss: float) -> None:
        pass

    def measured(self, line: dict[str, Any]) -> None:
        where = f"epoch {line['epoch'] + 1}/{self.epochs}  {line['split']}"
        measured = f"loss {line['loss']:.4f}{_score(line, self.task)}  {line['seconds']:.0f} s"
        print(f"{where} {measured}", file=sys.stderr, flush=True)


def _score(line: dict[str, Any], task: Task) -> str:
    return f"  {task.metric} {task.shown(line[task.metric])}" if task.metric in line else ""


@contextmanager
def show_training(*, steps: int, first: int, epochs: int, task: Task, enabled: bool) -> Iterator[Show]:
    """Show the progress of a training that starts at step `first` of `steps`, on standard error.

    The score of the `task` is shown beside the loss.
    """
    if not enabled:
        yield Silent()
    elif not sys.stderr.isatty():
        yield _Lines(epochs, task)
    else:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as bar:
            yield _Terminal(bar, bar.add_task("starting", total=steps, completed=first), epochs, task)
