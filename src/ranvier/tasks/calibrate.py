"""Calibration: a trained decoder learns a new recording day from the first minutes of it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from ranvier.data.datasets import Batch
from ranvier.data.neural.samples import NeuralSamples
from ranvier.models.decoder import NeuralDecoder, of_day, with_new_day
from ranvier.recipes import Decode, Train
from ranvier.tasks.batches import epoch_batches, mix
from ranvier.tasks.decode import decoding
from ranvier.tasks.optimise import learning_rate, optimizer
from ranvier.tasks.r2 import R2

Parts = Literal["full", "adapter", "readout"]
VALIDATION = 0.2
"""So large a part of the calibration data, the last, decides when to stop."""


@dataclass(frozen=True)
class Calibration:
    """A calibrated network, and how it came about.

    `history` has an entry for each look at the validation part, the first of them before any step: `step`, `seconds`
    until then, `r2` there, and `judged`, R² on other data, where there are any. `best` is the entry with the highest
    `r2`, whose weights `net` has; the last entry is that at which it was given up.
    """

    net: NeuralDecoder
    history: list[dict[str, Any]]

    @property
    def best(self) -> dict[str, Any]:
        """The look at the weights that were kept."""
        return max(self.history, key=lambda look: look["r2"])


def calibrate(
    net: NeuralDecoder,
    samples: NeuralSamples,
    *,
    parts: Parts = "full",
    steps: int = 300,
    lr: float = 1e-3,
    weight_decay: float = 0.01,
    batch_size: int = 16,
    every: int = 10,
    patience: int = 6,
    seed: int = 0,
    judged: NeuralSamples | None = None,
) -> Calibration:
    """Teach a decoder a new day; the decoder that is returned knows this day alone.

    It begins as `with_new_day` says: with the mean of the days that it knew, where they have adapters of their own, and
    as it is otherwise. AdamW follows the gradient of windows of the first four fifths of the data, with a learning rate
    that is a cosine, and stops after `patience` looks at the last fifth that were worse than the best one. Batch norms
    take their statistics from the new day, whichever part changes.

    Args:
        net: the decoder, which stays as it is; calibration happens where it is.
        samples: training windows of the new day, see `NeuralSamples.first`.
        parts: what changes: everything, what channels enter by, or what movements leave by.
        steps: gradient steps at most; the cosine ends there.
        lr: learning rate at its peak.
        weight_decay: as AdamW takes it.
        batch_size: windows a step, at most as many as the data have.
        every: gradient steps between two looks.
        patience: looks in a row that may be worse.
        seed: of windows and dropout.
        judged: data of the same day by which each look is judged too, off the clock.

    Raises:
        ValueError: the day has other numbers of units or axes than the decoder.
    """
    check_units(net, samples)
    net = of_day(with_new_day(net), -1)
    train, val = samples.parted(1 - VALIDATION)
    settings = Train(lr=lr, weight_decay=weight_decay, warmup=0.05, batch_size=batch_size, seed=seed)
    trained = {"full": net, "adapter": net.adapter, "readout": net.readout}[parts]
    net.requires_grad_(False)
    trained.requires_grad_()
    descent, task, batches = optimizer(trained, settings), decoding(Decode(), net), _batches(train, settings)
    found, best = Calibration(net, []), {}
    with torch.random.fork_rng(devices=[]):
        start = time.perf_counter()
        for step in range(steps + 1):
            if step % every == 0 or step == steps:
                look = {"step": step, "r2": decoded(net, val), "seconds": time.perf_counter() - start}
                if judged is not None:
                    look["judged"] = decoded(net, judged)
                    start = time.perf_counter() - look["seconds"]
                found.history.append(look)
                if look is found.best:
                    best = {name: tensor.clone() for name, tensor in net.state_dict().items()}
                if look["step"] - found.best["step"] >= patience * every or step == steps:
                    break
            for group in descent.param_groups:
                group["lr"] = group["scale"] * learning_rate(step, steps, settings)
            torch.manual_seed(mix(seed, step))
            net.train()
            batch = next(batches)
            loss, _ = task.loss(net(batch.x.to(net.x_mean.device)), batch)
            net.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(trained.parameters(), 1.0)
            descent.step()
    net.load_state_dict(best)
    net.requires_grad_().eval()
    return found


def decoded(net: NeuralDecoder, samples: NeuralSamples) -> float:
    """Return the R² of a decoder that knows one day on whole stretches, and leave it in evaluation mode."""
    net.eval()
    r2 = R2()
    with torch.inference_mode():
        for x, velocity, _ in samples.stretches:
            counts = torch.from_numpy(x).float().unsqueeze(1).to(net.x_mean.device)
            r2.add(net(counts)[:, 0].cpu().numpy(), velocity)
    return r2.result()["r2"]


def check_units(net: NeuralDecoder, samples: NeuralSamples) -> None:
    """Compare a decoder with what is to be decoded.

    Raises:
        ValueError: they differ in the number of units or axes.
    """
    for found, expected, what in (
        (samples.units, len(net.x_mean), "units"),
        (samples.axes, len(net.y_mean), "axes of movement"),
    ):
        if found != expected:
            raise ValueError(
                f"{samples.days[0]} has {found} {what}, the decoder was trained on {expected}: record the same "
                "channels as in training, or train a decoder of its own with ranvier train"
            )


def _batches(samples: NeuralSamples, settings: Train) -> Iterator[Batch]:
    """Yield batches of windows for ever."""
    epoch = 0
    while True:
        samples.set_epoch(epoch)
        for batch in epoch_batches(len(samples), settings.batch_size, seed=settings.seed, epoch=epoch):
            yield samples.collate([samples[i] for i in batch])
        epoch += 1
