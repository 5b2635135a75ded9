"""Recipes load by name, without torch, survive JSON and say what differs."""

import json
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace

import pytest

from ranvier.recipes import (
    RECIPES,
    Cortex,
    Documents,
    DVSGesture,
    EventFrames,
    ListOps,
    NCars,
    Pathfinder,
    Pixels,
    Prophesee,
    Recipe,
    Scenes,
    Sessions,
    Speech,
    Text,
    load,
)
from ranvier.recipes.recipe import Data
from ranvier.recipes.saved import differences, from_plain, to_plain


@pytest.mark.parametrize("name", RECIPES)
def test_each_recipe_loads_under_its_name_and_survives_json(name: str) -> None:
    recipe = load(name)
    assert recipe.name == name
    assert from_plain(Recipe, json.loads(json.dumps(to_plain(recipe)))) == recipe


@pytest.mark.parametrize(
    "data",
    [
        EventFrames(name="digits"),
        Scenes(name="drive"),
        Prophesee(name="1mpx"),
        NCars(),
        DVSGesture(),
        Pixels(name="scifar", count=100),
        ListOps(source="generated", test="d8", tokens=(5, 60)),
        Speech(name="speech-commands", length=16_000),
        Speech(speaker="george"),
        Documents(name="aan", length=4000),
        Pathfinder(source="generated", size=128),
        Text(name="wikitext-103", rows=8),
        Sessions(name="m1-trials", bin_ms=100.0, days=("a", "b"), shares=(0.7, 0.1)),
        Cortex(days=5, gain=0.05),
    ],
)
def test_parts_come_back_as_their_own_kind_under_each_of_their_names(data: Data) -> None:
    if data.target in ("tokens", "velocity"):
        plain = json.loads(json.dumps(to_plain(data)))
        assert from_plain(type(data), plain) == data
        return
    fitting = {"label": "nmnist-conv", "boxes": "gen1-spikefpn"}[data.target]
    recipe = replace(load(fitting), data=data)
    assert from_plain(Recipe, json.loads(json.dumps(to_plain(recipe)))) == recipe


def test_data_and_task_must_fit() -> None:
    mosaic, gen1 = load("mosaic-spikefpn"), load("gen1-spikefpn")
    with pytest.raises(ValueError, match=r"'detect' learns from boxes, the data 'mosaic' gives masks"):
        replace(mosaic, data=replace(mosaic.data, target="masks"))  # type: ignore[call-arg]
    with pytest.raises(ValueError, match=r"expected data.classes as in task.classes \('car', 'pedestrian'\)"):
        replace(gen1, data=replace(gen1.data, classes=("pedestrian", "car")))  # type: ignore[call-arg]


def test_a_wrong_name_lists_near_ones() -> None:
    with pytest.raises(KeyError, match=r"no recipe 'nmist-conv': did you mean nmnist-conv"):
        load("nmist-conv")
    with pytest.raises(KeyError, match=r"there are nmnist-conv, .*ranvier recipes"):
        load("xyzzy")


def test_recipes_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        load("nmnist-conv").train.lr = 1.0  # type: ignore[misc]


def test_listing_needs_no_torch() -> None:
    code = "import sys; from ranvier import recipes as r; [r.load(n) for n in r.RECIPES]; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_field_that_is_absent_takes_its_default_and_an_unknown_one_is_named() -> None:
    plain = to_plain(load("nmnist-conv"))
    del plain["train"]["warmup"]
    assert from_plain(Recipe, plain).train.warmup == Recipe(name="x").train.warmup
    plain["train"]["momentum"] = 0.9
    with pytest.raises(ValueError, match=r"unknown settings train\.momentum: written by another version"):
        from_plain(Recipe, plain)


def test_norms_per_step_need_two_samples() -> None:
    published = load("ddd17-spikingedn")
    with pytest.raises(ValueError, match=r"type --train\.batch-size 2, or --model\.norm batch"):
        replace(published, train=replace(published.train, batch_size=1))


def test_differences_name_every_leaf() -> None:
    recipe = load("nmnist-conv")
    other = replace(recipe, name="mine", model=replace(recipe.model, channels=(1, 2)))
    found = differences(to_plain(recipe), to_plain(other))
    assert found == ["name: 'nmnist-conv' -> 'mine'", f"model.channels: {list(recipe.model.channels)} -> [1, 2]"]
    assert differences(to_plain(recipe), to_plain(recipe)) == []


@pytest.mark.parametrize(
    ("part", "field", "value", "message"),
    [
        ("train", "epochs", -1, "expected epochs of 1 or more, got -1"),
        ("train", "batch_size", 0, "expected batch_size of 1 or more, got 0"),
        ("train", "warmup", 2.0, "expected warmup from 0 to 1"),
        ("data", "steps", 0, "expected steps of 1 or more"),
        ("model", "size", (4, 0), r"expected size of 1 or more, got \(4, 0\)"),
        ("model", "classes", 5, "got model.classes 5 and 11 names in task.classes"),
        ("task", "burn_in", -1, "expected burn_in of 0 or more, got -1"),
        ("task", "ohem_threshold", 7.0, "expected ohem_threshold from 0 to 1, got 7.0"),
        ("data", "count", 0, "expected count of 1 or more, got 0"),
        ("data", "zoom", (0.0, 1.0), r"expected zoom above 0, got \(0\.0, 1\.0\)"),
        ("train", "lr", -1.0, "expected lr of 0 or more, got -1.0"),
    ],
)
def test_numbers_without_a_meaning_are_refused(part: str, field: str, value: object, message: str) -> None:
    recipe = load("mosaic-spikingedn")
    with pytest.raises(ValueError, match=message):
        replace(recipe, **{part: replace(getattr(recipe, part), **{field: value})})
