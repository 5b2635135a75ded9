"""Freed memory stays with the process once `keep_pages` was called; counted in page faults of a child process."""

import os
import platform
import subprocess
import sys

import pytest

ALLOCATE = """
import resource, sys
import torch
if sys.argv[1] == "keep":
    from ranvier.allocator import keep_pages
    assert keep_pages()
for call in range(12):
    if call == 9:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(what: str) -> int:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MALLOC_", "GLIBC_", "THP_"))}
    command = [sys.executable, "-c", ALLOCATE, what]
    return int(subprocess.run(command, env=kept, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="keep_pages sets glibc's allocator")
def test_keep_pages_stops_page_faults() -> None:
    default = faults("default")
    assert default > 90  # three tensors of 64 MiB: 96 huge pages, or 49,152 small ones
    # A system short of memory may take a page away in between: one of three tries has to be undisturbed.
    assert any(faults("keep") < default / 10 for _ in range(3))
