"""Second derivatives of the scalar basis functions along directions, compiled."""

from __future__ import annotations

import ctypes

import numpy as np

from sus2.native.arrays import Edges, c_edges, pointer
from sus2.native.kernels import Kernel
from sus2.types import Array, Index


def edge_jets(kernel: Kernel, edges: Edges) -> tuple[Array, Array, Array]:
    """Basic moments and their derivatives by the edges, which know nothing of theta.

    Parameters
    ----------
    kernel
        Its theta is not used.
    edges
        Of one structure.

    Returns
    -------
    tuple of ndarray
        Moments (N, nb), and of each edge's share in those of its central atom the first derivatives (E, 3, nb) 1/A
        and the second (E, 6, nb) 1/A^2, Voigt as free variables; float64 whatever the precision.
    """
    n, count, nb = len(edges.types), len(edges.j), len(kernel.spec.basic)
    out = np.zeros((n, nb)), np.empty((count, 3, nb)), np.empty((count, 6, nb))
    kernel._library.sus2_edge_jets(
        ctypes.byref(kernel._model), ctypes.byref(c_edges(edges)), ctypes.c_int64(kernel.threads), *map(pointer, out)
    )
    return out


def along(kernel: Kernel, kinds: Index, moments: Array, first: Array, second: Array) -> Array:
    """Second derivatives of the scalars along D directions, from those of the basic moments.

    Parameters
    ----------
    kernel
        Its theta is not used.
    kinds
        (N,) group that each site belongs to, counted from zero.
    moments
        (N, nb).
    first
        (N, nb, K, D): slopes; where K is 2, those of the cosine and the sine of a wave.
    second
        (N, nb, D).

    Returns
    -------
    ndarray
        (G, S, D), summed over the sites of each group.
    """
    out = np.zeros((int(kinds.max(initial=-1)) + 1, len(kernel.spec.mapping), second.shape[-1]))
    kernel._library.sus2_along(
        ctypes.byref(kernel._model),
        ctypes.c_int64(len(kinds)),
        pointer(np.ascontiguousarray(kinds, dtype=np.int64)),
        ctypes.c_int64(second.shape[-1]),
        ctypes.c_int64(first.shape[2]),
        ctypes.c_int64(kernel.threads),
        *(pointer(np.ascontiguousarray(x, dtype=np.float64)) for x in (moments, first, second)),
        pointer(out),
    )
    return out
