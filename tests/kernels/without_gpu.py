"""Triton kernels without a GPU: processes for the interpreter, and what the compiler makes of a launch."""

import importlib
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

HERE = Path(__file__).parent


def in_a_process(*arguments: str, **environment: str) -> None:
    run = subprocess.run(
        [sys.executable, *arguments],
        cwd=HERE.parent.parent,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def launches_instead_of_c(op: str, kernels: ModuleType) -> Iterator[None]:
    """In such a process, launch the Triton kernels of an op on CPU tensors, where C would serve: a fixture to be."""
    assert os.environ.get("TRITON_INTERPRET") == "1", "Triton reads TRITON_INTERPRET when it is imported: set it to 1"
    launched = 0

    def forward(*arguments: Any) -> Any:
        nonlocal launched
        launched += 1
        return kernels.forward(*arguments)

    library = torch.library.Library("ranvier", "IMPL")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says once a process that an operator is overridden: so it is
        library.impl(op, forward, "CPU", allow_override=True)
        library.impl(f"{op}_backward", kernels.backward, "CPU", allow_override=True)
    yield
    assert launched > 0


def compiled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: str, call: Callable[[], object]
) -> dict[str, str]:
    """Do `call`, but compile the kernels of `module` that it launches for an H100; return the PTX by name."""
    triton = pytest.importorskip("triton", reason="Triton has no package for this platform")
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    kernels = importlib.import_module(module)
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    pointers = {torch.float32: "*fp32", torch.float64: "*fp64", torch.float16: "*fp16", torch.bfloat16: "*bf16"}
    ptx: dict[str, str] = {}

    class Launch:
        def __init__(self, name: str) -> None:
            self.name, self.kernel = name, getattr(kernels, name)

        def __getitem__(self, grid: tuple[int, ...]):
            return self.launch

        def launch(self, *arguments: Any, num_warps: int, enable_fp_fusion: bool = True, **constants: Any) -> None:
            names = self.kernel.arg_names
            signature = {}
            divisible = {}
            fixed = {(names.index(name),): value for name, value in constants.items()}
            for i, value in enumerate(arguments):
                if value is None or (isinstance(value, int) and value == 1):
                    signature[names[i]], fixed[(i,)] = "constexpr", value
                elif isinstance(value, torch.Tensor):
                    signature[names[i]], divisible[(i,)] = pointers[value.dtype], [["tt.divisibility", 16]]
                else:
                    signature[names[i]] = "fp64" if isinstance(value, float) else "i32"
                    if isinstance(value, int) and value % 16 == 0:
                        divisible[(i,)] = [["tt.divisibility", 16]]
            signature |= dict.fromkeys(names[len(arguments) :], "constexpr")
            source = ASTSource(self.kernel, signature, fixed, divisible)
            options = {"num_warps": num_warps, "enable_fp_fusion": enable_fp_fusion}
            ptx[self.name] = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options).asm["ptx"]

    for name in ("forward", "backward"):
        monkeypatch.setattr(kernels, name, Launch(name))
    call()
    return ptx
