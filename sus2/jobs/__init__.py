"""Calculations as values: keys, workers, queue, store, archive, reproduction."""

from __future__ import annotations

from typing import Any

from sus2 import _moved


def __getattr__(name: str) -> Any:
    return _moved.left("jobs", name)
