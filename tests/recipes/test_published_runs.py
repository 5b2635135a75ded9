"""Published recipes, narrowed, on files in the layouts of their data sets: a step of training, and every command."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ranvier.cli import main
from ranvier.data.events import Events
from ranvier.recipes import Recipe, load
from ranvier.run import Run, open_run
from ranvier.tasks.train import train
from tests.data.datasets.test_ddd17 import write_folder, write_frames
from tests.data.datasets.test_ncars import put
from tests.data.datasets.test_prophesee import record, some_events

LATE, EARLY, SMALL = (600_000, 100, 100, 50, 40, 0), (400_000, 30, 40, 60, 70, 1), (600_000, 20, 20, 9, 60, 1)


def narrow(recipe: Recipe, root: Path, **data) -> Recipe:
    """The recipe on the files below a root, with few filters, for one batch."""
    model = replace(recipe.model, genotype=replace(recipe.model.genotype, filters=2))  # type: ignore[union-attr]
    return replace(
        recipe,
        data=replace(recipe.data, root=str(root), **data),
        model=model,
        train=replace(recipe.train, epochs=1, batch_size=16),
    )


def gen1(root: Path) -> Recipe:
    for split in ("train", "val", "test"):
        record(root / "gen1" / split / "a", some_events(), [EARLY, LATE, SMALL])
    return narrow(load("gen1-spikefpn"), root)


def ncars(root: Path) -> Recipe:
    generator = np.random.default_rng(0)
    for number in (0, 1, 5000, 9000, 9001):
        for folder in ("cars", "background"):
            t = np.sort(generator.integers(0, 100_000, 500))
            x, y = generator.integers(0, 60, (2, 500))
            put(root, f"{folder}/obj_{number:06}_td.dat", Events.of(t, x, y, generator.integers(0, 2, 500), (120, 100)))
    recipe = narrow(load("ncars-spikefpn"), root, size=(64, 64))
    return replace(recipe, model=replace(recipe.model, size=(64, 64)))


def ddd17(root: Path) -> Recipe:
    """Forty masks a folder, of which the last two are for validation: one clip each to train and to validate."""
    write_folder(root / "dir1", 0, masks=40)
    write_frames(root / "dir1", "img_{:08d}.png", masks=40)
    for name in ("dir0", "dir3", "dir4", "dir6", "dir7"):
        shutil.copytree(root / "dir1", root / name)
    recipe = narrow(load("ddd17-spikingedn-frames"), root, steps=2, stride=37)
    small = replace(recipe.model, genotype=replace(recipe.model.genotype, path=(0, 1, 0)), stem_channels=4, depth=8)
    return replace(recipe, model=replace(small, low_channels=4))


@pytest.fixture(scope="module", params=[gen1, ncars, ddd17], ids=lambda write: write.__name__)
def run(request, tmp_path_factory) -> Run:
    root = tmp_path_factory.mktemp(request.param.__name__)
    recipe = request.param(root)
    return train(recipe, root / "run", progress=False)


def test_a_step_of_training_and_an_evaluation(run: Run) -> None:
    found, metric = run.result, run.config.task.metric
    assert [(line["split"], line["step"]) for line in run.metrics] == [("train", 1), ("val", 1)]
    assert 0 <= found[metric] <= 1
    assert all(0 <= line[metric] <= 1 for line in run.metrics if line["split"] == "val")
    assert all(0 <= rate <= 1 for rate in found["firing_rate"].values())
    judged = {
        # Two moments, three boxes; the protocol counts one box of the later moment.
        "detect": lambda: (found["samples"], found["boxes"], found["boxes_filtered"]) == (2, 3, 1),
        "classify": lambda: np.sum(found["confusion"], 1).tolist() == [2, 2],
        # Two clips of a burn-in and a mask, of which one pixel is not judged.
        "segment": lambda: np.sum(found["confusion"]) == 2 * (200 * 346 - 1),
    }
    assert judged[run.config.task.name]()
    assert open_run(run.path).config == run.config


def test_every_command_works_on_it(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    path, task = str(run.path), run.config.task
    assert main(["info", path]) == 0
    assert f"{task.metric_name}" in (shown := capsys.readouterr().out)
    assert f"{100 * run.result[task.metric]:.1f} % held out" in shown
    assert main(["test", path, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[task.metric] == run.result[task.metric]
    assert main(["test", path]) == 0
    assert task.metric_name in capsys.readouterr().out
    assert main(["audit", path, "--samples", "1", "--json"]) == 0
    audited = json.loads(capsys.readouterr().out)
    assert audited["uncounted"] == []
    assert audited["totals"]["macs"] > 0
    assert main(["report", path]) == 0
    page = (run.path / "report.html").read_text()
    assert all(name in page for name in task.classes)


@pytest.mark.parametrize(
    ("name", "files", "complaint"),
    [
        ("gen1-spikefpn", {}, "no files train/NAME_td.dat below"),
        ("gen1-spikefpn", {"train/a_td.dat": b"% events\n"}, "has no a_bbox.npy beside it"),
        ("ncars-spikefpn", {}, "no background/obj_NUMBER_td.dat of the train split below"),
        ("ddd17-spikingedn", {}, "no folder dir0 in"),
        ("dsec-spikingedn", {}, "no sequence train/zurich_city_00_a in"),
    ],
)
def test_files_that_are_not_there_are_one_line(name, files, complaint, tmp_path, capsys) -> None:
    for path, content in files.items():
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).write_bytes(content)
    assert main(["train", name, "--data.root", str(tmp_path), "--run", str(tmp_path / "run")]) == 2
    shown = capsys.readouterr().err
    assert complaint in shown
    assert shown.count("\n") == 1
    assert not (tmp_path / "run").exists()
