"""Loads the compiled C kernels, or says once why the reference serves instead."""

import ctypes
import functools
import warnings
from pathlib import Path

from ranvier.kernels.source_hash import source_hash

FOLDER = Path(__file__).parent
ISA_NAMES = ("baseline", "avx2", "avx512")


@functools.cache
def load() -> tuple[ctypes.CDLL | None, str]:
    """Return the C library and how it was built, or `None` and the reason why there is none."""
    path = FOLDER / "_native.so"
    if not path.exists():
        return (
            None,
            "the C kernels were not built: install a C compiler, then ranvier again from its folder, `pip install .`",
        )
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        return None, f"the C kernels could not be loaded: {error}"
    library.ranvier_source_hash.restype = ctypes.c_char_p
    built_from = library.ranvier_source_hash().decode()
    expected = source_hash(FOLDER)
    if built_from != expected:
        # A failed rebuild leaves the old file in place; its struct layouts may no longer be ours.
        return None, f"the C kernels are stale (built from {built_from}, source is {expected}): reinstall ranvier"
    isa = library.ranvier_select_isa(len(ISA_NAMES) - 1)
    return library, f"C, {ISA_NAMES[isa]}"


@functools.cache
def library() -> ctypes.CDLL | None:
    """Return the C library; warn once and return `None` where the reference has to serve."""
    loaded, state = load()
    if loaded is None:
        warnings.warn(f"ranvier runs its slow reference kernels: {state}", RuntimeWarning, stacklevel=3)
    return loaded
