"""Equality of results of two processes, numbers to rounding."""

from __future__ import annotations

import pytest


def alike(a: object, b: object) -> bool:
    """Equal, numbers to rounding."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(alike(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(alike(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, float) and isinstance(b, float):
        return a == pytest.approx(b, rel=1e-7, abs=1e-7, nan_ok=True)
    return a == b


def cells(table: str) -> list[object]:
    """What is between the commas and line ends of a table."""
    out: list[object] = []
    for text in table.replace("\n", ",").split(","):
        try:
            out.append(float(text))
        except ValueError:
            out.append(text)
    return out
