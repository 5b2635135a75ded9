"""What all tests share: one torch thread, and the real recordings."""

import os
import signal
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ranvier.data.datasets import mosaic
from ranvier.data.events import Events
from ranvier.data.formats import write_nmnist
from ranvier.recipes import Recipe, load
from ranvier.run import Run

ROOT = Path(__file__).parent.parent


def pytest_configure(config: pytest.Config) -> None:
    # Two threads fight as soon as the other test process runs.
    torch.set_num_threads(1)
    # A shell that starts the tests in the background has them ignore Ctrl-C, and their children with them.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real recordings; absent means skipped, or failed under RANVIER_REQUIRE_DATA=1."""
    folder = Path(os.environ.get("RANVIER_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        reason = f"no real recordings at {folder}: set RANVIER_DATA to their folder"
        if os.environ.get("RANVIER_REQUIRE_DATA") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run on 40 made-up recordings in the layout of N-MNIST; its small network has not learned anything."""
    return _finished(load("nmnist-conv-tiny"), tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="session")
def finished_detector(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same of a detector, on mosaics of such recordings."""
    recipe = load("mosaic-spikefpn-tiny")
    # An untrained network that expects an object everywhere finds some.
    recipe = replace(recipe, model=replace(recipe.model, prior=0.5))
    return _finished(recipe, tmp_path_factory.mktemp("detector"))


@pytest.fixture(scope="session")
def finished_segmenter(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same of a segmenter."""
    return _finished(load("mosaic-spikingedn-tiny"), tmp_path_factory.mktemp("segmenter"))


@pytest.fixture(scope="session")
def finished_listener(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same of a classifier of sequences, on tones in the layout of the spoken digits."""
    recipe = load("spoken-digits")
    recipe = replace(
        recipe,
        model=replace(recipe.model, layers=2, width=8, state=4),
        train=replace(recipe.train, epochs=1, batch_size=8),
    )
    return _finished(recipe, tmp_path_factory.mktemp("listener"), write=_made_up_tones)


@pytest.fixture(scope="module")
def few_scenes() -> Iterator[None]:
    """Leave the first few held-out mosaics, as the finished runs have seen them."""
    with _few_scenes():
        yield


@contextmanager
def _few_scenes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mosaic, "HELD_OUT", {"val": 4, "test": 12})
        yield


def _finished(recipe: Recipe, folder: Path, *, write: Callable[[Path], None] | None = None) -> Run:
    from safetensors.torch import save_file

    from ranvier.run import append_metrics, start_run, write_json
    from ranvier.tasks.environment import environment
    from ranvier.tasks.evaluate import held_out, measure
    from ranvier.tasks.task import build

    (write or _made_up_recordings)(folder / "recordings")
    recipe = replace(recipe, data=replace(recipe.data, root=str(folder / "recordings")))
    run = start_run(folder / "run", recipe)
    save_file(_lively(recipe).state_dict(), run.path / "weights.safetensors")
    score = recipe.task.metric
    append_metrics(run, [{"epoch": 0, "step": 2, "split": "train", "loss": 2.3, score: 0.1, "seconds": 1.0}])
    write_json(run.path / "environment.json", environment(device="cpu"))
    net = run.net()
    with _few_scenes():
        result = measure(net, held_out(recipe, "test"), build(recipe, net))
    write_json(run.path / "result.json", result | {"seconds": 1.0, "expected": None})
    return run


def _lively(recipe: Recipe) -> nn.Module:
    """Return an untrained network that fires: its batch norms have seen some samples."""
    from ranvier import models
    from ranvier.data import datasets

    torch.manual_seed(0)
    net, samples = models.build(recipe.model), datasets.build(recipe.data, "train")
    x = samples.collate([samples[i] for i in range(4)]).x
    with torch.no_grad():
        for _ in range(8):
            net(x)
    return net


def _made_up_recordings(folder: Path) -> None:
    generator = np.random.default_rng(0)
    for number in range(40):
        path = folder / "Train" / str(number % 10) / f"{number + 1:05}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        t = np.sort(generator.integers(0, 290_000, 3000))
        x, y = generator.integers(0, 34, (2, 3000))
        write_nmnist(path, Events.of(t, x, y, generator.integers(0, 2, 3000), (34, 34)))


def _made_up_tones(folder: Path) -> None:
    """The higher the digit, the higher the tone; five takes of each, of several lengths, in all splits."""
    folder.mkdir(parents=True)
    for digit in range(10):
        for take in (0, 1, 5, 10, 11):
            t = np.arange(200 + 13 * take + 5 * digit)
            with wave.open(str(folder / f"{digit}_anna_{take}.wav"), "wb") as sound:
                sound.setnchannels(1)
                sound.setsampwidth(2)
                sound.setframerate(8000)
                sound.writeframes((8000 * np.sin(0.1 * (digit + 1) * t)).astype("<i2").tobytes())
