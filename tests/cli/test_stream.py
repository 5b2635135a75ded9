"""`ranvier stream`: how it is ended, what it says about its source, and what it refuses."""

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from ranvier import models
from ranvier.cli import INTERRUPTED, OK, USAGE, main
from ranvier.cli.answers import Labels, Objects
from ranvier.cli.options import print_json
from ranvier.data.events import Events
from ranvier.data.formats import open_events, write_npz
from ranvier.data.letterbox import Letterbox
from ranvier.data.live import Live
from ranvier.data.representations import stack
from ranvier.data.udp import ROW
from ranvier.layers.anchors import detect
from ranvier.recipes import Data, NCars, Prophesee
from ranvier.run import Run, start_run
from ranvier.stream import Pace, StreamStep, detection_rows

SENSOR = (34, 34)


@pytest.fixture
def recording(finished_run: Run) -> Path:
    """A held-out recording of the finished run."""
    return Path(str(finished_run.config.data.root)) / "Train" / "0" / "00001.bin"


def rows(count: int, *, start: int = 5_000_000, span: int = 300_000, seed: int = 0) -> np.ndarray:
    """Random events as a camera hands them out."""
    generator = np.random.default_rng(seed)
    rows = np.empty(count, ROW)
    rows["t"] = start + np.sort(generator.integers(0, span, count))
    rows["x"], rows["y"], rows["on"] = (generator.integers(0, high, count) for high in (*SENSOR, 2))
    return rows


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Live]:
    """Let `camera` be one that hands out these packets."""

    def made(*packets: np.ndarray) -> Live:
        closed = threading.Event()
        live = Live("camera", SENSOR, iter(packets), closed.set)
        live.closed = closed  # type: ignore[attr-defined]
        monkeypatch.setattr("ranvier.data.live.open_live", lambda *_, **__: live)
        return live

    return made


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_line_of_json_leaves_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(pipe)))  # type: ignore[arg-type]
    print_json({"t_us": 1})
    assert json.loads(pipe.getvalue()) == {"t_us": 1}


def interrupt_third(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the third chunk is drawn."""
    draw, seen = Labels.draw, []

    def interrupted(self, step):
        seen.append(step)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return draw(self, step)

    monkeypatch.setattr(Labels, "draw", interrupted)


@pytest.mark.parametrize("json_lines", [True, False])
def test_an_interrupted_recording_keeps_what_was_answered(
    finished_run, recording, tmp_path, monkeypatch, capsys, json_lines
):
    interrupt_third(monkeypatch)
    picture = tmp_path / "film.gif"
    command = ["stream", str(finished_run.path), str(recording), "--picture", str(picture)]
    assert main([*command, *["--json"] * json_lines]) == INTERRUPTED
    shown = capsys.readouterr()
    assert shown.err == "ranvier: interrupted\n"
    if json_lines:
        *answers, end = lines(shown.out)
        assert len(answers) == end["chunks"] == 2
    else:
        assert "over 2 chunks" in shown.out
        assert shown.out.splitlines()[-1] == f"wrote {picture}"
    with Image.open(picture) as film:
        assert film.n_frames == 2


def test_an_interrupt_is_how_a_camera_ends(finished_run, camera, tmp_path, monkeypatch, capsys):
    interrupt_third(monkeypatch)
    live = camera(rows(3000))
    command = ["stream", str(finished_run.path), "camera", "--picture", str(tmp_path / "film.png"), "--json"]
    assert main(command) == OK
    assert lines(capsys.readouterr().out)[-1]["chunks"] == 2
    assert live.closed.is_set()  # type: ignore[attr-defined]
    with Image.open(tmp_path / "film.png") as film:
        assert film.n_frames == 2


def test_an_interrupt_before_the_first_answer_leaves_nothing(finished_run, camera, tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Labels, "take", interrupted)
    live = camera(rows(3000))
    command = ["stream", str(finished_run.path), "camera", "--picture", str(tmp_path / "film.png"), "--json"]
    assert main(command) == INTERRUPTED
    assert capsys.readouterr().out == ""
    assert live.closed.is_set()  # type: ignore[attr-defined]
    assert not list(tmp_path.iterdir())


def test_ctrl_c_ends_a_network_source(finished_run, tmp_path):
    """As it is typed: a process, a signal, a pipe, and a sender that goes on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    picture = tmp_path / "film.gif"
    code = "import sys; from ranvier.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "stream", str(finished_run.path), f"udp://127.0.0.1:{port}"]
    options = ["--sensor", "34", "34", "--steps", "0", "--picture", str(picture), "--json"]
    ended = threading.Event()

    def send():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            start = 0
            while not ended.wait(0.01):
                sender.sendto(rows(100, start=start, span=10_000).tobytes(), ("127.0.0.1", port))
                start += 10_000

    sender = threading.Thread(target=send)
    sender.start()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*command, *options], env=os.environ | {"OMP_NUM_THREADS": "1"}, **pipes) as process:  # type: ignore[call-overload]
        try:
            # A line for each chunk arrives while the stream goes on.
            early = [json.loads(process.stdout.readline()) for _ in range(2)]
            process.send_signal(signal.SIGINT)
            rest, complaint = process.communicate(timeout=60)
        finally:
            process.kill()
            ended.set()
            sender.join()
    assert process.returncode == OK, complaint
    *answers, end = early + lines(rest)
    # The signal may come between a picture, its count and its line.
    assert end["chunks"] - len(answers) in (0, 1)
    with Image.open(picture) as film:
        assert film.n_frames - end["chunks"] in (0, 1)


