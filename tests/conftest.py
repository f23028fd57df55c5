"""Fixtures for all tests."""

from __future__ import annotations

import os
from pathlib import Path

# Before anything imports torch: the test processes run side by side, one thread each.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

import pytest
from hypothesis import settings

# The machine may be busy: a slow example is not a failure; every run tries the same examples.
settings.register_profile("sus2", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("sus2")


def require(what: str) -> None:
    """Skip a test for want of `what`; where SUS2_REQUIRE is set (continuous integration) fail instead."""
    if os.environ.get("SUS2_REQUIRE"):
        pytest.fail(f"SUS2_REQUIRE is set, but {what}.", pytrace=False)
    pytest.skip(what)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of reference and training data that are not part of the repository (SUS2_SHARED)."""
    folder = os.environ.get("SUS2_SHARED")
    if not folder:
        require("the environment variable SUS2_SHARED does not name the folder of reference data")
        raise AssertionError
    path = Path(folder)
    if not path.is_dir():
        require(f"the folder of SUS2_SHARED, '{folder}', does not exist")
    return path


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return Path(__file__).resolve().parent.parent
