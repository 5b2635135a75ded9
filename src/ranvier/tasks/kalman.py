"""The Kalman filter as a decoder of velocity."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    """Return the Kalman filter whose matrices fit the training stretches by least squares."""
    counts = np.concatenate([stretch.x for stretch in train]).astype(np.float64)
    mean, std = counts.mean(0), np.maximum(counts.std(0), LEAST_STD)
    centre = np.concatenate([stretch.velocity for stretch in train]).mean(0, dtype=np.float64)
    axes, states, before, seen = len(centre), [], [], []
    for stretch in train:
        v = stretch.velocity - centre
        state = np.concatenate([v[1:], v[:-1]], axis=1)
        states.append(state[1:])
        before.append(state[:-1])
        seen.append((stretch.x[2:] - mean) / std)
    state, earlier, z = np.concatenate(states), np.concatenate(before), np.concatenate(seen)
    step = np.linalg.lstsq(earlier, state[:, :axes], rcond=None)[0]
    transition = np.concatenate([step.T, np.eye(axes, 2 * axes)])
    process = np.zeros((2 * axes, 2 * axes))
    process[:axes, :axes] = _covariance(state[:, :axes] - earlier @ step)
    observation = np.linalg.lstsq(state, z, rcond=None)[0].T
    # A unit that never fires has no noise either, and tells nothing: a little keeps the matrix regular.
    noise = _covariance(z - state @ observation.T) + 1e-6 * np.eye(z.shape[1])
    gains = _gains(transition, process, observation, noise, _covariance(state))
    return Kalman(transition, observation, gains, mean, std, centre)


def _gains(
    transition: NDArray, process: NDArray, observation: NDArray, noise: NDArray, start: NDArray
) -> NDArray[np.float64]:
    told = np.linalg.solve(noise, observation).T
    known, gains = start, []
    for t in range(LONGEST_GAIN):
        ahead = start if t == 0 else transition @ known @ transition.T + process
        # The inverse of a matrix of states instead of one of units: (P⁻¹ + HᵀQ⁻¹H)⁻¹ = (1 + P HᵀQ⁻¹H)⁻¹ P.
        known = np.linalg.solve(np.eye(len(ahead)) + ahead @ told @ observation, ahead)
        gains.append(known @ told)
        if t and np.abs(gains[-1] - gains[-2]).max() < SETTLED:
            break
    return np.stack(gains)


def _covariance(residual: NDArray) -> NDArray[np.float64]:
    return residual.T @ residual / len(residual)
