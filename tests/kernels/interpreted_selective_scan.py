"""The Triton kernels in Triton's interpreter, on CPU tensors; run by test_selective_scan_triton.py in its process."""

import os
import warnings
from collections.abc import Iterator

import pytest
import torch

from ranvier.kernels import selective_scan_cuda, selective_scan_layout

# The interpreter takes its time: chunks of three steps are enough to go from one to the next.
selective_scan_cuda.CHUNK = selective_scan_layout.CHUNK = 3
from tests.kernels.selective_scan_cases import SelectiveScanChecks  # noqa: E402 (lengths follow the chunk)

assert os.environ.get("TRITON_INTERPRET") == "1", "Triton reads TRITON_INTERPRET when it is imported: set it to 1"


@pytest.fixture
def device() -> str:
    return "cpu"


class TestTriton(SelectiveScanChecks):
    pass


@pytest.fixture(scope="module", autouse=True)
def _launches_instead_of_c() -> Iterator[None]:
    launched = 0

    def forward(*arguments):
        nonlocal launched
        launched += 1
        return selective_scan_cuda.forward(*arguments)

    library = torch.library.Library("ranvier", "IMPL")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says once a process that an operator is overridden: so it is
        library.impl("selective_scan", forward, "CPU", allow_override=True)
        library.impl("selective_scan_backward", selective_scan_cuda.backward, "CPU", allow_override=True)
    yield
    assert launched > 0
