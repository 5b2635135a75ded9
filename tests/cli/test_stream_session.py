"""`ranvier stream` on neural recordings: sessions as if live, and bins from a port."""

import csv
import json
import re
import socket
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ranvier import models
from ranvier.cli import INTERRUPTED, OK, USAGE, main
from ranvier.cli.decoded import Decoded
from ranvier.data.neural import Counts, Session, Signal, write_npz_session
from ranvier.recipes import Sessions, load
from ranvier.run import Run, start_run
from ranvier.tasks.r2 import R2

UNITS, BINS, BIN_S, LAG = 5, 120, 0.05, 2


def made_session(path, *, units: int = UNITS, bin_s: float = BIN_S, behaviour: bool = True, missing: int | None = None):
    """A session of two pieces, 80 and 40 bins."""
    generator = np.random.default_rng(0)
    velocity = generator.normal(0, 3, (BINS, 2))
    if missing is not None:
        velocity[missing] = np.nan
    session = Session(
        name=path.stem,
        units=tuple(f"unit {i}" for i in range(units)),
        spikes=Counts(generator.poisson(1, (BINS, units)).astype(np.uint8), bin_s),
        clock=10 + bin_s * np.arange(BINS),
        behaviour={"velocity": Signal(velocity, "cm/s")},
        segment=np.repeat([0, 1], [80, 40]),
    )
    write_npz_session(path, session)
    if not behaviour:
        with np.load(path) as stored:
            kept = {name: stored[name] for name in stored.files if name != "velocity"}
        np.savez(path, **kept)
    return path, session


@pytest.fixture
def run(tmp_path) -> Run:
    recipe = load("decode-gru")
    recipe = replace(
        recipe,
        data=Sessions(root=str(tmp_path / "a.npz"), bin_ms=1000 * BIN_S, lag_ms=1000 * LAG * BIN_S, shares=(0.7, 0.1)),
        model=replace(recipe.model, in_channels=UNITS, width=16, days=1),
    )
    run = start_run(tmp_path / "run", recipe)
    torch.manual_seed(0)
    save_file(models.build(recipe.model).state_dict(), run.path / "weights.safetensors")
    return run


def pieces(run: Run, session: Session) -> list[np.ndarray]:
    """What the network says to each piece, all its bins at once."""
    assert isinstance(session.spikes, Counts)
    x = torch.from_numpy(session.spikes.counts).float().unsqueeze(1)
    with torch.no_grad():
        return [run.net()(x[session.segment == piece])[:, 0].numpy() for piece in (0, 1)]


def json_lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_session_is_decoded_piece_by_piece(run, tmp_path, capsys):
    path, session = made_session(tmp_path / "a.npz")
    assert main(["stream", str(run.path), str(path), "--json"]) == OK
    *rows, end = json_lines(capsys.readouterr().out)
    found = np.array([[row["vx"], row["vy"]] for row in rows])
    whole = pieces(run, session)
    np.testing.assert_allclose(found, np.concatenate(whole), atol=1e-5)
    assert [rows[0]["t_s"], rows[-1]["t_s"]] == [10.05, 16.0]
    assert all(row["latency_s"] > 0 for row in rows)
    r2, true = R2(), session.behaviour["velocity"].values
    for answers, moved in zip(whole, (true[:80], true[80:]), strict=True):
        r2.add(answers[:-LAG], moved[LAG:])
    assert end["r2"] == pytest.approx(r2.result()["r2"], abs=1e-4)
    assert (end["bins"], end["r2_bins"], end["missed"], end["lag_ms"]) == (BINS, BINS - 2 * LAG, 0, 100.0)
    assert 0 < end["latency_p50_s"] <= end["latency_p95_s"] <= end["latency_p99_s"] <= 1.01 * end["latency_max_s"]
    assert end["trained_on"]


def test_a_person_reads_r2_latency_and_what_was_written(run, tmp_path, capsys):
    path, _ = made_session(tmp_path / "a.npz")
    picture, table = tmp_path / "trace.png", tmp_path / "answers.csv"
    command = ["stream", str(run.path), str(path), "--split", "test", "--picture", str(picture), "--out", str(table)]
    assert main(command) == OK
    out = capsys.readouterr().out
    # The last fifth: 24 bins of the second piece, without the lag.
    assert re.search(r"R² -?\d+\.\d{3} \(by axis .*\) over 22 bins of the test split", out)
    assert "each answer is the velocity 100 ms after its bin" in out
    assert re.search(r"latency of a bin: p50 .*s, p95 .*s, p99 .*s, at most .*s, over 24 bins", out)
    assert "has learned from" not in out
    assert out.splitlines()[-2:] == [f"wrote {picture}", f"wrote {table}"]
    assert picture.read_bytes()[:4] == b"\x89PNG"
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["t_s", "vx", "vy", "latency_s"]
    assert len(rows) == 24


def test_a_session_of_the_training_is_called_one(run, tmp_path, capsys):
    path, _ = made_session(tmp_path / "a.npz")
    assert main(["stream", str(run.path), str(path)]) == OK
    assert "the run has learned from a part of this: --split test leaves that out" in capsys.readouterr().out
    other, _ = made_session(tmp_path / "b.npz")
    assert main(["stream", str(run.path), str(other)]) == OK
    assert "has learned from" not in capsys.readouterr().out


def test_recording_speed(run, tmp_path, capsys):
    path, _ = made_session(tmp_path / "a.npz")
    assert main(["stream", str(run.path), str(path), "--speed", "10", "--json"]) == OK
    end = json_lines(capsys.readouterr().out)[-1]
    assert end["largest_lag_ms"] > 0
    assert main(["stream", str(run.path), str(path), "--speed", "0"]) == USAGE
    assert "expected a speed above 0, got 0.0" in capsys.readouterr().err


