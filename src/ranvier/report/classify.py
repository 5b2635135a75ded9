"""What a report shows of a classifier: recordings with their answers, one over time, and what was taken for what."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import torch
from torch import Tensor, nn

from ranvier import plot
from ranvier.data.datasets import Batch
from ranvier.layers import READOUTS
from ranvier.record import record
from ranvier.report import page
from ranvier.report.figures import picture, step_by_step, svg
from ranvier.run import Run

SHOWN = 6
MISTAKES = 2


def sections(run: Run, net: nn.Module, batch: Batch) -> list[str]:
    """Return the sections in the order in which they are read."""
    result, step_ms = run.result, run.config.event_data.window_us / 1000
    samples, classes = look(run, net, batch), result["classes"]
    return [
        recordings(samples, classes),
        one_recording(samples, classes, step_ms),
        mistakes(result["confusion"], classes),
    ]


def note(result: dict[str, Any]) -> str:
    """Return how many answers were wrong."""
    return f"{round(result['samples'] * (1 - result['accuracy']))} answered wrongly"


@dataclass(frozen=True)
class Samples:
    """Recordings and the answers to what was seen of them so far.

    Shapes: `x` `[T, B, C, H, W]`, `labels` `[B]`, `answers` `[T, B, classes]`, `spikes` of each layer `[T, B, ...]`.
    """

    x: Tensor
    labels: Tensor
    answers: Tensor
    spikes: dict[str, Tensor]

    @property
    def predicted(self) -> Tensor:
        """The class of each recording."""
        return self.answers[-1].argmax(-1)

    def to_show(self) -> list[int]:
        """Return right answers of different classes, then up to two mistakes."""
        right = self.predicted == self.labels
        mistakes = (~right).nonzero().flatten().tolist()[:MISTAKES]
        chosen: list[int] = []
        for i in right.nonzero().flatten().tolist():
            if len(chosen) + len(mistakes) < SHOWN and self.labels[i] not in self.labels[chosen]:
                chosen.append(i)
        return chosen + mistakes

    def hardest(self) -> int:
        """Return the right answer that was least clear after the first step: it shows most. The first, if none is."""
        right = (self.predicted == self.labels).nonzero().flatten()
        if not len(right):
            return 0
        clear = self.answers[0, right].softmax(-1).gather(1, self.labels[right, None])
        return int(right[int(clear.argmin())])


def look(run: Run, net: nn.Module, batch: Batch) -> Samples:
    """Run the network of a run once on the recordings of a batch and keep what every layer said."""
    logits, spikes = record(net, batch.x)
    read = READOUTS[run.config.task.readout]  # type: ignore[union-attr]
    answers = torch.stack([read(logits[:seen]) for seen in range(1, len(logits) + 1)])
    return Samples(batch.x, batch.target, answers, spikes)


def busiest(x: Tensor) -> Tensor:
    """Return the frame `[C, H, W]` with the most events of one recording `[T, C, H, W]`."""
    return x[int(x.abs().flatten(1).sum(1).argmax())]


def recordings(samples: Samples, classes: Sequence[str]) -> str:
    """Frames of several recordings with the answers."""
    cards = []
    for i in samples.to_show():
        true, answer = escape(classes[int(samples.labels[i])]), escape(classes[int(samples.predicted[i])])
        mistake = f", <em>but it is {true}</em>" if true != answer else ""
        cards.append(
            page.figure(
                picture(plot.frame_image(busiest(samples.x[:, i]))),
                f"events of a recording of {classes[int(samples.labels[i])]}",
                f"answer <strong>{answer}</strong>{mistake}",
                wrong=bool(mistake),
            )
        )
    return page.section(
        "What the camera saw",
        "Held-out recordings, each in the step with the most events: amber where a pixel grew brighter, blue where it "
        "grew darker. A mistake is framed, if there was one among the recordings looked at.",
        f'<div class="samples">{"".join(cards)}</div>',
    )


def one_recording(samples: Samples, classes: Sequence[str], step_ms: float) -> str:
    """Events, spikes and answer of one recording over time."""
    i = samples.hardest()
    spikes = {name: fired[:, i] for name, fired in samples.spikes.items()}
    return page.section(
        "What the network said",
        f"One recording of {classes[int(samples.labels[i])]}, from left to right in time: the events of each step, the "
        "spikes of a few neurons of each layer, and the probability of each class by what was seen so far.",
        page.card(step_by_step(samples.x[:, i], spikes, samples.answers[:, i], classes, step_ms=step_ms)),
    )


def mistakes(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> str:
    """Confusion matrix, and how much of each class was found."""
    found = {
        name: 100 * row[k] / max(sum(row), 1) for k, (name, row) in enumerate(zip(classes, confusion, strict=True))
    }
    side = 1.6 + 0.34 * len(classes)
    matrix = svg(lambda figure: plot.confusion(figure.subplots(), confusion, classes), width=side, height=side)
    shares = svg(lambda figure: plot.bars(figure.subplots(), found, unit="%"), width=side, height=side)
    return page.section(
        "Where it errs",
        "How often each class was taken for which (the diagonal is right), and the share of each class that was found.",
        page.columns(page.card(matrix, "What was taken for what"), page.card(shares, "Share of each class found")),
    )
