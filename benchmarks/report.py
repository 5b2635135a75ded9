"""Turns measured rows into one Markdown page: the targets first, then every figure."""

from typing import Any

from benchmarks.harness import Row


def verdict(row: Row) -> bool | None:
    """Return whether a row meets its target; `None` where it has none, or is not the gate (one thread is)."""
    if row.get("target") is None or row["threads"] != 1:
        return None
    if row["value"] is None:
        return False
    if row.get("better", "higher") == "lower":
        return row["value"] <= row["target"]
    return row["value"] >= row["target"]


def markdown(about: dict[str, Any], rows: list[Row]) -> str:
    """Return the page."""
    machine = about["machine"]
    versions = ", ".join(f"{name} {version or 'not installed'}" for name, version in machine["versions"].items())
    lines = [
        f"# Benchmarks, {about['date']}",
        "",
        f"{machine.get('gpu') or machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB. "
        f"{machine['system']}. Kernels: {machine['kernels']}. Commit {machine['commit']}. Size: {about['size']}.",
        "",
        f"Python {machine['python']}, {versions}.",
        "",
        *_load(about["processes"]),
        "",
        "Rivals take turns within one process; a ratio is the median of the ratios of the single rounds. Before each "
        "clock our result was compared with the reference on the very input.",
        "",
        "## Targets",
        "",
        *_targets(rows),
    ]
    missing = [row for row in rows if row["value"] is None]
    if missing:
        lines += ["", "## Not measured", ""]
        lines += sorted({f"- {row['workload']}: {row['name']}: {row.get('note', '')}" for row in missing})
    measured = [row for row in rows if row["value"] is not None]
    groups = dict.fromkeys((row["workload"], row["threads"], row["allocator"]) for row in measured)
    for workload, threads, allocator in groups:
        lines += ["", f"## {workload}, {threads} thread{'s' if threads > 1 else ''}, {allocator} allocator"]
        chosen = [
            r for r in measured if (r["workload"], r["threads"], r["allocator"]) == (workload, threads, allocator)
        ]
        for unit in dict.fromkeys(row["unit"] for row in chosen):
            lines += ["", *_table(unit, [row for row in chosen if row["unit"] == unit])]
    return "\n".join(lines) + "\n"


def number(value: float) -> str:
    """Return a value with three significant digits and no exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _load(processes: list[dict]) -> list[str]:
    lines = ["| process | busy before | busy after | load average | waited |", "|---|---|---|---|---|"]
    for process in processes:
        before, after = process["load_before"], process["load_after"]
        shares = ["?" if share is None else f"{share:.0%}" for share in (before["busy"], after["busy"])]
        what = f"{process['name']}: {process['threads']} thread(s), {process['allocator']}"
        lines.append(f"| {what} | {' | '.join(shares)} | {before['load_1min']} | {before['waited_s']} s |")
    return lines


def _targets(rows: list[Row]) -> list[str]:
    lines = ["| workload | figure | threads | measured | target | verdict |", "|---|---|---|---|---|---|"]
    for row in rows:
        if row.get("target") is None:
            continue
        sign = "≤" if row.get("better", "higher") == "lower" else "≥"
        value = "not measured" if row["value"] is None else f"{number(row['value'])} {_unit(row)}".strip()
        said = {True: "pass", False: "**FAIL**", None: "reported"}[row["passed"]]
        name = f"{row['name']} {row.get('column', '')}".strip()
        target = f"{sign} {number(row['target'])}"
        lines.append(f"| {row['workload']} | {name} | {row['threads']} | {value} | {target} | {said} |")
    return lines


def _unit(row: Row) -> str:
    return "" if row["unit"] == "1" else row["unit"]


def _table(unit: str, rows: list[Row]) -> list[str]:
    columns = list(dict.fromkeys(row.get("column", "") for row in rows))
    heads = [column or "value" for column in columns]
    title = "ratio" if unit == "1" else unit
    lines = [f"| {title} | {' | '.join(heads)} |", "|---|" + "---|" * len(columns)]
    for name in dict.fromkeys(row["name"] for row in rows):
        cells = {row.get("column", ""): _cell(row) for row in rows if row["name"] == name}
        lines.append(f"| {name} | " + " | ".join(cells.get(column, "") for column in columns) + " |")
    return lines


def _cell(row: Row) -> str:
    if row.get("spread"):
        low, high = row["spread"]
        return f"{number(row['value'])} ({number(low)} to {number(high)})"
    return number(row["value"])
