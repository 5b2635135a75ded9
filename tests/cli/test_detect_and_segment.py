"""Every command on a run that detects and on one that segments, in this process."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ranvier import recipes
from ranvier.cli import OK, USAGE, main
from ranvier.data import datasets
from ranvier.data.events import Events
from ranvier.data.formats import open_events, write_npz
from ranvier.layers.anchors import detect
from ranvier.run import Run, start_run
from ranvier.stream import detection_rows, stream, windows

pytestmark = pytest.mark.usefixtures("few_scenes")

STEPS, WINDOW_US = 3, 100_000


@pytest.fixture(scope="module", params=["finished_detector", "finished_segmenter"])
def finished(request: pytest.FixtureRequest) -> Run:
    """A run of each task."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def recording(finished_detector: Run, few_scenes: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first held-out mosaic of both runs: 300 ms on 96x96 pixels."""
    path = tmp_path_factory.mktemp("mosaic") / "recording.npz"
    write_npz(path, datasets.build(finished_detector.config.data, "test").events(0))
    return path


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random events of 300 ms on 130x70 pixels, sides that no stride divides."""
    generator = np.random.default_rng(0)
    x, y, polarity = (generator.integers(0, high, 6000) for high in (130, 70, 2))
    path = tmp_path_factory.mktemp("wide") / "wide.npz"
    write_npz(path, Events.of(np.sort(generator.integers(0, 300_000, 6000)), x, y, polarity, (130, 70)))
    return path


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def check(answers: list[dict], run: Run, sensor: tuple[int, int]) -> None:
    """Boxes begin on the sensor, strongest first; shares of classes add up to 1."""
    classes = run.config.task.classes
    for answer in answers:
        if run.config.task.name == "segment":
            assert set(answer["share"]) <= set(classes)
            assert sum(answer["share"].values()) == pytest.approx(1)
            continue
        for row in answer["detections"]:
            assert row["t_us"] == answer["t_us"]
            assert row["label"] in classes
            assert row["x"] < sensor[0]
            assert row["y"] < sensor[1]
        scores = [row["score"] for row in answer["detections"]]
        assert scores == sorted(scores, reverse=True)


def test_test_repeats_the_result(finished, capsys):
    task, result = finished.config.task, finished.result
    assert main(["test", str(finished.path), "--json"]) == OK
    found = json.loads(capsys.readouterr().out)
    assert all(found[name] == result[name] for name in result if name in ("ap50", "boxes", "confusion", "samples"))
    assert max(found["firing_rate"].values()) > 0.01
    assert main(["test", str(finished.path)]) == OK
    first, *others = capsys.readouterr().out.splitlines()
    assert first == f"{task.metric_name} {100 * result[task.metric]:.1f} % on 12 held-out recordings"
    assert any("of each class, %: " in line for line in others)


def test_info(finished, capsys):
    assert main(["info", str(finished.path)]) == OK
    task, shown = finished.config.task, capsys.readouterr().out
    assert task.metric_name in shown
    assert f"{100 * finished.result[task.metric]:.1f} % held out" in shown


def test_audit(finished, capsys):
    assert main(["audit", str(finished.path), "--samples", "2"]) == OK
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("only adds", "multiplies", "4.6 pJ", "event-driven", "fires least"))
    assert "…" not in shown
    assert "not counted" not in shown
    assert main(["audit", str(finished.path), "--samples", "2", "--json"]) == OK
    found = json.loads(capsys.readouterr().out)
    assert all(layer["multiplication_free"] for layer in found["layers"][1:])
    assert 0 < found["peak_bytes_step"] < found["peak_bytes_recording"]


def test_a_stream_ends_with_the_answer_to_the_clip(finished, recording, capsys):
    command = ["stream", str(finished.path), str(recording), "--score", "0.06", "--json"]
    assert main([*command, "--chunk", str(STEPS)]) == OK
    answer, end = lines(capsys.readouterr().out)
    check([answer], finished, (96, 96))
    net, (clip, _) = finished.net(), datasets.build(finished.config.data, "test")[0]
    with torch.inference_mode():
        y = net(clip.unsqueeze(1))[-1]
    if finished.config.task.name == "detect":
        (found,) = detect(y, net.grid(96, 96), score=0.06, nms_iou=0.5)
        assert len(found.label) > 5
        rows = detection_rows(STEPS * WINDOW_US, *found, classes=finished.config.task.classes)
        assert answer["detections"] == [row for row in rows if row["x"] < 96 and row["y"] < 96]
        assert end["detections"] == len(answer["detections"])
    else:
        pixels = torch.bincount(y[0].argmax(0).flatten(), minlength=11).tolist()
        classes = finished.config.task.classes
        assert answer["share"] == end["share"] == {n: k / 96**2 for n, k in zip(classes, pixels, strict=True) if k}
        assert len(answer["share"]) > 1
    assert main(command) == OK
    *answers, end = lines(capsys.readouterr().out)
    assert [one["t_us"] for one in answers] == [(k + 1) * WINDOW_US for k in range(STEPS)]
    assert (end["chunks"], end["windows"], end["dropped"]) == (STEPS, STEPS, 0)


def test_single_windows_give_the_outputs_of_the_clip(finished, recording):
    net, (clip, _) = finished.net().double(), datasets.build(finished.config.data, "test")[0]
    with torch.inference_mode():
        whole = net(clip.unsqueeze(1).double())
    parts = windows(open_events(recording), window_us=WINDOW_US, stacking="sbt", bins=5, steps=STEPS, start_us=0)
    steps = list(stream(net, ((t, x.double()) for t, x in parts), readout="last"))
    assert torch.equal(torch.cat([step.x for step in steps]), clip.unsqueeze(1))
    torch.testing.assert_close(torch.cat([step.output for step in steps]), whole, rtol=1e-10, atol=1e-12)
    # Without a memory the steps would differ: it is what is tested.
    with torch.inference_mode():
        alone = torch.cat([net(step.x.double()) for step in steps])
    assert not torch.allclose(alone[1:], whole[1:])


def test_a_stream_from_a_sensor_of_another_size(finished, wide, tmp_path, capsys):
    picture = tmp_path / "stream.png"
    command = ["stream", str(finished.path), str(wide), "--score", "0.05"]
    assert main([*command, "--picture", str(picture)]) == OK
    shown = capsys.readouterr().out
    assert "latency of a chunk of 100 ms: p50" in shown
    assert shown.splitlines()[-1] == f"wrote {picture}"
    with Image.open(picture) as film:
        assert (film.n_frames, film.size) == (STEPS, (4 * 130, 4 * 70))
    assert main([*command, "--json"]) == OK
    *answers, _ = lines(capsys.readouterr().out)
    assert len(answers) == STEPS
    check(answers, finished, (130, 70))


def test_weak_answers_are_left_out(finished_detector, recording, capsys):
    numbers = []
    for score in (0.05, 0.08, 0.99):
        command = ["stream", str(finished_detector.path), str(recording), "--score", str(score), "--json"]
        assert main(command) == OK
        *answers, _ = lines(capsys.readouterr().out)
        scores = [row["score"] for answer in answers for row in answer["detections"]]
        assert all(one >= score for one in scores)
        numbers.append(len(scores))
    assert numbers[0] > numbers[1] > numbers[2] == 0


@pytest.mark.parametrize("policy", ["queue", "drop"])
def test_a_stream_as_if_it_happened_now(finished, recording, policy, capsys):
    command = ["stream", str(finished.path), str(recording), "--speed", "1e6", "--policy", policy, "--json"]
    assert main(command) == OK
    *answers, end = lines(capsys.readouterr().out)
    assert end["windows"] + end["dropped"] == STEPS
    assert end["windows"] == len(answers) >= 1
    assert policy == "drop" or end["dropped"] == 0
    assert end["largest_lag_ms"] > 0


@pytest.mark.parametrize(
    ("file", "sensor"),
    [
        ("gen3_evt2.raw", (640, 480)),
        ("gen41_evt3.raw", (1280, 720)),
        ("dvs_320x240.aedat4", (320, 240)),
        ("dvs_320x240.es", (320, 240)),
    ],
)
def test_streams_of_real_cameras(finished, data_dir, file, sensor, tmp_path, capsys):
    picture = tmp_path / "stream.png"
    source = str(data_dir / "event_formats" / file)
    command = ["stream", str(finished.path), source, "--steps", "2", "--score", "0.1", "--picture", str(picture)]
    assert main([*command, "--json"]) == OK
    *answers, end = lines(capsys.readouterr().out)
    assert len(answers) == 2
    check(answers, finished, sensor)
    assert end["real_time_factor"] > 0
    with Image.open(picture) as film:
        assert film.n_frames == 2
        assert film.size[0] % sensor[0] == film.size[1] % sensor[1] == 0


def test_a_run_that_wants_frames_is_no_stream_of_events(wide, tmp_path, capsys):
    start_run(tmp_path / "run", recipes.load("drive-spikingedn-frames"))
    assert main(["stream", str(tmp_path / "run"), str(wide)]) == USAGE
    assert "also wants frames" in capsys.readouterr().err


def test_the_demo_shows_scenes_one_after_the_other(finished, tmp_path, monkeypatch, capsys):
    def train_recipe(recipe, folder, **_):
        assert recipe.data.of == "digits"
        assert recipe.task.name == finished.config.task.name
        shutil.copytree(finished.path, folder)
        return OK

    monkeypatch.setattr("ranvier.cli.train.train_recipe", train_recipe)
    folder = tmp_path / "demo"
    for _ in range(2):
        assert main(["demo", finished.config.task.name, "--run", str(folder)]) == OK
    shown = capsys.readouterr().out
    assert f"look at    {folder / 'report.html'}" in shown
    events = open_events(folder / "recording.npz").read()
    data = datasets.build(finished.config.data, "test")
    assert len(events) == sum(len(data.events(i)) for i in range(6))
    second = events.between(300_000, 600_000)
    assert np.array_equal(replace(second, t=second.t - 300_000).t, data.events(1).t)
    with Image.open(folder / "stream.png") as film:
        assert film.n_frames == 6 * STEPS
    assert "As a stream" in (folder / "report.html").read_text()


def test_a_segmenter_of_other_channels_is_told_the_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "digits-spikingedn", "--run", str(tmp_path / "run"), "--data.bins", "4"]
    assert main(command) == USAGE
    assert "type --model.event-channels 4 --model.size 72 72" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_segmenter_without_a_path_for_frames_is_told_how_to_get_one(
    few_scenes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ranvier.data.datasets.build", lambda *_, **__: [(torch.zeros(3, 6, 128, 128), None)])
    assert main(["train", "drive-spikingedn", "--run", str(tmp_path / "run"), "--data.frames"]) == USAGE
    assert "--model.event-channels 5 --model.frame-channels 1 --model.fusion ssam" in capsys.readouterr().err


def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def without(*arguments: object) -> None:
        raise ImportError("events.h5 needs hdf5plugin to be read: type pip install 'ranvier[hdf5]'")

    monkeypatch.setattr("ranvier.data.datasets.build", without)
    assert main(["train", "digits-spikingedn", "--run", "unused"]) == USAGE
    assert capsys.readouterr().err.strip().endswith("type pip install 'ranvier[hdf5]'")
