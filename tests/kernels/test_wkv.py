"""The `wkv` op on the CPU."""

import ctypes

import pytest
import torch
from torch import Tensor

from ranvier.kernels import WKVState, native, reference, wkv, wkv_cpu
from tests.kernels.wkv_cases import WKVChecks, assert_same, inputs, outputs_and_gradients


@pytest.fixture
def device() -> str:
    return "cpu"


class TestC(WKVChecks):
    pass


@pytest.fixture(params=["without C", "two threads"])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "without C":
        monkeypatch.setattr(wkv_cpu, "_functions", lambda: None)
    else:
        monkeypatch.setattr(
            "ranvier.kernels.pool.slices", lambda length, **_: [(0, length // 2), (length // 2, length)]
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("resting", [False, True])
def test_other_machines(machine: None, dtype: torch.dtype, resting: bool) -> None:
    assert_same(inputs(70, 3, 7, dtype)[: 4 if resting else 7])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_instruction_set_gives_the_same_bits(dtype: torch.dtype) -> None:
    library = native.library()
    assert isinstance(library, ctypes.CDLL)
    found = []
    for level in range(3):
        library.ranvier_select_isa(level)
        found.append(outputs_and_gradients(inputs(70, 3, 47, dtype), in_reference=False))
    for one, *others in zip(*found, strict=True):
        assert all(torch.equal(one, other) for other in others)


def closed_form(k: Tensor, v: Tensor, w: Tensor, u: Tensor) -> Tensor:
    """The two sums as they are written, all at once: for small keys and few steps."""
    t = torch.arange(len(k), dtype=k.dtype)
    age = (t[:, None] - 1 - t[None, :]).view(len(k), len(k), 1, 1)
    weight = torch.where(age >= 0, torch.exp(k + age * w), 0.0)
    weight = torch.where(age == -1, torch.exp(u + k), weight)
    return (weight * v).sum(1) / weight.sum(1)


@pytest.mark.parametrize("in_reference", [False, True])
def test_it_is_the_published_average(in_reference: bool) -> None:
    tensors = inputs(50, 2, 3, torch.float64)[:4]
    expected = closed_form(*tensors)
    weight = torch.linspace(-1, 1, expected.numel(), dtype=torch.float64).view_as(expected)
    with reference() if in_reference else torch.enable_grad():
        y = wkv(*tensors).y
    for mine, theirs in zip(
        (y, *torch.autograd.grad((y * weight).sum(), tensors)),
        (expected, *torch.autograd.grad((expected * weight).sum(), tensors)),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("largest", [1.0, 80.0])
def test_sixteen_thousand_steps_in_float32(largest: float) -> None:
    exact = inputs(16384, 1, 8, torch.float64, largest=largest)[:4]
    single = [t.detach().float().requires_grad_() for t in exact]
    for mine, theirs in zip(
        outputs_and_gradients(single, in_reference=False), outputs_and_gradients(exact, in_reference=False), strict=True
    ):
        assert mine.isfinite().all()
        scale = 1 + theirs.detach().abs().max()
        torch.testing.assert_close(mine.double() / scale, theirs / scale, rtol=0, atol=1e-3)


def test_one_key_outweighs_all_that_follow() -> None:
    """Its weight falls by exp(-w t) and theirs are 160 smaller in the exponent: it stays for 16,000 steps."""
    k = torch.full((16384, 1, 1), -80.0)
    k[0] = 80.0
    v = torch.zeros_like(k)
    v[0] = 1.0
    y = wkv(k, v, torch.tensor([-0.005]), torch.zeros(1)).y
    torch.testing.assert_close(y[:16000], torch.ones(16000, 1, 1))
    late = wkv(k, v, torch.tensor([-0.02]), torch.zeros(1)).y
    assert late[7000].item() == pytest.approx(1)
    assert late[9000].item() == pytest.approx(0, abs=1e-6)


def test_a_change_of_scale_changes_nothing() -> None:
    k, v, w, u, a, b, p = inputs(9, 2, 3, torch.float64)
    y, state = wkv(k, v, w, u, WKVState(a, b, p))
    other, scaled = wkv(k, v, w, u, WKVState(a * torch.e, b * torch.e, p - 1))
    torch.testing.assert_close(other, y)
    for one, two in ((state.a, scaled.a), (state.b, scaled.b)):
        torch.testing.assert_close(one * torch.exp(state.p), two * torch.exp(scaled.p))


def test_opcheck() -> None:
    tensors = inputs(66, 2, 3, torch.float64)
    torch.library.opcheck(torch.ops.ranvier.wkv.default, (*tensors, False))
    torch.library.opcheck(torch.ops.ranvier.wkv.default, (*tensors[:4], None, None, None, False))


def test_derivatives_of_both_orders() -> None:
    tensors = inputs(4, 2, 2, torch.float64)

    def free_of_scale(*leaves: Tensor) -> tuple[Tensor, ...]:
        y, (a, b, p) = wkv(*leaves[:4], WKVState(leaves[4], leaves[5], tensors[6]))
        return y, a * torch.exp(p), b * torch.exp(p)

    assert torch.autograd.gradcheck(free_of_scale, tuple(tensors[:6]))
    assert torch.autograd.gradgradcheck(free_of_scale, tuple(tensors[:6]))


def test_a_scale_has_no_gradient() -> None:
    *leaves, p = inputs(3, 2, 2, torch.float64)
    p.requires_grad_()
    for where in (torch.enable_grad(), reference()):
        with where:
            y, state = wkv(*leaves[:4], WKVState(leaves[4], leaves[5], p))
        assert not state.p.requires_grad
        assert torch.autograd.grad(y.sum(), p, allow_unused=True) == (None,)


@pytest.mark.parametrize(
    ("name", "change", "error", "message"),
    [
        ("k", Tensor.half, TypeError, r"expected k of float32 or float64, got torch.float16: type k.float\(\)"),
        ("u", Tensor.double, TypeError, "expected u of torch.float32, as k, got torch.float64"),
        ("p", Tensor.double, TypeError, "expected the state p of torch.float32, as k"),
        ("v", lambda v: v[:2], ValueError, r"k and v \[T, B, C\] of one shape, got \(3, 2, 4\) and \(2, 2, 4\)"),
        ("w", lambda w: w[:1], ValueError, r"expected w of shape \(4,\) for k \(3, 2, 4\), got \(1,\)"),
        ("b", lambda b: b[:1], ValueError, r"expected the state b of shape \(2, 4\) for k \(3, 2, 4\), got \(1, 4\)"),
    ],
)
def test_what_does_not_fit_is_refused(name: str, change, error: type[Exception], message: str) -> None:
    tensors = dict(zip("kvwuabp", inputs(3, 2, 4, torch.float32), strict=True))
    tensors[name] = change(tensors[name])
    *four, a, b, p = tensors.values()
    with pytest.raises(error, match=message):
        wkv(*four, WKVState(a, b, p))
