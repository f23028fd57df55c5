"""Prototype crystals that the generator builds itself, by name, for any elements.

Each is a primitive cell with the free parameters of a typical member; the size follows from covalent radii.
The generator relaxes them afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii

from sus2.errors import StructureError
from sus2.native.neighbours import neighbours

Site = tuple[int, float, float, float]
Matrix = tuple[tuple[float, float, float], ...]

_P: Matrix = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
_F: Matrix = ((0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0))
_I: Matrix = ((-0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.5, 0.5, -0.5))
# A crystal starts with its nearest pair at this multiple of the sum of the covalent radii.
_START_RATIO = 1.06


@dataclass(frozen=True)
class Prototype:
    """A crystal type.

    Attributes
    ----------
    name
        Of the type.
    lattice
        (3, 3) conventional vectors in units of a.
    primitive
        (3, 3) primitive vectors in terms of them.
    sites
        Species slot and fractional coordinates in the conventional cell.
    space_group
        Its number.
    """

    name: str
    lattice: Matrix
    primitive: Matrix
    sites: tuple[Site, ...]
    space_group: int

    @property
    def species(self) -> int:
        """Number of different elements to give."""
        return 1 + max(site[0] for site in self.sites)

    def build(self, elements: Sequence[str]) -> Atoms:
        """The primitive cell with one element for each slot, at a size guessed from covalent radii.

        Parameters
        ----------
        elements
            Chemical symbols.

        Returns
        -------
        Atoms
            Periodic.

        Raises
        ------
        StructureError
            The number of elements is not the prototype's.
        """
        if len(elements) != self.species:
            raise StructureError(f"The prototype {self.name} takes {self.species} elements, not {len(elements)}.")
        lattice = np.array(self.lattice, dtype=float)
        positions = np.array([site[1:] for site in self.sites], dtype=float) @ lattice
        cell = np.array(self.primitive, dtype=float) @ lattice
        if np.linalg.det(cell) < 0.0:
            cell = cell[[1, 0, 2]]
        atoms = Atoms([elements[site[0]] for site in self.sites], positions, cell=cell, pbc=True)
        atoms.wrap()
        return sized(atoms, _START_RATIO)


def sized(atoms: Atoms, ratio: float) -> Atoms:
    """Scale a crystal to the distance of its closest pair.

    Parameters
    ----------
    atoms
        The crystal.
    ratio
        That distance, in units of the sum of covalent radii.

    Returns
    -------
    Atoms
        A copy.
    """
    radii = covalent_radii[atoms.numbers]
    reach = 1.8 * float(np.cbrt(atoms.get_volume() / len(atoms)))
    found = neighbours(atoms, reach)
    i, j, distance = found.index_i, found.index_j, np.linalg.norm(found.vector, axis=1)
    factor = ratio / float(np.min(distance / (radii[i] + radii[j])))
    scaled = atoms.copy()
    scaled.set_cell(atoms.cell[:] * factor, scale_atoms=True)
    return scaled


def _tetragonal(c: float) -> Matrix:
    return ((1, 0, 0), (0, 1, 0), (0, 0, c))


def _hexagonal(c: float) -> Matrix:
    return ((1, 0, 0), (-0.5, math.sqrt(3) / 2, 0), (0, 0, c))


def _rhombohedral(c: float) -> Matrix:
    """Primitive vectors of the rhombohedral lattice whose hexagonal cell has a = 1 and this c."""
    r = 1 / math.sqrt(3)
    return ((0.5, r / 2, c / 3), (-0.5, r / 2, c / 3), (0, -r, c / 3))


_T, _Q = 1 / 3, 0.25
_C15_B = [(1, 5 / 8, 5 / 8, 5 / 8), (1, 5 / 8, 7 / 8, 7 / 8), (1, 7 / 8, 5 / 8, 7 / 8), (1, 7 / 8, 7 / 8, 5 / 8)]
_SPINEL_U = 0.1365
_SPINEL_X = [
    (2, s * a * _SPINEL_U + o, s * b * _SPINEL_U + o, s * c * _SPINEL_U + o)
    for s, o in ((1, 0.0), (-1, 0.25))
    for a, b, c in ((-1, -1, -1), (-1, 1, 1), (1, -1, 1), (1, 1, -1))
]
_CORUNDUM = [(0, w, w, w) for w in (0.352, 0.148, -0.352, 0.852)] + [
    (1, s * x, s * y, s * z)
    for s in (1, -1)
    for x, y, z in ((0.556, -0.056, 0.25), (-0.056, 0.25, 0.556), (0.25, 0.556, -0.056))
]

_TABLE: tuple[Prototype, ...] = (
    Prototype("sc", _P, _P, ((0, 0, 0, 0),), 221),
    Prototype("fcc", _P, _F, ((0, 0, 0, 0),), 225),
    Prototype("bcc", _P, _I, ((0, 0, 0, 0),), 229),
    Prototype("diamond", _P, _F, ((0, 0, 0, 0), (0, _Q, _Q, _Q)), 227),
    Prototype("hcp", _hexagonal(1.62), _P, ((0, _T, 2 * _T, 0.25), (0, 2 * _T, _T, 0.75)), 194),
    Prototype(
        "dhcp", _hexagonal(3.25), _P, ((0, 0, 0, 0), (0, 0, 0, 0.5), (0, _T, 2 * _T, 0.25), (0, 2 * _T, _T, 0.75)), 194
    ),
    Prototype("simple-hexagonal", _hexagonal(0.95), _P, ((0, 0, 0, 0),), 191),
    Prototype("omega", _hexagonal(0.62), _P, ((0, 0, 0, 0), (0, _T, 2 * _T, 0.5), (0, 2 * _T, _T, 0.5)), 191),
    Prototype("beta-Sn", _tetragonal(0.546), _I, ((0, 0, 0, 0), (0, 0, 0.5, 0.25)), 141),
    Prototype("A7", _rhombohedral(2.8), _P, ((0, 0.23, 0.23, 0.23), (0, -0.23, -0.23, -0.23)), 166),
    Prototype(
        "A15-element",
        _P,
        _P,
        (
            (0, 0, 0, 0),
            (0, 0.5, 0.5, 0.5),
            (0, _Q, 0, 0.5),
            (0, 0.75, 0, 0.5),
            (0, 0.5, _Q, 0),
            (0, 0.5, 0.75, 0),
            (0, 0, 0.5, _Q),
            (0, 0, 0.5, 0.75),
        ),
        223,
    ),
    Prototype("rocksalt", _P, _F, ((0, 0, 0, 0), (1, 0.5, 0.5, 0.5)), 225),
    Prototype("CsCl", _P, _P, ((0, 0, 0, 0), (1, 0.5, 0.5, 0.5)), 221),
    Prototype("zincblende", _P, _F, ((0, 0, 0, 0), (1, _Q, _Q, _Q)), 216),
    Prototype(
        "wurtzite",
        _hexagonal(1.633),
        _P,
        ((0, _T, 2 * _T, 0), (0, 2 * _T, _T, 0.5), (1, _T, 2 * _T, 0.376), (1, 2 * _T, _T, 0.876)),
        186,
    ),
    Prototype(
        "NiAs", _hexagonal(1.55), _P, ((0, 0, 0, 0), (0, 0, 0, 0.5), (1, _T, 2 * _T, 0.25), (1, 2 * _T, _T, 0.75)), 194
    ),
    Prototype("WC", _hexagonal(0.98), _P, ((0, 0, 0, 0), (1, _T, 2 * _T, 0.5)), 187),
    Prototype("L1_0", _tetragonal(1.38), _P, ((0, 0, 0, 0), (1, 0.5, 0.5, 0.5)), 123),
    Prototype("L1_1", ((0.5, 0.5, 1), (0.5, 1, 0.5), (1, 0.5, 0.5)), _P, ((0, 0, 0, 0), (1, 0.5, 0.5, 0.5)), 166),
    Prototype("B32", _P, _F, ((0, 0, 0, 0), (0, _Q, _Q, _Q), (1, 0.5, 0.5, 0.5), (1, 0.75, 0.75, 0.75)), 227),
    Prototype("L1_2", _P, _P, ((0, 0, 0.5, 0.5), (0, 0.5, 0, 0.5), (0, 0.5, 0.5, 0), (1, 0, 0, 0)), 221),
    Prototype("D0_3", _P, _F, ((0, _Q, _Q, _Q), (0, 0.75, 0.75, 0.75), (0, 0.5, 0.5, 0.5), (1, 0, 0, 0)), 225),
    Prototype("D0_22", _tetragonal(2.2), _I, ((0, 0, 0, 0.5), (0, 0, 0.5, 0.25), (0, 0.5, 0, 0.25), (1, 0, 0, 0)), 139),
    Prototype(
        "A15",
        _P,
        _P,
        (
            (1, 0, 0, 0),
            (1, 0.5, 0.5, 0.5),
            (0, _Q, 0, 0.5),
            (0, 0.75, 0, 0.5),
            (0, 0.5, _Q, 0),
            (0, 0.5, 0.75, 0),
            (0, 0, 0.5, _Q),
            (0, 0, 0.5, 0.75),
        ),
        223,
    ),
    Prototype("C15", _P, _F, ((0, 0, 0, 0), (0, _Q, _Q, _Q), *_C15_B), 227),
    Prototype("C11b", _tetragonal(2.7), _I, ((0, 0, 0, 0), (1, 0, 0, _T), (1, 0, 0, -_T)), 139),
    Prototype("AlB2", _hexagonal(1.08), _P, ((0, 0, 0, 0), (1, _T, 2 * _T, 0.5), (1, 2 * _T, _T, 0.5)), 191),
    Prototype("fluorite", _P, _F, ((0, 0, 0, 0), (1, _Q, _Q, _Q), (1, 0.75, 0.75, 0.75)), 225),
    Prototype(
        "rutile",
        _tetragonal(0.65),
        _P,
        (
            (0, 0, 0, 0),
            (0, 0.5, 0.5, 0.5),
            (1, 0.305, 0.305, 0),
            (1, -0.305, -0.305, 0),
            (1, 0.805, 0.195, 0.5),
            (1, 0.195, 0.805, 0.5),
        ),
        136,
    ),
    Prototype("CdI2", _hexagonal(1.6), _P, ((0, 0, 0, 0), (1, _T, 2 * _T, 0.25), (1, 2 * _T, _T, -0.25)), 164),
    Prototype(
        "MoS2",
        _hexagonal(3.9),
        _P,
        (
            (0, _T, 2 * _T, 0.25),
            (0, 2 * _T, _T, 0.75),
            (1, _T, 2 * _T, 0.621),
            (1, _T, 2 * _T, 0.879),
            (1, 2 * _T, _T, 0.121),
            (1, 2 * _T, _T, 0.379),
        ),
        194,
    ),
    Prototype(
        "La2O3",
        _hexagonal(1.55),
        _P,
        (
            (0, _T, 2 * _T, 0.245),
            (0, 2 * _T, _T, -0.245),
            (1, 0, 0, 0),
            (1, _T, 2 * _T, 0.645),
            (1, 2 * _T, _T, -0.645),
        ),
        164,
    ),
    Prototype("corundum", _rhombohedral(2.73), _P, tuple(_CORUNDUM), 167),
    Prototype("ReO3", _P, _P, ((0, 0, 0, 0), (1, 0.5, 0, 0), (1, 0, 0.5, 0), (1, 0, 0, 0.5)), 221),
    Prototype("half-Heusler", _P, _F, ((0, _Q, _Q, _Q), (1, 0, 0, 0), (2, 0.5, 0.5, 0.5)), 216),
    Prototype("Heusler", _P, _F, ((0, _Q, _Q, _Q), (0, 0.75, 0.75, 0.75), (1, 0, 0, 0), (2, 0.5, 0.5, 0.5)), 225),
    Prototype(
        "perovskite", _P, _P, ((0, 0.5, 0.5, 0.5), (1, 0, 0, 0), (2, 0.5, 0, 0), (2, 0, 0.5, 0), (2, 0, 0, 0.5)), 221
    ),
    Prototype(
        "NaFeO2",
        _rhombohedral(5.0),
        _P,
        ((0, 0, 0, 0), (1, 0.5, 0.5, 0.5), (2, 0.26, 0.26, 0.26), (2, -0.26, -0.26, -0.26)),
        166,
    ),
    Prototype(
        "zincblende-CuAu",
        _P,
        ((0.5, 0.5, 0), (-0.5, 0.5, 0), (0, 0, 1)),
        ((0, 0, 0, 0), (1, 0, 0.5, 0.5), (2, _Q, _Q, _Q), (2, _Q, 0.75, 0.75)),
        115,
    ),
    Prototype(
        "K2NiF4",
        _tetragonal(3.3),
        _I,
        (
            (0, 0, 0, 0.355),
            (0, 0, 0, -0.355),
            (1, 0, 0, 0),
            (2, 0.5, 0, 0),
            (2, 0, 0.5, 0),
            (2, 0, 0, 0.155),
            (2, 0, 0, -0.155),
        ),
        139,
    ),
    Prototype(
        "chalcopyrite",
        _tetragonal(1.96),
        _I,
        (
            (0, 0, 0, 0),
            (0, 0, 0.5, 0.25),
            (1, 0, 0, 0.5),
            (1, 0, 0.5, 0.75),
            (2, 0.26, 0.25, 0.125),
            (2, -0.26, 0.75, 0.125),
            (2, 0.75, 0.26, 0.875),
            (2, 0.25, -0.26, 0.875),
        ),
        122,
    ),
    Prototype("spinel", _P, _F, ((0, 0, 0, 0), (0, _Q, _Q, _Q), *_C15_B, *_SPINEL_X), 227),
)

PROTOTYPES: dict[str, Prototype] = {prototype.name: prototype for prototype in _TABLE}


def build(name: str, elements: Sequence[str]) -> Atoms:
    """The crystal of a prototype, for example ``build("perovskite", ["Sr", "Ti", "O"])``.

    Parameters
    ----------
    name
        Of the prototype.
    elements
        Chemical symbols.

    Returns
    -------
    Atoms
        Periodic.

    Raises
    ------
    StructureError
        No such prototype or element, or a wrong number of elements.
    """
    if name not in PROTOTYPES:
        raise StructureError(f"There is no prototype {name!r}; choose one of {', '.join(PROTOTYPES)}.")
    for symbol in elements:
        if symbol not in atomic_numbers or symbol == "X":
            raise StructureError(f"{symbol!r} is not an element; give chemical symbols.")
    return PROTOTYPES[name].build(elements)
