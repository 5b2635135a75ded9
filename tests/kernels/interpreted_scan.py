"""The Triton kernels in Triton's interpreter, on CPU tensors; test_scan_triton.py runs this file in its own process."""

from collections.abc import Iterator

import pytest

from ranvier.kernels import scan_cuda, scan_layout
from tests.kernels.without_gpu import launches_instead_of_c

# The interpreter takes its time: chunks of eight steps are enough to go from one to the next.
scan_cuda.CHUNK = scan_layout.CHUNK = 8
from tests.kernels.scan_cases import ScanChecks  # noqa: E402 (lengths follow the chunk)


@pytest.fixture
def device() -> str:
    return "cpu"


class TestTriton(ScanChecks):
    pass


@pytest.fixture(scope="module", autouse=True)
def _launches_instead_of_c() -> Iterator[None]:
    yield from launches_instead_of_c("scan", scan_cuda)
