"""Pictures of events, spikes and results; each function draws on the matplotlib axes that it is given."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray
from torch import Tensor

from ranvier.colours import AMBER, BLUE, INK, rgb
from ranvier.genotype import DEEPEST, Genotype

STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "ranvier",
}
"""Pass to `matplotlib.rc_context`; grounds are transparent, so that pictures sit on light and on dark paper."""


def round_ticks(axis: Axis, said: Callable[[float], str]) -> None:
    """Label a logarithmic axis at 1, 2, 5, 10 and so on, as people read them."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(lambda value, _: said(value))
    axis.set_minor_formatter(NullFormatter())


def frame_image(frame: Tensor) -> NDArray[np.uint8]:
    """Return counts `[2, H, W]` (OFF, ON) or signed counts `[1, H, W]` as a picture `[H, W, 4]`, clear where quiet."""
    counts = frame.detach().cpu().numpy().astype(np.float32)
    off, on = counts if len(counts) == 2 else (np.maximum(-counts[0], 0), np.maximum(counts[0], 0))
    total = off + on
    bright = np.quantile(total[total > 0], 0.95) if (total > 0).any() else 1.0
    share = (on / np.maximum(total, 1e-9))[..., None]
    colour = share * np.array(rgb(AMBER), np.float32) + (1 - share) * np.array(rgb(BLUE), np.float32)
    # The root lifts single events out of the ground.
    alpha = 255 * np.sqrt(np.clip(total / bright, 0, 1))[..., None]
    return np.concatenate([colour, alpha], axis=-1).round().astype(np.uint8)


def raster(ax: Axes, spikes: Tensor, *, rows: int = 64, step_ms: float = 1.0) -> None:
    """Draw the spikes `[T, ...]` of one layer, time to the right; where more neurons fired, `rows` spread over them."""
    fired = spikes.detach().flatten(1).cpu().numpy() > 0
    alive = np.flatnonzero(fired.any(0))
    shown = alive[np.linspace(0, len(alive) - 1, min(rows, len(alive))).astype(int)] if len(alive) else alive
    t, row = np.nonzero(fired[:, shown])
    # One line with breaks keeps a vector file small; a mark never gets thinner than the eye can see.
    length = max(0.8, len(fired) / 200)
    gap = np.full(len(t), np.nan)
    ax.plot(
        np.stack([t + 0.1, t + 0.1 + length, gap], 1).ravel() * step_ms,
        np.stack([row + 0.5, row + 0.5, gap], 1).ravel(),
        color=AMBER,
        linewidth=1.4,
        solid_capstyle="butt",
    )
    ax.set_xlim(0, len(fired) * step_ms)
    ax.set_ylim(max(len(shown), 1), 0)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)


def answers(ax: Axes, logits: Tensor, classes: Sequence[str], *, step_ms: float = 1.0) -> None:
    """Draw logits `[T, classes]` as probabilities; the winner of the last step stands out."""
    probability = torch.softmax(logits.detach().cpu(), -1).numpy()
    winner = int(probability[-1].argmax())
    t = (np.arange(len(logits)) + 1) * step_ms
    for k in range(probability.shape[1]):
        if k == winner:
            ax.plot(t, probability[:, k], color=AMBER, linewidth=2.4, zorder=3)
        else:
            ax.plot(t, probability[:, k], color=INK, linewidth=1, alpha=0.35)
    end = (t[-1], probability[-1, winner])
    look = {"color": AMBER, "fontweight": "bold", "fontsize": 12, "va": "center"}
    ax.annotate(classes[winner], end, xytext=(6, 0), textcoords="offset points", **look)
    ax.set_xlim(0, t[-1])
    ax.set_ylim(0, 1.02)
    ax.set_xlabel("ms")


def curves(ax: Axes, metrics: Sequence[Mapping[str, Any]], key: str) -> None:
    """Draw `key` over the epochs, counted from 1, for each split in `metrics` (the lines of metrics.jsonl)."""
    looks = {"train": (BLUE, "-"), "val": (AMBER, "-"), "test": (AMBER, "--")}
    for split, (colour, dash) in looks.items():
        points = [(row["epoch"] + 1, row[key]) for row in metrics if row["split"] == split and row.get(key) is not None]
        if points:
            ax.plot(*zip(*points, strict=True), dash, color=colour, label=split, marker="o" if len(points) == 1 else "")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("epoch")
    ax.grid(axis="y", alpha=0.15, color=INK)
    ax.legend()


