"""What a run depends on beside its recipe: versions, machine, threads and kernels."""

import datetime
import importlib.metadata
import platform
import sys
from typing import Any

import torch

from ranvier.kernels import native


def environment(*, device: str) -> dict[str, Any]:
    """Return what `environment.json` holds."""
    packages = ("ranvier", "torch", "numpy", "pytorch-lightning", "safetensors")
    return {
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in packages},
        "platform": platform.platform(),
        "processor": torch.backends.cpu.get_cpu_capability(),
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        "threads": torch.get_num_threads(),
        "kernels": native.load()[1],
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
