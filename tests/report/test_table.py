"""Which runs are a row, which rows a table, and what stands in it."""

import json
import shutil
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ranvier.audit import audit
from ranvier.recipes import Expected, Recipe
from ranvier.recipes.saved import to_plain
from ranvier.report.compare import Row, compare, distinct
from ranvier.report.table import Table, latex, markdown, table
from ranvier.run import Run, open_run, write_json
from ranvier.samples import held_out

Copy = Callable[..., Run]


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """A copy of a finished run with another recipe and another result; the weights are the same."""

    def make(run: Run, name: str, recipe: Recipe, **result: object) -> Run:
        shutil.copytree(run.path, tmp_path / name)
        write_json(tmp_path / name / "config.json", {"config": to_plain(recipe)})
        write_json(tmp_path / name / "result.json", run.result | result)
        return open_run(tmp_path / name)

    return make


def train(recipe: Recipe, **changes: object) -> Recipe:
    return replace(recipe, train=replace(recipe.train, **changes))


def test_runs_that_differ_in_the_seed_are_one_row(finished_run: Run, copy: Copy) -> None:
    recipe = finished_run.config
    seeds = [copy(finished_run, f"s{k}", train(recipe, seed=k), accuracy=a) for k, a in enumerate((0.8, 0.9, 0.85))]
    elsewhere = replace(recipe, data=replace(recipe.data, seed=7, root="/elsewhere"), expected=Expected(0.9, "a paper"))
    more = copy(finished_run, "more", elsewhere, accuracy=0.85)
    fast = copy(finished_run, "fast", train(recipe, lr=0.5, seed=1), accuracy=0.7)
    ((row, other),) = compare([*seeds, more, fast], samples=0)
    assert row.runs == (*seeds, more)
    assert row.mean == pytest.approx(0.85)
    assert row.sd == pytest.approx(statistics.stdev((0.8, 0.9, 0.85, 0.85)))
    assert (dict(row.settings), dict(other.settings)) == ({"train.lr": recipe.train.lr}, {"train.lr": 0.5})
    assert (other.runs, other.sd) == ((fast,), None)


def test_a_seed_counts_once(finished_run: Run, copy: Copy) -> None:
    again = copy(finished_run, "again", train(finished_run.config, checkpoint_every=7))
    other = copy(finished_run, "other", train(finished_run.config, seed=9))
    assert distinct([finished_run, again, other]) == ([finished_run, other], [(again, finished_run)])


def test_recipes_are_told_apart_by_name_and_tasks_by_table(
    finished_run: Run, finished_listener: Run, copy: Copy
) -> None:
    recipe = finished_run.config
    larger = replace(recipe, name="larger", model=replace(recipe.model, channels=(9, 9)))
    slow = train(larger, lr=1e-4)
    runs = [finished_run, finished_listener, copy(finished_run, "a", larger), copy(finished_run, "b", slow)]
    events, sounds = compare(runs, samples=0)
    assert [dict(row.settings) for row in events] == [
        {"recipe": recipe.name, "train.lr": recipe.train.lr},
        {"recipe": "larger", "train.lr": recipe.train.lr},
        {"recipe": "larger", "train.lr": 1e-4},
    ]
    assert [dict(row.settings) for row in sounds] == [{"recipe": "spoken-digits"}]


def test_what_it_costs_is_what_the_audit_says(finished_run: Run) -> None:
    row = Row((finished_run,), samples=5)
    cost = audit(finished_run.net(), held_out(finished_run, count=5).x)
    found, neurons = finished_run.result["firing_rate"], {n.name: n.neurons for n in cost.neurons}
    weighted = sum(rate * neurons[name] for name, rate in found.items()) / sum(neurons[name] for name in found)
    assert 0 < weighted < 1
    assert row.firing_rate == pytest.approx(weighted)
    assert row.cost is not None
    assert row.cost.energy_pj == pytest.approx(cost.energy_pj * cost.steps)
    assert (row.cost.ann_energy_pj, row.cost.ann_pass_pj) == (cost.ann_energy_pj * cost.steps, cost.ann_energy_pj)
    assert row.parameters == cost.parameters
    assert json.loads(json.dumps(row.as_dict()))["energy_pj"] == row.cost.energy_pj


