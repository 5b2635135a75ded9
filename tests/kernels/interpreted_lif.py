"""The Triton kernels in Triton's interpreter, on CPU tensors; test_lif_triton.py runs this file in its own process."""

import os
import warnings
from collections.abc import Iterator

import pytest
import torch

from ranvier.kernels import lif_cuda
from tests.kernels.lif_checks import *  # noqa: F403

assert os.environ.get("TRITON_INTERPRET") == "1", "Triton reads TRITON_INTERPRET when it is imported: set it to 1"


@pytest.fixture
def device() -> str:
    return "cpu"


@pytest.fixture(scope="module", autouse=True)
def _launches_instead_of_c() -> Iterator[None]:
    launched = 0

    def forward(*arguments):
        nonlocal launched
        launched += 1
        return lif_cuda.forward(*arguments)

    library = torch.library.Library("ranvier", "IMPL")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says once a process that an operator is overridden: so it is
        library.impl("lif", forward, "CPU", allow_override=True)
        library.impl("lif_backward", lif_cuda.backward, "CPU", allow_override=True)
    yield
    assert launched > 0
