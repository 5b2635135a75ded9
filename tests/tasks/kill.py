"""Runs a training in a forked child that dies, or is stopped, at a chosen moment."""

import os
import resource
import signal
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ranvier import run as run_folder
from ranvier.recipes import Recipe
from ranvier.tasks import train as training

Sabotage = Callable[[], Any]
"""Called in the child before it trains: patches what will kill it."""

RAISED, FINISHED = 3, 0


def train_in_child(
    recipe: Recipe, folder: Path, sabotage: Sabotage | None = None, *, after: Callable[[int], None] | None = None
) -> tuple[int, str]:
    """Train with `resume` in a child process; `after(pid)` may send signals.

    Returns:
        The exit code of the child (negative: the signal that ended it) and the error that it raised, if any.
    """
    log = folder.with_suffix(".log")
    with warnings.catch_warnings():
        # Newer Pythons warn that a process with threads forks: the child uses none of them.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        _child(recipe, folder, sabotage, log)
    if after is not None:
        after(pid)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), log.read_text() if log.exists() else ""


def _child(recipe: Recipe, folder: Path, sabotage: Sabotage | None, log: Path) -> None:
    code = RAISED
    log.unlink(missing_ok=True)
    try:
        # A hang ends as a signal, not as a test suite that never finishes.
        signal.alarm(120)
        torch.set_num_threads(1)
        if sabotage is not None:
            sabotage()
        training.train(recipe, folder, resume=True, progress=False)
        code = FINISHED
    except BaseException as error:
        log.write_text(f"{type(error).__name__}: {error}\n{traceback.format_exc()}")
    finally:
        os._exit(code)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at_step(step: int) -> Sabotage:
    """Die when step `step` begins."""

    def sabotage() -> None:
        begin = training.Training.on_train_batch_start

        def wrapped(self: Any, batch: Any, batch_idx: int) -> None:
            if self.step == step:
                die()
            begin(self, batch, batch_idx)

        training.Training.on_train_batch_start = wrapped

    return sabotage


def in_write(number: int, *, of: str, moment: str) -> Sabotage:
    """Die in the `number`-th write of the file `of`: "halfway" through it, or "written" and not yet in place."""

    def sabotage() -> None:
        seen = 0
        replace = os.replace

        def wrapped(source: Any, target: Any) -> None:
            nonlocal seen
            if Path(target).name == of:
                seen += 1
                if seen == number:
                    if moment == "halfway":
                        os.truncate(source, os.path.getsize(source) // 2)
                    die()
            replace(source, target)

        run_folder.os = _Os(wrapped)  # type: ignore[attr-defined]

    return sabotage


class _Os:
    """The module `os` with another `replace`, for one module of ours."""

    def __init__(self, replace: Callable[[Any, Any], None]) -> None:
        self.replace = replace

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


def before_checkpoint_of_epoch(epoch: int) -> Sabotage:
    """Die when the metrics of an epoch are written and its checkpoint is not."""

    def sabotage() -> None:
        save = training.Training.save

        def wrapped(self: Any) -> None:
            if self.step == (epoch + 1) * self.per_epoch:
                die()
            save(self)

        training.Training.save = wrapped

    return sabotage


def with_small_files(limit: int, *, from_step: int) -> Sabotage:
    """Let the system refuse files above `limit` bytes: a write stops half-way, as on a full disk."""

    def sabotage() -> None:
        begin = training.Training.on_train_batch_start

        def wrapped(self: Any, batch: Any, batch_idx: int) -> None:
            if self.step == from_step:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            begin(self, batch, batch_idx)

        training.Training.on_train_batch_start = wrapped

    return sabotage
