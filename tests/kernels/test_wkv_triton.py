"""The Triton `wkv` without a GPU: interpreted, compiled for one, and what serves where Triton is missing."""

from pathlib import Path

import pytest
import torch

from ranvier.kernels import WKVState, reference, wkv, wkv_cuda
from tests.kernels.without_gpu import compiled, in_a_process
from tests.kernels.wkv_cases import inputs

HERE = Path(__file__).parent


def test_interpreted_kernels_equal_the_reference() -> None:
    pytest.importorskip("triton", reason="Triton has no package for this platform")
    file = str(HERE / "interpreted_wkv.py")
    in_a_process("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", file, TRITON_INTERPRET="1")


@pytest.mark.parametrize(("dtype", "resting"), [(torch.float32, True), (torch.float32, False), (torch.float64, False)])
def test_every_kind_of_call_compiles(monkeypatch, tmp_path, dtype: torch.dtype, resting: bool) -> None:
    tensors = [t.detach() for t in inputs(130, 2, 3, dtype)]
    tensors[4:] = [None] * 3 if resting else tensors[4:]

    def call() -> None:
        y, a, b, _, checkpoints = wkv_cuda.forward(*tensors, not resting)
        wkv_cuda.backward(*tensors, checkpoints, y, *((None, None) if resting else (a, b)))

    ptx = compiled(monkeypatch, tmp_path, "ranvier.kernels.wkv_triton", call)
    assert ".entry forward" in ptx["forward"]
    assert ".entry backward" in ptx["backward"]


@pytest.mark.usefixtures("without_triton")
def test_without_triton_the_reference_serves() -> None:
    tensors = inputs(70, 2, 3, torch.float64)
    detached = [t.detach() for t in tensors]
    with pytest.warns(RuntimeWarning, match="pip install triton"):
        y, *state, checkpoints = wkv_cuda.forward(*detached, True)
    grads = wkv_cuda.backward(*detached, checkpoints, torch.ones_like(y), None, None)
    with reference():
        expected = wkv(*tensors[:4], WKVState(*tensors[4:]))
    torch.testing.assert_close((y, *state), (expected.y, *expected.state))
    for mine, theirs in zip(grads, torch.autograd.grad(expected.y.sum(), tensors[:6]), strict=True):
        torch.testing.assert_close(mine, theirs)
