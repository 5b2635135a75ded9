"""The published recipes: networks to the unit, and the settings of the papers."""

import pytest
import torch

from ranvier import models
from ranvier.data.datasets import ddd17, dsec
from ranvier.data.datasets.prophesee import CLASSES
from ranvier.recipes import RECIPES, Recipe, load

PUBLISHED = [name for name, function in RECIPES.items() if ".published:" in function]

# Parameters: the specs' totals, and what is changed of them.
STEM_CHANNEL = 48 * 5 * 5
BETA = 64 * 64 * 9 + 64
SECOND_NORM = 2 * 96
PARAMETERS = {
    "gen1-spikefpn": 21_630_063,
    "gen1-spikefpn-t5": 21_630_063 + 2 * STEM_CHANNEL,
    # Another class is one more output of each of three anchors at each scale.
    "1mpx-spikefpn": 21_630_063 + 3 * (768 + 384 + 192 + 3),
    "ncars-spikefpn": 21_630_063 - 2 * STEM_CHANNEL + 252 + 1,
    # The release owns and passes by a norm, a convolution and, of DDD17 with frames, a seventh class.
    "ddd17-spikingedn": 8_496_822 - SECOND_NORM,
    "ddd17-spikingedn-frames": 8_624_007 - BETA - (256 + 1),
    "dsec-spikingedn": 8_498_107 - SECOND_NORM,
    "dsec-spikingedn-frames": 8_626_187 - BETA,
}
SPIKEFPN = {
    "train.optimizer": "adamw",
    "train.lr": 1e-3,
    "train.weight_decay": 5e-4,
    "train.batch_size": 32,
    "train.epochs": 30,
    "train.rise": "quartic",
    "train.warmup_steps": 0,
    "train.schedule": "constant",
    "train.clip": None,
    "train.precision": "float32",
    "train.select": "best",
    "model.norm": "per_step",
    "model.stem": "alif-",
    "model.v_threshold": 0.3,
    "model.decay": 0.2,
    "model.surrogate": "tanh",
    "model.temperature": 3.0,
    "task.readout": "last",
}
DETECT = {
    "task.form": "compat",
    "task.match_iou": 0.5,
    "task.least_score": 0.3,
    "task.nms_iou": 0.5,
    "task.filter_small": True,
    "data.stacking": "sbt",
}
SPIKINGEDN = {
    "train.optimizer": "amsgrad",
    "train.lr": 1e-3,
    "train.weight_decay": 5e-4,
    "train.batch_size": 2,
    "train.epochs": 101,
    "train.warmup_steps": 1000,
    "train.rise": "geometric",
    "train.schedule": "poly",
    "train.clip": None,
    "train.precision": "float32",
    "train.seed": 1,
    "model.norm": "per_step",
    "model.stem": "alif+",
    "model.v_threshold": 0.5,
    "model.decay": 0.2,
    "model.surrogate": "tanh",
    "model.temperature": 3.0,
    "model.resize": "bilinear",
    "model.pool_momentum": 3e-4,
    "model.dropout": (0.5, 0.1),
    "model.modulation": "add",
    "task.loss": "ohem",
    "task.ohem_threshold": 0.7,
    "task.ohem_least": 2 * 321 * 321 // 16,
    "task.burn_in": 1,
    "task.ignore": 255,
    "data.window_us": 50_000,
    "data.bins": 5,
    "data.augment": False,
}
SETTINGS = {
    "gen1-spikefpn": SPIKEFPN | DETECT | {"data.steps": 3, "data.window_us": 60_000, "data.bins": 3},
    "gen1-spikefpn-t5": SPIKEFPN | DETECT | {"data.steps": 5, "data.window_us": 50_000, "data.bins": 5},
    "1mpx-spikefpn": SPIKEFPN | DETECT | {"task.least_diagonal": 60.0, "task.least_side": 20.0},
    "ncars-spikefpn": SPIKEFPN | {"train.epochs": 60, "data.steps": 10, "data.window_us": 10_000},
    "ddd17-spikingedn": SPIKINGEDN | {"model.stem_threshold": 0.5, "data.steps": 1 + 5, "data.held_out_steps": 1 + 3},
    "ddd17-spikingedn-frames": SPIKINGEDN
    | {"model.stem_threshold": 0.3, "data.steps": 1 + 3, "model.frame_decay": 0.0},
    "dsec-spikingedn": SPIKINGEDN | {"model.stem_threshold": 0.3, "data.steps": 1 + 5},
    "dsec-spikingedn-frames": SPIKINGEDN | {"model.stem_threshold": 0.3, "data.steps": 1 + 3, "model.frame_decay": 0.2},
}
EXPECTED = {
    "gen1-spikefpn": 0.477,
    "gen1-spikefpn-t5": 0.477,
    "ddd17-spikingedn": 0.5139,
    "ddd17-spikingedn-frames": 0.7257,
    "dsec-spikingedn": 0.5304,
    "dsec-spikingedn-frames": 0.5832,
}


def leaf(recipe: Recipe, name: str) -> object:
    part, field = name.split(".")
    return getattr(getattr(recipe, part), field)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_network_has_the_published_parameters(name: str) -> None:
    with torch.device("meta"):
        net = models.build(load(name).model)
    assert sum(p.numel() for p in net.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_settings_are_those_of_the_paper(name: str) -> None:
    recipe = load(name)
    found = {setting: leaf(recipe, setting) for setting in SETTINGS[name]}
    assert found == SETTINGS[name]
    # The warm-up of SpikeFPN is the first epoch.
    assert recipe.train.warmup_steps or recipe.train.warmup == 1 / recipe.train.epochs
    assert (recipe.expected and recipe.expected.value) == EXPECTED.get(name)


@pytest.mark.parametrize("name", PUBLISHED)
def test_data_network_and_task_speak_of_the_same(name: str) -> None:
    recipe = load(name)
    known = {"gen1": CLASSES["gen1"], "1mpx": CLASSES["1mpx"], "ddd17": ddd17.CLASSES, "dsec": dsec.CLASSES}
    known |= {"ncars": ("background", "car")}
    data, model = recipe.data, recipe.model
    assert set(recipe.task.classes) <= set(known[data.name])
    assert recipe.task.classes == getattr(data, "classes", known[data.name])
    channels = getattr(data, "bins", 1) + {"ddd17": 1, "dsec": 3}.get(data.name, 0) * getattr(data, "frames", False)
    assert model.in_channels == channels
    assert model.size == getattr(data, "size", (440, 640) if data.name == "dsec" else (200, 346))
