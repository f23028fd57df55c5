"""Voigt's order of the components of symmetric tensors, the one map of the package: xx yy zz yz xz xy."""

from __future__ import annotations

from typing import Final

NAMES: Final = ("xx", "yy", "zz", "yz", "xz", "xy")
"""The components."""

PAIRS: Final[tuple[tuple[int, int], ...]] = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
"""Row and column of each component in the (3, 3) matrix."""

INDEX: Final = ((0, 5, 4), (5, 1, 3), (4, 3, 2))
"""Component of each element of the (3, 3) matrix."""
