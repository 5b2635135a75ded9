"""Writes `report.html` into a run folder."""

import json
from html import escape
from pathlib import Path
from typing import Any

from torch import nn

from ranvier.audit import audit
from ranvier.report import page, sections
from ranvier.report.samples import Samples, look
from ranvier.run import ENVIRONMENT, Run, write_atomically
from ranvier.samples import held_out


def write_report(run: Run) -> Path:
    """Write one self-contained HTML file about a finished run and return its path.

    It runs the network on up to 64 held-out recordings for the pictures and the audit; all scores are those of
    `result.json`.

    Raises:
        FileNotFoundError: the run is not finished.
    """
    result = run.result
    net = run.net()
    batch = held_out(run)
    environment = json.loads((run.path / ENVIRONMENT).read_text())
    path = run.path / "report.html"
    write_atomically(path, compose(run, net, result, look(net, batch.x, batch.target), environment).encode())
    return path


def compose(run: Run, net: nn.Module, result: dict[str, Any], samples: Samples, environment: dict[str, Any]) -> str:
    """Return the page as text."""
    recipe, classes = run.config, result["classes"]
    cost = audit(net, samples.x)
    step_ms = recipe.data.window_us / 1000
    subtitle = (
        f"{recipe.model.name.replace('_', ' ')} on {recipe.data.name}: {recipe.data.steps} steps of {step_ms:g} ms, "
        f"{cost.parameters:,} parameters"
    )
    folder = escape(str(run.path))
    footer = (
        f"Repeat it: <code>ranvier train {escape(recipe.name)}</code> · test it: <code>ranvier test {folder}</code> · "
        f"count it: <code>ranvier audit {folder}</code>"
    )
    content = [
        sections.summary(result, cost),
        sections.recordings(samples, classes),
        sections.one_recording(samples, classes, step_ms),
        sections.learning(run.metrics, result),
        sections.mistakes(result["confusion"], classes),
        sections.costs(cost, result["firing_rate"]),
        sections.settings(recipe, environment),
    ]
    return page.page(title=recipe.name, subtitle=subtitle, sections=content, footer=footer)
