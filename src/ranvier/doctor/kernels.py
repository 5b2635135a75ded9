"""Which kernels serve: each is compared with its reference and timed, a second in all."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ranvier.doctor.check import Check
from ranvier.doctor.packages import version
from ranvier.kernels import LIFOutput, gather, lif, native, reference, scan, selective_scan, uses_reference, wkv
from ranvier.kernels.source_hash import source_hash

REINSTALL = "pip install --force-reinstall --no-deps ."
SLOW_AND_RIGHT = "export RANVIER_BACKEND=reference"
CPU = torch.device("cpu")


def kernels() -> Iterator[Check]:
    """One check for the C kernels of each kind, one for Triton, one for the reference."""
    if uses_reference():
        yield Check("kernels", "broken", "RANVIER_BACKEND=reference: every kernel is slow", "unset RANVIER_BACKEND")
    library, state = native.load()
    if library is None:
        yield Check("kernels C", "broken", state, REINSTALL)
    else:
        yield _lif(f"{state}, source {source_hash(native.FOLDER)} as built", CPU, "kernel lif")
        yield _gather()
        yield _scan()
        yield _wkv()
        yield _selective_scan()
    yield _triton()
    with reference():
        yield Check("reference", "ok", f"plain torch, {_lif_speed(CPU)}")


def _lif(found: str, device: torch.device, subject: str) -> Check:
    """Forward and gradient against the reference, on sizes that are multiples of nothing."""
    generator = torch.Generator().manual_seed(0)
    # Multiples of 2^-8 are exact in float32, so that no spike can differ by rounding.
    x = (torch.randint(-128, 512, (17, 3, 211), generator=generator) / 256).to(device)

    def run() -> tuple[Tensor, ...]:
        leaf = x.clone().requires_grad_()
        out: LIFOutput = lif(leaf, decay=0.5)
        assert out.v is not None
        (gradient,) = torch.autograd.grad(out.s.sum() + out.v.square().sum(), leaf)
        return out.s.detach(), out.v.detach(), gradient

    fast = run()
    with reference():
        slow = run()
    if not all(torch.allclose(a, b, atol=1e-5) for a, b in zip(fast, slow, strict=True)):
        return Check(subject, "broken", f"{found}: differs from the reference", SLOW_AND_RIGHT)
    return Check(subject, "ok", f"{found}; equal to the reference, {_lif_speed(device)}")


def _lif_speed(device: torch.device) -> str:
    x = torch.rand(16, 1 << 16, device=device)
    seconds = _median_seconds(lambda: lif(x, decay=0.5), device)
    return f"{x.numel() / seconds / 1e9:.2f} billion neuron steps/s"


def _scan() -> Check:
    """Complex modes."""
    generator = torch.Generator().manual_seed(0)
    angle, c = torch.rand(37, 5, generator=generator), torch.randn(37, 5, generator=generator, dtype=torch.complex64)
    modes = torch.polar(torch.full_like(angle, 0.9), angle), c
    inputs = torch.randn(130, 3, 37, generator=generator), *modes
    return _recurrence("scan", scan, inputs, long=(torch.rand(1024, 1, 37), *modes), modes=5)


def _wkv() -> Check:
    """Keys of very different sizes."""
    generator = torch.Generator().manual_seed(0)
    k, v = torch.randn(2, 130, 3, 37, generator=generator)
    rate, long, rates = torch.rand(2, 37, generator=generator), torch.rand(2, 256, 1, 1024), torch.rand(2, 1024)
    return _recurrence("wkv", wkv, (20 * k, v, -rate[0], rate[1]), long=(*long, -rates[0], rates[1]), modes=1)


def _selective_scan() -> Check:
    """Steps that are data."""
    generator = torch.Generator().manual_seed(0)

    def drawn(steps: int, lanes: int, width: int, modes: int) -> tuple[Tensor, ...]:
        x, dt = torch.rand(2, steps, lanes, width, generator=generator)
        b, c = torch.rand(2, steps, lanes, modes, generator=generator)
        return x, dt, -torch.rand(width, modes, generator=generator), b, c, torch.rand(width, generator=generator)

    return _recurrence("selective_scan", selective_scan, drawn(130, 3, 37, 5), long=drawn(256, 1, 512, 16), modes=16)


def _recurrence(
    name: str, op: Callable[..., Any], inputs: Sequence[Tensor], *, long: Sequence[Tensor], modes: int
) -> Check:
    """Outputs and gradients over a few chunks of steps against the reference; then the speed over a long sequence."""
    leaves = [t.requires_grad_() for t in inputs]

    def run() -> tuple[Tensor, ...]:
        y = op(*leaves).y
        return y.detach(), *torch.autograd.grad(y.square().sum(), leaves)

    fast = run()
    with reference():
        slow = run()
    if not all(torch.allclose(a, b, rtol=1e-3, atol=1e-3) for a, b in zip(fast, slow, strict=True)):
        return Check(f"kernel {name}", "broken", "differs from the reference", SLOW_AND_RIGHT)
    speed = modes * long[0].numel() / _median_seconds(lambda: op(*long), CPU) / 1e9
    return Check(f"kernel {name}", "ok", f"equal to the reference, {speed:.2f} billion mode steps/s")


def _gather() -> Check:
    """A linear layer on 5 % of active inputs, against the dense one."""
    generator = torch.Generator().manual_seed(0)
    weight = gather.prepare(torch.randn(1024, 2048, generator=generator))
    spikes = (torch.rand(32, 1, 2048, generator=generator) < 0.05).float()
    turn = iter(range(1 << 30))

    def fresh(layer: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], Tensor]:
        return lambda: layer(spikes[next(turn) % len(spikes)], weight)

    with torch.inference_mode():
        if not torch.allclose(gather.linear(spikes, weight, path="gather"), F.linear(spikes, weight), atol=1e-3):
            return Check("kernel gather", "broken", "differs from the dense layer", SLOW_AND_RIGHT)
        dense = _median_seconds(fresh(F.linear), CPU)
        sparse = _median_seconds(fresh(lambda s, w: gather.linear(s, w, path="gather")), CPU)
    return Check("kernel gather", "ok", f"equal to the dense layer, {dense / sparse:.1f} times its speed at 5 % firing")


def _triton() -> Check:
    found = f"triton {version('triton')}" if version("triton") else "no triton"
    if not torch.cuda.is_available():
        return Check("kernels Triton", "missing", f"{found}, no CUDA device: nothing to run on")
    if version("triton") is None:
        return Check("kernels Triton", "broken", "a CUDA device, but no triton", "pip install triton")
    device = torch.device("cuda")
    return _lif(f"{found} on {torch.cuda.get_device_name(device)}", device, "kernels Triton")


def _median_seconds(call: Callable[[], object], device: torch.device) -> float:
    """Median of repeated calls in a quarter of a second."""
    seconds = []
    with torch.inference_mode():
        call()
        end = time.perf_counter() + 0.25
        while time.perf_counter() < end or len(seconds) < 3:
            start = time.perf_counter()
            call()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)
