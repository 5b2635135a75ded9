"""What a report shows of a classifier of sequences: some with their answers, one over time, what was taken for what."""

from collections.abc import Sequence
from html import escape

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

from ranvier import plot
from ranvier.colours import BLUE
from ranvier.data.datasets import Batch
from ranvier.layers import READOUTS
from ranvier.neurons.neuron import Neuron
from ranvier.record import record
from ranvier.report import page
from ranvier.report.classify import Samples, mistakes, note
from ranvier.report.figures import svg
from ranvier.run import Run

__all__ = ["note", "sections"]

# Points of a line; a waveform has more samples than a picture has dots.
POINTS = 2000
# Words that can be written side by side.
WORDS = 40


def sections(run: Run, net: nn.Module, batch: Batch) -> list[str]:
    """Return the sections in the order in which they are read."""
    result = run.result
    classes = result["classes"]
    if getattr(run.config.model, "pair", False):
        return [mistakes(result["confusion"], classes)]
    lengths = batch.lengths if getattr(net, "uses_lengths", False) else None
    logits, said = record(net, batch.x, lengths=lengths)
    neurons = {name for name, module in net.named_modules() if isinstance(module, Neuron)}
    answer = READOUTS[run.config.task.readout](logits, batch.lengths)  # type: ignore[union-attr]
    samples = Samples(
        batch.x, batch.target, answer[None], {name: said[name].flatten(2) for name in said if name in neurons}
    )
    steps = [int(length) for length in batch.lengths]
    words = () if batch.x.is_floating_point() else run.vocabulary.words
    return [
        answers(samples, steps, classes, words),
        one_sequence(samples, logits, steps, classes, words, causal=lengths is None),
        mistakes(result["confusion"], classes),
    ]


def answers(samples: Samples, steps: Sequence[int], classes: Sequence[str], words: Sequence[str]) -> str:
    """Several sequences with the answers."""
    cards = []
    for i in samples.to_show():
        true, answer = escape(classes[int(samples.labels[i])]), escape(classes[int(samples.predicted[i])])
        mistake = f", <em>but it is {true}</em>" if true != answer else ""
        x = samples.x[: steps[i], i]

        def draw(figure: Figure, x: Tensor = x) -> None:
            _input(figure.subplots(), x, words)

        title = f"answer {answer}{mistake}: {steps[i]:,} steps"
        cards.append(page.card(svg(draw, width=4.6, height=1.2), title))
    return page.section(
        "What it was given",
        "Held-out sequences, from left to right in time. Mistakes come last, if there were any among those looked at.",
        page.columns(*cards),
    )


def one_sequence(
    samples: Samples,
    logits: Tensor,
    steps: Sequence[int],
    classes: Sequence[str],
    words: Sequence[str],
    *,
    causal: bool,
) -> str:
    """Input, spikes and, where the network does not look ahead, the answer so far, of one sequence."""
    i = samples.to_show()[0]
    length = steps[i]
    layers = {name: spikes[:length, i] for name, spikes in samples.spikes.items()}
    rows = 1 + len(layers) + causal

    def draw(figure: Figure) -> None:
        grid = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
        _input(grid[0], samples.x[:length, i], words)
        grid[0].set_ylabel("input", rotation=0, ha="right", va="center")
        for row, (ax, spikes) in enumerate(zip(grid[1:], layers.values(), strict=False), start=1):
            plot.raster(ax, spikes, rows=40)
            ax.set_ylabel(f"block {row}", rotation=0, ha="right", va="center")
        if causal:
            seen = torch.arange(1, length + 1)[:, None]
            plot.answers(grid[-1], logits[:length, i].float().cumsum(0) / seen, classes)
            grid[-1].set_ylabel("answer", rotation=0, ha="right", va="center")
        grid[-1].set_xlabel("step")

    so_far = ", and the probability of each class by what was read so far" if causal else ""
    return page.section(
        "What the network said",
        f"One sequence of {classes[int(samples.labels[i])]}: its input, the spikes of a few neurons of each "
        f"block{so_far}.",
        page.card(svg(draw, width=9.6, height=1.0 + 0.95 * rows)),
    )


def _input(ax: Axes, x: Tensor, words: Sequence[str]) -> None:
    """Draw values `[T, 1]` as a line, `[T, C]` as a picture, and tokens `[T]` as words, or many as their numbers."""
    values = x.detach().cpu().numpy()
    t = np.arange(len(values))
    if values.ndim == 2 and values.shape[1] > 1:
        ax.imshow(values.T, aspect="auto", interpolation="nearest", cmap="Blues")
    elif values.ndim == 1 and len(t) <= WORDS:
        for i, token in enumerate(values):
            ax.text(i + 0.5, 0.5, words[int(token)], rotation=90, ha="center", va="center", fontsize=8)
        ax.set_xlim(0, len(t))
    else:
        every = max(1, len(t) // POINTS)
        ax.plot(t[::every], values.reshape(len(t))[::every], color=BLUE, linewidth=0.7)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