def test_spikes_without_behaviour_are_decoded(run, tmp_path, capsys):
    path, session = made_session(tmp_path / "a.npz", behaviour=False)
    picture, table = tmp_path / "trace.png", tmp_path / "answers.jsonl"
    command = ["stream", str(run.path), str(path), "--json", "--picture", str(picture), "--out", str(table)]
    assert main(command) == OK
    *rows, end = json_lines(capsys.readouterr().out)
    np.testing.assert_allclose([row["vx"] for row in rows[:80]], pieces(run, session)[0][:, 0], atol=1e-5)
    assert "r2" not in end
    assert json_lines(table.read_text()) == rows
    assert picture.is_file()


def test_behaviour_that_is_missing_begins_another_piece(run, tmp_path, capsys):
    path, session = made_session(tmp_path / "a.npz", missing=30)
    assert main(["stream", str(run.path), str(path), "--json"]) == OK
    *rows, end = json_lines(capsys.readouterr().out)
    assert (len(rows), end["r2_bins"]) == (BINS - 1, BINS - 1 - 3 * LAG)
    np.testing.assert_allclose(rows[29]["vx"], pieces(run, session)[0][29, 0], atol=1e-5)


def test_an_interrupt_keeps_what_was_answered(run, tmp_path, monkeypatch, capsys):
    path, _ = made_session(tmp_path / "a.npz")
    add, seen = Decoded.add, []

    def interrupted(self, *arguments):
        seen.append(arguments)
        if len(seen) == 4:
            raise KeyboardInterrupt
        add(self, *arguments)

    monkeypatch.setattr(Decoded, "add", interrupted)
    picture = tmp_path / "trace.png"
    assert main(["stream", str(run.path), str(path), "--json", "--picture", str(picture)]) == INTERRUPTED
    assert json_lines(capsys.readouterr().out)[-1]["bins"] == 3
    assert picture.is_file()


def test_a_rig_behind_a_port(run, tmp_path):
    """As a user would: a process that listens, and a client that sends bins and reads velocities."""
    _, session = made_session(tmp_path / "a.npz")
    command = [sys.executable, "-m", "ranvier.cli", "stream", str(run.path), "tcp:0", "--reply"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = re.match(r"listening at tcp://127\.0\.0\.1:(\d+) for lines of 5 counts", process.stdout.readline())
        assert port
        with socket.create_connection(("127.0.0.1", int(port[1])), timeout=20) as client, client.makefile("rw") as rig:
            answers = []
            for counts in session.spikes.counts[:80]:
                print(*counts, file=rig, flush=True)
                answers.append([float(number) for number in rig.readline().split()])
            print("what?", file=rig, flush=True)
            assert len(rig.readline().split()) == 2
        out = process.stdout.read()
    assert process.returncode == OK
    np.testing.assert_allclose(answers, pieces(run, session)[0], atol=1e-5)
    assert "over 81 bins" in out
    assert "1 bins never came" in out
    assert "1 lines made no sense, the last one line 81: expected 5 counts, got 1" in out


def test_each_client_is_a_recording_of_its_own(run, monkeypatch, capsys):
    from ranvier.cli import stream_session

    opened = []

    def listening(*arguments, **options):
        bins = open_tcp(*arguments, **options)
        opened.append(bins)
        threading.Thread(target=rig, args=(bins,)).start()
        return bins

    def rig(bins) -> None:
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", int(bins.address.rpartition(":")[2]))) as client:
                client.sendall(b"1 0 2 0 1\n")
                client.recv(100)
        bins.close()

    open_tcp = stream_session.open_tcp
    monkeypatch.setattr(stream_session, "open_tcp", listening)
    assert main(["stream", str(run.path), "tcp:0", "--keep", "--reply", "--json"]) == OK
    begin, first, second, end = json_lines(capsys.readouterr().out)
    assert begin == {"listening": opened[0].address}
    assert first["vx"] == second["vx"]
    assert first["t_s"] == second["t_s"] == 0.05
    assert end["clients"] == 2


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"units": 4}, "a has 4 units, .*run decodes 5: choose a session recorded with the same array, or train on"),
        ({"bin_s": 0.1}, "run decodes bins of 50 ms: .* use --data.bin-ms 100 or another .* in a training of its own"),
    ],
)
def test_sessions_that_the_run_cannot_decode(run, tmp_path, capsys, settings, said):
    path, _ = made_session(tmp_path / "a.npz", **settings)
    assert main(["stream", str(run.path), str(path)]) == USAGE
    assert re.search(said, capsys.readouterr().err)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["tcp:0", "--speed", "1"], "--speed and --split are for sessions"),
        (["a.npz", "--reply"], "--reply and --keep are for a port: type tcp:7777"),
        (["a.npz", "--out", "a.txt"], "expected --out FILE.csv or FILE.jsonl, got a.txt"),
        (["a.npz", "--day", "3"], "expected a day from 0 to 0, got 3"),
        (["absent.npz"], "absent.npz: no such file"),
        (["tcp:nowhere"], "expected an address such as tcp:7777"),
    ],
)
def test_options_that_make_no_sense(run, tmp_path, monkeypatch, capsys, options, said):
    made_session(tmp_path / "a.npz")
    monkeypatch.chdir(tmp_path)
    assert main(["stream", str(run.path), *options]) == USAGE
    assert said in capsys.readouterr().err
