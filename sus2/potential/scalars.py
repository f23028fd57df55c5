"""The scalar basis functions of atoms: by the compiled kernels where they are, else by the readable model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from sus2.native.arrays import Edges
from sus2.native.neighbours import neighbours
from sus2.potential.packed import type_indices
from sus2.potential.potential import Potential
from sus2.types import Array

# Edges whose radial functions torch holds at once.
_EDGES = 200_000


def scalars(potential: Potential, structures: Sequence[Atoms]) -> Array:
    """The scalars B_s of every atom, of which its energy is a linear function.

    Parameters
    ----------
    potential
        Its graph and radial part are used, its readout is not.
    structures
        Any number.

    Returns
    -------
    ndarray
        (N, S), one structure after the other.

    Raises
    ------
    UnknownElementError
        An element that the potential does not cover.
    """
    kernel = potential.kernel
    out = [np.zeros((0, len(potential.spec.mapping)))]
    if kernel is None:
        return np.concatenate([*out, *_by_torch(potential, structures)])
    for atoms in structures:
        types = type_indices(atoms, potential.elements)
        found = neighbours(atoms, potential.cutoff)
        out.append(kernel.scalars(Edges.from_lists(found.index_i, found.index_j, found.vector, types)))
    return np.concatenate(out)


def _by_torch(potential: Potential, structures: Sequence[Atoms]) -> list[Array]:
    import torch

    from sus2.potential.batch import build_batch, pack

    model, out = potential.model, []
    for part, chunk in pack((neighbours(a, potential.cutoff) for a in structures), _EDGES):
        batch = build_batch(
            list(structures[part]),
            potential.elements,
            potential.cutoff,
            device=potential.device,
            dtype=potential.dtype,
            lists=chunk,
        )
        z = batch.species
        with torch.no_grad():
            basic = model.basic_moments(batch.edge_vectors, batch.edge_i, z[batch.edge_i], z[batch.edge_j], len(z))
            out.append(model.scalars(basic).double().cpu().numpy())
    return out
