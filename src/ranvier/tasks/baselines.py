"""What a network must beat: linear decoders of the velocity, fitted in seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ranvier.data import datasets
from ranvier.data.datasets import Split
from ranvier.data.neural.samples import LEAST_STD, NeuralSamples, Stretch
from ranvier.recipes import Decode, Recipe
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
    normal = _Normal.of(train.stretches, history)
    return {
        "ridge": _best(normal, val.stretches),
        "wiener": normal.solve(0.0),
        "kalman": fit_kalman(train.stretches),
    }


def baselines(recipe: Recipe, split: Split) -> dict[str, Any]:
    """Return the entry `baselines` of a result: what each of the decoders here reaches on a split."""
    assert isinstance(recipe.task, Decode)
    train, val, judged = (_samples(recipe, name) for name in ("train", "val", split))
    fitted = fit_baselines(train, val, history=recipe.task.history)
    return {"baselines": {name: judge(decoder, judged) for name, decoder in fitted.items()}}


def _samples(recipe: Recipe, split: Split) -> NeuralSamples:
    samples = datasets.build(recipe.data, split)
    assert isinstance(samples, NeuralSamples)
    return samples


def judge(decoder: Decoder, samples: NeuralSamples) -> dict[str, Any]:
    """Return what `R2.result` returns for whole stretches."""
    return _r2(decoder, samples.stretches).result()


@dataclass(frozen=True, eq=False)
class Linear:
    """A weighted sum of the last `history` bins, of which there are none before the first.

        y[t] = bias + Σ_k weight[k] x[t - k],   k = 0 ... history - 1

    `weight` is `[history, units, axes]`, `bias` `[axes]`, both float64.
    """

    weight: Tensor
    bias: Tensor

    def decode(self, x: NDArray) -> NDArray[np.float64]:
        """Return velocities `[T, axes]`."""
        seen, y = torch.from_numpy(x).double(), self.bias.repeat(len(x), 1)
        for k, weight in enumerate(self.weight[: len(x)]):
            y[k:] += seen[: len(x) - k] @ weight
        return y.numpy()


def fit_ridge(train: Sequence[Stretch], val: Sequence[Stretch], *, history: int = 10) -> Linear:
    """Return the ridge on z-scored history whose weight, two a decade from 1 to 10⁵, decodes `val` best."""
    return _best(_Normal.of(train, history), val)


def fit_wiener(train: Sequence[Stretch], *, history: int = 10) -> Linear:
    """Return the filter with the least squared error on `train`; it needs many more bins than weights."""
    return _Normal.of(train, history).solve(0.0)


def _best(normal: "_Normal", val: Sequence[Stretch]) -> Linear:
    candidates = [normal.solve(weight) for weight in LAMBDAS]
    return max(candidates, key=lambda candidate: _r2(candidate, val).result()["r2"])


def _r2(decoder: Decoder, stretches: Sequence[Stretch]) -> R2:
    r2 = R2()
    for stretch in stretches:
        r2.add(decoder.decode(stretch.x), stretch.velocity)
    return r2


@dataclass(frozen=True, eq=False)
class _Normal:
    """The normal equations of z-scored history, gathered in blocks.

    scikit-learn's ridge wants all rows at once, which are gigabytes for an hour of bins of 10 ms, and every solution
    starts anew there. torch rather than numpy: the threads of a command are set in one place.
    """

    gram: Tensor
    product: Tensor
    mean: Tensor
    std: Tensor
    centre: Tensor
    history: int

    @classmethod
    def of(cls, train: Sequence[Stretch], history: int) -> "_Normal":
        columns, axes = history * train[0].x.shape[1], train[0].velocity.shape[1]
        gram, product = torch.zeros(columns, columns).double(), torch.zeros(columns, axes).double()
        total, moved, bins = torch.zeros(columns).double(), torch.zeros(axes).double(), 0
        for stretch in train:
            x, velocity = torch.from_numpy(stretch.x).double(), torch.from_numpy(stretch.velocity).double()
            for start in range(0, len(x), BLOCK):
                past, y = _past(x, start, history), velocity[start : start + BLOCK]
                gram.addmm_(past.T, past)
                product.addmm_(past.T, y)
                total += past.sum(0)
                moved += y.sum(0)
                bins += len(y)
        mean, centre = total / bins, moved / bins
        std = (gram.diagonal() / bins - mean**2).clamp(min=0).sqrt().clamp(min=LEAST_STD)
        gram -= bins * torch.outer(mean, mean)
        product -= bins * torch.outer(mean, centre)
        return cls(gram / torch.outer(std, std), product / std[:, None], mean, std, centre, history)

    def solve(self, weight: float) -> Linear:
        # A silent unit has a row of zeros: the least weight keeps the matrix positive definite.
        least = 1e-6 * float(self.gram.diagonal().mean())
        ridge = self.gram + max(weight, least) * torch.eye(len(self.gram)).double()
        found = torch.cholesky_solve(self.product, torch.linalg.cholesky(ridge)) / self.std[:, None]
        return Linear(found.reshape(self.history, -1, found.shape[1]), self.centre - self.mean @ found)


def _past(x: Tensor, start: int, history: int) -> Tensor:
    """Return `[bins, history * units]` of a block that begins at `start`: the present bin first, then those before."""
    count = min(BLOCK, len(x) - start)
    past = x.new_zeros(count, history, x.shape[1])
    for k in range(min(history, start + count)):
        first = max(start - k, 0)
        past[max(k - start, 0) :, k] = x[first : start + count - k]
    return past.flatten(1)
