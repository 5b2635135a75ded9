"""The C library is optional, and never a stale one."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from ranvier.kernels import native
from ranvier.kernels.source_hash import source_hash


def test_the_library_was_built_from_this_source() -> None:
    library, state = native.load()
    assert library is not None, state
    assert library.ranvier_source_hash().decode() == source_hash(native.FOLDER)


def test_source_hash_sees_every_change(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("int a;")
    before = source_hash(tmp_path)
    (tmp_path / "a.c").write_text("int b;")
    changed = source_hash(tmp_path)
    (tmp_path / "b.h").write_text("")
    assert len({before, changed, source_hash(tmp_path)}) == 3


def without_library(code: str, *, stale: bool) -> str:
    """Run code in a process whose library is missing, or was built from another source."""
    trick = "native.source_hash = lambda folder: 'other'" if stale else "native.FOLDER = native.FOLDER / 'nowhere'"
    script = (
        f"import warnings, torch\nfrom ranvier.kernels import native, lif, reference\n{trick}\n{textwrap.dedent(code)}"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


CODE = """
x = torch.randn(70, 2, 3, requires_grad=True)
decay = torch.tensor([.3, .5, .7], requires_grad=True)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    out = lif(x, decay=decay, beta=0.1, rho=0.5)
    grads = torch.autograd.grad(out.s.sum() + out.v.sum(), (x, decay))
    lif(x, decay=decay)
print(len(caught), caught[0].message)
with reference():
    slow = lif(x, decay=decay, beta=0.1, rho=0.5)
    expected = torch.autograd.grad(slow.s.sum() + slow.v.sum(), (x, decay))
print(torch.equal(out.s, slow.s), all(torch.allclose(a, b) for a, b in zip(grads, expected)))
"""


@pytest.mark.parametrize(("stale", "reason"), [(False, "were not built"), (True, "are stale")])
def test_without_the_library_the_reference_serves_and_one_warning_says_so(stale: bool, reason: str) -> None:
    printed = without_library(CODE, stale=stale)
    assert printed.startswith("1 ranvier runs its slow reference kernels: the C kernels " + reason)
    assert "True True" in printed


def test_a_wrong_backend_name_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import ranvier.kernels"],
        capture_output=True, text=True, env={"RANVIER_BACKEND": "fast", "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert "expected RANVIER_BACKEND=reference or nothing, got 'fast'" in done.stderr


def test_select_isa_never_exceeds_the_machine() -> None:
    library = native.library()
    assert library is not None
    best = library.ranvier_select_isa(2)
    assert library.ranvier_select_isa(0) == 0
    assert library.ranvier_select_isa(2) == best
