"""The Triton `lif` without a GPU: interpreted, compiled for one, and what serves where Triton is missing."""

import re
from pathlib import Path

import pytest
import torch

from ranvier.kernels import lif, lif_cuda, reference
from ranvier.kernels.lif_call import Flag
from ranvier.kernels.surrogate import SURROGATES
from tests.kernels.without_gpu import compiled, in_a_process

HERE = Path(__file__).parent
LIF = "ranvier.kernels.lif_triton"


def test_interpreted_kernels_equal_the_reference() -> None:
    pytest.importorskip("triton", reason="Triton has no package for this platform")
    file = str(HERE / "interpreted_lif.py")
    in_a_process("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", file, TRITON_INTERPRET="1")


def test_importing_the_kernels_leaves_triton_alone() -> None:
    in_a_process("-c", "import ranvier.kernels, sys; assert 'triton' not in sys.modules")


def launch(
    steps: int, shape: tuple[int, ...], dtype: torch.dtype, *, learned: int = 0, surrogate: str = "atan", flags: int = 0
) -> None:
    x = torch.empty(steps, *shape, dtype=dtype)
    parameter = torch.empty(learned, dtype=torch.float64 if dtype == torch.float64 else torch.float32)
    parameters = (parameter if learned else None,) * 5
    options = flags | SURROGATES.index(surrogate) << 12 | Flag.CHECKPOINTS  # type: ignore[arg-type]
    if learned:
        options |= Flag.ADAPTIVE | Flag.PARAMETER_GRADIENTS
    constants = [0.5, 1.0, 1.0, 0.1, 0.2, 0.0, 2.0]
    checkpoints = lif_cuda.forward(x, None, None, *parameters, constants, options)[4]
    seen = x if flags & Flag.RETURN_V else None
    lif_cuda.backward(x, None, None, *parameters, checkpoints, x, None, None, seen, constants, options)


@pytest.mark.parametrize(
    ("dtype", "vector"), [(torch.float32, "v4.b32"), (torch.float64, "v2.b64"), (torch.bfloat16, "v4.b32")]
)
def test_compiles_to_vector_loads(monkeypatch, tmp_path, dtype: torch.dtype, vector: str) -> None:
    ptx = compiled(monkeypatch, tmp_path, LIF, lambda: launch(4, (1, 64, 1 << 14), dtype))
    for kernel, passes in (("forward", (4, 4)), ("backward", (8, 4))):
        for access, count in zip(("ld", "st"), passes, strict=True):
            # states are float32 in bfloat16 networks, so they take two stores: count from below
            assert ptx[kernel].count(f"{access}.global.{vector}") >= count, f"{kernel}: {access} is not vectorised"
        assert not re.search(r"\bfma\.|\bmad\.f|\.ftz", ptx[kernel]), f"{kernel}: contracted, so spikes could differ"


CASES = {
    "per channel, adaptive": ((9, (2, 3, 49), torch.float32), {"learned": 3, "surrogate": "sigmoid"}),
    "odd, double, tanh": ((7, (1031,), torch.float64), {"learned": 1, "surrogate": "tanh", "flags": Flag.RETURN_V}),
    "parts and checkpoints": ((77, (2, 16), torch.float16), {"surrogate": "triangle", "flags": Flag.SOFT}),
    "adaptive parts": ((128, (2, 4, 16), torch.float32), {"learned": 4, "flags": Flag.LEAK_LAST | Flag.SPATIAL}),
    "detached, strict": ((1, (1,), torch.bfloat16), {"surrogate": "rectangle", "flags": Flag.DETACHED | Flag.STRICT}),
}


@pytest.mark.parametrize("case", CASES)
def test_every_kind_of_call_compiles(monkeypatch, tmp_path, case: str) -> None:
    # the compiler sees what the interpreter does not: types, constants, and loops unrolled; short parts keep it quick
    monkeypatch.setattr(lif_cuda, "PART", 16)
    arguments, options = CASES[case]
    ptx = compiled(monkeypatch, tmp_path, LIF, lambda: launch(*arguments, **options))
    assert ".entry forward" in ptx["forward"]
    assert ".entry backward" in ptx["backward"]


@pytest.mark.usefixtures("without_triton")
def test_without_triton_the_reference_serves() -> None:
    x = torch.randn(70, 2, 3, generator=torch.Generator().manual_seed(0))
    decay = torch.tensor([0.3, 0.5, 0.7], requires_grad=True)
    nothing = (None,) * 4
    constants, options = [0.5, 1.0, 1.0, 0.0, 0.0, 0.0, 2.0], 2 << 12 | Flag.CHECKPOINTS | Flag.PARAMETER_GRADIENTS
    with pytest.warns(RuntimeWarning, match="pip install triton"):
        s, *_, checkpoints = lif_cuda.forward(x, None, None, decay.detach(), *nothing, constants, options)
    grads = lif_cuda.backward(x, None, None, decay.detach(), *nothing, checkpoints, s, *nothing[:3], constants, options)
    with reference():
        x.requires_grad_()
        out = lif(x, decay=decay)
        expected = torch.autograd.grad(out.s, (x, decay), s)
    assert torch.equal(s, out.s)
    torch.testing.assert_close(grads[0], expected[0])
    torch.testing.assert_close(grads[3][0], expected[1])


def test_available_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert lif_cuda.available() == (False, "no CUDA device")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert lif_cuda.available() == (False, "triton missing")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert lif_cuda.available() == (True, "active")
