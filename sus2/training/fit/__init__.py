"""Fitting: configuration, parameters, loss, optimisers, run folders."""

from __future__ import annotations

from typing import Any

from sus2 import _moved


def __getattr__(name: str) -> Any:
    return _moved.left("training.fit", name)
