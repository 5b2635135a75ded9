"""Writes `report.html` into a run folder."""

import importlib
import json
from html import escape
from pathlib import Path

from torch import nn

from ranvier.audit import alone, audit
from ranvier.data.datasets import Batch
from ranvier.recipes.recipe import EventData
from ranvier.report import page, sections
from ranvier.run import ENVIRONMENT, Run, write_atomically
from ranvier.samples import held_out

TASKS = {
    "classify": "ranvier.report.classify",
    "classify sequences": "ranvier.report.sequence",
    "detect": "ranvier.report.detect",
    "segment": "ranvier.report.segment",
    "imitate": "ranvier.report.imitate",
    "language": "ranvier.report.language",
    "decode": "ranvier.report.decode",
}
"""The module with the sections of a task, for events unless it says so: `sections(run, net, batch)`, `note(result)`."""


def write_report(run: Run) -> Path:
    """Write one self-contained HTML file about a finished run and return its path.

    It runs the network on some held-out recordings (`ranvier.samples`) for the pictures and the audit; all scores are
    those of `result.json`.

    Raises:
        FileNotFoundError: the run is not finished.
    """
    path = run.path / "report.html"
    write_atomically(path, compose(run, run.net(), held_out(run)).encode())
    return path


def compose(run: Run, net: nn.Module, batch: Batch) -> str:
    """Return the page as text, with pictures of the recordings in `batch`."""
    recipe, result = run.config, run.result
    environment = json.loads((run.path / ENVIRONMENT).read_text())
    name = recipe.task.name
    if name == "classify" and not isinstance(recipe.data, EventData):
        name = "classify sequences"
    about = importlib.import_module(TASKS[name])
    cost = audit(alone(net), batch.x, lengths=batch.lengths)
    data = recipe.data
    timing = f": {data.steps} steps of {data.window_us / 1000:g} ms" if isinstance(data, EventData) else ""
    subtitle = f"{recipe.model.name.replace('_', ' ')} on {data.name}{timing}, {cost.parameters:,} parameters"
    folder = escape(str(run.path))
    footer = (
        f"Repeat it: <code>ranvier train {escape(recipe.name)}</code> · test it: <code>ranvier test {folder}</code> · "
        f"count it: <code>ranvier audit {folder}</code>"
    )
    content = [
        sections.summary(result, recipe.task, cost, note=about.note(result)),
        *about.sections(run, net, batch),
        *sections.streamed(run),
        sections.learning(run.metrics, result, recipe.task),
        sections.costs(cost, result["firing_rate"]),
        sections.settings(recipe, environment),
    ]
    return page.page(title=recipe.name, subtitle=subtitle, sections=content, footer=footer)
