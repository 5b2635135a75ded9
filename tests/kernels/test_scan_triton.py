"""The Triton `scan` without a GPU: interpreted, compiled for one, and what serves where Triton is missing."""

from pathlib import Path

import pytest
import torch

from ranvier.kernels import reference, scan, scan_cuda
from tests.kernels.scan_cases import inputs
from tests.kernels.without_gpu import compiled, in_a_process

HERE = Path(__file__).parent


def test_interpreted_kernels_equal_the_reference() -> None:
    pytest.importorskip("triton", reason="Triton has no package for this platform")
    file = str(HERE / "interpreted_scan.py")
    in_a_process("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", file, TRITON_INTERPRET="1")


@pytest.mark.parametrize(("field", "modes"), [("complex f32", 32), ("real f32", 3), ("complex f64", 2)])
def test_every_kind_of_call_compiles(monkeypatch, tmp_path, field: str, modes: int) -> None:
    x, a, c, h = (t.detach() for t in inputs(130, 2, 3, modes, field, "cpu"))

    def call() -> None:
        y, h_out, checkpoints = scan_cuda.forward(x, a, c, h, True)
        scan_cuda.backward(x, a, c, h, checkpoints, y, h_out)

    ptx = compiled(monkeypatch, tmp_path, "ranvier.kernels.scan_triton", call)
    assert ".entry forward" in ptx["forward"]
    assert ".entry backward" in ptx["backward"]


def test_a_sequence_from_rest_compiles(monkeypatch, tmp_path) -> None:
    x, a, c, _ = (t.detach() for t in inputs(70, 2, 3, 2, "complex f32", "cpu"))

    def call() -> None:
        y, _, checkpoints = scan_cuda.forward(x, a, c, None, True)
        scan_cuda.backward(x, a, c, None, checkpoints, y, None)

    assert set(compiled(monkeypatch, tmp_path, "ranvier.kernels.scan_triton", call)) == {"forward", "backward"}


@pytest.mark.usefixtures("without_triton")
def test_without_triton_the_reference_serves() -> None:
    x, a, c, h = inputs(70, 2, 3, 2, "complex f64", "cpu")
    with pytest.warns(RuntimeWarning, match="pip install triton"):
        y, h_out, checkpoints = scan_cuda.forward(x.detach(), a.detach(), c.detach(), h.detach(), True)
    grads = scan_cuda.backward(x, a, c, h, checkpoints, torch.ones_like(y), None)
    with reference():
        expected = scan(x, a, c, h)
    torch.testing.assert_close((y, h_out), tuple(expected))
    for mine, theirs in zip(grads, torch.autograd.grad(expected.y.sum(), (x, a, c, h)), strict=True):
        torch.testing.assert_close(mine, theirs)
