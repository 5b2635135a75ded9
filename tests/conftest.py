"""What all tests share: one torch thread, and the real recordings."""

import os
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parent.parent


def pytest_configure(config: pytest.Config) -> None:
    # Two threads fight as soon as the other test process runs.
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real recordings; absent means skipped, or failed under RANVIER_REQUIRE_DATA=1."""
    folder = Path(os.environ.get("RANVIER_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        reason = f"no real recordings at {folder}: set RANVIER_DATA to their folder"
        if os.environ.get("RANVIER_REQUIRE_DATA") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder
