"""The Kalman filter as a decoder of velocity."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ranvier.data.neural.samples import LEAST_STD, Stretch

# Steps after which the gain has long settled, and the change below which it has.
LONGEST_GAIN, SETTLED = 2000, 1e-9


@dataclass(frozen=True, eq=False)
class Kalman:
    """A Kalman filter whose state is the velocity of this bin and of the last one.

        s[t] = transition s[t-1] + noise,   x[t] = observation s[t] + noise

    of z-scored counts x. What it gains from an observation depends on the number of bins since the start alone:
    `gains[t]`, `[steps, states, units]`, the last of which holds from then on.

    Source: W. Wu et al., "Neural decoding of cursor motion using a Kalman filter", NeurIPS 2002; there with position,
    velocity and acceleration.
    """

    transition: NDArray[np.float64]
    observation: NDArray[np.float64]
    gains: NDArray[np.float64]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    centre: NDArray[np.float64]

    def decode(self, x: NDArray) -> NDArray[np.float64]:
        """Return velocities `[T, axes]`."""
        z, axes = (x - self.mean) / self.std, len(self.centre)
        state, y = np.zeros(2 * axes), np.empty((len(x), axes))
        last = len(self.gains) - 1
        for t, seen in enumerate(z):
            state = self.transition @ state
            state = state + self.gains[min(t, last)] @ (seen - self.observation @ state)
            y[t] = state[:axes]
        return y + self.centre


def fit_kalman(train: Sequence[Stretch]) -> Kalman:
    """Return the Kalman filter whose matrices fit the training stretches by least squares.

    Stretches of fewer than three bins say nothing about how a hand goes on, and are left out.
    """
    counts, moved = (torch.cat([torch.from_numpy(stretch[part]) for stretch in train]).double() for part in (0, 1))
    mean, std, centre = counts.mean(0), counts.std(0, correction=0).clamp(min=LEAST_STD), moved.mean(0)
    axes, now, before, seen = len(centre), [], [], []
    for stretch in train:
        v = torch.from_numpy(stretch.velocity).double() - centre
        states = torch.cat([v[1:], v[:-1]], 1)
        now.append(states[1:])
        before.append(states[:-1])
        seen.append((torch.from_numpy(stretch.x[2:]).double() - mean) / std)
    state, earlier, z = torch.cat(now), torch.cat(before), torch.cat(seen)
    step = _least_squares(earlier, state[:, :axes])
    transition = torch.cat([step.T, torch.eye(axes, 2 * axes).double()])
    process = torch.zeros(2 * axes, 2 * axes).double()
    process[:axes, :axes] = _covariance(state[:, :axes] - earlier @ step)
    observation = _least_squares(state, z).T
    # A unit that never fires has no noise either, and tells nothing: a little keeps the matrix regular.
    noise = _covariance(z - state @ observation.T) + 1e-6 * torch.eye(z.shape[1]).double()
    gains = _gains(transition, process, observation, noise, _covariance(state))
    return Kalman(*(matrix.numpy() for matrix in (transition, observation, gains, mean, std, centre)))


def _gains(transition: Tensor, process: Tensor, observation: Tensor, noise: Tensor, start: Tensor) -> Tensor:
    told = torch.linalg.solve(noise, observation).T
    known, gains = start, []
    for t in range(LONGEST_GAIN):
        ahead = transition @ known @ transition.T + process if t else start
        # The inverse of a matrix of states instead of one of units: (P⁻¹ + HᵀQ⁻¹H)⁻¹ = (1 + P HᵀQ⁻¹H)⁻¹ P.
        known = torch.linalg.solve(torch.eye(len(ahead)).double() + ahead @ told @ observation, ahead)
        gains.append(known @ told)
        if t and float((gains[-1] - gains[-2]).abs().max()) < SETTLED:
            break
    return torch.stack(gains)


def _least_squares(x: Tensor, y: Tensor) -> Tensor:
    return torch.linalg.solve(x.T @ x, x.T @ y)


def _covariance(residual: Tensor) -> Tensor:
    return residual.T @ residual / len(residual)
