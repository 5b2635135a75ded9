"""Data sets in the tests keep what they generate in a folder of the session."""

from pathlib import Path

import numpy as np
import pytest

from ranvier.data.events import Events
from ranvier.data.formats import write_nmnist


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_session(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RANVIER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def made_up_nmnist(tmp_path_factory) -> Path:
    """Forty recordings of random events in the layout of N-MNIST."""
    folder = tmp_path_factory.mktemp("nmnist")
    generator = np.random.default_rng(0)
    for number in range(40):
        path = folder / "Train" / str(number % 10) / f"{number + 1:05}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        t = np.sort(generator.integers(0, 290_000, 500))
        x, y = generator.integers(4, 30, (2, 500))
        write_nmnist(path, Events.of(t, x, y, generator.integers(0, 2, 500), (34, 34)))
    return folder
