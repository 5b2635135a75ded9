"""What a report shows of a decoder: a stretch of movement, decoded and true, and what simple decoders reach."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import nn

from ranvier.colours import AMBER, INK
from ranvier.data.datasets import Batch
from ranvier.recipes.neural import Decoded
from ranvier.report import page
from ranvier.report.figures import svg
from ranvier.run import Run

SHOWN_S = 20.0
"""seconds of the stretch"""
PATH_S = 5.0
"""seconds of the path"""
AXES = "xyz"


def note(result: Mapping[str, Any]) -> str:
    """Return what the best of the simple decoders reaches."""
    name, found = max(result["baselines"].items(), key=lambda item: item[1]["r2"])
    return f"the best simple decoder, {name}, reaches {found['r2']:.3f}"


def sections(run: Run, net: nn.Module, batch: Batch) -> list[str]:
    """Return the sections in the order in which they are read."""
    data = run.config.data
    assert isinstance(data, Decoded)
    lane = int(batch.lengths.argmax())
    steps = min(round(1000 * SHOWN_S / data.bin_ms), int(batch.lengths[lane]))
    with torch.no_grad():
        found = net(batch.x, day=batch.day)[:steps, lane].numpy()
    return [stretch(batch.target[:steps, lane].numpy(), found, data.bin_ms / 1000), beside(run.result)]


def stretch(true: NDArray, found: NDArray, bin_s: float) -> str:
    """The velocity `[T, axes]` over time, and the path that it adds up to."""

    def draw(figure: Figure) -> None:
        traces, path = figure.subplots(1, 2, gridspec_kw={"width_ratios": [3, 1]})
        velocities(traces, true, found, bin_s)
        some = round(PATH_S / bin_s)
        paths(path, true[:some], found[:some], bin_s)

    return page.section(
        "What it decodes",
        "A held-out stretch. Left, the velocity along each axis over time; right, the path that the first two axes add "
        f"up to in the first {PATH_S:g} seconds; errors add up too.",
        page.card(svg(draw, width=9.6, height=3.6)),
    )


def velocities(ax: Axes, true: NDArray, found: NDArray, bin_s: float) -> None:
    """Draw the velocity `[T, axes]`, true and decoded, one axis below the other."""
    t = bin_s * np.arange(len(true))
    apart = 1.1 * float(np.ptp(true, axis=0).max() or 1)
    for axis in range(true.shape[1]):
        ax.plot(t, true[:, axis] - apart * axis, color=INK, linewidth=0.9, alpha=0.6, label=None if axis else "true")
        ax.plot(t, found[:, axis] - apart * axis, color=AMBER, linewidth=1.2, label=None if axis else "decoded")
    ax.set_yticks([-apart * axis for axis in range(true.shape[1])], list(AXES[: true.shape[1]]))
    ax.set_xlabel("seconds")
    ax.legend(ncols=2, loc="lower left", bbox_to_anchor=(0, 1))


def paths(ax: Axes, true: NDArray, found: NDArray, bin_s: float) -> None:
    """Draw where the first two axes of the velocity `[T, axes]` lead to."""
    for velocity, colour in ((true, INK), (found, AMBER)):
        x, y = (bin_s * velocity[:, :2].cumsum(0)).T
        ax.plot(x, y, color=colour, linewidth=1.0, alpha=0.6 if colour == INK else 1.0)
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_xticks([])
    ax.set_yticks([])


def beside(result: Mapping[str, Any]) -> str:
    """The figures of the network and of the simple decoders."""
    found = {"the network": result, **result["baselines"]}
    rows = [
        (
            name,
            f"{values['r2']:.3f}",
            *(f"{r2:.3f}" for r2 in values["r2_per_axis"]),
            ", ".join(f"{r:.3f}" for r in values["pearson"]),
            ", ".join(f"{rmse:.3g}" for rmse in values["rmse"]),
        )
        for name, values in sorted(found.items(), key=lambda item: -item[1]["r2"])
    ]
    axes = [f"#{AXES[i]}" for i in range(len(result["r2_per_axis"]))]
    return page.section(
        "Beside simple decoders",
        f"R² over all {result['bins']:,} held-out bins, mean over the axes and of each; correlation, and the root of "
        "the mean squared error. The others are linear, and were fitted to the same bins.",
        page.card(page.table(("", "#R²", *axes, "#correlation", "#error"), rows)),
    )
