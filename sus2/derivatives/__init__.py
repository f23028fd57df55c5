"""Exact second derivatives of a potential from the primitive cell alone."""

from __future__ import annotations

from typing import Any

from sus2 import _moved


def __getattr__(name: str) -> Any:
    return _moved.left("derivatives", name)
