"""Running means over the batches of an epoch."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Tally:
    """Sums of numbers over samples; plain values, so that they survive a checkpoint.

    >>> tally = Tally()
    >>> tally.add({"loss": 0.5}, samples=3)
    >>> tally.add({"loss": 2.5}, samples=1)
    >>> tally.means()
    {'loss': 1.0}
    """

    samples: int = 0
    sums: dict[str, float] = field(default_factory=dict)

    def add(self, means: Mapping[str, float], *, samples: int) -> None:
        """Count the means over a batch of so many samples."""
        self.samples += samples
        for name, mean in means.items():
            self.sums[name] = self.sums.get(name, 0.0) + mean * samples

    def means(self) -> dict[str, float]:
        """Return the mean of each number over all samples."""
        return {name: total / self.samples for name, total in self.sums.items()}
