"""The sections of a report, in the order in which they are read; each function returns HTML."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ranvier import plot
from ranvier.audit import Audit, table
from ranvier.quantity import energy
from ranvier.recipes import Recipe
from ranvier.recipes.saved import to_plain
from ranvier.report import page
from ranvier.report.figures import png, step_by_step, svg
from ranvier.report.samples import Samples, busiest


def summary(result: Mapping[str, Any], cost: Audit) -> str:
    """Four numbers: accuracy beside the expected one, recordings, firing, energy."""
    expected, mark, note = result.get("expected"), None, "no number was expected"
    if expected:
        mark, note = expected["value"], f"expected {100 * expected['value']:.1f} %, {expected['source']}"
    tested = sum(map(sum, result["confusion"]))
    wrong = round(tested * (1 - result["accuracy"]))
    spiking = [(neuron.neurons, neuron.firing_rate) for neuron in cost.neurons if neuron.firing_rate is not None]
    neurons = sum(number for number, _ in spiking)
    rate = sum(number * rate for number, rate in spiking) / max(neurons, 1)
    joule, unit = energy(cost.energy_pj * cost.steps).split()
    ann = f"as an ANN {energy(cost.ann_energy_pj)} in one pass, {energy(cost.ann_energy_pj * cost.steps)} on every step"
    accuracy = f"{100 * result['accuracy']:.1f}"
    tiles = (
        page.tile("accuracy, held out", accuracy, "%", note, lead=True, extra=page.meter(result["accuracy"], mark)),
        page.tile("recordings tested", f"{tested:,}", "", f"{wrong} answered wrongly"),
        page.tile("neurons that fire", f"{100 * rate:.1f}", "% a step", f"of {neurons:,.0f} neurons"),
        page.tile("energy of a recording", joule, unit, ann),
    )
    return f'<div class="tiles">{"".join(tiles)}</div>'


def recordings(samples: Samples, classes: Sequence[str]) -> str:
    """Frames of several recordings with the answers."""
    cards = []
    for i in samples.to_show():
        true, answer = escape(classes[int(samples.labels[i])]), escape(classes[int(samples.predicted[i])])
        mistake = f", <em>but it is {true}</em>" if true != answer else ""
        cards.append(
            f"<figure{' class=wrong' if mistake else ''}>"
            f'<img alt="events of a recording of {true}" src="{png(busiest(samples.x[:, i]))}">'
            f"<figcaption>answer <strong>{answer}</strong>{mistake}</figcaption></figure>"
        )
    return page.section(
        "What the camera saw",
        "Held-out recordings, each in the step with the most events: amber where a pixel grew brighter, blue where it "
        "grew darker. A mistake is framed, if there was one among the recordings looked at.",
        f'<div class="samples">{"".join(cards)}</div>',
    )


def one_recording(samples: Samples, classes: Sequence[str], step_ms: float) -> str:
    """Events, spikes and answer of one recording over time."""
    i = samples.hardest()
    spikes = {name: fired[:, i] for name, fired in samples.spikes.items()}
    return page.section(
        "What the network said",
        f"One recording of {classes[int(samples.labels[i])]}, from left to right in time: the events of each step, the "
        "spikes of a few neurons of each layer, and the probability of each class by what was seen so far.",
        page.card(step_by_step(samples.x[:, i], spikes, samples.logits[:, i], classes, step_ms=step_ms)),
    )


def learning(metrics: Sequence[Mapping[str, Any]], result: Mapping[str, Any]) -> str:
    """Loss and accuracy over the epochs, and what was reached in the end on held-out recordings."""
    last = max((row["epoch"] for row in metrics), default=0)
    metrics = [*metrics, {"epoch": last, "split": "test", "loss": result["loss"], "accuracy": result["accuracy"]}]

    def picture(key: str) -> str:
        return svg(lambda figure: plot.curves(figure.subplots(), metrics, key), width=5.2, height=3)

    return page.section(
        "How it learned",
        "Means over each epoch; the point is the held-out recordings, seen once at the end.",
        page.columns(page.card(picture("loss"), "Loss"), page.card(picture("accuracy"), "Accuracy")),
    )


def mistakes(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> str:
    """Confusion matrix, and how much of each class was found."""
    found = {
        name: 100 * row[k] / max(sum(row), 1) for k, (name, row) in enumerate(zip(classes, confusion, strict=True))
    }
    side = 1.6 + 0.34 * len(classes)
    matrix = svg(lambda figure: plot.confusion(figure.subplots(), confusion, classes), width=side, height=side)
    shares = svg(lambda figure: plot.bars(figure.subplots(), found, unit="%"), width=side, height=side)
    return page.section(
        "Where it errs",
        "How often each class was taken for which (the diagonal is right), and the share of each class that was found.",
        page.columns(page.card(matrix, "What was taken for what"), page.card(shares, "Share of each class found")),
    )


def costs(cost: Audit, firing_rates: Mapping[str, float]) -> str:
    """Energy of each layer beside the ANN, firing rates, and the table behind them."""
    here = {layer.name: layer.energy_pj / 1000 for layer in cost.layers}
    ann = {layer.name: layer.ann_energy_pj / 1000 for layer in cost.layers}
    rates = {name: 100 * rate for name, rate in firing_rates.items()}
    height = 0.7 + 0.42 * max(len(here), len(rates))
    bars = svg(lambda figure: plot.bars(figure.subplots(), here, unit="nJ", other=ann), width=5.2, height=height)
    firing = svg(lambda figure: plot.bars(figure.subplots(), rates, unit="%"), width=5.2, height=height)
    uncounted = f" Not counted: {', '.join(cost.uncounted)}." if cost.uncounted else ""
    return page.section(
        "What it costs",
        f"A step of one recording, at {cost.energy.mac} pJ for a multiply-accumulate and {cost.energy.accumulate} pJ "
        "for an accumulate (32-bit floats in 45 nm, Horowitz 2014). A layer with binary input only adds the weights of "
        f"the inputs that fired. The update of the membranes, one MAC each, would add {energy(cost.membrane_pj)}; "
        f"published tables leave it out.{uncounted}",
        page.columns(
            page.card(bars, "Energy of a step: this network (amber), as an ANN (blue)"),
            page.card(firing, "Neurons that fire in a step, all held-out recordings"),
        ),
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
            page.card(page.table(("setting", "value"), _leaves(to_plain(recipe))), "Recipe"),
            page.card(page.table(("", ""), _leaves(environment)), "Environment"),
        ),
    )


def _leaves(values: Mapping[str, Any], *, where: str = "") -> list[tuple[str, str]]:
    rows = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            rows += _leaves(value, where=f"{where}{name}.")
        else:
            shown = " ".join(map(str, value)) if isinstance(value, list) else str(value)
            rows.append((f"<code>{escape(where + name)}</code>", f"<code>{escape(shown)}</code>"))
    return rows
