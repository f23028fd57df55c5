"""Tables of a model in C, and the monomials that the kernels evaluate."""

from __future__ import annotations

import ctypes


class CModel(ctypes.Structure):
    """A model in C."""

    _fields_ = [
        *(
            (n, ctypes.c_int64)
            for n in (
                "species",
                "chebyshev",
                "radial",
                "kappas",
                "basics",
                "products",
                "moments",
                "scalars",
                "angulars",
                "power",
                "stride",
            )
        ),
        ("scaling", ctypes.c_double),
        ("cutoff", ctypes.c_double),
        *(
            (n, ctypes.c_void_p)
            for n in (
                "kappa",
                "basic_mu",
                "basic_ang",
                "ang_parent",
                "ang_axis",
                "ang_lower",
                "ang_factor",
                "times",
                "mapping",
                "alpha",
                "r0",
                "weights",
                "pair_factor",
                "species_coeffs",
                "theta",
                "neighbour",
            )
        ),
    ]


def monomial_table(max_rank: int) -> dict[tuple[int, int, int], int]:
    """Row of each monomial x^a y^b z^c up to the rank, parents first.

    Parameters
    ----------
    max_rank
        Largest a + b + c.

    Returns
    -------
    dict
        (a, b, c) -> row.
    """
    powers = [(a, b, n - a - b) for n in range(max_rank + 1) for a in range(n, -1, -1) for b in range(n - a, -1, -1)]
    return {p: k for k, p in enumerate(powers)}
