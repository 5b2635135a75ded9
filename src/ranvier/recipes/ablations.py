"""The comparisons that the papers claim: recipes that differ in one thing."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ranvier.recipes.detect import DRIVE_ANCHORS, drive_spikefpn, mosaic_spikefpn
from ranvier.recipes.recipe import Recipe
from ranvier.recipes.segment import drive_spikingedn, drive_spikingedn_frames, mosaic_spikingedn


@dataclass(frozen=True)
class Ablation:
    """A claim, and the recipes that test it, by the name of the variant."""

    claim: str
    variants: dict[str, Recipe]


def stem() -> Ablation:
    """Adaptive thresholds in the first layer, both signs, against plain LIF."""
    base = mosaic_spikefpn()
    names = {"threshold falls (ALIF-)": "alif-", "threshold rises (ALIF+)": "alif+", "fixed (LIF)": "lif"}
    return Ablation(
        "an adaptive threshold in the stem is better than plain LIF (SpikeFPN; SpikingEDN adds: and fires less)",
        {name: _model(base, stem=value) for name, value in names.items()},
    )


def stacking() -> Ablation:
    """Bins of equal width (SBT) against bins of equally many events (SBN)."""
    base = mosaic_spikefpn()
    return Ablation(
        "stacking by time is better than stacking by number (SpikeFPN)",
        {name: replace(base, data=replace(base.data, stacking=name)) for name in ("sbt", "sbn")},
    )


def scales() -> Ablation:
    """One, two and three levels of the pyramid that answer."""
    base = drive_spikefpn()
    # A third of the scenes and a quarter of the steps: there are three to train.
    base = replace(base, data=replace(base.data, count=1000), train=replace(base.train, epochs=15))
    return Ablation(
        "three scales are better than two, two better than one (SpikeFPN)",
        {str(n): _model(base, scales=n, anchors=anchors) for n, anchors in DRIVE_ANCHORS.items()},
    )


def fusion() -> Ablation:
    """Frames that modulate through SSAM, frames as a further input channel, no frames."""
    base = drive_spikingedn_frames()
    return Ablation(
        "frames help, and SSAM uses them better than one more input channel (SpikingEDN)",
        {
            "events and frames, SSAM": base,
            "events and frames, concatenated": _model(base, fusion="concatenate"),
            "events only": drive_spikingedn(),
        },
    )


def resize() -> Ablation:
    """Bilinear resizing as released against nearest, which keeps spikes spikes."""
    base = mosaic_spikingedn()
    return Ablation(
        "the release resizes bilinearly; nearest keeps every input of a convolution binary",
        {name: _model(base, resize=name) for name in ("bilinear", "nearest")},
    )


def spikes() -> Ablation:
    """Every hidden layer spiking against the same network with ReLU and without memory."""
    bases = {"detection": mosaic_spikefpn(), "segmentation": mosaic_spikingedn()}
    return Ablation(
        "spiking costs little accuracy",
        {
            f"{task}, {name}": _model(base, neuron=neuron)
            for task, base in bases.items()
            for name, neuron in (("spiking", "lif"), ("ReLU", "relu"))
        },
    )


ABLATIONS: dict[str, Callable[[], Ablation]] = {
    "stem": stem,
    "stacking": stacking,
    "scales": scales,
    "fusion": fusion,
    "resize": resize,
    "spikes": spikes,
}
"""Name of each comparison and the function that returns it; the first line of its docstring says what is compared."""


def _model(recipe: Recipe, **changes: Any) -> Recipe:
    return replace(recipe, model=replace(recipe.model, **changes), expected=None)
