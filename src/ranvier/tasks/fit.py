"""Does what a data set gives fit what the network takes? Said before anything is written."""

from dataclasses import replace

from torch import Tensor

from ranvier.data.datasets import Samples
from ranvier.data.neural.samples import NeuralSamples
from ranvier.recipes import Classify, Decoder, Recipe, SpikingEDN, SpikingLM, SpikingSSM


def fitted(recipe: Recipe, samples: Samples) -> Recipe:
    """Return the recipe with what its model leaves to the data: numbers of channels, axes and days."""
    if not (isinstance(recipe.model, Decoder) and isinstance(samples, NeuralSamples)):
        return recipe
    model = replace(
        recipe.model,
        in_channels=samples.units if recipe.model.in_channels is None else recipe.model.in_channels,
        days=len(samples.days) if recipe.model.days is None else recipe.model.days,
    )
    return replace(recipe, model=model)


def check_fit(recipe: Recipe, samples: Samples) -> None:
    """Look at the first sample.

    Raises:
        ValueError: tokens or values, their number, pairs, or the classes differ; the message says what to type.
    """
    if isinstance(samples, NeuralSamples) and isinstance(recipe.model, Decoder):
        _check_session(recipe.data.name, recipe.model, samples)
        return
    *xs, _ = samples[0]
    if isinstance(recipe.task, Classify) and len(samples.classes) != len(recipe.task.classes):
        raise ValueError(
            f"{recipe.data.name!r} has {len(samples.classes)} classes, the task {len(recipe.task.classes)}: type "
            f"--task.classes {' '.join(samples.classes)} --model.classes {len(samples.classes)}"
        )
    if isinstance(recipe.model, SpikingSSM) and (len(xs) == 2) != recipe.model.pair:
        wanted, option = ("pairs", "no-pair") if recipe.model.pair else ("single sequences", "pair")
        raise ValueError(
            f"{recipe.data.name!r} gives {len(xs)} sequences a sample, the model takes {wanted}: type --model.{option}"
        )
    vocabulary, known = getattr(samples, "vocabulary", None), getattr(recipe.model, "vocabulary", 0)
    # A language model answers with any word that it has: there must be none without a name.
    speaks = isinstance(recipe.model, SpikingLM)
    if vocabulary is None:
        _check_values(recipe, xs[0])
    elif known < len(vocabulary) or (speaks and known > len(vocabulary)):
        raise ValueError(
            f"{recipe.data.name!r} has {len(vocabulary):,} tokens, the model takes {known or 'values'}: type "
            f"--model.vocabulary {len(vocabulary)}"
        )


def _check_session(name: str, model: Decoder, samples: NeuralSamples) -> None:
    for found, expected, what, option in (
        (samples.units, model.in_channels, "units", "in-channels"),
        (samples.axes, model.outputs, "axes of movement", "outputs"),
        (len(samples.days), model.days if model.adapter != "shared" else len(samples.days), "days", "days"),
    ):
        if found != expected:
            raise ValueError(f"{name!r} has {found} {what}, the model takes {expected}: type --model.{option} {found}")


def _check_values(recipe: Recipe, x: Tensor) -> None:
    model, found = recipe.model, tuple(x.shape[1:])
    if getattr(model, "vocabulary", 0):
        raise ValueError(f"{recipe.data.name!r} gives values, the model takes tokens: type --model.vocabulary 0")
    expected = (model.in_channels, *model.size)
    if found == expected:
        return
    if len(found) == 1:
        raise ValueError(
            f"a step of {recipe.data.name!r} has {found[0]} values, the model takes {expected}: type "
            f"--model.in-channels {found[0]}"
        )
    channels, height, width = found
    option = f"--model.in-channels {channels}"
    if isinstance(model, SpikingEDN):
        bins = recipe.data.bins  # type: ignore[union-attr]
        option = f"--model.event-channels {bins}"
        if channels - bins != model.frame_channels:
            fusion = "ssam" if channels > bins else "none"
            option += f" --model.frame-channels {channels - bins} --model.fusion {fusion}"
    raise ValueError(
        f"the frames of {recipe.data.name!r} are {found} (channels, height, width), the model takes {expected}: "
        f"type {option} --model.size {height} {width}"
    )
