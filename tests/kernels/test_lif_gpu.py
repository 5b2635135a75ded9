"""The Triton `lif` on a CUDA device: the checks of the interpreter, and what only a device can show."""

import pytest
import torch

from ranvier.kernels import lif, lif_cuda
from tests.kernels.lif_checks import *  # noqa: F403
from tests.kernels.lif_checks import inputs, on, outputs_and_gradients, parameters

pytestmark = pytest.mark.gpu


@pytest.fixture
def device() -> str:
    assert lif_cuda.available() == (True, "active")
    return "cuda"


@pytest.mark.parametrize("steps", [16, 64, 130])
def test_equals_the_c_version(device: str, steps: int) -> None:
    arguments, options = inputs(steps, (4, 8, 9, 9), torch.float32, 0), parameters(8, torch.float32, 0)
    there = outputs_and_gradients(on(device, arguments), on(device, options), in_reference=False)
    here = outputs_and_gradients(arguments, options, in_reference=False)
    for mine, theirs in zip(there[0], here[0], strict=True):
        assert torch.equal(mine.cpu(), theirs)
    for mine, theirs in zip(there[1], here[1], strict=True):
        torch.testing.assert_close(mine.cpu(), theirs, rtol=1e-4, atol=1e-4 * (1 + theirs.abs().max().item()))


@pytest.mark.parametrize("steps", [5, 70])
def test_opcheck(device: str, steps: int) -> None:
    x, v, a = on(device, inputs(steps, (2, 3), torch.float32, 0))
    constants = [0.5, 1.0, 1.0, 0.1, 0.2, 0.0, 2.0]
    decay = torch.rand(3, device=device, requires_grad=True)
    op = torch.ops.ranvier.lif.default
    torch.library.opcheck(op, (x, None, None, None, None, None, None, None, constants, 2 << 12))
    torch.library.opcheck(op, (x, v, a, decay, None, None, None, None, constants, (2 << 12) | 8 | 128))


def test_compiles_into_one_graph(device: str) -> None:
    x, v, _ = on(device, inputs(5, (2, 3), torch.float32, 0))
    decay = torch.rand(3, device=device, requires_grad=True)

    def layer(x: torch.Tensor, v: torch.Tensor, decay: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        out = lif(x * 2, v, decay=decay)
        return out.s * 1.5, out.v

    results = []
    for run in (layer, torch.compile(layer, fullgraph=True)):
        s, last = run(x, v, decay)
        results.append((s, last, *torch.autograd.grad(s.sum() + last.sum(), (x, v, decay))))
    for eager, fused in zip(*results, strict=True):
        torch.testing.assert_close(fused, eager)


def test_more_elements_than_32_bits_count(device: str) -> None:
    x = torch.full((3, (1 << 30) + 8), 0.75, device=device, dtype=torch.float16)
    out = lif(x, decay=0.5)
    assert out.s[0].sum(dtype=torch.float64) == 0
    assert out.s[1].sum(dtype=torch.float64) == x.shape[1]
    assert out.s[2].sum(dtype=torch.float64) == 0


def milliseconds(call) -> float:
    for _ in range(3):
        call()
    times = []
    for _ in range(10):
        start, stop = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        call()
        stop.record()
        stop.synchronize()
        times.append(start.elapsed_time(stop))
    return sorted(times)[len(times) // 2]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_forward_and_backward_run_at_the_speed_of_memory(device: str, dtype: torch.dtype) -> None:
    """A smoke test at 60 %; `make gpu` reports the real figure from the benchmark."""
    x = torch.randn(16, 1 << 22, device=device, dtype=dtype)
    grad, target = torch.randn_like(x), torch.empty_like(x)
    constants, options, nothing = [0.5, 1.0, 1.0, 0.0, 0.0, 0.0, 2.0], 2 << 12, (None,) * 7
    checkpoints = lif_cuda.forward(x, *nothing, constants, options)[4]
    copy = milliseconds(lambda: target.copy_(x)) / 2  # one pass
    forward = milliseconds(lambda: lif_cuda.forward(x, *nothing, constants, options)) / 2
    backward = milliseconds(
        lambda: lif_cuda.backward(x, *nothing, checkpoints, grad, None, None, None, constants, options)
    )
    assert forward < copy / 0.6
    assert backward / 3 < copy / 0.6
