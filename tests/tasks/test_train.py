"""What `train` writes, and how it refuses and stops."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ranvier import models
from ranvier.data import datasets
from ranvier.recipes import Recipe, load
from ranvier.recipes.recipe import Expected
from ranvier.run import CHECKPOINT, METRICS, RESULT, WEIGHTS, open_run
from ranvier.tasks.evaluate import evaluate
from ranvier.tasks.train import Training, train


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return load("digits-conv-tiny")


@pytest.fixture(scope="module")
def folder(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    train(recipe, folder, progress=False)
    return folder


def with_train(recipe: Recipe, **changes) -> Recipe:
    return replace(recipe, train=replace(recipe.train, **changes))


def test_the_run_folder_is_complete(recipe: Recipe, folder: Path) -> None:
    names = {file.name for file in folder.iterdir()}
    assert names == {"config.json", "environment.json", METRICS, CHECKPOINT, WEIGHTS, RESULT}
    run = open_run(folder)
    assert run.config == recipe
    assert [(line["epoch"], line["split"]) for line in run.metrics] == [(0, "train"), (0, "val")]
    assert set(run.metrics[0]) == {"epoch", "step", "split", "loss", "accuracy", "seconds"}
    assert run.result["classes"] == list(recipe.task.classes)
    counts = torch.tensor(run.result["confusion"])
    assert counts.sum() == len(datasets.build(recipe.data, "test"))
    assert run.result["accuracy"] == pytest.approx(float(counts.diag().sum() / counts.sum()))
    assert len(run.result["firing_rate"]) == 2
    assert all(0 < rate < 1 for rate in run.result["firing_rate"].values())


def test_evaluate_repeats_the_result(folder: Path) -> None:
    measured, result = evaluate(folder), open_run(folder).result
    assert measured == {key: result[key] for key in measured}


def test_training_moves_the_weights_and_keeps_the_mode(recipe: Recipe, folder: Path) -> None:
    torch.manual_seed(0)
    fresh = models.build(recipe.model).state_dict()
    kept = load_file(folder / WEIGHTS)
    assert kept.keys() == fresh.keys()
    assert not open_run(folder).net().training
    assert all(not torch.equal(kept[name], fresh[name]) for name in fresh if name.endswith("weight"))


def test_the_seed_decides(recipe: Recipe, folder: Path, tmp_path: Path) -> None:
    again = train(recipe, tmp_path / "again", progress=False)
    other = train(with_train(recipe, seed=1), tmp_path / "other", progress=False)
    kept = (folder / WEIGHTS).read_bytes()
    assert (again.path / WEIGHTS).read_bytes() == kept
    assert (other.path / WEIGHTS).read_bytes() != kept


def test_bfloat16_trains(recipe: Recipe, folder: Path, tmp_path: Path) -> None:
    run = train(with_train(recipe, precision="bfloat16"), tmp_path / "run", progress=False)
    kept = load_file(run.path / WEIGHTS)
    assert all(tensor.dtype != torch.bfloat16 for tensor in kept.values())
    assert run.metrics[0]["loss"] == pytest.approx(open_run(folder).metrics[0]["loss"], rel=0.05)


def test_a_finished_run_is_returned_as_it_is(recipe: Recipe, folder: Path) -> None:
    before = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    train(recipe, folder, resume=True, progress=False)
    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == before


def test_an_existing_run_is_not_overwritten(recipe: Recipe, folder: Path) -> None:
    with pytest.raises(FileExistsError, match=r"already holds a run of 'digits-conv-tiny': add --resume"):
        train(recipe, folder, progress=False)


def test_resume_with_other_settings_lists_them(recipe: Recipe, folder: Path) -> None:
    changed = with_train(replace(recipe, model=replace(recipe.model, dropout=0.5)), lr=1.0)
    with pytest.raises(ValueError, match=r"(?s)model\.dropout: 0\.0 -> 0\.5.*train\.lr: 0\.\d+ -> 1\.0"):
        train(changed, folder, resume=True, progress=False)


def test_another_number_to_expect_is_no_other_setting(recipe: Recipe, folder: Path) -> None:
    assert train(replace(recipe, expected=Expected(value=0.5)), folder, resume=True, progress=False).path == folder


def test_what_cannot_be_built_leaves_no_folder(recipe: Recipe, tmp_path: Path) -> None:
    small = replace(recipe, model=replace(recipe.model, size=(20, 20)))
    with pytest.raises(
        ValueError, match=r"frames of 'digits' are \(2, 34, 34\).*type --model.in-channels 2 --model.size 34 34"
    ):
        train(small, tmp_path / "run", progress=False)
    absent = replace(recipe, data=replace(recipe.data, name="nmnist", root=str(tmp_path / "nowhere")))
    with pytest.raises(FileNotFoundError):
        train(absent, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_a_folder_with_other_files_is_left_alone(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(FileExistsError, match="holds files that are no run"):
        train(recipe, tmp_path, resume=True, progress=False)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(("layer", "reason"), [(("1", "0"), "the gradient is not finite"), (("5",), "the loss is nan")])
def test_what_is_not_finite_stops_with_step_layer_and_checkpoint(
    layer: tuple[str, ...], reason: str, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, name = Training.on_train_batch_start, ".".join(layer)

    def overflow(self: Training, batch: datasets.Batch, batch_idx: int) -> None:
        begin(self, batch, batch_idx)
        if self.step == 2:
            self.net.get_submodule(name).weight.data *= float("inf")  # type: ignore[operator]

    monkeypatch.setattr(Training, "on_train_batch_start", overflow)
    with pytest.raises(FloatingPointError) as stopped:
        train(with_train(recipe, checkpoint_every=1), tmp_path, progress=False)
    assert re.fullmatch(
        rf"training stopped at step 2: {reason}, first in the parameter 'weight' of layer '{name}' \(\w+\)\. "
        rf"Last good checkpoint: {re.escape(str(tmp_path / CHECKPOINT))} \(step 2\)\. Start a new run .*",
        str(stopped.value),
    )
    assert not (tmp_path / RESULT).exists()


def test_too_high_a_learning_rate_stops(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match=r"training stopped at step \d+: .* lower --train\.lr"):
        train(with_train(recipe, lr=1e36, warmup=0.0), tmp_path, progress=False)


def test_a_weight_that_is_not_finite_is_never_saved(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = Training.on_train_batch_end

    def poison(self: Training, *args) -> None:
        if self.step == 1:
            next(self.net.parameters()).data[0] = float("nan")
        end(self, *args)

    monkeypatch.setattr(Training, "on_train_batch_end", poison)
    with pytest.raises(FloatingPointError, match=r"the weight 0\.0\.weight is not finite.*step 1\)"):
        train(with_train(recipe, checkpoint_every=1), tmp_path / "run", progress=False)


def test_a_damaged_checkpoint_is_named(recipe: Recipe, tmp_path: Path) -> None:
    run = train(recipe, tmp_path / "run", progress=False)
    (run.path / RESULT).unlink()
    content = (run.path / CHECKPOINT).read_bytes()
    (run.path / CHECKPOINT).write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"checkpoint\.safetensors is not a checkpoint of ranvier or is damaged"):
        train(recipe, run.path, resume=True, progress=False)
    save_file({"a": torch.zeros(1)}, run.path / CHECKPOINT)
    with pytest.raises(ValueError, match=r"checkpoint\.safetensors is not a checkpoint of ranvier or is damaged"):
        train(recipe, run.path, resume=True, progress=False)


def test_two_processes_do_not_train_in_one_folder(recipe: Recipe, folder: Path) -> None:
    import fcntl
    import os

    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        with pytest.raises(FileExistsError, match="another process is training"):
            train(recipe, folder, resume=True, progress=False)
    finally:
        os.close(descriptor)


def test_progress_without_a_terminal_is_one_line_a_measurement(
    recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(with_train(recipe, epochs=2), tmp_path / "run")
    shown = capsys.readouterr()
    assert shown.out == ""
    starts = [" ".join(line.split()[:3]) for line in shown.err.splitlines()]
    assert starts == ["epoch 1/2 train", "epoch 1/2 val", "epoch 2/2 train", "epoch 2/2 val"]
    assert len(run.metrics) == 4


def test_the_environment_is_written_down(folder: Path) -> None:
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["versions"]["torch"] == torch.__version__
    assert environment["threads"] == torch.get_num_threads()
    assert environment["kernels"]
