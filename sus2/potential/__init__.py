"""A SUS2 potential: its file, its moment graph, its backends and its ASE calculator."""

from __future__ import annotations

from typing import Any

from sus2 import _moved


def __getattr__(name: str) -> Any:
    return _moved.left("potential", name)