def test_a_recording_is_as_long_as_it_is_without_padding(finished_listener: Run) -> None:
    row = Row((finished_listener,), samples=6)
    batch = held_out(finished_listener, count=6)
    assert row.cost is not None
    assert row.cost.steps == pytest.approx(sum(batch.lengths.tolist()) / 6)
    assert row.cost.steps < len(batch.x)
    assert row.cost.ann_pass_pj is None


def test_every_number_has_its_column(finished_run: Run, copy: Copy) -> None:
    recipe = finished_run.config
    expected = {"value": 0.9765, "source": "a paper"}
    runs = [
        copy(finished_run, "a", recipe, accuracy=0.8, expected=expected),
        copy(finished_run, "b", train(recipe, seed=1), accuracy=0.9),
        copy(finished_run, "c", train(recipe, lr=0.5), accuracy=0.123456, firing_rate={}),
    ]
    (rows,) = compare(runs, samples=2)
    shown = table(rows, more={"time": ["1 s", "2 s"]})
    lines = [dict(zip(shown.heads, cells, strict=True)) for cells in shown.cells]
    assert (shown.title, shown.names) == (f"accuracy on {recipe.data.name}", 1)
    assert lines[0]["train.lr"] == f"{recipe.train.lr:g}"
    assert (lines[0]["accuracy, % ↑"], lines[0]["runs"], lines[0]["expected"]) == ("85.00 ± 7.07", "2", "97.65")
    assert (lines[1]["accuracy, % ↑"], lines[1]["runs"], lines[1]["expected"]) == ("12.35", "1", "—")
    assert lines[0]["firing, %"] == f"{100 * rows[0].firing_rate:.1f}"
    assert (lines[1]["firing, %"], lines[1]["time"]) == ("—", "2 s")
    assert all(line["energy"].endswith("J") and line["ANN, one pass"].endswith("J") for line in lines)
    assert "Expected: 97.65 a paper" in shown.notes
    without = table(compare(runs[2:], samples=0)[0])
    assert without.heads == ("recipe", "accuracy, % ↑", "runs", "parameters")
    assert without.notes == ()


def test_long_lists_that_say_nothing_new_go_into_a_note(finished_detector: Run, copy: Copy) -> None:
    recipe = finished_detector.config
    swapped = replace(recipe, model=replace(recipe.model, anchors=recipe.model.anchors[::-1]))  # type: ignore[union-attr]
    renamed = train(swapped, lr=0.5)
    (lists,) = compare([finished_detector, copy(finished_detector, "a", swapped)], samples=0)
    (both,) = compare([finished_detector, copy(finished_detector, "b", renamed)], samples=0)
    assert table(lists).heads[0] == "model.anchors"
    assert table(both).heads[:2] == ("train.lr", "mAP50, % ↑")
    assert "With these differ model.anchors" in table(both).notes


def test_a_score_that_falls_is_no_percentage(finished_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(finished_run.config.task), "percent", False)
    monkeypatch.setattr(type(finished_run.config.task), "lower_is_better", True)
    shown = table([Row((finished_run,), {"recipe": "mine"}, samples=0)])
    assert shown.heads[1] == "accuracy ↓"
    assert shown.cells[0][1] == f"{finished_run.result['accuracy']:.2f}"


SMALL = Table(
    "mIoU on drive",
    ("a|b", "mIoU, % ↑"),
    (("no_reset", "81.00 ± 0.25"), ("50 µJ & more", "—")),
    1,
    ("Mean ± standard deviation",),
)


def test_markdown() -> None:
    assert markdown(SMALL) == (
        "**mIoU on drive**\n"
        "\n"
        "| a\\|b         |    mIoU, % ↑ |\n"
        "| ------------ | -----------: |\n"
        "| no_reset     | 81.00 ± 0.25 |\n"
        "| 50 µJ & more |            — |\n"
        "\n"
        "Mean ± standard deviation.\n"
    )


def test_latex() -> None:
    assert latex(SMALL).splitlines() == [
        r"% \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        r"\caption{mIoU on drive. Mean $\pm$ standard deviation.}",
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"a|b & mIoU, \% $\uparrow$ \\",
        r"\midrule",
        r"no\_reset & 81.00 $\pm$ 0.25 \\",
        r"50 \textmu{}J \& more & --- \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
