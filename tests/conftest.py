"""Fixtures for all tests."""

from __future__ import annotations

import base64
import json
import math
import os
from pathlib import Path
from typing import Any

# Before anything imports torch: the test processes run side by side, one thread each.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
# Triton reads it when it is first imported, by whichever test: without a GPU its kernels run in its interpreter.
if not any(Path("/dev").glob("nvidia[0-9]*")):
    os.environ.setdefault("TRITON_INTERPRET", "1")

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import settings

from sus2.figures.plain import Figure

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


_VALID_FIGURES: set[int] = set()


@pytest.fixture(autouse=True)
def checked_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every figure that a test turns into JSON is one that plotly finds valid and would not write otherwise.

    A figure that is drawn again, as pages do at each run, is compared once: plotly takes long over it.
    """
    plain = Figure.to_dict

    def checked(self: Figure) -> dict[str, Any]:
        made = plain(self)
        same = hash(json.dumps(made, default=np.ndarray.tolist))
        if same not in _VALID_FIGURES:
            assert _values(go.Figure(made).to_dict()) == _values(made)
            _VALID_FIGURES.add(same)
        return made

    monkeypatch.setattr(Figure, "to_dict", checked)


def _values(part: Any) -> Any:
    """Part of a figure with its arrays as lists, and None for what is no number."""
    if isinstance(part, dict) and "bdata" in part:
        array = np.frombuffer(base64.b64decode(part["bdata"]), part["dtype"])
        part = array.reshape([int(n) for n in part.get("shape", str(array.size)).split(",")]).tolist()
    if isinstance(part, dict):
        return {k: _values(v) for k, v in part.items()}
    if isinstance(part, list | tuple | np.ndarray):
        return [_values(v) for v in part]
    return None if isinstance(part, float) and math.isnan(part) else part
