"""How much of a movement a decoder explains: R² over all bins that it is judged by."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass
class R2:
    """Sums over bins, from which R² follows for all of them together.

        R²_a = 1 - Σ_t (y - ŷ)² / Σ_t (y - mean y)²

    The mean is that of the bins themselves, and R² is never averaged over pieces of a recording, each of which has
    another mean. `r2` is the mean over the axes, as in NeuroBench.

    >>> r2 = R2()
    >>> r2.add(np.array([[0.0, 1.0], [1.0, 1.0]]), np.array([[0.0, 0.0], [2.0, 2.0]]))
    >>> r2.result()["r2"], r2.result()["r2_per_axis"]
    (0.25, [0.5, 0.0])
    """

    bins: int = 0
    # Rows: Σy, Σy², Σŷ, Σŷ², Σyŷ, Σ(y - ŷ)²; one column for each axis.
    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros((6, 0)))

    def add(self, predicted: NDArray, true: NDArray) -> None:
        """Count predicted and true velocities, both `[T, axes]`."""
        y, guess = true.astype(np.float64), predicted.astype(np.float64)
        if not self.bins:
            self.sums = np.zeros((6, y.shape[1]))
        self.bins += len(y)
        self.sums += [column.sum(0) for column in (y, y**2, guess, guess**2, y * guess, (y - guess) ** 2)]

    def result(self) -> dict[str, Any]:
        """Return `r2`, `r2_per_axis`, `r2_pooled` (of both axes' squares together), `pearson` and `rmse` per axis.

        Raises:
            ValueError: an axis along which nothing moves.
        """
        y, yy, guess, guessed, both, error = self.sums
        total = yy - y**2 / self.bins
        if self.bins < 2 or np.any(total <= 1e-12 * np.maximum(yy, 1e-300)):
            raise ValueError(f"R² needs a movement along every axis, got {self.bins} bins: take a longer test split")
        spread = np.sqrt(np.maximum(guessed - guess**2 / self.bins, 0) * total)
        pearson = np.divide(both - y * guess / self.bins, spread, out=np.zeros_like(spread), where=spread > 0)
        per_axis = 1 - error / total
        return {
            "r2": float(per_axis.mean()),
            "r2_per_axis": per_axis.tolist(),
            "r2_pooled": float(1 - error.sum() / total.sum()),
            "pearson": pearson.tolist(),
            "rmse": np.sqrt(error / self.bins).tolist(),
            "bins": self.bins,
        }
