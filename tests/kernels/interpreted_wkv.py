"""The Triton kernels in Triton's interpreter, on CPU tensors; test_wkv_triton.py runs this file in its own process."""

import os
import warnings
from collections.abc import Iterator

import pytest
import torch

from ranvier.kernels import wkv_cuda, wkv_layout

# The interpreter takes its time: chunks of eight steps are enough to go from one to the next.
wkv_cuda.CHUNK = wkv_layout.CHUNK = 8
from tests.kernels.wkv_cases import WKVChecks  # noqa: E402 (lengths follow the chunk)

assert os.environ.get("TRITON_INTERPRET") == "1", "Triton reads TRITON_INTERPRET when it is imported: set it to 1"


@pytest.fixture
def device() -> str:
    return "cpu"


class TestTriton(WKVChecks):
    pass


@pytest.fixture(scope="module", autouse=True)
def _launches_instead_of_c() -> Iterator[None]:
    launched = 0

    def forward(*arguments):
        nonlocal launched
        launched += 1
        return wkv_cuda.forward(*arguments)

    library = torch.library.Library("ranvier", "IMPL")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says once a process that an operator is overridden: so it is
        library.impl("wkv", forward, "CPU", allow_override=True)
        library.impl("wkv_backward", wkv_cuda.backward, "CPU", allow_override=True)
    yield
    assert launched > 0
