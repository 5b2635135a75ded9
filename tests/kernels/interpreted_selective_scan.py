"""The Triton kernels in Triton's interpreter, on CPU tensors; run by test_selective_scan_triton.py in its process."""

from collections.abc import Iterator

import pytest

from ranvier.kernels import selective_scan_cuda, selective_scan_layout
from tests.kernels.without_gpu import launches_instead_of_c

# The interpreter takes its time: chunks of three steps are enough to go from one to the next.
selective_scan_cuda.CHUNK = selective_scan_layout.CHUNK = 3
from tests.kernels.selective_scan_cases import SelectiveScanChecks  # noqa: E402 (lengths follow the chunk)


@pytest.fixture
def device() -> str:
    return "cpu"


class TestTriton(SelectiveScanChecks):
    pass


@pytest.fixture(scope="module", autouse=True)
def _launches_instead_of_c() -> Iterator[None]:
    yield from launches_instead_of_c("selective_scan", selective_scan_cuda)
