"""What the tests of all kernels share."""

from collections.abc import Iterator

import pytest

from ranvier.kernels.triton_kernels import triton_kernels


@pytest.fixture
def without_triton(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine where Triton is not installed."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    triton_kernels.cache_clear()
    yield
    triton_kernels.cache_clear()
