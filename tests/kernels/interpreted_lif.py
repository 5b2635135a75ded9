"""The Triton kernels in Triton's interpreter, on CPU tensors; test_lif_triton.py runs this file in its own process."""

from collections.abc import Iterator

import pytest

from ranvier.kernels import lif_cuda
from tests.kernels.lif_checks import *  # noqa: F403
from tests.kernels.without_gpu import launches_instead_of_c


@pytest.fixture
def device() -> str:
    return "cpu"


@pytest.fixture(scope="module", autouse=True)
def _launches_instead_of_c() -> Iterator[None]:
    yield from launches_instead_of_c("lif", lif_cuda)
