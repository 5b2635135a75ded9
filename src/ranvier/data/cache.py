"""A folder for arrays that take seconds to compute, filled atomically."""

import contextlib
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def cache_folder() -> Path:
    """Return `$RANVIER_CACHE`, else `ranvier` in the user's cache folder (`$XDG_CACHE_HOME`, else `~/.cache`)."""
    named = os.environ.get("RANVIER_CACHE")
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ranvier"


def cached(name: str, compute: Callable[[], dict[str, NDArray]]) -> dict[str, NDArray]:
    """Return the arrays stored under a name, or compute and store them.

    The name must hold a hash of everything that the result depends on. A damaged file is computed again; a folder
    that cannot be written costs the time of the computation and nothing else.
    """
    path = cache_folder() / f"{name}.npz"
    try:
        # Opened here because numpy leaves the file of a damaged archive open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        arrays = compute()
    with contextlib.suppress(OSError):
        _write(path, arrays)
    return arrays


def _write(path: Path, arrays: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)
        # Two processes may do this at once: each replaces the whole file, so a reader never sees half of one.
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink()
        raise
