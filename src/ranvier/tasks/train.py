"""Training of a recipe, with exact resume. The one file that imports the trainer library (8 seconds).

Whatever happens at step n is a function of (seed, n): the batch and its augmentation, the dropout, the learning rate.
A checkpoint therefore needs only weights, optimiser memory and the sums of the epoch so far; a run that is killed at
any moment and resumed ends, on a CPU with the same number of threads, with the bits of a run that was not.
"""

import dataclasses
import fcntl
import logging
import math
import os
import signal
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.warnings import PossibleUserWarning
from safetensors.torch import save
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ranvier import models
from ranvier.data import datasets
from ranvier.data.neural.samples import NeuralSamples
from ranvier.recipes import Recipe
from ranvier.run import (
    CHECKPOINT,
    ENVIRONMENT,
    RESULT,
    VOCABULARY,
    WEIGHTS,
    Run,
    append_metrics,
    cut_metrics,
    start_run,
    write_atomically,
    write_json,
)
from ranvier.tasks.batches import epoch_batches, mix
from ranvier.tasks.checkpoint import Checkpoint, Tensors, pack_optimizer, unpack_optimizer
from ranvier.tasks.environment import environment
from ranvier.tasks.evaluate import answers, held_out, judge, measure
from ranvier.tasks.fit import check_fit, fitted
from ranvier.tasks.nonfinite import first_nonfinite
from ranvier.tasks.optimise import learning_rate, optimizer
from ranvier.tasks.progress import Show, show_training
from ranvier.tasks.tally import Tally
from ranvier.tasks.task import build
from ranvier.tasks.windows import in_windows


