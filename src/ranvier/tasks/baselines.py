"""What a network must beat: linear decoders of the velocity, fitted in seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ranvier.data.neural.samples import LEAST_STD, NeuralSamples, Stretch
from ranvier.tasks.kalman import fit_kalman
from ranvier.tasks.r2 import R2

# Two a decade, of z-scored inputs; the best one grows with the number of bins.
LAMBDAS = tuple(10 ** (k / 2) for k in range(11))
# Rows of a design matrix that are in memory at once.
BLOCK = 1 << 13


class Decoder(Protocol):
    """Counts `[T, units]` of a stretch become velocities `[T, axes]`; bin t is decoded from the bins up to t."""

    def decode(self, x: NDArray) -> NDArray[np.float64]: ...


def fit_baselines(train: NeuralSamples, val: NeuralSamples, *, history: int = 10) -> dict[str, Decoder]:
    """Return the ridge, the Wiener filter and the Kalman filter of a training split.

    Args:
        train: what they are fitted to.
        val: what the weight of the ridge is chosen by.
        history: bins that the first two look at, the present one among them.
    """
    ridge, wiener = _fit_linear(train.stretches, val.stretches, history)
    return {"ridge": ridge, "wiener": wiener, "kalman": fit_kalman(train.stretches)}


def judge(decoder: Decoder, samples: NeuralSamples) -> dict[str, Any]:
    """Return what `R2.result` returns for whole stretches."""
    r2 = R2()
    for stretch in samples.stretches:
        r2.add(decoder.decode(stretch.x), stretch.velocity)
    return r2.result()


@dataclass(frozen=True, eq=False)
class Linear:
    """A weighted sum of the last `history` bins, of which there are none before the first.

        y[t] = bias + Σ_k weight[k] x[t - k],   k = 0 ... history - 1

    `weight` is `[history, units, axes]`, `bias` `[axes]`.
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]

    def decode(self, x: NDArray) -> NDArray[np.float64]:
        """Return velocities `[T, axes]`."""
        y = np.tile(self.bias, (len(x), 1))
        for k, weight in enumerate(self.weight[: len(x)]):
            y[k:] += x[: len(x) - k] @ weight
        return y


def fit_ridge(train: Sequence[Stretch], val: Sequence[Stretch], *, history: int = 10) -> Linear:
    """Return the ridge on z-scored history whose weight, two a decade from 1 to 10⁵, decodes `val` best."""
    return _fit_linear(train, val, history)[0]


def fit_wiener(train: Sequence[Stretch], *, history: int = 10) -> Linear:
    """Return the filter with the least squared error on `train`; it needs many more bins than weights."""
    return _Normal.of(train, history).solve(0.0)


def _fit_linear(train: Sequence[Stretch], val: Sequence[Stretch], history: int) -> tuple[Linear, Linear]:
    normal = _Normal.of(train, history)
    candidates = [normal.solve(weight) for weight in LAMBDAS]
    scores = []
    for candidate in candidates:
        r2 = R2()
        for stretch in val:
            r2.add(candidate.decode(stretch.x), stretch.velocity)
        scores.append(r2.result()["r2"])
    return candidates[int(np.argmax(scores))], normal.solve(0.0)


@dataclass(frozen=True, eq=False)
class _Normal:
    """The normal equations of z-scored history, gathered in blocks.

    All of its columns at once would take gigabytes for an hour of bins of 10 ms, which scikit-learn's ridge needs.
    """

    gram: NDArray[np.float64]
    product: NDArray[np.float64]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    centre: NDArray[np.float64]
    history: int

    @classmethod
    def of(cls, train: Sequence[Stretch], history: int) -> "_Normal":
        columns, axes = history * train[0].x.shape[1], train[0].velocity.shape[1]
        gram, product = np.zeros((columns, columns)), np.zeros((columns, axes))
        total, moved, bins = np.zeros(columns), np.zeros(axes), 0
        for stretch in train:
            for start in range(0, len(stretch.x), BLOCK):
                past, y = _past(stretch.x, start, history), stretch.velocity[start : start + BLOCK].astype(np.float64)
                gram += past.T @ past
                product += past.T @ y
                total += past.sum(0)
                moved += y.sum(0)
                bins += len(y)
        mean, centre = total / bins, moved / bins
        std = np.maximum(np.sqrt(np.maximum(gram.diagonal() / bins - mean**2, 0)), LEAST_STD)
        gram -= bins * np.outer(mean, mean)
        product -= bins * np.outer(mean, centre)
        return cls(gram / np.outer(std, std), product / std[:, None], mean, std, centre, history)

    def solve(self, weight: float) -> Linear:
        from scipy.linalg import solve

        # A silent unit has a row of zeros: the least weight keeps the matrix positive definite.
        least = 1e-6 * self.gram.diagonal().mean()
        ridge = self.gram + max(weight, least) * np.eye(len(self.gram))
        found = solve(ridge, self.product, assume_a="pos", overwrite_a=True) / self.std[:, None]
        return Linear(found.reshape(self.history, -1, found.shape[1]), self.centre - self.mean @ found)


def _past(x: NDArray, start: int, history: int) -> NDArray[np.float64]:
    """Return `[bins, history * units]` of a block that begins at `start`: the present bin first, then those before."""
    count = min(BLOCK, len(x) - start)
    past = np.zeros((count, history, x.shape[1]))
    for k in range(min(history, start + count)):
        first = max(start - k, 0)
        past[max(k - start, 0) :, k] = x[first : start + count - k]
    return past.reshape(count, -1)
