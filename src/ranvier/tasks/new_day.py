"""A run for a new recording day: a decoder that was calibrated, with the day that it was calibrated for."""

from dataclasses import fields, replace
from pathlib import Path

from safetensors.torch import save

from ranvier.data import datasets
from ranvier.data.neural.recorded import session_files
from ranvier.data.neural.samples import NeuralSamples
from ranvier.models.decoder import NeuralDecoder, of_day, with_new_day
from ranvier.recipes import Cortex, Decoder, Recipe, Sessions
from ranvier.recipes.neural import Decoded, Neural
from ranvier.run import ENVIRONMENT, RESULT, WEIGHTS, Run, append_metrics, start_run, write_atomically, write_json
from ranvier.tasks.calibrate import VALIDATION, Parts, calibrate, check_units
from ranvier.tasks.environment import environment
from ranvier.tasks.evaluate import held_out, judge, measure
from ranvier.tasks.task import build

SESSION = ("area", "sorting", "movement", "missing")
"""How session files were read, which holds for a new one."""


def calibrate_run(
    run: Run,
    folder: Path,
    *,
    root: str | None = None,
    minutes: float = 1.0,
    parts: Parts = "full",
    steps: int = 300,
    lr: float = 1e-3,
    seed: int = 0,
) -> Run:
    """Calibrate the decoder of a run by the first minutes of a new day, judge it by the rest, and write it as a run.

    The recipe of the new run has the new day as its data, whose training and validation splits are the minutes of the
    calibration and whose test is the rest, and a model that knows one day: `ranvier test` measures the same again.
    Nothing is written until the decoder is calibrated.

    Args:
        run: a finished run of a decoder.
        folder: of the new run.
        root: the session file of the new day; default, for a decoder of a made cortex: the day after those it knows.
        minutes: how much to learn from.
        parts, steps, lr, seed: as `ranvier.tasks.calibrate.calibrate` takes them.

    Returns:
        The new run; its result has what `ranvier.tasks.evaluate.judge` returns, with the baselines fitted to the same
        minutes, and the entry `calibration`.

    Raises:
        FileExistsError: there is something in the folder.
        FileNotFoundError: no session there.
        ValueError: the run is of something else, several sessions, other units, a session with too few minutes.
    """
    if folder.exists() and (folder.is_file() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} is there already: choose another folder with --out")
    net = run.net()
    if not isinstance(net, NeuralDecoder):
        raise ValueError(f"expected a run of a decoder, such as decode-gru, got one of {run.config.name!r}")
    whole = _whole(_new_day(run.config, root))
    try:
        check_units(net, _samples(whole, "train"))
    except ValueError as error:
        # What the message says to type belongs to the training: the decoder reads no other bins.
        raise ValueError(f"{run.path} cannot read the new day: {error}") from error
    recipe = _recipe(run.config, whole, minutes)
    assert isinstance(recipe.data, Cortex | Sessions)
    learned_from = replace(recipe.data, shares=(sum(recipe.data.shares), 0.0))
    found = calibrate(net, _samples(learned_from, "train"), parts=parts, steps=steps, lr=lr, seed=seed)
    before = of_day(with_new_day(net), -1)
    at_first = measure(before, held_out(recipe, "test"), build(recipe, before))
    result = judge(found.net, recipe) | {"seconds": round(found.history[-1]["seconds"], 3), "expected": None}
    result["calibration"] = {
        "of": str(run.path),
        "minutes": minutes,
        "parts": parts,
        "r2_before": at_first["r2"],
        "steps": found.history[-1]["step"],
        "best_step": found.best["step"],
    }
    new = start_run(folder, recipe)
    write_json(new.path / ENVIRONMENT, environment(device="cpu"))
    append_metrics(new, [{"epoch": k, "split": "val", **look} for k, look in enumerate(found.history)])
    write_atomically(new.path / WEIGHTS, save({k: v.contiguous() for k, v in found.net.state_dict().items()}))
    write_json(new.path / RESULT, result)
    return new


def _new_day(known: Recipe, root: str | None) -> Neural:
    """Return the data of the new day, in bins as the decoder knows them."""
    data = known.data
    assert isinstance(data, Cortex | Sessions)
    if root is None:
        if isinstance(data, Sessions):
            raise ValueError("expected the session of the new day: type --data FILE")
        return replace(data, first_day=data.first_day + data.days, days=1)
    of_all = {field.name: getattr(data, field.name) for field in fields(Decoded)}
    more = {name: getattr(data, name) for name in SESSION} if isinstance(data, Sessions) else {}
    new = Sessions(root=root, **of_all, **more)
    if len(files := session_files(new)) > 1:
        raise ValueError(f"expected the session of one day, {root} holds {len(files)}: type --data {files[-1]}")
    return new


def _whole(data: Neural) -> Neural:
    """Return the same in three parts that lose nothing at their borders."""
    return replace(data, split="chronological", shares=(0.5, 0.25), gap_ms=0.0, lag_ms=0.0, steps=1)


def _recipe(known: Recipe, whole: Neural, minutes: float) -> Recipe:
    """Return the recipe of the new run, whose splits part the session after so many minutes.

    Raises:
        ValueError: nothing would be left to judge by.
    """
    assert isinstance(known.model, Decoder)
    assert isinstance(known.data, Cortex | Sessions)
    splits = [_samples(whole, split) for split in ("train", "val", "test")]
    total = sum(len(stretch.x) for split in splits for stretch in split.stretches)
    bins = round(60 * minutes / splits[0].bin_s)
    if bins >= total:
        raise ValueError(
            f"the session of {splits[0].days[0]} has {total * splits[0].bin_s / 60:.2g} minutes, --minutes {minutes:g} "
            "leaves nothing to judge by: ask for less"
        )
    train = round((1 - VALIDATION) * bins)
    data = replace(
        whole,
        shares=(train / total, (bins - train) / total),
        lag_ms=known.data.lag_ms,
        steps=min(known.data.steps, train),
    )
    return replace(known, data=data, model=replace(known.model, days=1), expected=None)


def _samples(data: Neural, split: datasets.Split) -> NeuralSamples:
    samples = datasets.build(data, split)
    assert isinstance(samples, NeuralSamples)
    return samples
