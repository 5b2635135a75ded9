"""The table of a paper: a comparison of runs as Markdown and as LaTeX."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ranvier.quantity import count, energy
from ranvier.report.compare import Row

NONE = "—"
TEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", NONE: "---"},
    **{"µ": r"\textmu{}", "↑": r"$\uparrow$", "↓": r"$\downarrow$"},
}


@dataclass(frozen=True)
class Table:
    """Cells as text: `names` left columns say which row it is, the others are numbers."""

    title: str
    heads: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    names: int
    notes: tuple[str, ...] = ()


def table(rows: Sequence[Row], *, more: Mapping[str, Sequence[str]] | None = None) -> Table:
    """Return the table of one comparison, with `more` columns by their heads; one without any number is left out."""
    task, names = rows[0].task, _columns(rows)
    columns = {name: [_value(row.settings[name]) for row in rows] for name in names}
    better = "↓" if task.lower_is_better else "↑"
    numbers = {
        f"{task.metric_name}{', %' if task.percent else ''} {better}": [_score(row) for row in rows],
        "runs": [str(len(row.runs)) for row in rows],
        "expected": [NONE if row.expected is None else _number(row, row.expected["value"]) for row in rows],
        "firing, %": [percent(row.firing_rate) for row in rows],
        "energy": [_energy(row.cost and row.cost.energy_pj) for row in rows],
        "ANN, one pass": [_energy(row.cost and row.cost.ann_pass_pj) for row in rows],
        "ANN, every step": [_energy(row.cost and row.cost.ann_energy_pj) for row in rows],
        "parameters": [count(row.parameters) for row in rows],
        **(more or {}),
    }
    columns |= {head: cells for head, cells in numbers.items() if {*cells} != {NONE}}
    return Table(
        title=f"{task.metric_name} on {rows[0].recipe.data.name}",
        heads=tuple(columns),
        cells=tuple(zip(*columns.values(), strict=True)),
        names=len(names),
        notes=tuple(_notes(rows, [name for name in rows[0].settings if name not in names])),
    )


def percent(share: float | None) -> str:
    """Return the cell of a share, under a head that says %.

    >>> percent(0.1234), percent(None)
    ('12.3', '—')
    """
    return NONE if share is None else f"{100 * share:.1f}"


def markdown(shown: Table) -> str:
    """Return the table in Markdown, its columns aligned for whoever reads it as text."""
    columns = list(zip(shown.heads, *shown.cells, strict=True))
    written = []
    for i, column in enumerate(columns):
        cells = [cell.replace("|", r"\|") for cell in column]
        width = max(map(len, cells))
        name = i < shown.names
        padded = [cell.ljust(width) if name else cell.rjust(width) for cell in cells]
        written.append([padded[0], "-" * width if name else "-" * (width - 1) + ":", *padded[1:]])
    body = [f"| {' | '.join(line)} |" for line in zip(*written, strict=True)]
    return "\n".join([f"**{shown.title}**", "", *body, *(f"\n{note}." for note in shown.notes)]) + "\n"


def latex(shown: Table) -> str:
    """Return the table as a LaTeX float; the document needs the package booktabs."""
    head, *body = [" & ".join(map(_tex, line)) + r" \\" for line in (shown.heads, *shown.cells)]
    caption = ". ".join(map(_tex, (shown.title, *shown.notes)))
    columns = "l" * shown.names + "r" * (len(shown.heads) - shown.names)
    return "\n".join(
        [
            r"% \usepackage{booktabs}",
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{caption}.}}",
            rf"\begin{{tabular}}{{{columns}}}",
            *(r"\toprule", head, r"\midrule", *body, r"\bottomrule"),
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _columns(rows: Sequence[Row]) -> list[str]:
    """Leave out lists that change exactly where a number or a name does: they are long, and a note names them."""
    split = {name: _pattern(row.settings[name] for row in rows) for name in rows[0].settings}
    plain = {name for name in split if not any(isinstance(row.settings[name], list) for row in rows)}
    said = [split[name] for name in plain]
    return [name for name in split if name in plain or split[name] not in said]


def _pattern(column: Iterable[Any]) -> list[int]:
    values = list(column)
    return [values.index(value) for value in values]


def _notes(rows: Sequence[Row], left_out: Sequence[str]) -> list[str]:
    notes = [f"With these differ {', '.join(left_out)}"] if left_out else []
    if any(len(row.runs) > 1 for row in rows):
        notes.append("Mean ± standard deviation over runs that differ in the seed")
    sources = {f"{_number(row, row.expected['value'])} {row.expected['source']}": None for row in rows if row.expected}
    if sources:
        notes.append(f"Expected: {'; '.join(sources)}")
    costs = [row.cost.audit for row in rows if row.cost]
    if costs:
        notes.append(
            f"Energy of a recording, mean of {rows[0].samples} held-out ones, and of the ANN of the same shape: "
            f"{costs[0].energy.mac} pJ a multiply-accumulate, {costs[0].energy.accumulate} pJ an accumulate (45 nm, "
            "Horowitz 2014), membranes left out"
        )
    uncounted = {name: None for cost in costs for name in cost.uncounted}
    if uncounted:
        notes.append(f"Not counted in it: {', '.join(uncounted)}")
    return notes


def _score(row: Row) -> str:
    return _number(row, row.mean) + ("" if row.sd is None else f" ± {_number(row, row.sd)}")


def _number(row: Row, score: float) -> str:
    return f"{100 * score if row.task.percent else score:.2f}"


def _energy(picojoule: float | None) -> str:
    return NONE if picojoule is None else energy(picojoule)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(_value, value))
    return NONE if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _tex(text: str) -> str:
    return "".join(TEX.get(character, character) for character in text)