WIDE = (150, 70)


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """Random events of 200 ms on a sensor that no network here was trained for."""
    generator = np.random.default_rng(0)
    x, y, polarity = (generator.integers(0, high, 6000) for high in (*WIDE, 2))
    write_npz(tmp_path / "wide.npz", Events.of(np.sort(generator.integers(0, 200_000, 6000)), x, y, polarity, WIDE))
    return tmp_path / "wide.npz"


def learned_from(run: Run, folder: Path, data: Data) -> Run:
    """The network of a run, as if it had learned from another data set."""
    begun = start_run(folder, replace(run.config, data=data))
    shutil.copy(run.path / "weights.safetensors", folder)
    return begun


def test_a_letterboxed_detector_sees_what_it_learned_from(finished_detector, wide, tmp_path, capsys):
    learned = finished_detector.config.data
    data = Prophesee(
        classes=finished_detector.config.task.classes,
        size=(64, 96),
        window_us=100_000,
        stacking=learned.stacking,
        bins=learned.bins,
    )
    run = learned_from(finished_detector, tmp_path / "run", data)
    picture = tmp_path / "film.png"
    command = ["stream", str(run.path), str(wide), "--score", "0.06", "--picture", str(picture), "--json"]
    assert main([*command, "--chunk", "2"]) == OK
    answer, end = lines(capsys.readouterr().out)

    box = Letterbox(sensor=WIDE, size=data.size)
    x = stack(open_events(wide).read(), stacking="sbt", window_us=100_000, steps=2, start=0, bins=data.bins)
    net = run.net()
    with torch.inference_mode():
        y = net(box.image(x).unsqueeze(1))[-1]
    (found,) = detect(y, net.grid(*data.size), score=0.06, nms_iou=run.config.task.nms_iou)
    rows = detection_rows(200_000, box.undo(found.xywh), *found[1:], classes=run.config.task.classes)
    rows = [row for row in rows if row["width"] > 0 and row["height"] > 0]
    assert len(rows) > 5
    assert answer["detections"] == rows
    assert max(row["x"] + row["width"] for row in rows) > data.size[1]
    assert end["detections"] == len(rows)
    with Image.open(picture) as film:
        assert film.size == (WIDE[0] * 4, WIDE[1] * 4)


@pytest.mark.parametrize("sensor", [(40, 20), (20, 40), (64, 40), (128, 96), (150, 70)])
def test_a_letterboxed_picture_is_seen_where_it_was(finished_detector, sensor):
    width, height = sensor
    image = torch.arange(1.0, height * width + 1).view(height, width)
    box = Letterbox(sensor=sensor, size=(64, 64))
    seen = box.image(image)
    shown = Objects(finished_detector.config, nn.Identity(), sensor, box, 0.3, Pace()).on_sensor(seen)
    # What the network saw comes back to its place; what it did not see is filled from its neighbours.
    kept = torch.isin(image, seen)
    assert torch.equal(shown[kept], image[kept])
    assert torch.isin(shown, seen[seen > 0]).all()
    assert kept.all() == (max(sensor) <= 64)


def test_a_letterboxed_classifier_takes_any_sensor(finished_run, wide, tmp_path, capsys):
    data = NCars(size=(34, 34), steps=4, window_us=50_000)
    model = replace(finished_run.config.model, in_channels=1)
    run = start_run(tmp_path / "run", replace(finished_run.config, data=data, model=model))
    torch.manual_seed(0)
    save_file(models.build(model).state_dict(), run.path / "weights.safetensors")
    assert main(["stream", str(run.path), str(wide), "--json"]) == OK
    end = lines(capsys.readouterr().out)[-1]
    x = stack(open_events(wide).read(), stacking="last", window_us=50_000, steps=4, start=0)
    with torch.inference_mode():
        whole = run.net()(Letterbox(sensor=WIDE, size=data.size).image(x).unsqueeze(1)).mean(0)[0].softmax(-1)
    assert end["probability"] == pytest.approx(float(whole.max()), abs=1e-6)
    assert end["label"] == str(int(whole.argmax()))


