"""A run that is killed at any moment and resumed ends with the bits of a run that was not."""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ranvier.data import datasets
from ranvier.recipes import Recipe, load
from ranvier.run import CHECKPOINT, METRICS, RESULT, WEIGHTS, open_run
from ranvier.tasks.checkpoint import Checkpoint
from tests.tasks import kill

EPOCHS, EVERY = 2, 3


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    """Two epochs with dropout, augmentation, a best epoch on the validation split, and checkpoints between epochs."""
    tiny = load("digits-conv-tiny")
    datasets.build(tiny.data, "train")  # the forked children find the recordings in memory
    model = replace(tiny.model, dropout=0.2)
    return replace(tiny, model=model, train=replace(tiny.train, epochs=EPOCHS, checkpoint_every=EVERY, select="best"))


@pytest.fixture(scope="module")
def whole(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert kill.train_in_child(recipe, folder) == (kill.FINISHED, "")
    return folder


def outcome(folder: Path) -> dict[str, Any]:
    """What has to be equal: everything but the seconds."""
    run = open_run(folder)
    return {
        "weights": (folder / WEIGHTS).read_bytes(),
        "result": {key: value for key, value in run.result.items() if key != "seconds"},
        "metrics": [{key: value for key, value in line.items() if key != "seconds"} for line in run.metrics],
    }


def steps_of_an_epoch(whole: Path) -> int:
    return json.loads((whole / METRICS).read_text().splitlines()[0])["step"]


def assert_resumes_to(whole: Path, recipe: Recipe, folder: Path) -> None:
    code, error = kill.train_in_child(recipe, folder)
    assert code == kill.FINISHED, error
    assert outcome(folder) == outcome(whole)
    assert not [file.name for file in folder.iterdir() if file.suffix == ".tmp"]


MOMENTS = {
    "before the first checkpoint": kill.at_step(EVERY - 1),
    "in the middle of an epoch": kill.at_step(EVERY + 2),
    "halfway through a checkpoint": kill.in_write(2, of=CHECKPOINT, moment="halfway"),
    "before a checkpoint is in place": kill.in_write(2, of=CHECKPOINT, moment="written"),
    "between metrics and checkpoint": kill.before_checkpoint_of_epoch(0),
    "between weights and result": kill.in_write(1, of=RESULT, moment="written"),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed(moment: str, recipe: Recipe, whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert kill.train_in_child(recipe, folder, MOMENTS[moment])[0] == -signal.SIGKILL
    assert not (folder / RESULT).exists()
    assert_resumes_to(whole, recipe, folder)


def test_killed_three_times(recipe: Recipe, whole: Path, tmp_path: Path) -> None:
    folder, steps = tmp_path / "run", steps_of_an_epoch(whole)
    for step in (EVERY + 1, steps + 1, EPOCHS * steps - 1):
        assert kill.train_in_child(recipe, folder, kill.at_step(step))[0] == -signal.SIGKILL
    assert_resumes_to(whole, recipe, folder)


def test_a_refused_write_leaves_the_last_checkpoint(recipe: Recipe, whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    code, error = kill.train_in_child(recipe, folder, kill.with_small_files(4096, from_step=EVERY + 1))
    assert code == kill.RAISED
    assert error.startswith("OSError: ")
    assert f"could not write {CHECKPOINT}" in error
    assert "--resume" in error
    assert Checkpoint.read(folder / CHECKPOINT).progress["step"] == EVERY
    assert_resumes_to(whole, recipe, folder)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte, where the system lets us make one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("cannot mount a small file system here: needs root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_disk_full(recipe: Recipe, whole: Path, small_disk: Path) -> None:
    folder, filler = small_disk / "run", small_disk / "filler"
    size = (whole / CHECKPOINT).stat().st_size
    # Room for one checkpoint and a half.
    filler.write_bytes(bytes(2**20 - 3 * size // 2 - 5 * 4096))
    code, error = kill.train_in_child(recipe, folder)
    assert code == kill.RAISED
    assert "No space left on device" in error
    filler.unlink()
    assert_resumes_to(whole, recipe, folder)


def test_interrupt_leaves_a_run_that_resumes(recipe: Recipe, whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"

    def interrupt(pid: int) -> None:
        deadline = time.monotonic() + 60
        while not (folder / CHECKPOINT).exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(pid, signal.SIGINT)

    long = replace(recipe, train=replace(recipe.train, epochs=500))
    code, error = kill.train_in_child(long, folder, after=interrupt)
    assert code == kill.RAISED
    assert error.startswith("KeyboardInterrupt")
    assert Checkpoint.read(folder / CHECKPOINT).progress["step"] >= EVERY


@pytest.mark.slow
def test_killed_at_random_moments(recipe: Recipe, whole: Path, tmp_path: Path) -> None:
    """Each run is killed from outside again and again after a random time, until it gets through."""
    clock = random.Random(0)
    start = time.monotonic()
    assert kill.train_in_child(recipe, tmp_path / "timed")[0] == kill.FINISHED
    duration = time.monotonic() - start
    kills = 0
    for attempt in range(6):
        folder = tmp_path / f"run{attempt}"

        def shoot(pid: int) -> None:
            time.sleep(clock.uniform(0.05, duration))
            os.kill(pid, signal.SIGKILL)

        for _ in range(5):
            kills += kill.train_in_child(recipe, folder, after=shoot)[0] == -signal.SIGKILL
        assert_resumes_to(whole, recipe, folder)
    assert kills >= 10
