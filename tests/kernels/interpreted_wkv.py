"""The Triton kernels in Triton's interpreter, on CPU tensors; test_wkv_triton.py runs this file in its own process."""

from collections.abc import Iterator

import pytest

from ranvier.kernels import wkv_cuda, wkv_layout
from tests.kernels.without_gpu import launches_instead_of_c

# The interpreter takes its time: chunks of eight steps are enough to go from one to the next.
wkv_cuda.CHUNK = wkv_layout.CHUNK = 8
from tests.kernels.wkv_cases import WKVChecks  # noqa: E402 (lengths follow the chunk)


@pytest.fixture
def device() -> str:
    return "cpu"


class TestTriton(WKVChecks):
    pass


@pytest.fixture(scope="module", autouse=True)
def _launches_instead_of_c() -> Iterator[None]:
    yield from launches_instead_of_c("wkv", wkv_cuda)
