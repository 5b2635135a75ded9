"""Where a protocol works: its days, its folder, in which nothing is trained or measured twice."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from ranvier.data.neural.recorded import FILES, session_files
from ranvier.data.root import data_root
from ranvier.models.decoder import NeuralDecoder
from ranvier.recipes import Recipe, Sessions
from ranvier.recipes.decode import LENGTHS, decode
from ranvier.recipes.decoder import Backbone
from ranvier.recipes.neural import Neural
from ranvier.recipes.protocols import Protocol
from ranvier.run import Run, write_json

MADE = "cortex"
"""In place of a folder: the made cortex."""


@dataclass(frozen=True)
class Bench:
    """A folder with the runs and measurements of a protocol, and how it tells people what it is at."""

    folder: Path
    data: str | None = None
    device: str = "cpu"
    say: Callable[[str], None] | None = None

    def train(self, recipe: Recipe, name: str) -> Run:
        """Return the finished run of this name; train it, or go on with it, where it is not finished."""
        from ranvier.tasks.train import train

        self.at(f"{recipe.name}: {self.folder / name}")
        return train(recipe, self.folder / name, resume=True, device=self.device, progress=self.say is not None)

    def net(self, run: Run) -> NeuralDecoder:
        """Return the decoder of a finished run, where the networks run."""
        net = run.net()
        assert isinstance(net, NeuralDecoder)
        return net.to(self.device)

    def once(self, name: str, settings: dict[str, Any], measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return what was measured with these settings under this name; measure it where it was not."""
        path = self.folder / f"{name}.json"
        if path.exists():
            saved = json.loads(path.read_text())
            if saved["settings"] == json.loads(json.dumps(settings)):
                return saved["found"]
        self.at(name)
        found = measure()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"settings": settings, "found": found})
        return found

    def at(self, what: str) -> None:
        """Say what comes next."""
        if self.say is not None:
            self.say(what)

    def days(self, protocol: Protocol) -> tuple[Neural, list[str]]:
        """Return all days and their names.

        Raises:
            FileNotFoundError: no session where `data` points.
        """
        if self.data in (None, MADE):
            return protocol.made(), [f"day {day + 1}" for day in range(protocol.days)]
        assert self.data is not None
        names = tuple(path.stem for path in session_files(Sessions(root=self.data)))
        return protocol.recorded(self.data, names), list(names)


def trainings(protocol: Protocol) -> Iterator[tuple[Backbone, int]]:
    """Return each backbone with each seed."""
    return product(protocol.backbones, range(protocol.seeds))


def recorded_days() -> dict[str, Neural]:
    """Return the days of neural_reach that are long enough to train on, by their names; none if they are not here."""
    folder = data_root() / "neural_reach"
    return {name: decode("gru", name).data for name in LENGTHS if (folder / FILES[name]).is_file()}  # type: ignore[misc]
