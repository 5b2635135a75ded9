"""A small made-up recording, as a file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ranvier.data.events import Events
from ranvier.data.formats import Recording, open_events, write_npz


def made_up(seed: int = 0, n: int = 500, span: int = 10_000) -> Events:
    """`n` events within `span` microseconds on a sensor of 6x4 pixels."""
    generator = np.random.default_rng(seed)
    t = np.sort(generator.integers(300, 300 + span, n))
    return Events.of(t, generator.integers(0, 6, n), generator.integers(0, 4, n), generator.integers(0, 2, n), (6, 4))


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[Events], Recording]:
    """Write events to a file, and open it."""

    def write(events: Events) -> Recording:
        write_npz(tmp_path / "recording.npz", events)
        return open_events(tmp_path / "recording.npz")

    return write
