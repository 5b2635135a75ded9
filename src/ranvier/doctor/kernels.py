"""Which kernels serve: each is compared with its reference and timed, a second in all."""

import statistics
import time
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from ranvier.doctor.check import Check
from ranvier.doctor.packages import version
from ranvier.kernels import LIFOutput, gather, lif, native, reference, scan, selective_scan, uses_reference
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
        yield _scan(CPU, "kernel scan")
        yield _selective_scan(CPU, "kernel selective_scan")
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


def _scan(device: torch.device, subject: str) -> Check:
    """Complex modes over a few chunks of steps, and their gradient, against the reference."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(130, 3, 37, generator=generator)
    angle, c = torch.rand(37, 5, generator=generator), torch.randn(37, 5, generator=generator, dtype=torch.complex64)
    leaves = [t.to(device).requires_grad_() for t in (x, torch.polar(torch.full_like(angle, 0.9), angle), c)]

    def run() -> tuple[Tensor, ...]:
        y = scan(*leaves).y
        return y.detach(), *torch.autograd.grad(y.square().sum(), leaves)

    fast = run()
    with reference():
        slow = run()
    if not all(torch.allclose(a, b, rtol=1e-3, atol=1e-3) for a, b in zip(fast, slow, strict=True)):
        return Check(subject, "broken", "differs from the reference", SLOW_AND_RIGHT)
    long = torch.rand(1024, 1, 37, device=device)
    with torch.no_grad():
        seconds = _median_seconds(lambda: scan(long, *leaves[1:]), device)
    return Check(subject, "ok", f"equal to the reference, {5 * long.numel() / seconds / 1e9:.2f} billion mode steps/s")


def _selective_scan(device: torch.device, subject: str) -> Check:
    """Modes of data-dependent steps over a few chunks, and their gradient, against the reference."""
    generator = torch.Generator().manual_seed(0)
    x, dt = torch.randn(130, 3, 37, generator=generator), torch.rand(130, 3, 37, generator=generator)
    b, c = torch.randn(2, 130, 3, 5, generator=generator)
    a, d = -torch.rand(37, 5, generator=generator), torch.randn(37, generator=generator)
    leaves = [t.to(device).requires_grad_() for t in (x, dt, a, b, c, d)]

    def run() -> tuple[Tensor, ...]:
        y = selective_scan(*leaves).y
        return y.detach(), *torch.autograd.grad(y.square().sum(), leaves)

    fast = run()
    with reference():
        slow = run()
    if not all(torch.allclose(p, q, rtol=1e-3, atol=1e-3) for p, q in zip(fast, slow, strict=True)):
        return Check(subject, "broken", "differs from the reference", SLOW_AND_RIGHT)
    long, modes = torch.rand(2, 256, 1, 512, device=device), torch.rand(2, 256, 1, 16, device=device)
    rates, past = -torch.rand(512, 16, device=device), torch.rand(512, device=device)
    seconds = _median_seconds(lambda: selective_scan(*long, rates, *modes, past), device)
    speed = 16 * long[0].numel() / seconds / 1e9
    return Check(subject, "ok", f"equal to the reference, {speed:.2f} billion mode steps/s")


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
