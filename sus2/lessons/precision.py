"""The same potential in another floating-point precision, by its name."""

from __future__ import annotations

from typing import Literal

from sus2.errors import Sus2Error
from sus2.potential.potential import Potential

Precision = Literal["float64", "float32"]


def in_precision(potential: Potential, precision: Precision) -> Potential:
    """The same weights in another precision.

    Parameters
    ----------
    potential
        The potential.
    precision
        "float64" or "float32".

    Returns
    -------
    Potential
        The potential itself where it has that precision.

    Raises
    ------
    Sus2Error
        Another word.
    """
    import torch

    types = {"float64": torch.float64, "float32": torch.float32}
    if precision not in types:
        raise Sus2Error(f"The precision must be 'float64' or 'float32', not '{precision}'.")
    if potential.dtype == types[precision]:
        return potential
    return Potential(potential.spec, potential.card, device=potential.device, dtype=types[precision])
