"""All checks in the order in which a person would ask."""

import os
from collections.abc import Iterator

import torch

from ranvier.doctor.check import Check
from ranvier.doctor.kernels import kernels
from ranvier.doctor.packages import extras, versions


def examine() -> Iterator[Check]:
    """Yield one check after the other, each as soon as it is known."""
    yield from versions()
    yield from kernels()
    yield threads()
    yield recordings()
    yield from extras()


def threads() -> Check:
    """CPU threads that torch uses, of those that this process may use."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    used = torch.get_num_threads()
    finding = f"torch uses {used} of {allowed}; OMP_WAIT_POLICY={os.environ.get('OMP_WAIT_POLICY', 'not set')}"
    if used > allowed:
        return Check(
            "threads", "broken", f"{finding}: more than there are, they slow each other", "unset OMP_NUM_THREADS"
        )
    return Check("threads", "ok", finding)


def recordings() -> Check:
    """Whether N-MNIST is where the recipes look for it."""
    from ranvier.data.datasets import read_nmnist

    try:
        found = read_nmnist()
    except (FileNotFoundError, ValueError) as error:
        return Check("recordings", "missing", str(error), "export RANVIER_DATA=FOLDER (ranvier demo needs none)")
    return Check("recordings", "ok", f"N-MNIST, {len(found):,} recordings ({found.names[0]})")
