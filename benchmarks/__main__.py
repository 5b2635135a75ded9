"""`python -m benchmarks`: measure, and write JSON and a Markdown page."""

import argparse
import datetime
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import describe, load, slug, wait_until_quiet
from benchmarks.process import run_in_child
from benchmarks.registry import WORKLOADS
from benchmarks.report import markdown, verdict


def processes(names: list[str], threads: list[int], device: str) -> list[tuple[str, int, str]]:
    """Return (workload, threads, allocator) of each process, in the order in which they run."""
    if device == "cuda":
        return [(name, 1, "default") for name in names if WORKLOADS[name].cuda]
    return [
        (name, count, allocator)
        for name in names
        for count in (threads if WORKLOADS[name].scaling else [1])
        for allocator in WORKLOADS[name].allocators
    ]


def file_name(about: dict[str, Any], only: list[str]) -> str:
    """Return what a result is called, without suffix: a part of the workloads does not replace the record of all."""
    parts = [] if set(only) == set(WORKLOADS) else list(dict.fromkeys(only))
    quick = ["quick"] if about["size"] == "quick" else []
    return "-".join([slug(about["machine"]), about["date"], *parts, *quick])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), metavar="NAME")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2], help="one thread is judged, others reported")
    parser.add_argument("--quick", action="store_true", help="small sizes and few rounds: a look, not a record")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder to write into")
    parser.add_argument("--run", type=Path, help="a trained network: firing rates, and what 16 bits change in it")
    parser.add_argument("--wait", type=float, default=60.0, help="seconds to wait for a quiet machine")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        print("no CUDA device is there (torch.cuda.is_available() is False): nothing was measured", file=sys.stderr)
        return 1
    size = "quick" if arguments.quick else "full"
    about = {
        "date": datetime.date.today().isoformat(),
        "size": size,
        "device": arguments.device,
        "machine": describe(arguments.device),
        "processes": [],
    }
    rows = []
    for name, threads, allocator in processes(arguments.only, arguments.threads, arguments.device):
        before = wait_until_quiet(arguments.wait)
        print(f"{name}: {threads} thread(s), {allocator} allocator", file=sys.stderr)
        begin = time.monotonic()
        rows += run_in_child(
            name, threads=threads, allocator=allocator, size=size, device=arguments.device, run=arguments.run
        )
        seconds = round(time.monotonic() - begin, 1)
        process = {"name": name, "threads": threads, "allocator": allocator, "seconds": seconds}
        about["processes"].append(process | {"load_before": before, "load_after": load()})
    for row in rows:
        row["passed"] = verdict(row) if size == "full" else None
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / file_name(about, arguments.only)
    # A line for each row: short, and two results can be compared by diff.
    head = json.dumps(about, indent=1).removesuffix("\n}")
    lines = ",\n".join(f"  {json.dumps(row)}" for row in rows)
    path.with_suffix(".json").write_text(f'{head},\n "rows": [\n{lines}\n ]\n}}\n')
    path.with_suffix(".md").write_text(markdown(about, rows))
    judged = [row for row in rows if row["passed"] is not None]
    print(f"{sum(row['passed'] for row in judged)} of {len(judged)} targets met", file=sys.stderr)
    print(path.with_suffix(".md"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
