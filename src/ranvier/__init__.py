"""Ranvier: networks that live in time.

Time comes first (`[T, B, ...]`), memory is an argument (`Carry`), a kernel is a tensor function with a readable
reference, a run is a recipe. Importing this package imports nothing else: torch comes with the first name you use.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ranvier.carry import Carry, Temporal

__version__ = "0.1.0"

_HOMES = {"Carry": "ranvier.carry", "Temporal": "ranvier.carry"}
__all__ = ["Carry", "Temporal", "__version__"]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'ranvier' has no attribute {name!r}")
