"""Training sets: crystals, structures made from them, readers, splits."""

from __future__ import annotations

from typing import Any

from sus2 import _moved


def __getattr__(name: str) -> Any:
    return _moved.left("training.data", name)