def train(
    recipe: Recipe,
    run_dir: str | Path,
    *,
    resume: bool = False,
    device: str = "cpu",
    threads: int | None = None,
    progress: bool = True,
) -> Run:
    """Train a recipe into a run folder and test it on the held-out recordings.

    Args:
        run_dir: the folder; see `ranvier.run` for what is written there.
        resume: continue what was started in the folder with the same recipe; start where nothing was, and return at
            once where it is finished.
        device: "cpu", "cuda" or "cuda:1".
        threads: torch threads; `None` leaves them as they are. Another number may give other last bits.
        progress: show a moving line, or one line an epoch where standard error is no terminal.

    Returns:
        The finished run; `run.result` is what was measured.

    Raises:
        FileExistsError, ValueError: the folder holds another run, see `ranvier.run.start_run`; or the data do not fit
            the model, see `ranvier.tasks.fit.check_fit`.
        FloatingPointError: loss, gradient or a weight is NaN or infinite; names step, layer and last good checkpoint.
        OSError: a file could not be written; the run resumes from its last checkpoint.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    torch.manual_seed(mix(recipe.train.seed))
    # What cannot be built leaves no run folder behind.
    samples = datasets.build(recipe.data, "train")
    recipe = fitted(recipe, samples)
    check_fit(recipe, samples)
    net = models.build(recipe.model)
    if isinstance(samples, NeuralSamples):
        net.set_scale(*map(torch.from_numpy, samples.scale()))  # type: ignore[operator]
    run = start_run(run_dir, recipe, resume=resume)
    with _alone(run.path):
        if (run.path / RESULT).exists():
            return run
        write_json(run.path / ENVIRONMENT, environment(device=device))
        vocabulary = getattr(samples, "vocabulary", None)
        if vocabulary is not None:
            write_json(run.path / VOCABULARY, vocabulary.words)
        training = Training(net, samples, run)
        shown = show_training(
            steps=training.steps,
            first=training.step,
            epochs=recipe.train.epochs,
            task=recipe.task,
            enabled=progress,
        )
        with shown as training.show:
            _fit(training, device)
        training.finish(device)
    return run


class Training(pl.LightningModule):
    """The training of one network: what Lightning calls at each step, and the state that a checkpoint holds."""

    show: Show
    input: Tensor

    def __init__(self, net: nn.Module, samples: datasets.Samples, run: Run) -> None:
        super().__init__()
        self.net = net
        self.samples = samples
        self.run = run
        self.recipe = run.config
        self.validation = held_out(self.recipe, "val")
        self.per_epoch = len(self._batches(0))
        self.steps = self.per_epoch * self.recipe.train.epochs
        self.step = 0
        self.metric_lines = 0
        self.task = build(self.recipe, net)
        self.tally = Tally()
        self.best: Tensors = {}
        self.best_score = -math.inf
        self.seconds = 0.0
        self.optimizer_memory: Tensors = {}
        if (run.path / CHECKPOINT).exists():
            self._restore(Checkpoint.read(run.path / CHECKPOINT))
        cut_metrics(run, self.metric_lines)
        self.clock = time.monotonic() - self.seconds

    def _restore(self, checkpoint: Checkpoint) -> None:
        self.net.load_state_dict(checkpoint.net)
        self.optimizer_memory, self.best = checkpoint.optimizer, checkpoint.best
        progress = checkpoint.progress
        self.tally = Tally(**progress.pop("tally"))
        for name, value in progress.items():
            setattr(self, name, value)

    def save(self) -> None:
        """Write the checkpoint.

        Raises:
            FloatingPointError: a weight is not finite.
        """
        progress = {
            "step": self.step,
            "metric_lines": self.metric_lines,
            "best_score": self.best_score,
            "seconds": time.monotonic() - self.clock,
            "tally": dataclasses.asdict(self.tally),
        }
        checkpoint = Checkpoint(self.net.state_dict(), pack_optimizer(self._optimizer()), self.best, progress)
        try:
            checkpoint.write(self.run.path / CHECKPOINT)
        except FloatingPointError as error:
            raise FloatingPointError(self._stop(f"the weight {error} is not finite")) from None

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return optimizer(self.net, self.recipe.train)

    def _optimizer(self) -> torch.optim.Optimizer:
        optimizer = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, torch.optim.Optimizer)
        return optimizer

    def train_dataloader(self) -> DataLoader:
        """Return the batches that are left of the current epoch."""
        epoch, first = divmod(self.step, self.per_epoch)
        self.samples.set_epoch(epoch)
        batches = self._batches(epoch)[first:]
        return DataLoader(self.samples, batch_sampler=batches, collate_fn=self.samples.collate)  # type: ignore[arg-type]

    def _batches(self, epoch: int) -> list[list[int]]:
        settings = self.recipe.train
        return epoch_batches(len(self.samples), settings.batch_size, seed=settings.seed, epoch=epoch)

    def on_train_start(self) -> None:
        if self.optimizer_memory:
            unpack_optimizer(self._optimizer(), self.optimizer_memory)
            self.optimizer_memory = {}

    def on_train_batch_start(self, batch: datasets.Batch, batch_idx: int) -> None:
        for group in self._optimizer().param_groups:
            group["lr"] = group["scale"] * learning_rate(self.step, self.steps, self.recipe.train)
        torch.manual_seed(mix(self.recipe.train.seed, self.step))

    def training_step(self, batch: datasets.Batch, batch_idx: int) -> Tensor:
        window, seed = self.recipe.train.window, mix(self.recipe.train.seed, self.step)
        output = in_windows(self.net, batch.x, window, seed=seed) if window else answers(self.net, batch)
        loss, means = self.task.loss(output, batch)
        value = loss.item()
        self.input = batch.x
        if not math.isfinite(value):
            raise FloatingPointError(self._stop(f"the loss is {value}"))
        self.tally.add({"loss": value} | means, samples=output.shape[1])
        self.show.step(self.step + 1, epoch=self.step // self.per_epoch, loss=value)
        return loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        gradients = [p.grad for p in self.net.parameters() if p.grad is not None]
        if not math.isfinite(nn.utils.get_total_norm(gradients)):
            raise FloatingPointError(self._stop("the gradient is not finite"))

    def on_train_batch_end(self, outputs: Any, batch: datasets.Batch, batch_idx: int) -> None:
        self.step += 1
        if self.step % self.per_epoch == 0:
            self._end_epoch()
        elif self.step % self.recipe.train.checkpoint_every == 0:
            self.save()

    def _end_epoch(self) -> None:
        found = measure(self.net, self.validation, self.task, device=self.device)
        score = self.recipe.task.metric
        means = {"train": self.tally.means(), "val": {"loss": found["loss"], score: found[score]}}
        worth = self.recipe.task.worth(found[score])
        if self.recipe.train.select == "best" and worth > self.best_score:
            self.best_score = worth
            self.best = {name: tensor.clone() for name, tensor in self.net.state_dict().items()}
        seconds = round(time.monotonic() - self.clock, 3)
        at = {"epoch": self.step // self.per_epoch - 1, "step": self.step}
        lines = [{**at, "split": split, **values, "seconds": seconds} for split, values in means.items()]
        append_metrics(self.run, lines)
        for line in lines:
            self.show.measured(line)
        self.metric_lines += len(lines)
        self.tally = Tally()
        self.save()

    def finish(self, device: str) -> None:
        """Write the weights that are kept and what they reach on the test split."""
        weights = self.best or self.net.state_dict()
        weights = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in weights.items()}
        write_atomically(self.run.path / WEIGHTS, save(weights))
        net = self.run.net().to(device)
        result = judge(net, self.recipe, device=device)
        expected = self.recipe.expected
        result["seconds"] = round(time.monotonic() - self.clock, 3)
        result["expected"] = None if expected is None else dataclasses.asdict(expected)
        write_json(self.run.path / RESULT, result)

    def _stop(self, reason: str) -> str:
        torch.manual_seed(mix(self.recipe.train.seed, self.step))
        culprit = first_nonfinite(self.net, self.input)
        where = "" if culprit is None else f", first in {culprit}"
        file = self.run.path / CHECKPOINT
        good = f"{file} (step {Checkpoint.read(file).progress['step']})" if file.exists() else "none was written yet"
        return (
            f"training stopped at step {self.step}: {reason}{where}. Last good checkpoint: {good}. "
            "Start a new run with a lower --train.lr, or with --train.clip 1"
        )


def _fit(training: Training, device: str) -> None:
    """Let Lightning run the steps that are left."""
    left = training.recipe.train.epochs - training.step // training.per_epoch
    if left == 0:
        return
    kind, _, number = device.partition(":")
    settings = training.recipe.train
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # It advises more loader workers and the GPU beside the CPU that was asked for, and calls deprecated functions.
        warnings.simplefilter("ignore", PossibleUserWarning)
        warnings.filterwarnings("ignore", category=FutureWarning, module="pytorch_lightning")
        trainer = pl.Trainer(
            accelerator={"cuda": "gpu"}.get(kind, kind),
            devices=[int(number or 0)] if kind == "cuda" else 1,
            max_epochs=left,
            precision="bf16-mixed" if settings.precision == "bfloat16" else "32-true",
            gradient_clip_val=settings.clip,
            # Each epoch asks for its own batches; order, checkpoints, metrics and progress are ours.
            reload_dataloaders_every_n_epochs=1,
            use_distributed_sampler=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            logger=False,
        )
        interrupt = signal.getsignal(signal.SIGINT)
        try:
            trainer.fit(training)
        except SystemExit as stop:
            # Lightning turns Ctrl-C into an exit and leaves the signal ignored.
            signal.signal(signal.SIGINT, interrupt)
            if isinstance(stop.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from None
            raise


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the run folder for this process; the system lets go of it when the process dies."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise FileExistsError(f"another process is training in {folder}: wait for it or stop it") from None
    finally:
        os.close(descriptor)
