"""The `selective_scan` op on the CPU."""

import ctypes

import pytest
import torch

from ranvier.kernels import native, selective_scan, selective_scan_cpu
from tests.kernels.selective_scan_cases import SelectiveScanChecks, assert_same, inputs


@pytest.fixture
def device() -> str:
    return "cpu"


class TestC(SelectiveScanChecks):
    pass


@pytest.fixture(params=["without C", "baseline", "avx2", "two threads"])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    if request.param == "without C":
        monkeypatch.setattr(selective_scan_cpu, "_functions", lambda: None)
        yield
    elif request.param == "two threads":
        monkeypatch.setattr("ranvier.kernels.pool.slices", lambda length, **_: [(0, 10), (10, length)])
        yield
    else:
        library = native.library()
        assert isinstance(library, ctypes.CDLL)
        library.ranvier_select_isa(("baseline", "avx2").index(request.param))
        yield
        library.ranvier_select_isa(2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_other_machines(machine: None, dtype: torch.dtype) -> None:
    assert_same(list(inputs(70, 3, 7, 5, dtype)), 1e-5 if dtype == torch.float32 else 1e-12)


def test_opcheck() -> None:
    tensors = inputs(66, 2, 3, 2, torch.float64)
    torch.library.opcheck(torch.ops.ranvier.selective_scan.default, (*tensors, False))
    torch.library.opcheck(torch.ops.ranvier.selective_scan.default, (*tensors[:6], None, False))


def test_second_derivatives_come_from_the_reference() -> None:
    tensors = tuple(inputs(3, 2, 2, 2, torch.float64))
    assert torch.autograd.gradcheck(lambda *t: tuple(selective_scan(*t)), tensors)
    assert torch.autograd.gradgradcheck(lambda *t: selective_scan(*t).y, tensors)


def test_without_a_step_nothing_changes() -> None:
    """dt = 0 keeps the state and lets no input in."""
    x, dt, a, b, c, d, h = (t.detach() for t in inputs(100, 2, 3, 4, torch.float64))
    out = selective_scan(x, 0 * dt, a, b, c, d, h)
    assert torch.equal(out.h, h)
    torch.testing.assert_close(out.y, torch.einsum("bcn,tbn->tbc", h, c) + d * x)


def test_constant_steps_and_drives_are_a_scan() -> None:
    from ranvier.kernels import scan

    x, _, a, b, c, d, h = (t.detach() for t in inputs(150, 1, 3, 4, torch.float64))
    dt, b, c = torch.full_like(x, 0.3), b[:1].expand_as(b), c[:1].expand_as(c)
    y = selective_scan(x, dt, a, b, c, 0 * d, h).y
    same = scan(x, torch.exp(0.3 * a), 0.3 * (b * c)[0].expand_as(a), h / (0.3 * b[0])).y
    torch.testing.assert_close(y, same)


def test_slow_modes_stay_exact_over_a_long_time() -> None:
    ones = torch.ones(5000, 1, 1, dtype=torch.float64)
    rate = torch.tensor([[-1e-4]], dtype=torch.float64)
    h = selective_scan(ones, ones, rate, ones, ones, torch.zeros(1, dtype=torch.float64)).h
    torch.testing.assert_close(h[0], torch.expm1(5000 * rate) / torch.expm1(rate), rtol=1e-10, atol=0)


@pytest.mark.parametrize(
    ("index", "change", "error", "message"),
    [
        (0, lambda t: t.half(), TypeError, r"expected x of float32 or float64, got torch.float16: type x.float\(\)"),
        (3, lambda t: t.double(), TypeError, "expected b of torch.float32, as x, got torch.float64"),
        (6, lambda t: t.double(), TypeError, "expected h of torch.float32, as x"),
        (2, lambda t: t[:2], ValueError, r"expected x \[T, B, C\] and a \[C, N\], got \(4, 2, 3\) and \(2, 5\)"),
        (1, lambda t: t[:1], ValueError, r"expected dt of shape \(4, 2, 3\).*got \(1, 2, 3\)"),
        (4, lambda t: t[..., :1], ValueError, r"expected c of shape \(4, 2, 5\)"),
        (5, lambda t: t[:1], ValueError, r"expected d of shape \(3,\)"),
        (6, lambda t: t[:1], ValueError, r"expected the state h of shape \(2, 3, 5\).*start from rest"),
    ],
)
def test_what_does_not_fit(index: int, change, error: type[Exception], message: str) -> None:
    tensors = [t.detach() for t in inputs(4, 2, 3, 5, torch.float32)]
    tensors[index] = change(tensors[index])
    with pytest.raises(error, match=message):
        selective_scan(*tensors)
