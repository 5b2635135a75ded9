"""The recordings that a report shows, and what the network said about them."""

from dataclasses import dataclass

from torch import Tensor, nn

from ranvier.record import record

SHOWN = 6
MISTAKES = 2


@dataclass(frozen=True)
class Samples:
    """Recordings and answers.

    Shapes: `x` `[T, B, C, H, W]`, `labels` `[B]`, `logits` `[T, B, classes]`, `spikes` of each layer `[T, B, ...]`.
    """

    x: Tensor
    labels: Tensor
    logits: Tensor
    spikes: dict[str, Tensor]

    @property
    def predicted(self) -> Tensor:
        """The class of each recording by the mean of its logits."""
        return self.logits.mean(0).argmax(-1)

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
        clear = self.logits[0, right].softmax(-1).gather(1, self.labels[right, None])
        return int(right[int(clear.argmin())])


def look(net: nn.Module, x: Tensor, labels: Tensor) -> Samples:
    """Run `net` once on recordings `x` `[T, B, C, H, W]` and keep what every layer said."""
    logits, spikes = record(net, x)
    return Samples(x, labels, logits, spikes)


def busiest(x: Tensor) -> Tensor:
    """Return the frame `[C, H, W]` with the most events of one recording `[T, C, H, W]`."""
    return x[int(x.abs().flatten(1).sum(1).argmax())]
