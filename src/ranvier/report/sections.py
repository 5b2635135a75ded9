"""The sections that a report has for every task; each function returns HTML."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ranvier import plot
from ranvier.audit import Audit, table
from ranvier.quantity import count, energy
from ranvier.recipes import Recipe, Task
from ranvier.recipes.saved import leaves, to_plain
from ranvier.report import page
from ranvier.report.figures import png, svg
from ranvier.run import STREAM, Run


def summary(result: Mapping[str, Any], task: Task, cost: Audit, *, note: str) -> str:
    """Four numbers: the score beside the expected one, recordings (with `note` below), firing or products, energy."""
    score, expected, mark, said = result[task.metric], result.get("expected"), None, "no number was expected"
    if expected:
        mark, said = expected["value"], f"expected {task.shown(expected['value'])}, {expected['source']}"
    joule, unit = energy(cost.energy_pj * cost.steps).split()
    ann = f"as an ANN {energy(cost.ann_energy_pj)} in one pass, {energy(cost.ann_energy_pj * cost.steps)} on every step"
    if cost.is_ann:
        ann = "every layer multiplies"
    name, meter = f"{task.metric_name}, held out", page.meter(score, mark) if task.percent else ""
    value, _, unit_of_score = task.shown(score).partition(" ")
    fired = page.tile(
        "neurons that fire", f"{100 * cost.firing_rate:.1f}", "% a step", f"of {cost.spiking:,.0f} neurons"
    )
    tiles = (
        page.tile(name, value, unit_of_score, said, lead=True, extra=meter),
        page.tile("recordings tested", f"{result['samples']:,}", "", note),
        fired if cost.spiking else page.tile("multiplications", count(cost.macs), "a step", "and no neuron that fires"),
        page.tile("energy of a recording", joule, unit, ann),
    )
    return f'<div class="tiles">{"".join(tiles)}</div>'


def streamed(run: Run) -> list[str]:
    """The moving picture in the run's folder, if `ranvier stream` was asked for one there."""
    path = run.path / STREAM
    if not path.exists():
        return []
    moving = page.figure(png(path.read_bytes()), "a stream of events and what was found in it", "in real time")
    text = "A recording as a camera would send it: the network saw one time step after the other and kept its memory."
    return [page.section("As a stream", text, page.columns(moving))]


def learning(metrics: Sequence[Mapping[str, Any]], result: Mapping[str, Any], task: Task) -> str:
    """Loss and score over the epochs, and what was reached in the end on held-out recordings."""
    last = max((row["epoch"] for row in metrics), default=0)
    reached = {"epoch": last, "split": "test", "loss": result["loss"], task.metric: result[task.metric]}
    metrics = [*metrics, reached]

    def picture(key: str) -> str:
        return svg(lambda figure: plot.curves(figure.subplots(), metrics, key), width=5.2, height=3)

    return page.section(
        "How it learned",
        "Means over each epoch; the point is the held-out recordings, seen once at the end.",
        page.columns(page.card(picture("loss"), "Loss"), page.card(picture(task.metric), task.metric_name)),
    )


def costs(cost: Audit, firing_rates: Mapping[str, float]) -> str:
    """Energy of each layer beside the ANN, firing rates, and the table behind them."""
    names = table.short(layer.name for layer in cost.layers)
    here = {names[layer.name]: layer.energy_pj / 1000 for layer in cost.layers}
    ann = {names[layer.name]: layer.ann_energy_pj / 1000 for layer in cost.layers}
    names = table.short(firing_rates)
    rates = {names[name]: 100 * rate for name, rate in firing_rates.items()}
    height = 0.7 + 0.42 * max(len(here), len(rates))
    bars = svg(lambda figure: plot.bars(figure.subplots(), here, unit="nJ", other=ann), width=5.2, height=height)
    cards = [page.card(bars, "Energy of a step: this network (amber), as an ANN (blue)")]
    if rates:
        firing = svg(lambda figure: plot.bars(figure.subplots(), rates, unit="%"), width=5.2, height=height)
        cards.append(page.card(firing, "Neurons that fire in a step, all held-out recordings"))
    uncounted = f" Not counted: {', '.join(cost.uncounted)}." if cost.uncounted else ""
    return page.section(
        "What it costs",
        f"A step of one recording, at {cost.energy.mac} pJ for a multiply-accumulate and {cost.energy.accumulate} pJ "
        "for an accumulate (32-bit floats in 45 nm, Horowitz 2014). A layer with binary input only adds the weights of "
        f"the inputs that fired. The update of the membranes, one MAC each, would add {energy(cost.membrane_pj)}; "
        f"published tables leave it out.{uncounted}",
        page.columns(*cards),
        page.card(_cost_table(cost)),
    )


def _cost_table(cost: Audit) -> str:
    head = [f"#{name}" if i in table.NUMBERS else name for i, name in enumerate(table.HEADS)]
    cells = (
        (f"<code>{escape(name)}</code>", *between, f'<span class="free">{way}</span>' if way == "only adds" else way)
        for name, *between, way in table.rows(cost)
    )
    return page.table(head, cells, total=table.total(cost))


def settings(recipe: Recipe, environment: Mapping[str, Any]) -> str:
    """Every leaf of the recipe, and the machine."""
    return page.section(
        "How to repeat it",
        "Every setting of the recipe, and the machine of the latest start.",
        page.columns(
            page.card(page.table(("setting", "value"), _settings(to_plain(recipe))), "Recipe"),
            page.card(page.table(("", ""), _settings(environment)), "Environment"),
        ),
    )


def _settings(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for name, value in leaves(values).items():
        shown = " ".join(map(str, value)) if isinstance(value, list) else str(value)
        rows.append((f"<code>{escape(name)}</code>", f"<code>{escape(shown)}</code>"))
    return rows
