"""Inputs for the `selective_scan` op and the comparison with its reference: what the tests of every version share."""

import contextlib
import itertools

import pytest
import torch
from torch import Tensor

from ranvier.kernels import reference, selective_scan
from ranvier.kernels.selective_scan_layout import CHUNK

LAYOUTS = {
    "every other step": lambda x: x.repeat_interleave(2, 0)[::2],
    "batch first": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "padded rows": lambda x: torch.nn.functional.pad(x, (0, 3))[..., : x.shape[-1]],
}


def inputs(steps: int, batch: int, channels: int, modes: int, dtype: torch.dtype, device: str = "cpu") -> list[Tensor]:
    """Return x, dt, a, b, c, d and h as leaves; the modes forget slowly and fast."""
    generator = torch.Generator().manual_seed(steps)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=dtype)

    dt = torch.rand(steps, batch, channels, generator=generator, dtype=dtype)
    rates = -4 * torch.rand(channels, modes, generator=generator, dtype=dtype) ** 2
    x, b, c = normal(steps, batch, channels), normal(steps, batch, modes), normal(steps, batch, modes)
    tensors = (x, dt, rates, b, c, normal(channels), normal(batch, channels, modes))
    return [tensor.to(device).requires_grad_() for tensor in tensors]


def outputs_and_gradients(tensors: list[Tensor | None], *, in_reference: bool) -> tuple[list[Tensor], list[Tensor]]:
    with reference() if in_reference else contextlib.nullcontext():
        found = list(selective_scan(*tensors))  # type: ignore[arg-type]
    loss = sum((0 * leaf).sum() for leaf in tensors if leaf is not None)
    for seed, tensor in enumerate(found):
        weight = torch.randn(tensor.shape, generator=torch.Generator().manual_seed(seed), dtype=tensor.dtype)
        loss = loss + (tensor * weight.to(tensor.device)).sum()
    return found, list(torch.autograd.grad(loss, [leaf for leaf in tensors if leaf is not None]))


def assert_same(tensors: list[Tensor | None], tolerance: float) -> None:
    fast, slow = (outputs_and_gradients(tensors, in_reference=where) for where in (False, True))
    for mine, theirs in zip(itertools.chain(*fast), itertools.chain(*slow), strict=True):
        scale = 1 + theirs.detach().abs().max() if theirs.numel() else 1
        torch.testing.assert_close(mine / scale, theirs / scale, rtol=0, atol=tolerance)


class SelectiveScanChecks:
    """What every version of the op promises; `device` is a fixture."""

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
    @pytest.mark.parametrize("steps", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 1])
    @pytest.mark.parametrize("resting", [False, True])
    def test_lengths(self, device: str, steps: int, dtype: torch.dtype, resting: bool) -> None:
        tensors = inputs(steps, 2, 3, 5, dtype, device)
        assert_same([*tensors[:6], None if resting else tensors[6]], 1e-5 if dtype == torch.float32 else 1e-12)

    @pytest.mark.parametrize(
        ("batch", "channels", "modes"), [(1, 1, 1), (3, 16, 4), (2, 17, 2), (0, 3, 2), (2, 7, 9), (1, 33, 3)]
    )
    def test_shapes(self, device: str, batch: int, channels: int, modes: int) -> None:
        assert_same(list(inputs(5, batch, channels, modes, torch.float64, device)), 1e-12)

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_layouts(self, device: str, layout: str) -> None:
        x, dt, a, b, c, d, h = inputs(7, 3, 5, 2, torch.float64, device)
        plain = outputs_and_gradients([x, dt, a, b, c, d, h], in_reference=True)
        with torch.no_grad():
            x, dt, b, c = (LAYOUTS[layout](tensor).requires_grad_() for tensor in (x, dt, b, c))
        found = outputs_and_gradients([x, dt, a, b, c, d, h], in_reference=False)
        for mine, theirs in zip(itertools.chain(*found), itertools.chain(*plain), strict=True):
            torch.testing.assert_close(mine, theirs)

    @pytest.mark.parametrize("steps", [1, CHUNK + 3])
    def test_every_element_is_written(self, device: str, steps: int) -> None:
        """Fresh buffers are filled with NaN: one that stays is an element that the kernel forgot."""
        before = torch.are_deterministic_algorithms_enabled()
        torch.use_deterministic_algorithms(True)
        try:
            assert torch.empty(3, device=device).isnan().all()
            found, grads = outputs_and_gradients(
                list(inputs(steps, 3, 5, 3, torch.float32, device)), in_reference=False
            )
            assert not any(t.isnan().any() for t in (*found, *grads))
        finally:
            torch.use_deterministic_algorithms(before)

    def test_only_the_final_state_is_used(self, device: str) -> None:
        tensors = inputs(CHUNK + 5, 2, 3, 2, torch.float64, device)
        wanted = [tensors[i] for i in (0, 1, 2, 3, 6)]
        with reference():
            slow = torch.autograd.grad(selective_scan(*tensors).h.square().sum(), wanted)
        fast = torch.autograd.grad(selective_scan(*tensors).h.square().sum(), wanted)
        for mine, theirs in zip(fast, slow, strict=True):
            torch.testing.assert_close(mine, theirs)

    # The interpreter computes with numpy, which warns of infinity.
    @pytest.mark.filterwarnings("ignore:.* encountered in")
    @pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
    def test_exponentials_of_every_size(self, device: str, dtype: torch.dtype, tolerance: float) -> None:
        """exp(dt a) from 0, where a mode forgets at once, over the least and the largest numbers to infinity."""
        exponents = torch.tensor([[-1e30, -800, -709, -104, -88, -1.5, -1e-9, 0, 1e-9, 30, 87, 700, 800]], dtype=dtype)
        one = torch.ones(1, 1, 1, dtype=dtype)
        nothing, kept = torch.zeros_like(exponents).unsqueeze(0), torch.ones_like(exponents).unsqueeze(0)
        tensors = (0 * one, one, exponents, nothing, nothing, 0 * one[0, 0], kept)
        h = selective_scan(*(tensor.to(device) for tensor in tensors)).h.cpu()
        torch.testing.assert_close(h[0], exponents.exp(), rtol=tolerance, atol=2 * torch.finfo(dtype).tiny)