def confusion(ax: Axes, matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> None:
    """Draw counts `[true][predicted]`: what is right in blue, what is wrong in amber, by share of the true class."""
    counts = np.asarray(matrix, dtype=float)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    image = np.zeros((*counts.shape, 4), np.uint8)
    right = np.eye(len(counts), dtype=bool)
    image[..., :3] = np.where(right[..., None], rgb(BLUE), rgb(AMBER))
    # A single mistake must be seen among hundreds of right answers.
    image[..., 3] = (255 * np.where(right, 0.85 * share, np.minimum(1, 4 * share) * 0.9)).astype(np.uint8)
    ax.imshow(image, interpolation="nearest")
    for i, j in zip(*np.nonzero(counts), strict=True):
        ax.text(j, i, f"{int(counts[i, j])}", ha="center", va="center", fontsize=8)
    ax.set_xticks(range(len(classes)), classes)
    ax.set_yticks(range(len(classes)), classes)
    ax.set_xlabel("predicted")
    ax.set_ylabel("true")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def bars(ax: Axes, values: Mapping[str, float], *, unit: str, other: Mapping[str, float] | None = None) -> None:
    """Draw one horizontal bar for each name, with its value; `other` is a thinner blue bar to compare with."""
    names = list(values)
    longest = max([*values.values(), *(other or {}).values(), 1e-12])
    for row, name in enumerate(names):
        pairs = [(values[name], AMBER, -0.19 if other else 0.0)]
        if other:
            pairs.append((other[name], BLUE, 0.19))
        for value, colour, shift in pairs:
            ax.barh(row + shift, value, height=0.34 if other else 0.6, color=colour)
            ax.annotate(
                f"{_short(value)} {unit}",
                (value, row + shift),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlim(0, longest * 1.18)
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.spines["bottom"].set_visible(False)


OPERATIONS: dict[str, dict[str, Any]] = {
    "skip": {"label": "skip", "color": INK, "linewidth": 1.2, "linestyle": (0, (1, 1.5))},
    "conv3x3": {"label": "3x3 convolution", "color": INK, "linewidth": 1.2},
    "conv3x3_b5": {"label": "3x3 convolution, surrogate temperature 5", "color": BLUE, "linewidth": 1.2},
    "conv5x5": {"label": "5x5 convolution", "color": INK, "linewidth": 2.4},
}
"""How the edges of a cell look."""


def cell(ax: Axes, genotype: Genotype) -> None:
    """Draw the cell of a genotype: its inputs on the left, its neurons, each in a row of its own, what comes out."""
    inputs = [genotype.inputs(node) for node in range(genotype.nodes)]
    middle = (genotype.nodes - 1) / 2
    places = [(0.0, middle - 0.55), (0.0, middle + 0.55)]
    for node, edges in enumerate(inputs):
        places.append((1 + max(places[source][0] for source, _ in edges), float(node)))
    out = max(x for x, _ in places) + 0.8
    for node, edges in enumerate(inputs):
        for source, operation in edges:
            start, end = places[source], places[node + 2]
            # What skips a column might run through a node there: it takes the outer way.
            bend = 0.0 if end[0] - start[0] < 1.5 else 0.25
            look = {name: value for name, value in OPERATIONS[operation].items() if name != "label"}
            look |= {"arrowstyle": "-|>,head_width=0.18,head_length=0.36", "connectionstyle": f"arc3,rad={bend}"}
            ax.annotate("", end, start, arrowprops=look | {"shrinkA": 12, "shrinkB": 12})
    for x, y in places[-genotype.blocks :]:
        ax.plot([x, out], [y, y], color=AMBER, linewidth=1.2, zorder=1)
    ax.plot([out, out], [places[-genotype.blocks][1] - 0.3, places[-1][1] + 0.3], color=AMBER, linewidth=5)
    ax.text(out + 0.08, (places[-genotype.blocks][1] + places[-1][1]) / 2, "output", rotation=90, va="center")
    for k, (x, y) in enumerate(places):
        name, mark, colour = (f"s{k}", "s", INK) if k < 2 else (f"{k - 2}", "o", AMBER)
        ax.plot(x, y, mark, markersize=20, color=colour, zorder=3)
        ax.text(x, y, name, color="white", ha="center", va="center", weight="bold", zorder=4)
    for operation in sorted({operation for _, operation in genotype.edges}):
        ax.plot([], [], **OPERATIONS[operation])
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0))
    ax.set_xlim(-0.3, out + 0.3)
    ax.set_ylim(genotype.nodes - 0.5, -0.5)
    ax.axis("off")


def levels(ax: Axes, genotype: Genotype) -> None:
    """Draw the way of a genotype's cells through the levels of resolution, among all that it could have taken."""
    for i in range(len(genotype.path)):
        reachable = range(min(i + 1, DEEPEST) + 1)
        ax.plot([i + 1] * len(reachable), reachable, "o", color=INK, alpha=0.15, markersize=7, markeredgewidth=0)
    ax.plot(range(len(genotype.path) + 1), [0, *genotype.path], color=AMBER, linewidth=1.8)
    ax.plot(0, 0, "s", color=INK, markersize=11, zorder=3)
    ax.plot(range(1, len(genotype.path) + 1), genotype.path, "o", color=AMBER, markersize=11, zorder=3)
    shown = range(DEEPEST + 1)
    ax.set_yticks(shown, [f"1/{2**level}, {genotype.channels(level)} channels" for level in shown])
    ax.set_xticks(range(len(genotype.path) + 1), ["stem", *(str(i) for i in range(len(genotype.path)))])
    ax.set_xlabel("cell")
    ax.set_ylim(DEEPEST + 0.5, -0.5)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
