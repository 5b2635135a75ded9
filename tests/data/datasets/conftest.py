"""Data sets in the tests keep what they generate in a folder of the session."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_session(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RANVIER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
