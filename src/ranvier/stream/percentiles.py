"""How long answers took, in constant memory."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

# From 0.1 microseconds to more than a day, with bins 1 % wide.
SHORTEST_S, RATIO, BINS = 1e-7, 1.01, 2800


@dataclass
class Latencies:
    """Percentiles of any number of times: a histogram, exact to half a percent.

        bin of t = round(log(t / 0.1 us) / log 1.01)

    >>> latencies = Latencies()
    >>> for seconds in (0.002, 0.001, 0.009, 0.003):
    ...     latencies.add(seconds)
    >>> latencies.count, round(latencies.percentile(50), 4)
    (4, 0.002)
    """

    bins: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64), repr=False)

    @property
    def count(self) -> int:
        """How many there were."""
        return int(self.bins.sum())

    def add(self, seconds: float) -> None:
        """Count one more."""
        at = round(math.log(max(seconds, SHORTEST_S) / SHORTEST_S) / math.log(RATIO))
        self.bins[min(at, BINS - 1)] += 1

    def percentile(self, percent: float) -> float:
        """Return the seconds that so many percent of all, or more, did not exceed.

        Raises:
            ValueError: there were none.
        """
        if not self.count:
            raise ValueError("no percentile of no times")
        rank = max(1, math.ceil(percent / 100 * self.count))
        return SHORTEST_S * RATIO ** int(np.searchsorted(self.bins.cumsum(), rank))
