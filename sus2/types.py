"""The array types of the package; the shape and the unit are said where they are used."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
"""Real numbers in double precision."""

ComplexArray: TypeAlias = NDArray[np.complex128]
"""Complex numbers in double precision."""

Index: TypeAlias = NDArray[np.int64]
"""Whole numbers that count atoms, edges or rows."""

Mask: TypeAlias = NDArray[np.bool_]
"""True where something holds."""

StrArray: TypeAlias = NDArray[np.str_]
"""Words."""
