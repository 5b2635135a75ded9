"""Finds the Triton version of an op when it is first launched."""

import functools
import importlib
import importlib.util
import warnings
from typing import Any


@functools.cache
def triton_kernels(op: str) -> Any:
    """Import the kernels of an op on their first use: `import ranvier` must work, and stay fast, without Triton.

    Returns:
        The module `{op}_triton`, or `None`, after a warning, where Triton is missing.
    """
    if importlib.util.find_spec("triton") is None:
        message = f"triton is missing: {op} runs its slow reference on CUDA. Type `pip install triton`"
        warnings.warn(message, RuntimeWarning, stacklevel=2)
        return None
    return importlib.import_module(f"ranvier.kernels.{op}_triton")
