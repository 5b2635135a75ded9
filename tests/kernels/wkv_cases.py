"""Inputs for the `wkv` op and the comparison with its reference: what the tests of every version share."""

import contextlib
import itertools

import pytest
import torch
from torch import Tensor

from ranvier.kernels import WKVState, reference, wkv
from ranvier.kernels.wkv_layout import CHUNK

LAYOUTS = {
    "every other step": lambda x: x.repeat_interleave(2, 0)[::2],
    "batch first": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "padded rows": lambda x: torch.nn.functional.pad(x, (0, 3))[..., : x.shape[-1]],
}
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-13}


def inputs(
    steps: int, batch: int, channels: int, dtype: torch.dtype, *, device: str = "cpu", largest: float = 4.0
) -> list[Tensor]:
    """Return k, v, w, u, a and b as leaves, and p; keys and exponents lie within `largest`."""
    generator = torch.Generator().manual_seed(steps)

    def uniform(*shape: int, low: float, high: float) -> Tensor:
        return (low + (high - low) * torch.rand(*shape, generator=generator, dtype=torch.float64)).to(device, dtype)

    leaves = [
        uniform(steps, batch, channels, low=-largest, high=largest),
        uniform(steps, batch, channels, low=-2, high=2),
        -uniform(channels, low=-9, high=1).exp(),
        uniform(channels, low=-2, high=2),
        uniform(batch, channels, low=-3, high=3),
        uniform(batch, channels, low=1, high=3),
    ]
    return [*(leaf.requires_grad_() for leaf in leaves), uniform(batch, channels, low=-largest, high=largest)]


def outputs_and_gradients(tensors: list[Tensor], *, in_reference: bool) -> list[Tensor]:
    """Return y, a, b, p and the gradients; without a, b and p in `tensors` the state is at rest."""
    with reference() if in_reference else contextlib.nullcontext():
        y, state = wkv(*tensors[:4], WKVState(*tensors[4:]) if tensors[4:] else None)
    leaves = [tensor for tensor in tensors if tensor.requires_grad]
    loss = sum((0 * leaf).sum() for leaf in leaves)
    for seed, tensor in enumerate((y, state.a, state.b)):
        weight = torch.randn(tensor.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        loss = loss + (tensor * weight.to(tensor)).sum()
    return [y, *state, *torch.autograd.grad(loss, leaves)]


def assert_same(tensors: list[Tensor], expected: list[Tensor] | None = None) -> None:
    fast = outputs_and_gradients(tensors, in_reference=False)
    slow = outputs_and_gradients(tensors, in_reference=True) if expected is None else expected
    for mine, theirs in zip(fast, slow, strict=True):
        scale = 1 + theirs.detach().abs().max() if theirs.numel() else 1
        torch.testing.assert_close(mine / scale, theirs / scale, rtol=0, atol=TOLERANCE[tensors[0].dtype])


class WKVChecks:
    """What every version of the op promises; `device` is a fixture."""

    @pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
    @pytest.mark.parametrize("steps", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 5])
    @pytest.mark.parametrize("resting", [False, True])
    def test_lengths(self, device: str, steps: int, dtype: torch.dtype, resting: bool) -> None:
        assert_same(inputs(steps, 2, 3, dtype, device=device)[: 4 if resting else 7])

    @pytest.mark.parametrize(("batch", "channels"), [(1, 1), (3, 16), (2, 17), (0, 3), (5, 13), (2, 65)])
    def test_shapes(self, device: str, batch: int, channels: int) -> None:
        assert_same(inputs(5, batch, channels, torch.float64, device=device))

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_layouts(self, device: str, layout: str) -> None:
        k, v, *rest = inputs(7, 3, 5, torch.float64, device=device)
        expected = outputs_and_gradients([k, v, *rest], in_reference=True)
        with torch.no_grad():
            arranged = [LAYOUTS[layout](x) for x in (k, v)]
        assert_same([*(x.requires_grad_() for x in arranged), *rest], expected)

    @pytest.mark.parametrize("steps", [1, CHUNK + 3])
    def test_every_element_is_written(self, device: str, steps: int) -> None:
        """Fresh buffers are filled with NaN: one that stays is an element that the kernel forgot."""
        before = torch.are_deterministic_algorithms_enabled()
        torch.use_deterministic_algorithms(True)
        try:
            assert torch.empty(3, device=device).isnan().all()
            found = outputs_and_gradients(inputs(steps, 3, 5, torch.float32, device=device), in_reference=False)
            assert not any(t.isnan().any() for t in found)
        finally:
            torch.use_deterministic_algorithms(before)

    @pytest.mark.parametrize("part", [0, 1])
    def test_only_a_part_of_the_final_state_is_used(self, device: str, part: int) -> None:
        tensors = inputs(CHUNK + 5, 2, 3, torch.float64, device=device)
        found = []
        for where in (contextlib.nullcontext(), reference()):
            with where:
                state = wkv(*tensors[:4], WKVState(*tensors[4:])).state
            found.append(torch.autograd.grad(state[part].square().sum(), tensors[:6], materialize_grads=True))
        for mine, theirs in itertools.zip_longest(*found):
            torch.testing.assert_close(mine, theirs)

    @pytest.mark.parametrize("resting", [False, True])
    def test_large_keys(self, device: str, resting: bool) -> None:
        """exp(80) is no number of float32 twice over: neither sum may ever be formed."""
        tensors = inputs(CHUNK + 9, 2, 5, torch.float64, device=device, largest=80.0)[: 4 if resting else 7]
        assert_same(tensors)
        single = [t.detach().float().requires_grad_(t.requires_grad) for t in tensors]
        for mine, theirs in zip(
            outputs_and_gradients(single, in_reference=False),
            outputs_and_gradients(tensors, in_reference=True),
            strict=True,
        ):
            scale = 1 + theirs.detach().abs().max()
            # Exponents near 80 are known to 4e-6 in float32, and so are the weights.
            torch.testing.assert_close(mine.double() / scale, theirs / scale, rtol=0, atol=2e-4)
