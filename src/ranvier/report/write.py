"""Writes `report.html` into a run folder."""

import json
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ranvier import plot
from ranvier.audit import Audit, audit
from ranvier.quantity import count, energy
from ranvier.record import record
from ranvier.report import figures, page
from ranvier.run import ENVIRONMENT, Run, write_atomically
from ranvier.samples import held_out

SHOWN = 6
LOOKED_AT = 64


@dataclass(frozen=True)
class Samples:
    """Held-out recordings `x` `[T, B, C, H, W]`, their labels, and what the network says about them."""

    x: Tensor
    labels: Tensor
    logits: Tensor
    spikes: dict[str, Tensor]

    @property
    def predicted(self) -> Tensor:
        return self.logits.mean(0).argmax(-1)


def write_report(run: Run) -> Path:
    """Write one self-contained HTML file about a finished run and return its path.

    It runs the network on up to 64 held-out recordings for the pictures and the audit; all scores are those of
    `result.json`.

    Raises:
        FileNotFoundError: the run is not finished.
    """
    result = run.result
    net = run.net()
    batch = held_out(run, count=LOOKED_AT)
    samples = look(net, batch.x, batch.target)
    environment = json.loads((run.path / ENVIRONMENT).read_text())
    path = run.path / "report.html"
    write_atomically(path, compose(run, net, result, samples, environment).encode())
    return path


def look(net: nn.Module, x: Tensor, labels: Tensor) -> Samples:
    """Run `net` once on recordings `x` `[T, B, ...]` and keep what every layer said."""
    logits, spikes = record(net, x)
    return Samples(x, labels, logits, spikes)


def compose(run: Run, net: nn.Module, result: dict[str, Any], samples: Samples, environment: dict[str, Any]) -> str:
    """Return the page as text."""
    recipe, classes = run.config, result["classes"]
    cost = audit(net, samples.x)
    step_ms = recipe.data.window_us / 1000
    sections = [
        _summary(result, cost, samples),
        _recordings(samples, classes),
        _one_recording(samples, classes, step_ms),
        _learning(run.metrics),
        _mistakes(result, classes),
        _cost(cost, result),
        _settings(run, environment),
    ]
    subtitle = (
        f"{recipe.model.name.replace('_', ' ')} on {recipe.data.name}: {recipe.data.steps} steps of {step_ms:g} ms, "
        f"{cost.parameters:,} parameters"
    )
    footer = (
        f"Repeat it: <code>ranvier train {escape(recipe.name)}</code> · test it: <code>ranvier test "
        f"{escape(str(run.path))}</code> · count it: <code>ranvier audit {escape(str(run.path))}</code>"
    )
    return page.page(title=recipe.name, subtitle=subtitle, sections=sections, footer=footer)


def _summary(result: dict[str, Any], cost: Audit, samples: Samples) -> str:
    expected = result.get("expected")
    mark = expected["value"] if expected else None
    note = f"expected {100 * mark:.1f} %, {expected['source']}" if expected else "no number was expected"
    tested = sum(map(sum, result["confusion"]))
    spiking = [neuron for neuron in cost.neurons if neuron.firing_rate is not None]
    neurons = sum(neuron.neurons for neuron in spiking)
    rate = sum(neuron.neurons * (neuron.firing_rate or 0) for neuron in spiking) / max(neurons, 1)
    steps = cost.steps
    return (
        '<div class="tiles">'
        + "".join(
            [
                page.tile(
                    "accuracy, held out",
                    f"{100 * result['accuracy']:.1f}",
                    "%",
                    note,
                    lead=True,
                    extra=page.meter(result["accuracy"], mark),
                ),
                page.tile(
                    "recordings tested",
                    f"{tested:,}",
                    "",
                    f"{round(tested * (1 - result['accuracy']))} answered wrongly",
                ),
                page.tile(
                    "neurons that fire",
                    f"{100 * rate:.1f}",
                    "% a step",
                    f"{neurons:,.0f} neurons, mean over the layers",
                ),
                page.tile(
                    "energy of a recording",
                    *energy(cost.energy_pj * steps).split(),
                    f"as an ANN on every step: {energy(cost.ann_energy_pj * steps)}, in one pass: {energy(cost.ann_energy_pj)}",
                ),
            ]
        )
        + "</div>"
    )


def _recordings(samples: Samples, classes: list[str]) -> str:
    figures_ = []
    for i in _choose(samples):
        true, predicted = classes[int(samples.labels[i])], classes[int(samples.predicted[i])]
        wrong = true != predicted
        words = f"answer <strong>{escape(predicted)}</strong>" + (
            f", <em>but it is {escape(true)}</em>" if wrong else ""
        )
        figures_.append(
            f'<figure{" class=wrong" if wrong else ""}><img alt="events of a recording of {escape(true)}" '
            f'src="{figures.png(_busiest(samples.x[:, i]))}"><figcaption>{words}</figcaption></figure>'
        )
    return page.section(
        "What the camera saw",
        "Held-out recordings, each in the step with the most events: amber where a pixel grew brighter, blue where it "
        "grew darker. A mistake is framed, if there was one among the recordings looked at.",
        f'<div class="samples">{"".join(figures_)}</div>',
    )


def _busiest(x: Tensor) -> Tensor:
    return x[int(x.abs().flatten(1).sum(1).argmax())]


