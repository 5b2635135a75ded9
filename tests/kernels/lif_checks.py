"""Checks of the Triton `lif` against its reference; `device` says where: the interpreter, or a GPU."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from ranvier.kernels import lif
from ranvier.kernels.lif_call import CHUNK
from ranvier.kernels.surrogate import SURROGATES
from tests.kernels.lif_cases import GRADIENTS, LAYOUTS, RESETS, assert_same, inputs, outputs_and_gradients, parameters

KINDS = list(itertools.product(RESETS, (True, False), GRADIENTS))


def on(device: str, tensors: Any) -> Any:
    """Move leaves, and the leaves in a dict, to the device: they stay leaves."""
    if isinstance(tensors, dict):
        return {name: on(device, value) for name, value in tensors.items()}
    if isinstance(tensors, tuple):
        return tuple(on(device, value) for value in tensors)
    return tensors.detach().to(device).requires_grad_() if isinstance(tensors, Tensor) else tensors


def tolerance(dtype: torch.dtype, device: str, surrogate: str) -> float:
    if dtype == torch.float32:
        return 2e-5
    # The interpreter rounds numbers to float32, whatever the kernel declares: the peak of tanh is no such number.
    return 1e-6 if device == "cpu" and surrogate == "tanh" else 1e-12


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["f64", "f32"])
@pytest.mark.parametrize("surrogate", SURROGATES)
def test_options(device: str, dtype: torch.dtype, surrogate: str) -> None:
    sample = slice(SURROGATES.index(surrogate) % 2, None, 2) if dtype == torch.float32 else slice(None)
    for seed, (reset, decay_reset, gradient) in list(enumerate(KINDS, SURROGATES.index(surrogate)))[sample]:
        adaptive = seed % 2 == 0
        x, v, a = on(device, inputs(7, (2, 3, 5), dtype, seed))
        learned = on(device, parameters(3 if seed % 4 < 2 else 0, v.dtype, seed))
        if not adaptive:
            del learned["beta"], learned["rho"]
        options = {
            **learned, "v_reset": 0.125, "reset": reset, "decay_reset": decay_reset, "gradient": gradient,
            "surrogate": surrogate, "temperature": 2.5, "strict": seed % 3 == 1, "sign": 1 if seed % 5 < 3 else -1,
            "return_v": seed % 5 < 2, "return_state": seed % 7 < 5,
        }  # fmt: skip
        assert_same((x, v, a if adaptive else None), options, tolerance(dtype, device, surrogate))


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("reset", RESETS)
def test_membranes_at_the_threshold(device: str, reset: str, strict: bool) -> None:
    x = torch.randint(0, 5, (6, 50), generator=torch.Generator().manual_seed(0)).double() / 4
    options = {"decay": 0.5, "v_threshold": 1.0, "reset": reset, "strict": strict, "return_v": True}
    assert (lif(x, **options).v_seq == 1).any()
    assert_same((on(device, x), None, None), options, 1e-12)


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("steps", [0, 1, 2, 9, 31, 33, CHUNK, 2 * CHUNK + 37])
def test_lengths(device: str, steps: int, adaptive: bool) -> None:
    x, v, a = on(device, inputs(steps, (2, 3, 5), torch.float64, steps))
    options = on(device, parameters(3, torch.float64, steps))
    if not adaptive:
        del options["beta"], options["rho"]
    assert_same((x, v, a if adaptive else None), {**options, "return_v": steps % 2 == 1}, 1e-12)


@pytest.mark.parametrize("shape", [(), (1,), (7,), (2, 0), (2, 131), (2, 3, 16, 16), (2, 4, 7, 7), (3, 1, 5)])
@pytest.mark.parametrize("learned", ["no", "scalar", "channel", "gain alone"])
def test_shapes(device: str, shape: tuple[int, ...], learned: str) -> None:
    x, _, _ = on(device, inputs(5, shape, torch.float64, 0))
    channels = shape[1] if learned == "channel" and len(shape) > 1 else 0
    options = on(device, parameters(channels, torch.float64, 1))
    numbers = {"decay": 0.5, "gain": 0.75, "v_threshold": 0.625}
    if learned == "no":
        options = numbers
    elif learned == "gain alone":
        options = {**numbers, "gain": options["gain"]}
    assert_same((x, None, None), options, 1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(device: str, layout: str) -> None:
    x, v, a = on(device, inputs(6, (3, 4, 5, 7), torch.float64, 5))
    options = on(device, parameters(4, torch.float64, 5))
    with torch.no_grad():
        arranged = LAYOUTS[layout](x).requires_grad_()
    plain = outputs_and_gradients((x, v, a), options, in_reference=True)
    found = outputs_and_gradients((arranged, v, a), options, in_reference=False)
    for mine, theirs in zip(found[0], plain[0], strict=True):
        assert torch.equal(mine, theirs)
    for mine, theirs in zip(found[1], plain[1], strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_storage_equals_the_loop_on_upcast_inputs(device: str, dtype: torch.dtype) -> None:
    x = inputs(40, (3, 5, 11), dtype, 3)[0].detach().to(device).requires_grad_()
    options = {"decay": 0.5, "gain": torch.full((5,), 0.75, device=device), "v_threshold": 0.75, "return_v": True}
    half, full = lif(x, **options), lif(x.float(), **options)
    assert torch.equal(half.s.float(), full.s)
    assert torch.equal(half.v, full.v)
    assert half.v_seq is not None
    assert full.v_seq is not None
    # The interpreter cuts bfloat16 off where a GPU rounds it.
    cut = 2**-7 if device == "cpu" and dtype == torch.bfloat16 else 0
    torch.testing.assert_close(half.v_seq, full.v_seq.to(dtype), rtol=cut, atol=0)
    weight = torch.randn(x.shape, generator=torch.Generator().manual_seed(1)).to(device, dtype)
    (mine,) = torch.autograd.grad(half.s, x, weight)
    (theirs,) = torch.autograd.grad(full.s, x, weight.float())
    torch.testing.assert_close(mine.float(), theirs.float(), rtol=0.01, atol=1e-3)


@pytest.mark.parametrize(("steps", "shape"), [(1, (1,)), (3, (2, 5)), (70, (3, 4, 7)), (5, (2, 131))])
def test_every_element_is_written(device: str, steps: int, shape: tuple[int, ...]) -> None:
    """Fresh buffers are filled with NaN: one that stays is an element that the kernel forgot."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        assert torch.empty(3, device=device).isnan().all()
        x, v, a = on(device, inputs(steps, shape, torch.float32, 1))
        options = on(device, parameters(shape[1] if len(shape) > 2 else 0, torch.float32, 1))
        found, grads = outputs_and_gradients((x, v, a), {**options, "return_v": True}, in_reference=False)
        assert not any(t.isnan().any() for t in (*found, *grads))
    finally:
        torch.use_deterministic_algorithms(before)


def test_parameter_gradients_are_deterministic(device: str) -> None:
    x, v, a = on(device, inputs(5, (4, 6, 33), torch.float32, 2))
    options = on(device, parameters(6, torch.float32, 2))
    first, second = (outputs_and_gradients((x, v, a), options, in_reference=False)[1] for _ in range(2))
    for mine, again in zip(first, second, strict=True):
        assert torch.equal(mine, again)
