"""The one switch between the fast kernels and their readable references."""

import contextlib
import os
from collections.abc import Iterator

_requested = os.environ.get("RANVIER_BACKEND", "")
if _requested not in ("", "reference"):
    raise ValueError(f"expected RANVIER_BACKEND=reference or nothing, got {_requested!r}: unset RANVIER_BACKEND")
_reference = _requested == "reference"


def uses_reference() -> bool:
    """Return whether kernels run their reference loop in plain torch instead of their op."""
    return _reference


@contextlib.contextmanager
def reference() -> Iterator[None]:
    """Run the readable reference of every kernel inside this block (export, tracing, double backward, debugging).

    The switch holds for the whole process, not for one thread.
    """
    global _reference
    before, _reference = _reference, True
    try:
        yield
    finally:
        _reference = before