def test_chunks_of_equally_many_events(finished_detector, wide, tmp_path, capsys):
    """They have no width in time: 6000 events of 200 ms are two and a half chunks of 2400."""
    data = replace(finished_detector.config.data, stacking="sbn", events_per_bin=2400 // 2 // 5, window_us=999_000)
    assert data.bins == 5
    run = learned_from(finished_detector, tmp_path / "run", data)
    command = ["stream", str(run.path), str(wide), "--chunk", "2", "--score", "0.99"]
    assert main(command) == OK
    assert "latency of a chunk of 2400 events: p50" in capsys.readouterr().out
    assert main([*command, "--json"]) == OK
    *answers, end = lines(capsys.readouterr().out)
    t = open_events(wide).read().t
    assert [answer["t_us"] for answer in answers] == [int(t[i]) + 1 for i in (2399, 4799, 5999)]
    assert (end["chunks"], end["windows"]) == (3, 5)


def test_the_clock_begins_with_the_first_window(finished_run):
    """Whatever a recipe says of the width of a window, which chunks of equally many events do not have."""
    answers = Labels(finished_run.config, nn.Identity(), SENSOR, None, 0.3, Pace(start_us=7_000))

    def step(t_us: int, label: int) -> StreamStep:
        answer = torch.nn.functional.one_hot(torch.tensor([label]), 10).float()
        return StreamStep(t_us, torch.zeros(1, 1, 2, 34, 34), answer[None], answer, 0.001)

    steps = [step(9_000, 3), step(12_000, 3), step(17_000, 8)]
    for one in steps:
        answers.take(one)
    assert [answers.time(one) for one in steps] == ["2 ms", "5 ms", "10 ms"]
    assert [line.split("  [")[0].split() for line in answers.sentences()][:2] == [
        ["0", "to", "5", "ms"],
        ["5", "to", "10", "ms"],
    ]
    # Only changes are kept: a stream may go on for days.
    assert answers.stretches == [(7_000, 12_000, "3"), (12_000, 17_000, "8")]


def test_a_source_without_an_event_is_named(finished_run, camera, tmp_path, capsys):
    for options in ([], ["--picture", str(tmp_path / "film.png")]):
        camera(rows(0))
        assert main(["stream", str(finished_run.path), "camera", "--steps", "0", *options]) == USAGE
        assert capsys.readouterr().err == "ranvier: camera: no events arrived\n"
    assert not list(tmp_path.iterdir())


def test_events_that_were_left_out_are_told(finished_run, camera, capsys):
    first, second = rows(1000, span=100_000), rows(1000, start=5_200_000, span=100_000)
    stray, late = rows(1, start=900_000_000), rows(7, start=5_150_000, span=10)
    command = ["stream", str(finished_run.path), "camera"]
    camera(first, stray, second, late)
    assert main([*command, "--json"]) == OK
    end = lines(capsys.readouterr().out)[-1]
    assert (end["late"], end["stray"]) == (7, 1)
    camera(first, stray, second, late)
    assert main(command) == OK
    assert "7 events left out that came after later ones, 1 with a time far ahead" in capsys.readouterr().out
    camera(first, second)
    assert main(command) == OK
    assert "left out" not in capsys.readouterr().out


def test_options_that_would_do_nothing_are_refused(finished_run, recording, camera, capsys):
    command = ["stream", str(finished_run.path)]
    assert main([*command, str(recording), "--policy", "drop"]) == USAGE
    assert "--policy needs --speed for a recording" in capsys.readouterr().err
    live = camera(rows(100))
    assert main([*command, "camera", "--speed", "2"]) == USAGE
    assert "--speed is for recordings" in capsys.readouterr().err
    assert live.closed.is_set()  # type: ignore[attr-defined]


def test_a_picture_that_cannot_be_written_is_told_before_the_network_is_loaded(
    finished_run, recording, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(Run, "net", lambda *_, **__: pytest.fail("loaded"))
    picture = tmp_path / "nowhere" / "film.gif"
    assert main(["stream", str(finished_run.path), str(recording), "--picture", str(picture)]) == USAGE
    assert capsys.readouterr().err == f"ranvier: {picture}: No such file or directory\n"
