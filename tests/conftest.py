"""What all tests share: one torch thread, and the real recordings."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from ranvier.data.events import Events
from ranvier.data.formats import write_nmnist
from ranvier.run import Run

ROOT = Path(__file__).parent.parent


def pytest_configure(config: pytest.Config) -> None:
    # Two threads fight as soon as the other test process runs.
    torch.set_num_threads(1)


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
    from dataclasses import replace

    from safetensors.torch import save_file

    from ranvier import models, recipes
    from ranvier.run import append_metrics, start_run, write_json
    from ranvier.tasks.environment import environment
    from ranvier.tasks.evaluate import held_out, measure
    from ranvier.tasks.task import build

    folder = tmp_path_factory.mktemp("finished")
    _made_up_recordings(folder / "recordings")
    recipe = recipes.load("nmnist-conv-tiny")
    recipe = replace(recipe, data=replace(recipe.data, root=str(folder / "recordings")))
    run = start_run(folder / "run", recipe)
    torch.manual_seed(0)
    save_file(models.build(recipe.model).state_dict(), run.path / "weights.safetensors")
    append_metrics(run, [{"epoch": 0, "step": 2, "split": "train", "loss": 2.3, "accuracy": 0.1, "seconds": 1.0}])
    write_json(run.path / "environment.json", environment(device="cpu"))
    net = run.net()
    result = measure(net, held_out(recipe, "test"), build(recipe, net))
    write_json(run.path / "result.json", result | {"seconds": 1.0, "expected": None})
    return run


def _made_up_recordings(folder: Path) -> None:
    generator = np.random.default_rng(0)
    for number in range(40):
        path = folder / "Train" / str(number % 10) / f"{number + 1:05}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        t = np.sort(generator.integers(0, 290_000, 3000))
        x, y = generator.integers(0, 34, (2, 3000))
        write_nmnist(path, Events.of(t, x, y, generator.integers(0, 2, 3000), (34, 34)))
