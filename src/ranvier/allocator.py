"""Keeps the memory pages that a program has touched once."""

import ctypes
import sys

# Parameter numbers of mallopt(3) in glibc, and the largest value it takes.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST = 2**31 - 1


def keep_pages() -> bool:
    """Let glibc's allocator reuse large freed blocks instead of returning them to the system.

    By default a tensor above 32 MiB is a fresh mapping each time: the system zeroes its pages one by one at their
    first touch and takes them all back when the tensor is freed. A fused kernel then waits for pages longer than for
    memory. This sets M_MMAP_THRESHOLD and M_TRIM_THRESHOLD to 2 GiB, for the whole process and from now on.

    It costs memory: what a process has freed (up to 2 GiB at the end of its heap, and every gap below) stays with it.
    Tensors above 2 GiB are mapped as before. docs/memory-and-speed.md has the measured effect.

    Returns:
        Whether the settings hold; `False` where the C library is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    return mallopt(_M_MMAP_THRESHOLD, _LARGEST) == 1 and mallopt(_M_TRIM_THRESHOLD, _LARGEST) == 1
