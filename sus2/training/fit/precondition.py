"""Readouts of elements in coordinates in which the loss curves alike, for optimisers by the gradient.

The loss of one element's readout theta is nearly quadratic with the matrix H of sus2.training.fit.normal_equations,
whose eigenvalues fall over ten orders of magnitude: a rate that stiff directions bear leaves soft ones where they are,
and elastic constants live there. With theta = theta_start + P phi,

    P = (1 + H / (floor * mean eigenvalue of H))^(-1/2),

directions stiffer than the floor are slowed to the same curvature and softer ones, which the data hardly determine, go
as they would without P.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from sus2.types import Array

# Stiffest directions of each element that are slowed; those beyond are softer than any floor in use.
DIRECTIONS: Final = 250


@dataclass(frozen=True, eq=False)
class Preconditioner:
    """P of each of C elements for readouts of S scalars.

    Attributes
    ----------
    directions
        (C, S, K), orthonormal: the stiffest ones.
    factors
        (C, K), at most one.
    """

    directions: NDArray[np.float32]
    factors: NDArray[np.float32]

    @classmethod
    def of(cls, curvature: NDArray[np.float32], floor: float) -> Preconditioner:
        """P = (1 + H / (floor * mean eigenvalue of H))^(-1/2) of matrices H.

        Parameters
        ----------
        curvature
            H, (C, S, S), symmetric.
        floor
            In shares of the mean eigenvalue of each.

        Returns
        -------
        Preconditioner
            With the DIRECTIONS stiffest directions of each; others stay as they are.
        """
        scalars = curvature.shape[1]
        first = max(0, scalars - DIRECTIONS)
        found = [eigh(h.astype(np.float64), subset_by_index=(first, scalars - 1)) for h in curvature]
        values = np.stack([np.maximum(v, 0.0) for v, _ in found])
        soft = floor * np.maximum(np.trace(curvature, axis1=1, axis2=2), 1e-30)[:, None] / scalars
        factors = np.sqrt(soft / (values + soft))
        return cls(np.stack([u for _, u in found]).astype(np.float32), factors.astype(np.float32))

    def __call__(self, readout: Array) -> Array:
        """P times readouts (C S,) of all elements; P is symmetric, so it takes gradients there and steps back."""
        vectors = readout.reshape(len(self.factors), -1)
        along = np.matmul(self.directions.transpose(0, 2, 1), vectors[:, :, None].astype(np.float32))
        change = np.matmul(self.directions, (self.factors[:, :, None] - 1.0) * along)
        out: Array = (vectors + change[:, :, 0]).ravel()
        return out
