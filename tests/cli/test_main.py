"""Every command, in this process; what only a fresh process can show is in three tests at the end."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from ranvier.cli import FAILED, INTERRUPTED, OK, USAGE, VERBS, main
from ranvier.data.formats import open_events, write_npz
from ranvier.genotype import load, save
from ranvier.run import Run


@pytest.fixture
def recording(finished_run: Run) -> Path:
    """A held-out recording of the finished run."""
    return Path(str(finished_run.config.data.root)) / "Train" / "0" / "00001.bin"


def last_line(text: str) -> str:
    return text.strip().splitlines()[-1]


def test_help_names_every_verb(capsys):
    assert main(["--help"]) == OK
    shown = capsys.readouterr().out
    assert all(f"\n  {verb} " in shown for verb in VERBS)
    assert main([]) == USAGE


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb, capsys):
    assert main([verb, "--help"]) == OK
    assert f"usage: ranvier {verb}" in capsys.readouterr().out


def test_a_wrong_verb_is_told_the_near_one(capsys):
    assert main(["trian"]) == USAGE
    assert capsys.readouterr().err == "ranvier: no command 'trian': did you mean train?\n"


def test_a_wrong_recipe_lists_near_ones(capsys):
    assert main(["train", "digit-conv"]) == USAGE
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1
    assert "digits-conv" in complaint


def test_a_wrong_field_is_named(capsys):
    assert main(["train", "digits-conv", "--train.lrr", "1"]) == USAGE
    assert "--train.lr FLOAT" in capsys.readouterr().err


def test_train_edits_leaves(monkeypatch, tmp_path, finished_run, capsys):
    seen = {}

    def train(recipe, folder, **options):
        seen.update(recipe=recipe, folder=folder, **options)
        return finished_run

    monkeypatch.setattr("ranvier.tasks.train.train", train)
    command = ["train", "nmnist-conv", "--train.lr", "0.5", "--seed", "7", "--run", str(tmp_path), "--resume", "--json"]
    assert main(command) == OK
    assert (seen["recipe"].train.lr, seen["recipe"].train.seed, seen["recipe"].name) == (0.5, 7, "nmnist-conv")
    assert (seen["folder"], seen["resume"]) == (tmp_path, True)
    assert json.loads(capsys.readouterr().out)["accuracy"] == finished_run.result["accuracy"]


def test_data_is_short_for_the_root_of_the_data(monkeypatch, tmp_path, finished_run, capsys):
    seen = []

    def train(recipe, folder, **options):
        seen.append(recipe)
        return finished_run

    monkeypatch.setattr("ranvier.tasks.train.train", train)
    for option in (["--data", str(tmp_path)], [f"--data={tmp_path}"], ["--data.root", str(tmp_path)]):
        assert main(["train", "nmnist-conv", *option, "--data.steps", "4", "--run", str(tmp_path)]) == OK
    assert seen[0] == seen[1] == seen[2]
    assert (seen[0].data.root, seen[0].data.steps) == (str(tmp_path), 4)
    assert main(["train", "sdn-small", "--data", str(tmp_path), "--run", str(tmp_path)]) == USAGE
    assert "the data 'currents' is generated and reads no files: leave --data away" in capsys.readouterr().err


def test_train_refuses_what_cannot_be(tmp_path, capsys):
    folder = tmp_path / "run"
    for options, message in (
        (["--threads", "0"], "expected --threads of 1 or more, got 0"),
        (["--model.classes", "5"], "model.classes 5"),
        (["--train.epochs", "-1"], "expected epochs of 1 or more, got -1"),
    ):
        assert main(["train", "digits-conv", "--run", str(folder), *options]) == USAGE
        assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert main(["train", "--resume", "digits-conv"]) == USAGE
    assert "the recipe comes first" in capsys.readouterr().err
    assert not folder.exists()


def test_an_interrupted_training_says_how_to_go_on(monkeypatch, tmp_path, capsys):
    def train(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("ranvier.tasks.train.train", train)
    assert main(["train", "nmnist-conv", "--run", str(tmp_path)]) == INTERRUPTED
    assert "--resume" in capsys.readouterr().err


def test_a_failed_training_is_no_usage_error(monkeypatch, tmp_path, capsys):
    def train(*_, **__):
        raise FloatingPointError("training stopped at step 3")

    monkeypatch.setattr("ranvier.tasks.train.train", train)
    assert main(["train", "nmnist-conv", "--run", str(tmp_path)]) == FAILED
    assert capsys.readouterr().err == "ranvier: training stopped at step 3\n"


def test_recipes(capsys):
    assert main(["recipes"]) == OK
    assert "nmnist-conv" in capsys.readouterr().out
    assert main(["recipes", "--json"]) == OK
    assert "digits-conv" in [recipe["name"] for recipe in json.loads(capsys.readouterr().out)]


def test_info_about_a_recording(recording, tmp_path, capsys):
    picture = tmp_path / "picture.png"
    assert main(["info", str(recording), "--picture", str(picture)]) == OK
    shown = capsys.readouterr().out
    assert "3,000" in shown
    assert "34x34" in shown
    assert last_line(shown) == f"wrote {picture}"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main(["info", str(recording), "--json"]) == OK
    assert json.loads(capsys.readouterr().out)["events"] == 3000


def test_info_about_a_run(finished_run, capsys):
    assert main(["info", str(finished_run.path)]) == OK
    assert f"{100 * finished_run.result['accuracy']:.1f} %" in capsys.readouterr().out


def test_info_about_a_genotype(tmp_path, capsys):
    assert main(["info", "stereo-matching"]) == OK
    shown = capsys.readouterr().out
    assert "3x3 of s0 + 3x3 (temperature 5) of s1" in shown
    assert "level 1    ●     ●" in shown
    file, picture = tmp_path / "mine.json", tmp_path / "picture.png"
    save(load("cifar"), file)
    assert main(["info", str(file), "--picture", str(picture)]) == OK
    assert last_line(capsys.readouterr().out) == f"wrote {picture}"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main(["info", str(file), "--json"]) == OK
    assert json.loads(capsys.readouterr().out)["path"] == [0, 0, 1, 1, 1, 2, 2, 2]


def test_test_repeats_the_result(finished_run, capsys):
    assert main(["test", str(finished_run.path), "--json"]) == OK
    assert json.loads(capsys.readouterr().out)["confusion"] == finished_run.result["confusion"]


@pytest.mark.parametrize("chunk", [1, 4])
def test_a_stream_ends_with_the_answer_to_the_whole(finished_run, recording, chunk, capsys):
    from ranvier.data.representations import frames

    data = finished_run.config.data
    events = open_events(recording).read()
    with torch.inference_mode():
        x = frames(events, window_us=data.window_us, steps=data.steps, start=0)
        whole = finished_run.net()(x.unsqueeze(1)).mean(0)[0].softmax(-1)
    assert main(["stream", str(finished_run.path), str(recording), "--chunk", str(chunk), "--json"]) == OK
    end = json.loads(last_line(capsys.readouterr().out))
    assert end["label"] == str(int(whole.argmax()))
    assert end["probability"] == pytest.approx(float(whole.max()), abs=1e-6)
    assert end["chunks"] == -(-data.steps // chunk)
    assert 0 < end["latency_p50_s"] <= end["latency_p95_s"]


def test_a_stream_for_people(finished_run, recording, capsys):
    assert main(["stream", str(finished_run.path), str(recording)]) == OK
    shown = capsys.readouterr().out
    assert "0 to " in shown
    assert "p95" in shown


def test_a_stream_whose_clock_had_been_running(finished_run, recording, tmp_path, capsys):
    from dataclasses import replace

    events = open_events(recording).read()
    late = replace(events, t=events.t - events.t[0] + 12_000_000)
    write_npz(tmp_path / "late.npz", late)
    assert main(["stream", str(finished_run.path), str(tmp_path / "late.npz"), "--json"]) == OK
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first["t_us"] == 12_000_000 + finished_run.config.data.window_us


def test_a_stream_from_another_sensor_is_refused(finished_run, tmp_path, capsys):
    from ranvier.data.events import Events

    write_npz(tmp_path / "wide.npz", Events.of([1], [60], [3], [1], (64, 48)))
    assert main(["stream", str(finished_run.path), str(tmp_path / "wide.npz")]) == USAGE
    assert "64x48 sensor" in capsys.readouterr().err


def test_audit(finished_run, capsys):
    assert main(["audit", str(finished_run.path), "--samples", "2"]) == OK
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("only adds", "multiplies", "4.6 pJ", "event-driven"))
    assert main(["audit", str(finished_run.path), "--samples", "2", "--json"]) == OK
    found = json.loads(capsys.readouterr().out)
    # First block: 2 maps of 17x17, each a 5x5 window of 2 channels.
    assert found["layers"][0]["macs"] == 2 * 17 * 17 * 2 * 25
    assert found["latency_s"]["event_driven"] > 0
    assert found["peak_bytes_step"] < found["peak_bytes_recording"]


def test_report(finished_run, capsys):
    assert main(["report", str(finished_run.path)]) == OK
    assert last_line(capsys.readouterr().out) == f"wrote {finished_run.path / 'report.html'}"


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (["info", "absent.raw"], "absent.raw: no such file"),
        (["info", "absent.json"], "no genotype 'absent.json': expected a file, or one of cifar"),
        (["test", "absent"], "no run at absent"),
        (["report", "absent"], "no run at absent"),
        (["stream", "absent", "absent.raw"], "no run at absent"),
        (["stream", "absent", "absent.raw", "--threads", "0"], "--threads of 1 or more"),
        (["stream", "absent", "absent.raw", "--chunk", "0"], "--chunk of 1 or more"),
        (["audit", "absent", "--threads", "0"], "--threads of 1 or more"),
    ],
)
def test_bad_input_is_one_line(command, complaint, capsys):
    assert main(command) == USAGE
    shown = capsys.readouterr().err
    assert complaint in shown
    assert shown.count("\n") == 1


def test_a_silent_header_is_answered_in_the_words_of_the_command_line(tmp_path, capsys):
    (tmp_path / "events.csv").write_text("0,1,1,1\n")
    assert main(["info", str(tmp_path / "events.csv")]) == USAGE
    assert capsys.readouterr().err.endswith("(here: --sensor WIDTH HEIGHT)\n")


def test_a_wrong_device_is_named(finished_run, capsys):
    for device, complaint in (("cuda:99", "no device 'cuda:99'"), ("tpu", "cpu, cuda or cuda:N, got 'tpu'")):
        assert main(["test", str(finished_run.path), "--device", device]) == USAGE
        assert complaint in capsys.readouterr().err


def test_an_error_of_ours_is_not_hidden(finished_run, monkeypatch):
    def broken(*_, **__):
        raise TypeError("a bug")

    monkeypatch.setattr("ranvier.tasks.evaluate.evaluate", broken)
    with pytest.raises(TypeError, match="a bug"):
        main(["test", str(finished_run.path)])


def test_a_full_disk_is_a_failure_not_a_usage_error(finished_run, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(28, "No space left on device", "report.html")

    monkeypatch.setattr("ranvier.report.write_report", full)
    assert main(["report", str(finished_run.path)]) == FAILED
    assert capsys.readouterr().err == "ranvier: report.html: No space left on device\n"


def test_the_demo_replaces_nothing_but_a_demo(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("precious")
    assert main(["demo", "--run", str(tmp_path)]) == USAGE
    assert (tmp_path / "mine.txt").exists()
    assert "no demo has made" in capsys.readouterr().err


def fresh(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment, check=True
    )


def test_help_is_quick_and_imports_nothing_heavy():
    code = "import sys; from ranvier.cli import main; main(['--help']); print('torch' in sys.modules)"
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        assert last_line(fresh(code).stdout) == "False"
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.5


def test_looking_never_imports_the_trainer(finished_run, recording):
    code = """
import sys
from ranvier.cli import main
run, file = sys.argv[1:]
for command in (["info", file], ["info", run], ["recipes"], ["stream", run, file], ["audit", run], ["test", run]):
    assert main(command) == 0, command
    assert "pytorch_lightning" not in sys.modules, command
import os
print(os.environ["OMP_WAIT_POLICY"])
"""
    assert last_line(fresh(code, str(finished_run.path), str(recording)).stdout) == "passive"


def test_recipes_need_no_torch():
    code = "import sys; from ranvier.cli import main; main(['recipes']); print('torch' in sys.modules)"
    assert last_line(fresh(code).stdout) == "False"
