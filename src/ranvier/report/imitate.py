"""What a report shows of an imitated neuron: a stretch of currents with both membranes, and how far they agree."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from ranvier.colours import AMBER, BLUE, INK
from ranvier.data.datasets import Batch
from ranvier.report import page
from ranvier.report.figures import svg
from ranvier.run import Run

SHOWN = 80
"""steps of the stretch"""


def note(result: Mapping[str, Any]) -> str:
    """Return how often the neuron fires."""
    return f"the neuron fires in {100 * result['firing']:.1f} % of the steps"


def sections(run: Run, net: nn.Module, batch: Batch) -> list[str]:
    """Return the sections in the order in which they are read."""
    with torch.no_grad():
        predicted = net(batch.x[:, :1])
    return [stretch(*(values[:SHOWN, 0, 0] for values in (batch.x, batch.target.m, predicted))), agreement(run.result)]


def stretch(x: Tensor, m: Tensor, predicted: Tensor) -> str:
    """The membrane of the neuron and its prediction `[T]`, with the spikes of both."""

    def draw(figure: Figure) -> None:
        above, below = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 1]})
        t = np.arange(len(x))
        above.step(t, x + m, where="mid", color=INK, linewidth=0.8, alpha=0.5, label="membrane")
        above.plot(t, m, color=BLUE, linewidth=2.4, label="what is left of it, the neuron")
        above.plot(t, predicted, color=AMBER, linewidth=1.2, label="what is left of it, predicted")
        above.axhline(1, color=INK, linewidth=0.6, linestyle=(0, (4, 3)))
        above.legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
        fired = [t[(left + x >= 1).numpy()] for left in (m, predicted)]
        below.eventplot(fired, colors=[BLUE, AMBER], lineoffsets=[1, 0], linelengths=0.7)
        below.set_yticks([1, 0], ["neuron", "predicted"])
        below.set_xlabel("step")

    return page.section(
        "What it predicts",
        "The first steps of a held-out sequence. A spike falls where the membrane reaches the dashed threshold.",
        page.card(svg(draw, width=9.6, height=3.4)),
    )


def agreement(result: Mapping[str, Any]) -> str:
    """The figures for noise and for each constant current."""
    columns = {"noise": result} | {f"constant {current}": found for current, found in result["probes"].items()}
    names = {
        "accuracy": ("steps whose spike is right", "{:.3%}"),
        "memoryless": ("the same of a neuron without memory", "{:.2%}"),
        "f1": ("F1 of the spikes", "{:.4f}"),
        "firing": ("steps in which the neuron fires", "{:.2%}"),
        "firing_predicted": ("steps in which it is predicted to", "{:.2%}"),
        "mse": ("squared error of the membrane", "{:.1e}"),
        "mae": ("absolute error", "{:.4f}"),
        "max_error": ("largest error", "{:.3f}"),
    }
    rows = [
        (text, *("none" if found[key] is None else form.format(found[key]) for found in columns.values()))
        for key, (text, form) in names.items()
    ]
    return page.section(
        "How far they agree",
        "Noise is what the network has learned from. A constant current just below the threshold sets up a rhythm, "
        "which a small error shifts for good.",
        page.card(page.table(("", *(f"#{name}" for name in columns)), rows)),
    )
