"""The benchmark's own machinery, on sizes that take no time; what it measures is `make bench`'s to say."""

import math

import pytest
import torch

from benchmarks import lif, peers
from benchmarks.__main__ import file_name
from benchmarks.gate import WrongResult, check
from benchmarks.harness import Rounds, Settings, row, take_turns
from benchmarks.process import environment, run_in_child
from benchmarks.registry import WORKLOADS
from benchmarks.report import markdown, verdict

TINY = Settings(size="tiny", peers=False)


@pytest.mark.parametrize(
    "name",
    [
        "lif",
        "conv_net",
        "s4d",
        "wkv",
        "selective_scan",
        "attention",
        "decode_step",
        "decode_throughput",
        "overhead",
        "allocator",
    ],
)
def test_workload_measures_something(name: str) -> None:
    rows = WORKLOADS[name].run(TINY)
    assert rows
    assert all(math.isfinite(row["value"]) and row["value"] > 0 and row["unit"] for row in rows)
    assert len({(row["name"], row["column"], row["unit"]) for row in rows}) == len(rows)


def test_mosaics_are_measured_where_the_recordings_are(data_dir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANVIER_DATA", str(data_dir))
    rows = WORKLOADS["mosaic"].run(TINY)
    assert len(rows) == 5
    assert all(row["value"] > 0 for row in rows)


def test_mosaics_are_not_measured_where_they_are_not(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANVIER_DATA", str(tmp_path))
    (row,) = WORKLOADS["mosaic"].run(TINY)
    assert row["value"] is None
    assert "no nmnist recordings" in row["note"]


def test_a_wrong_kernel_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    correct = lif.lif
    monkeypatch.setattr(lif, "lif_reference", correct)
    monkeypatch.setattr(lif, "lif", lambda x: 1 - correct(x))
    with pytest.raises(WrongResult, match="lif forward"):
        lif.run(TINY)


def test_gate_sees_one_wrong_value_and_nan() -> None:
    right = torch.arange(6.0)
    check("equal", right, right.clone())
    check("close", right + 1e-6, right, rtol=1e-5)
    for wrong in (1e-3, math.nan):
        ours = right.clone()
        ours[4] += wrong
        with pytest.raises(WrongResult, match="1 of 6 values are wrong, the worst at 4"):
            check("one wrong", ours, right, rtol=1e-5)


def test_ratio_is_taken_within_each_round() -> None:
    # The machine was ten times slower in the second round; a ratio of medians would say 20.
    rounds = Rounds({"a": [2.0, 20.0, 2.0, None], "b": [1.0, 10.0, 0.1, 1.0]})
    assert rounds.ratio("a", "b") == 2.0
    assert rounds.median("a") == 2.0
    assert rounds.spread("b") == (0.1, 10.0)


def test_slow_rivals_sit_rounds_out() -> None:
    calls = {"quick": 0, "slow": 0}

    def rival(name: str) -> None:
        calls[name] += 1

    rivals = {name: lambda name=name: rival(name) for name in calls}
    rounds = take_turns(rivals, rounds=9, sample_s=0.0, slow_s=0.0)
    assert rounds.seconds["slow"][0] is not None
    assert rounds.seconds["slow"][1] is None
    assert take_turns(rivals, rounds=3, sample_s=0.0).seconds["slow"].count(None) == 0


@pytest.mark.parametrize(
    ("value", "better", "threads", "expected"),
    [(2.0, "higher", 1, True), (2.0, "lower", 1, False), (2.0, "higher", 2, None), (None, "higher", 1, False)],
)
def test_verdict(value: float | None, better: str, threads: int, expected: bool | None) -> None:
    assert verdict({"value": value, "target": 1.5, "better": better, "threads": threads}) is expected


def test_a_peer_that_fails_to_import_is_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = peers.Peer("no-such-package", lambda: __import__("no_such_package"))
    monkeypatch.setattr(peers, "PEERS", {"Absent": absent})
    rows = lif.run(Settings(size="tiny"))
    for one in rows:
        one |= {"workload": "lif", "threads": 1, "allocator": "steady", "passed": None}
    machine = {"processor": "P", "cores": 2, "memory_gib": 1, "system": "S", "kernels": "K", "commit": "C"}
    machine |= {"python": "3", "versions": {"no-such-package": None}}
    page = markdown({"date": "today", "size": "tiny", "machine": machine, "processes": []}, rows)
    assert "- lif: Absent: ModuleNotFoundError: No module named 'no_such_package'" in page
    assert "no-such-package not installed" in page
    assert "| ns per element-step | T=4 N=2^6 | T=16 N=2^6 |" in page


def test_report_says_fail_plainly() -> None:
    figure = row("speed", 2.0, "x", target=3.0) | {"workload": "w", "threads": 1, "allocator": "steady"}
    figure["passed"] = verdict(figure)
    machine = dict.fromkeys(("processor", "cores", "memory_gib", "system", "kernels", "commit", "python"), "-")
    page = markdown({"date": "today", "size": "full", "machine": machine | {"versions": {}}, "processes": []}, [figure])
    assert "| w | speed | 1 | 2 x | ≥ 3 | **FAIL** |" in page


def test_the_record_of_a_part_does_not_replace_the_record_of_all() -> None:
    about = {"machine": {"processor": "AMD EPYC", "cores": 2}, "date": "2026-11-22", "size": "full"}
    assert file_name(about, list(WORKLOADS)) == "amd-epyc-2-cores-2026-11-22"
    assert file_name(about, ["lif", "gather", "lif"]) == "amd-epyc-2-cores-2026-11-22-lif-gather"
    assert file_name(about | {"size": "quick"}, ["lif"]) == "amd-epyc-2-cores-2026-11-22-lif-quick"


def test_peer_axes_and_gain_are_undone() -> None:
    x = torch.rand(4, 2, 3)
    peer = peers.Peer("p", lambda: lambda x: x, gain=0.5, batch_first=True)
    assert peer.prepare(x).shape == (2, 4, 3)
    torch.testing.assert_close(peer.restore(peer.prepare(x)), 0.5 * x)


def test_environment_settles_allocator_and_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1")
    assert "MALLOC_TRIM_THRESHOLD_" not in environment(1, "default")
    steady = environment(2, "steady")
    assert int(steady["MALLOC_TRIM_THRESHOLD_"]) > 2**31
    assert steady["OMP_NUM_THREADS"] == "2"


def test_child_process_returns_its_rows() -> None:
    rows = run_in_child("overhead", threads=1, allocator="keep_pages", size="tiny", device="cpu", peers=False)
    assert {row["name"] for row in rows} == {"torch.clone", "kernels.lif(x, v)", "neuron(x, carry)"}
    assert all(row["workload"] == "overhead" and row["threads"] == 1 for row in rows)


def test_child_process_that_fails_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="no-such-workload failed with exit status 1"):
        run_in_child("no-such-workload", threads=1, allocator="default", size="tiny", device="cpu")
    assert "KeyError" in capfd.readouterr().err
