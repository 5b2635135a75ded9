"""Runs one C call on several slices at once, without OpenMP.

Workers wait on a condition variable (they never spin), a forked child starts its own pool, and data-loader workers
stay serial: the three ways in which OpenMP hangs or crawls.
"""

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch


@functools.lru_cache(maxsize=1)
def _executor(pid: int, workers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix="ranvier-kernel")


def slices(length: int, *, grain: int, multiple: int = 64) -> list[tuple[int, int]]:
    """Split `range(length)` into at most `torch.get_num_threads()` pieces of at least `grain`, cut at `multiple`."""
    parts = min(torch.get_num_threads(), length // grain)
    if parts <= 1 or torch.utils.data.get_worker_info() is not None:
        return [(0, length)]
    step = -(-length // parts)
    step += -step % multiple
    return [(start, min(start + step, length)) for start in range(0, length, step)]


def run(call: Callable[[int, int, int], None], pieces: list[tuple[int, int]]) -> None:
    """Call `call(index, start, stop)` for every piece; the first runs here, the others on the pool."""
    if len(pieces) == 1:
        call(0, *pieces[0])
        return
    executor = _executor(os.getpid(), len(pieces) - 1)
    futures = [executor.submit(call, index, *piece) for index, piece in enumerate(pieces) if index > 0]
    call(0, *pieces[0])
    for future in futures:
        future.result()
