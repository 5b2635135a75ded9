"""Where downloaded recordings are kept."""

import os
from pathlib import Path


def data_root() -> Path:
    """Return `$RANVIER_DATA`, else `../shared/data` seen from the current folder; whether it exists is not checked."""
    return Path(os.environ.get("RANVIER_DATA") or Path("..", "shared", "data"))


def find(path: str | Path | None, name: str) -> Path:
    """Return a given path, or the folder `name` below `data_root()`.

    A given path may also be the folder of several data sets: then it is the folder `name` in it.

    Raises:
        FileNotFoundError: neither is there; the message says what to type.
    """
    if path is not None:
        if not Path(path).exists():
            raise FileNotFoundError(f"no {name} recordings at {path}: pass --data.root FOLDER-OR-ZIP")
        inside = Path(path, name)
        return inside if inside.is_dir() else Path(path)
    folder = data_root() / name
    if not folder.exists():
        raise FileNotFoundError(
            f"no {name} recordings: looked for {folder.absolute()} (RANVIER_DATA is "
            f"{os.environ.get('RANVIER_DATA') or 'not set, so ../shared/data was taken'}): "
            f"type export RANVIER_DATA=FOLDER, where FOLDER holds {name}, or pass --data.root FOLDER-OR-ZIP"
        )
    return folder
