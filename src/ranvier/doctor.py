"""What this installation can do: versions, kernels, extras, threads and data, each with what to type where it lacks."""

import os
import platform
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Check:
    """One finding. `state` is "ok", "missing" (optional and absent) or "broken"; `remedy` is what to type."""

    subject: str
    state: Literal["ok", "missing", "broken"]
    finding: str
    remedy: str = ""


def examine() -> Iterator[Check]:
    """Yield every check in the order in which a person would ask."""
    yield from versions()
    yield from kernels()
    yield from extras()
    yield threads()
    yield recordings()


def versions() -> Iterator[Check]:
    """Versions of Python, of ranvier and of what it requires."""
    yield Check("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for requirement in ("ranvier", *_required(extra=None)):
        yield _installed(requirement, state_if_absent="broken", remedy="pip install --force-reinstall ranvier")


def kernels() -> Iterator[Check]:
    """Which kernels serve, each with a self-test against the reference and a measured speed."""
    import torch

    from ranvier.kernels import native, uses_reference

    if uses_reference():
        yield Check("kernel switch", "broken", "RANVIER_BACKEND=reference is set: every kernel runs its slow loop",
                    "unset RANVIER_BACKEND")
    library, state = native.load()
    if library is None:
        yield Check("kernel C", "broken", state, "pip install --force-reinstall --no-binary ranvier ranvier")
    else:
        yield _self_test("C", f"{state}, built from this source", torch.device("cpu"))
    yield from _triton()
    yield _reference_speed()


def _triton() -> Iterator[Check]:
    import torch

    try:
        version = metadata.version("triton")
    except metadata.PackageNotFoundError:
        version = None
    if not torch.cuda.is_available():
        found = f"triton {version}" if version else "no triton"
        yield Check("kernel Triton", "missing", f"{found}, no CUDA device: the GPU kernels rest")
    elif version is None:
        yield Check("kernel Triton", "broken", "a CUDA device, but no triton", "pip install triton")
    else:
        device = torch.device("cuda")
        yield _self_test("Triton", f"triton {version}, {torch.cuda.get_device_name(device)}", device)


def _self_test(name: str, found: str, device: "torch.device") -> Check:
    """Forward and gradient against the reference on a size that is a multiple of nothing, then a speed."""
    import torch

    from ranvier import kernels

    generator = torch.Generator().manual_seed(0)
    # Small multiples of 2^-8 are exact in float32: a spike cannot differ by rounding.
    x = (torch.randint(-128, 512, (17, 3, 211), generator=generator) / 256).to(device)
    answers = []
    for use_reference in (False, True):
        leaf = x.clone().requires_grad_()
        if use_reference:
            with kernels.reference():
                out = kernels.lif(leaf, decay=0.5)
        else:
            out = kernels.lif(leaf, decay=0.5)
        out.s.square().sum().backward()
        answers.append((out.s.detach(), out.v.detach(), leaf.grad))
    same = all(torch.allclose(fast, slow, atol=1e-6) for fast, slow in zip(*answers, strict=True))
    if not same:
        return Check(f"kernel {name}", "broken", f"{found}: differs from the reference",
                     "RANVIER_BACKEND=reference (correct and slow), and report it")
    return Check(f"kernel {name}", "ok", f"{found}; equal to the reference; {_speed(device)}")


def _reference_speed() -> Check:
    import torch

    from ranvier import kernels

    with kernels.reference():
        return Check("kernel reference", "ok", f"plain torch; {_speed(torch.device('cpu'))}")


def _speed(device: "torch.device") -> str:
    """Median speed of a forward pass over 16 steps of 65,536 neurons, measured for a third of a second."""
    import torch

    from ranvier import kernels

    x = torch.rand(16, 1 << 16, device=device)
    seconds = []
    with torch.inference_mode():
        kernels.lif(x, decay=0.5)
        end = time.perf_counter() + 0.3
        while time.perf_counter() < end or len(seconds) < 3:
            start = time.perf_counter()
            kernels.lif(x, decay=0.5)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            seconds.append(time.perf_counter() - start)
    return f"{x.numel() / statistics.median(seconds) / 1e9:.2f} billion neuron steps/s"


def extras() -> Iterator[Check]:
    """The optional parts, from the package's own metadata."""
    for extra in metadata.metadata("ranvier").get_all("Provides-Extra") or []:
        names = _required(extra=extra)
        absent = [name for name in names if not _version(name)]
        if absent:
            finding = "without " + ", ".join(absent)
            yield Check(f"extra {extra}", "missing", finding, f'pip install "ranvier[{extra}]"')
        else:
            yield Check(f"extra {extra}", "ok", ", ".join(f"{name} {_version(name)}" for name in names))


def _required(*, extra: str | None) -> list[str]:
    """Names of the distributions that ranvier requires on this platform, for one extra or for none."""
    from packaging.requirements import Requirement

    names = []
    for line in metadata.requires("ranvier") or []:
        requirement = Requirement(line)
        marker = requirement.marker
        plain = marker is None or marker.evaluate({"extra": ""})
        if (extra is None and plain) or (extra and not plain and marker and marker.evaluate({"extra": extra})):
            names.append(requirement.name)
    return names


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _installed(name: str, *, state_if_absent: Literal["missing", "broken"], remedy: str) -> Check:
    version = _version(name)
    return Check(name, "ok", version) if version else Check(name, state_if_absent, "not installed", remedy)


def threads() -> Check:
    """CPU threads that torch uses, of those that this process may use."""
    import torch

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    used = torch.get_num_threads()
    policy = os.environ.get("OMP_WAIT_POLICY", "active")
    finding = f"torch uses {used} of {allowed}, waiting {policy}"
    if used > allowed:
        return Check("threads", "broken", finding + ": more threads than cores slow each other", "--threads " f"{allowed}")
    return Check("threads", "ok", finding)
