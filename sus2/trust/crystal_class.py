"""Classes of crystals, for which errors of potentials are told apart: by their elements and how they hang together."""

from __future__ import annotations

from typing import Final, Literal, get_args

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols, covalent_radii
from pymatgen.core import Element

from sus2.native.neighbours import neighbours
from sus2.types import Index

CrystalClass = Literal["metal", "semiconductor", "ionic", "molecular or layered", "other"]
CLASSES: Final[tuple[CrystalClass, ...]] = get_args(CrystalClass)

# Atoms nearer than this times the sum of their covalent radii are taken for bonded.
_BOND: Final = 1.3
# Pauling electronegativities further apart than this make a compound ionic.
_IONIC: Final = 1.52
_COVALENT: Final = frozenset(
    (
        "B",
        "C",
        "N",
        "Al",
        "Si",
        "P",
        "S",
        "Zn",
        "Ga",
        "Ge",
        "As",
        "Se",
        "Cd",
        "In",
        "Sn",
        "Sb",
        "Te",
        "Be",
        "Hg",
        "Cu",
        "Mg",
        "Tl",
        "Pb",
        "Bi",
    )
)


def crystal_class(atoms: Atoms) -> CrystalClass:
    """The class of a crystal.

    Parameters
    ----------
    atoms
        A periodic crystal.

    Returns
    -------
    str
        "molecular or layered" where bonds reach through the crystal in less than three directions; "metal" where all
        elements are metals; "ionic" where electronegativities (Pauling) differ by more than 1.52; "semiconductor" for
        the elements of the groups II to VI that form such; else "other" (carbides, nitrides, borides, hydrides and
        chalcogenides of transition metals).
    """
    symbols = sorted({chemical_symbols[z] for z in atoms.numbers})
    elements = [Element(s) for s in symbols]
    if all(e.is_metal for e in elements):
        return "metal"
    if any(e.is_noble_gas for e in elements) or _dimensions(atoms) < 3:
        return "molecular or layered"
    x = [float(e.X) for e in elements]
    if max(x) - min(x) > _IONIC:
        return "ionic"
    return "semiconductor" if set(symbols) <= _COVALENT else "other"


def _dimensions(atoms: Atoms) -> int:
    """Directions in which bonds reach through the crystal: the smallest over its pieces."""
    radii = covalent_radii[atoms.numbers]
    edges = neighbours(atoms, 2.0 * _BOND * float(radii.max()))
    length = np.linalg.norm(edges.vector, axis=1)
    bonded = length < _BOND * (radii[edges.index_i] + radii[edges.index_j])
    i, j, shift = edges.index_i[bonded], edges.index_j[bonded], edges.shift[bonded]
    # Cell of each atom as seen along a tree of bonds; what closes a ring with another cell is a period of the piece.
    place: dict[int, Index] = {}
    least = 3
    for start in range(len(atoms)):
        if start in place:
            continue
        place[start] = np.zeros(3, dtype=np.int64)
        stack, periods = [start], [np.zeros(3, dtype=np.int64)]
        while stack:
            a = stack.pop()
            for k in np.flatnonzero(i == a):
                b, cell = int(j[k]), place[a] + shift[k]
                if b not in place:
                    place[b] = cell
                    stack.append(b)
                elif (cell != place[b]).any():
                    periods.append(cell - place[b])
        least = min(least, int(np.linalg.matrix_rank(np.array(periods, dtype=np.float64))))
    return least
