"""The same potential in another floating-point precision, by its name."""

from __future__ import annotations

from typing import Literal

from sus2.errors import Sus2Error
from sus2.potential.potential import Potential

Precision = Literal["float64", "float32"]


def in_precision(potential: Potential, precision: Precision) -> Potential:
    """A potential with these weights that computes in `precision`; raises Sus2Error for another word."""
    import torch

    types = {"float64": torch.float64, "float32": torch.float32}
    if precision not in types:
        raise Sus2Error(f"The precision must be 'float64' or 'float32', not '{precision}'.")
    if potential.dtype == types[precision]:
        return potential
    return Potential(potential.spec, potential.card, device=potential.device, dtype=types[precision])
