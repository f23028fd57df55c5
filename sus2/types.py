"""The array types of the package."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
"""Real numbers in double precision; the shape and the unit are said where it is used."""

Index: TypeAlias = NDArray[np.int64]
"""Whole numbers that count atoms, edges or rows."""
