"""Inputs for the `scan` op and the comparison with its reference: what the tests of every version share."""

import contextlib
import itertools

import pytest
import torch
from torch import Tensor

from ranvier.kernels import reference, scan
from ranvier.kernels.scan_layout import CHUNK

FIELDS = {
    "real f32": (torch.float32, torch.float32),
    "real f64": (torch.float64, torch.float64),
    "complex f32": (torch.float32, torch.complex64),
    "complex f64": (torch.float64, torch.complex128),
}
LAYOUTS = {
    "every other step": lambda x: x.repeat_interleave(2, 0)[::2],
    "batch first": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "padded rows": lambda x: torch.nn.functional.pad(x, (0, 3))[..., : x.shape[-1]],
}


def inputs(steps: int, batch: int, channels: int, modes: int, field: str, device: str) -> list[Tensor]:
    """Return x, a, c and h as leaves; the modes forget slowly."""
    generator = torch.Generator().manual_seed(steps)
    dtype, mode = FIELDS[field]

    def normal(*shape: int, dtype: torch.dtype = mode) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=dtype)

    a = normal(channels, modes)
    a = a / (a.abs() + 1e-3) * (1 - 0.1 * torch.rand(channels, modes, generator=generator, dtype=dtype))
    tensors = (normal(steps, batch, channels, dtype=dtype), a, normal(channels, modes), normal(batch, channels, modes))
    return [tensor.to(device).requires_grad_() for tensor in tensors]


def outputs_and_gradients(tensors: list[Tensor | None], *, in_reference: bool) -> tuple[list[Tensor], list[Tensor]]:
    with reference() if in_reference else contextlib.nullcontext():
        found = list(scan(*tensors))  # type: ignore[arg-type]
    loss = sum((0 * leaf).abs().sum() for leaf in tensors if leaf is not None)
    for seed, tensor in enumerate(found):
        weight = torch.randn(tensor.shape, generator=torch.Generator().manual_seed(seed), dtype=tensor.dtype)
        product = tensor * weight.to(tensor.device)
        loss = loss + (product.real + 2 * product.imag if product.is_complex() else product).sum()
    return found, list(torch.autograd.grad(loss, [leaf for leaf in tensors if leaf is not None]))


def assert_same(tensors: list[Tensor | None], tolerance: float) -> None:
    fast, slow = (outputs_and_gradients(tensors, in_reference=where) for where in (False, True))
    for mine, theirs in zip(itertools.chain(*fast), itertools.chain(*slow), strict=True):
        scale = 1 + theirs.detach().abs().max() if theirs.numel() else 1
        torch.testing.assert_close(mine / scale, theirs / scale, rtol=0, atol=tolerance)


class ScanChecks:
    """What every version of the op promises; `device` is a fixture."""

    @pytest.mark.parametrize("field", FIELDS)
    @pytest.mark.parametrize("steps", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 37])
    @pytest.mark.parametrize("resting", [False, True])
    def test_lengths(self, device: str, steps: int, field: str, resting: bool) -> None:
        x, a, c, h = inputs(steps, 2, 3, 5, field, device)
        assert_same([x, a, c, None if resting else h], 1e-5 if "32" in field else 1e-12)

    @pytest.mark.parametrize(
        ("batch", "channels", "modes"), [(1, 1, 1), (3, 16, 4), (2, 17, 2), (0, 3, 2), (5, 7, 9), (1, 33, 3)]
    )
    @pytest.mark.parametrize("field", ["complex f64", "real f64"])
    def test_shapes(self, device: str, batch: int, channels: int, modes: int, field: str) -> None:
        assert_same(list(inputs(5, batch, channels, modes, field, device)), 1e-12)

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_layouts(self, device: str, layout: str) -> None:
        x, a, c, h = inputs(7, 3, 5, 2, "complex f64", device)
        plain = outputs_and_gradients([x, a, c, h], in_reference=True)
        with torch.no_grad():
            arranged = LAYOUTS[layout](x).requires_grad_()
        found = outputs_and_gradients([arranged, a, c, h], in_reference=False)
        for mine, theirs in zip(itertools.chain(*found), itertools.chain(*plain), strict=True):
            torch.testing.assert_close(mine, theirs)

    @pytest.mark.parametrize("steps", [1, CHUNK + 3])
    def test_every_element_is_written(self, device: str, steps: int) -> None:
        """Fresh buffers are filled with NaN: one that stays is an element that the kernel forgot."""
        before = torch.are_deterministic_algorithms_enabled()
        torch.use_deterministic_algorithms(True)
        try:
            assert torch.empty(3, device=device).isnan().all()
            tensors = inputs(steps, 3, 5, 3, "complex f32", device)
            found, grads = outputs_and_gradients(list(tensors), in_reference=False)
            assert not any(t.isnan().any() for t in (*found, *grads))
        finally:
            torch.use_deterministic_algorithms(before)

    def test_only_the_final_state_is_used(self, device: str) -> None:
        x, a, c, h = inputs(CHUNK + 5, 2, 3, 2, "complex f64", device)
        slow = torch.autograd.grad(_in_reference(x, a, c, h).h.abs().sum(), (x, a, h))
        fast = torch.autograd.grad(scan(x, a, c, h).h.abs().sum(), (x, a, h))
        for mine, theirs in zip(fast, slow, strict=True):
            torch.testing.assert_close(mine, theirs)


def _in_reference(*tensors: Tensor):
    with reference():
        return scan(*tensors)