def _choose(samples: Samples) -> list[int]:
    """Right answers of different classes, and up to two mistakes last."""
    right = samples.predicted == samples.labels
    mistakes = (~right).nonzero().flatten().tolist()[:2]
    chosen: list[int] = []
    for i in [*right.nonzero().flatten().tolist()]:
        if len(chosen) + len(mistakes) < SHOWN and samples.labels[i] not in samples.labels[chosen]:
            chosen.append(i)
    return chosen + mistakes


def _one_recording(samples: Samples, classes: list[str], step_ms: float) -> str:
    # The right answer that was least clear at first shows most.
    right = (samples.predicted == samples.labels).nonzero().flatten()
    first = 0
    if len(right):
        clear = samples.logits[0, right].softmax(-1).gather(1, samples.labels[right, None])
        first = int(right[int(clear.argmin())])
    spikes = {name: fired[:, first] for name, fired in samples.spikes.items()}
    picture = figures.step_by_step(samples.x[:, first], spikes, samples.logits[:, first], classes, step_ms=step_ms)
    return page.section(
        "What the network said",
        f"One recording of {classes[int(samples.labels[first])]}, from left to right in time: the events of each step, "
        "the spikes of a few neurons of each layer, and the probability of each class by what was seen so far.",
        page.card(picture),
    )


def _learning(metrics: list[dict[str, Any]]) -> str:
    keys = [key for key in ("loss", "accuracy") if any(row.get(key) is not None for row in metrics)]
    pictures = [
        page.card(figures.svg(lambda f, key=key: plot.curves(f.subplots(), metrics, key), width=5.2, height=3))
        for key in keys
    ]
    return page.section(
        "How it learned",
        "Mean over each epoch, for the recordings it learned from and for others.",
        page.columns(*pictures),
    )


def _mistakes(result: dict[str, Any], classes: list[str]) -> str:
    matrix = result["confusion"]
    recalls = {name: 100 * row[k] / max(sum(row), 1) for k, (name, row) in enumerate(zip(classes, matrix, strict=True))}
    side = 1.6 + 0.34 * len(classes)
    return page.section(
        "Where it errs",
        "Left: how often each class was taken for which; the diagonal is right. Right: the share of each class that was "
        "found.",
        page.columns(
            page.card(figures.svg(lambda f: plot.confusion(f.subplots(), matrix, classes), width=side, height=side)),
            page.card(figures.svg(lambda f: plot.bars(f.subplots(), recalls, unit="%"), width=side, height=side)),
        ),
    )


def _cost(cost: Audit, result: dict[str, Any]) -> str:
    here = {layer.name: layer.energy_pj / 1000 for layer in cost.layers}
    ann = {layer.name: layer.ann_energy_pj / 1000 for layer in cost.layers}
    rates = {name: 100 * rate for name, rate in result["firing_rate"].items()}
    height = 0.7 + 0.42 * max(len(here), len(rates))
    rows = [
        (
            f"<code>{escape(layer.name)}</code>",
            layer.kind,
            f"{layer.parameters:,}",
            count(layer.macs),
            f"{100 * layer.input_rate:.1f} %",
            count(layer.accumulates) if layer.multiplication_free else "–",
            f"{layer.energy_pj / 1000:,.1f}",
            f"{layer.ann_energy_pj / 1000:,.1f}",
            '<span class="free">only adds</span>' if layer.multiplication_free else "multiplies",
        )
        for layer in cost.layers
    ]
    total = (
        "a step",
        "",
        f"{cost.parameters:,}",
        count(cost.macs),
        "",
        count(cost.accumulates),
        f"{cost.energy_pj / 1000:,.1f}",
        f"{cost.ann_energy_pj / 1000:,.1f}",
        "",
    )
    head = ("layer", "kind", "#parameters", "#MACs", "#input active", "#accumulates", "#nJ", "#nJ as ANN", "")
    uncounted = f" Not counted: {', '.join(cost.uncounted)}." if cost.uncounted else ""
    return page.section(
        "What it costs",
        f"A step of one recording, at {cost.energy.mac} pJ for a multiply-accumulate and {cost.energy.accumulate} pJ for "
        "an accumulate (32-bit floats in 45 nm, Horowitz 2014). A layer with binary input only adds the weights of the "
        f"inputs that fired. The update of the membranes, one MAC each, would add {cost.membrane_pj / 1000:,.1f} nJ; "
        f"energy tables leave it out.{uncounted}",
        page.columns(
            page.card(
                figures.svg(lambda f: plot.bars(f.subplots(), here, unit="nJ", other=ann), width=5.2, height=height),
                "Energy of a step: this network, and as an ANN",
            ),
            page.card(
                figures.svg(lambda f: plot.bars(f.subplots(), rates, unit="%"), width=5.2, height=height),
                "Neurons that fire in a step",
            ),
        ),
        '<div style="height:14px"></div>',
        page.card(page.table(head, rows, total=total)),
    )


def _settings(run: Run, environment: dict[str, Any]) -> str:
    from ranvier.recipes.saved import to_plain

    settings = to_plain(run.config)
    rows = [
        (
            f"<code>{escape(part)}</code>",
            "<br>".join(f"<code>{escape(str(k))} = {escape(str(v))}</code>" for k, v in values.items()),
        )
        for part, values in settings.items()
        if isinstance(values, dict)
    ]
    facts = [(escape(str(k)), f"<code>{escape(str(v))}</code>") for k, v in environment.items()]
    return page.section(
        "How to repeat it",
        "Every setting of the recipe, and the machine of the latest start.",
        page.columns(
            page.card(page.table(("part", "settings"), rows), "Recipe"),
            page.card(page.table(("", ""), facts), "Environment"),
        ),
    )
