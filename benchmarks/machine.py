"""The machine, what else it is doing, and the versions: without them a figure means nothing."""

import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.peers import PEERS, version

ROOT = Path(__file__).parent.parent


def describe(device: str) -> dict[str, Any]:
    """Return processor, memory, versions and commit."""
    about = {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}, {' '.join(platform.libc_ver())}",
        "huge_pages": _read("/sys/kernel/mm/transparent_hugepage/enabled"),
        "python": platform.python_version(),
        "versions": {package: version(package) for package in ("torch", "numpy", *(p.package for p in PEERS.values()))},
        "kernels": _kernels(),
        "commit": _commit(),
    }
    if device == "cuda":
        about["gpu"] = torch.cuda.get_device_name()
        about["versions"]["triton"] = version("triton")
    return about


def processor() -> str:
    """Return the processor's own name."""
    found = re.search(r"^model name\s*:\s*(.+)$", _read("/proc/cpuinfo") or "", re.MULTILINE)
    return found.group(1) if found else platform.processor() or platform.machine()


def slug(about: dict[str, Any]) -> str:
    """Return the machine's name as a file name, without the host's."""
    name = about.get("gpu") or f"{about['processor']} {about['cores']} cores"
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def load(seconds: float = 2.0) -> dict[str, float | None]:
    """Return the share of the processors that is busy now, and the load average of the last minute."""
    before = _jiffies()
    if before is not None:
        time.sleep(seconds)
    after = _jiffies()
    busy = None
    if before is not None and after is not None:
        busy = round((after[0] - before[0]) / max(1, after[1] - before[1]), 3)
    return {"busy": busy, "load_1min": round(os.getloadavg()[0], 2)}


def wait_until_quiet(limit_s: float, *, busy: float = 0.05) -> dict[str, float | None]:
    """Wait for a quiet machine, at most `limit_s`, and return the load at the end of the wait."""
    begin = time.monotonic()
    while True:
        now = load()
        if now["busy"] is None or now["busy"] <= busy or time.monotonic() - begin >= limit_s:
            return now | {"waited_s": round(time.monotonic() - begin, 1)}
        print(f"  {now['busy']:.0%} of the processors are busy: waiting for a quiet machine", file=sys.stderr)


def _jiffies() -> tuple[int, int] | None:
    """Return the busy and the total time of all processors."""
    text = _read("/proc/stat")
    if text is None:
        return None
    times = [int(field) for field in text.splitlines()[0].split()[1:9]]
    return sum(times) - times[3] - times[4], sum(times)


def _kernels() -> str:
    from ranvier.kernels.native import load

    return load()[1]


def _commit() -> str | None:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None
