"""The Triton `selective_scan` without a GPU: interpreted, compiled for one, and what serves where Triton is missing."""

from pathlib import Path

import pytest
import torch

from ranvier.kernels import reference, selective_scan, selective_scan_cuda
from tests.kernels.selective_scan_cases import inputs
from tests.kernels.without_gpu import compiled, in_a_process

HERE = Path(__file__).parent


def test_interpreted_kernels_equal_the_reference() -> None:
    pytest.importorskip("triton", reason="Triton has no package for this platform")
    file = str(HERE / "interpreted_selective_scan.py")
    in_a_process("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", file, TRITON_INTERPRET="1")


@pytest.mark.parametrize(
    ("dtype", "modes", "resting"), [(torch.float32, 16, True), (torch.float32, 3, False), (torch.float64, 2, False)]
)
def test_every_kind_of_call_compiles(monkeypatch, tmp_path, dtype: torch.dtype, modes: int, resting: bool) -> None:
    tensors = [t.detach() for t in inputs(130, 2, 3, modes, dtype)]
    tensors[6:] = [None] if resting else tensors[6:]

    def call() -> None:
        y, h_out, checkpoints = selective_scan_cuda.forward(*tensors, not resting)
        selective_scan_cuda.backward(*tensors, checkpoints, y, None if resting else h_out)

    ptx = compiled(monkeypatch, tmp_path, "ranvier.kernels.selective_scan_triton", call)
    assert ".entry forward" in ptx["forward"]
    assert ".entry backward" in ptx["backward"]


@pytest.mark.usefixtures("without_triton")
def test_without_triton_the_reference_serves() -> None:
    tensors = inputs(70, 2, 3, 2, torch.float64)
    detached = [t.detach() for t in tensors]
    with pytest.warns(RuntimeWarning, match="pip install triton"):
        y, h_out, checkpoints = selective_scan_cuda.forward(*detached, True)
    grads = selective_scan_cuda.backward(*detached, checkpoints, torch.ones_like(y), None)
    with reference():
        expected = selective_scan(*tensors)
    torch.testing.assert_close((y, h_out), tuple(expected))
    for mine, theirs in zip(grads, torch.autograd.grad(expected.y.sum(), tensors), strict=True):
        torch.testing.assert_close(mine, theirs)
