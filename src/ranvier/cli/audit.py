"""`ranvier audit RUN`."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.table import Table

from ranvier.cli.options import Number, RunFolder, Threads, call, console, print_json, use_threads
from ranvier.cli.show import facts
from ranvier.quantity import energy, memory, seconds

if TYPE_CHECKING:
    from ranvier.audit import Audit, Latency

# So many layers are told one by one.
FEW = 4


def audit(run: RunFolder, *, samples: Number = None, threads: Threads = 1, json: bool = False) -> None:
    """Count what a run costs: operations, firing rates, energy, memory, and the latency of a step.

    Args:
        run: the folder of the run.
        samples: held-out recordings over which firing rates are measured; default: four batches, at most 64.
        threads: torch threads.
        json: one line of JSON for a script.
    """
    from ranvier.audit import alone, audit, latency, peak_memory
    from ranvier.run import open_run
    from ranvier.samples import held_out

    use_threads(threads)
    out = console()
    with out.status("counting"):
        opened = open_run(run)
        net, batch = alone(opened.net()), held_out(opened, count=samples)
        x = batch.x
        cost = audit(net, x, lengths=batch.lengths)
        whole, step = peak_memory(net, x[:, :1]), peak_memory(net, x[:1, :1])
        times = latency(net, x)
    if json:
        peak = {"peak_bytes_recording": whole, "peak_bytes_step": step}
        print_json(cost.as_dict() | peak | {"latency_s": asdict(times)})
        return
    out.print(_layers(cost))
    out.print()
    out.print(facts(_sentences(cost, times, step=step, whole=whole)))
    if cost.uncounted:
        out.print(f"[yellow]not counted: {', '.join(cost.uncounted)}[/]")


def _layers(cost: "Audit") -> Table:
    from ranvier.audit.table import HEADS, NUMBERS, rows, total

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", show_footer=True, footer_style="bold")
    for i, (head, footer) in enumerate(zip(HEADS, total(cost), strict=True)):
        side = "right" if i in NUMBERS else "left"
        # Where there is little room, only the names of the layers give way.
        table.add_column(
            head.replace(" ", "\n"), footer, justify=side, no_wrap=i > 0, overflow="fold", vertical="bottom"
        )
    for *cells, way in rows(cost):
        table.add_row(*cells, f"[green]{way}[/]" if way == "only adds" else way)
    return table


def _sentences(cost: "Audit", times: "Latency", *, step: int, whole: int) -> dict[str, str]:
    gathered = [name for name, ways in times.paths.items() if ways.get("gather")]
    return {
        "neurons that fire": _firing(cost),
        "energy": f"{energy(cost.energy_pj * cost.steps)} a recording of {cost.steps:,.0f} steps" + _as_ann(cost),
        "constants": f"{cost.energy.mac} pJ a multiply-accumulate, {cost.energy.accumulate} pJ an accumulate (45 nm, "
        "Horowitz 2014)"
        + (f"; the membranes, left out as in published tables: {energy(cost.membrane_pj)}" if cost.neurons else ""),
        "memory": f"weights {memory(4 * cost.parameters)}; beside them {memory(step)} for a step, {memory(whole)} for "
        "a recording at once",
        "latency of a step": f"{seconds(times.dense)} dense, {seconds(times.event_driven)} event-driven (batch 1; "
        + (f"sum of weight rows in {', '.join(gathered)}" if gathered else "every layer chose its dense way")
        + ")",
    }


def _as_ann(cost: "Audit") -> str:
    """Say what the same shape costs as an ANN, where it is not one already."""
    if cost.is_ann:
        return ""
    passes = f"{energy(cost.ann_energy_pj)} in one pass, {energy(cost.ann_energy_pj * cost.steps)} on every step"
    return f"; the ANN of the same shape {passes}, {cost.ann_energy_pj / cost.energy_pj:.1f} times as much"


def _firing(cost: "Audit") -> str:
    """Say how many neurons fire: in each layer, or, where there are many, in those that fire least and most."""
    from ranvier.audit.table import short

    names = short(neuron.name for neuron in cost.neurons)
    rates = {names[n.name]: 100 * n.firing_rate for n in cost.neurons if n.firing_rate is not None}
    if not rates:
        return "no layer spikes"
    if len(rates) <= FEW:
        return ", ".join(f"{name} {rate:.1f} %" for name, rate in rates.items()) + " in a step"
    least, most = (choose(rates, key=rates.__getitem__) for choose in (min, max))
    return (
        f"{100 * cost.firing_rate:.1f} % of {cost.spiking:,.0f} in a step; of {len(rates)} layers {least} fires least, "
        f"{rates[least]:.1f} %, and {most} most, {rates[most]:.1f} %"
    )


def run(arguments: list[str]) -> int:
    return call(audit, arguments, verb="audit")
