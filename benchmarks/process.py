"""Runs a workload in a fresh process: the number of threads and the allocator are settled before torch is loaded."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.harness import Row

ROOT = Path(__file__).parent.parent

# "steady" keeps every freed page and asks for huge ones, so that no timing depends on when the kernel hands out memory.
ALLOCATORS: dict[str, dict[str, str]] = {
    "steady": {
        "MALLOC_MMAP_THRESHOLD_": str(2**40),
        "MALLOC_TRIM_THRESHOLD_": str(2**40),
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    },
    "keep_pages": {},
    "default": {},
}


def environment(threads: int, allocator: str) -> dict[str, str]:
    """Return the environment of the child: ours without allocator settings, plus the chosen ones."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MALLOC_", "GLIBC_TUNABLES"))}
    # A spinning pool disturbs the serial rival that comes after it.
    return kept | ALLOCATORS[allocator] | {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive"}


def run_in_child(
    name: str, *, threads: int, allocator: str, size: str, device: str, peers: bool = True, run: Path | None = None
) -> list[Row]:
    """Run a workload in a process of its own and return its rows.

    Raises:
        RuntimeError: the workload failed, by a wrong result for instance; its traceback is on stderr.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.json"
        task = {"name": name, "threads": threads, "allocator": allocator, "out": str(out)}
        task |= {"size": size, "device": device, "peers": peers, "run": None if run is None else str(run.absolute())}
        command = [sys.executable, "-m", "benchmarks.process", json.dumps(task)]
        done = subprocess.run(command, cwd=ROOT, env=environment(threads, allocator), check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{name} failed with exit status {done.returncode}, see above: nothing is written")
        return json.loads(out.read_text())


def child(task: dict) -> None:
    """Do what `run_in_child` asks for."""
    if task["allocator"] == "keep_pages":
        from ranvier.allocator import keep_pages

        keep_pages()
    import torch

    from benchmarks.harness import Settings
    from benchmarks.registry import WORKLOADS

    torch.set_num_threads(task["threads"])
    settings = Settings(
        size=task["size"], device=task["device"], peers=task["peers"], run=task["run"] and Path(task["run"])
    )
    about = {"workload": task["name"], "threads": task["threads"], "allocator": task["allocator"]}
    rows = [about | row for row in WORKLOADS[task["name"]].run(settings)]
    Path(task["out"]).write_text(json.dumps(rows))


if __name__ == "__main__":
    child(json.loads(sys.argv[1]))
