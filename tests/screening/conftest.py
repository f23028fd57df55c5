"""What every test of screening has: its functions importable, an executor of this process, a database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path

import pytest

from sus2.jobs.executor import InlineExecutor
from tests import helpers_screening as helpers


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(helpers.ROOT), os.environ.get("PYTHONPATH", "")]))


# Numbers ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def inline() -> Iterator[Executor]:
    executor = InlineExecutor()
    yield executor
    executor.shutdown()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "results.db"
