"""The `scan` op on the CPU."""

import ctypes

import pytest
import torch

from ranvier import kernels
from ranvier.kernels import native, scan, scan_cpu
from tests.kernels.scan_cases import ScanChecks, assert_same, inputs


@pytest.fixture
def device() -> str:
    return "cpu"


class TestC(ScanChecks):
    pass


@pytest.fixture(params=["without C", "baseline", "avx2", "two threads"])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    if request.param == "without C":
        monkeypatch.setattr(scan_cpu, "_functions", lambda: None)
        yield
    elif request.param == "two threads":
        monkeypatch.setattr(
            "ranvier.kernels.pool.slices", lambda length, **_: [(0, length // 2), (length // 2, length)]
        )
        yield
    else:
        library = native.library()
        assert isinstance(library, ctypes.CDLL)
        library.ranvier_select_isa(("baseline", "avx2").index(request.param))
        yield
        library.ranvier_select_isa(2)


@pytest.mark.parametrize("field", ["real f32", "complex f64"])
def test_other_machines(machine: None, field: str) -> None:
    assert_same(list(inputs(70, 3, 7, 5, field, "cpu")), 1e-5 if "32" in field else 1e-12)


def test_opcheck() -> None:
    tensors = inputs(66, 2, 3, 2, "complex f64", "cpu")
    torch.library.opcheck(torch.ops.ranvier.scan.default, (*tensors, False))
    torch.library.opcheck(torch.ops.ranvier.scan.default, (*tensors[:3], None, False))


def test_second_derivatives_come_from_the_reference() -> None:
    tensors = tuple(inputs(4, 2, 2, 2, "complex f64", "cpu"))
    assert torch.autograd.gradgradcheck(lambda *t: scan(*t).y, tensors)
    assert torch.autograd.gradcheck(lambda *t: tuple(scan(*t)), tensors)


def test_a_conjugate_view_is_understood() -> None:
    x, a, c, h = inputs(5, 2, 3, 2, "complex f64", "cpu")
    with kernels.reference():
        expected = scan(x, a.conj(), c, h).y
    torch.testing.assert_close(scan(x, a.conj(), c, h).y, expected)


def test_slow_modes_stay_exact_over_a_long_time() -> None:
    x = torch.ones(5000, 1, 1, dtype=torch.float64)
    a = torch.tensor([[0.9999]], dtype=torch.float64)
    h = scan(x, a, torch.ones_like(a)).h
    torch.testing.assert_close(h, (1 - a**5000).view(1, 1, 1) / (1 - a.view(1, 1, 1)), rtol=1e-10, atol=0)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"x": torch.float16}, TypeError, r"expected x of float32 or float64, got torch.float16: type x.float\(\)"),
        ({"a": torch.complex128}, TypeError, "complex of that precision"),
        ({"c": torch.float32}, TypeError, "expected c of torch.complex64, as a"),
    ],
)
def test_types_that_do_not_fit(change: dict, error: type[Exception], message: str) -> None:
    tensors = dict(zip("xach", inputs(3, 2, 3, 2, "complex f32", "cpu"), strict=True))
    for name, dtype in change.items():
        tensor = tensors[name].detach()
        tensors[name] = tensor.real.to(dtype) if tensor.is_complex() and not dtype.is_complex else tensor.to(dtype)
    with pytest.raises(error, match=message):
        scan(*tensors.values())


def test_shapes_that_do_not_fit() -> None:
    x, a, c, h = inputs(3, 2, 3, 2, "complex f32", "cpu")
    with pytest.raises(ValueError, match=r"expected x \[T, B, C\] and a \[C, N\], got \(3, 2, 3\) and \(2, 2\)"):
        scan(x, a[:2], c)
    with pytest.raises(ValueError, match=r"expected c of \(3, 2\), as a, got \(3, 1\)"):
        scan(x, a, c[:, :1])
    with pytest.raises(ValueError, match=r"expected the state h of shape \(2, 3, 2\).*start from rest"):
        scan(x, a, c, h[:1])
