"""A neighbour list with a skin, kept while atoms move: it is used only where it provably holds every edge.

Edges are found with the cutoff rc + skin at positions x0 and cell C0. Later positions are x = x0 F + u with the
deformation F = C0^-1 C of the lattice (rows are vectors). A pair that is not in the list had |v0| >= rc + skin, so now

    |v| = |v0 F + u_j - u_i| >= s (rc + skin) - 2 max|u|,

s the smallest singular value of F and u measured from the middle of its range (a drift of all atoms changes no
distance). While the right side is at least rc no edge is missing, and those longer than rc are filtered out.
"""

from __future__ import annotations

import numpy as np

from sus2.native.arrays import EdgeList, Structures
from sus2.native.neighbours import find_edges
from sus2.types import Array, Mask

SKIN_A = 0.5
# A shift does not fit 16 bits where atoms drifted this many cells away.
_MAX_SHIFT = 30_000
_ATOMS_PER_SEARCH = 4096


class SkinList:
    """The edges of one structure, found again only when the skin is used up.

    Needs the compiled search (sus2.native.available()). `builds` counts how often they were found so far.

    Parameters
    ----------
    cutoff
        Cutoff radius, angstrom.
    skin
        By how much further edges are kept, angstrom.
    """

    def __init__(self, cutoff: float, *, skin: float = SKIN_A) -> None:
        self.cutoff = cutoff
        self.skin = skin
        self.builds = 0
        self._reference: Structures | None = None
        self._edges: EdgeList | None = None

    def edges(self, structures: Structures) -> EdgeList | None:
        """A list that holds every edge within the cutoff of this one structure.

        Parameters
        ----------
        structures
            One structure as arrays, the same one at every call.

        Returns
        -------
        EdgeList or None
            None where it cannot be kept.

        Raises
        ------
        StructureError
            A cell without volume.
        """
        if self._edges is None or self._reference is None or not self._holds(structures):
            self._build(structures)
        return self._edges

    def _build(self, s: Structures) -> None:
        n = len(s.types)
        # Part by part: the search returns vectors too, four times the memory of the list itself.
        size = max(_ATOMS_PER_SEARCH, n // 8)
        first, j, shift, fits = np.zeros(n + 1, dtype=np.int64), [], [], True
        for begin in range(0, n, size):
            end = min(n, begin + size)
            starts, neighbour, cells, _ = find_edges(s, self.cutoff + self.skin, atoms=(begin, end))
            first[begin + 1 : end + 1] = first[begin] + starts[1:]
            fits = fits and bool(np.abs(cells).max(initial=0) < _MAX_SHIFT)
            j.append(neighbour.astype(np.int32))
            shift.append(cells.astype(np.int16))
        self.builds += 1
        self._reference = Structures(s.first, s.positions.copy(), s.cells.copy(), s.periodic.copy(), s.types)
        self._edges = EdgeList(first, np.concatenate(j), np.concatenate(shift)) if fits else None

    def _holds(self, s: Structures) -> bool:
        before = self._reference
        assert before is not None
        if len(s.positions) != len(before.positions) or not np.array_equal(s.periodic, before.periodic):
            return False
        periodic = s.periodic[0] != 0
        moved = s.positions - before.positions
        smallest = 1.0
        if periodic.any() and not np.array_equal(s.cells, before.cells):
            deformation = _deformation(before.cells[0], s.cells[0], periodic)
            if deformation is None:
                return False
            smallest = float(np.linalg.svd(deformation, compute_uv=False)[-1])
            moved = s.positions - before.positions @ deformation
        middle = 0.5 * (moved.max(axis=0) + moved.min(axis=0))
        moved -= middle
        furthest = float(np.sqrt(np.einsum("nx,nx->n", moved, moved).max()))
        # A margin of rounding errors; written so that a nan never passes.
        return smallest * (self.cutoff + self.skin) - 2.0 * furthest >= self.cutoff * (1.0 + 1e-12)


def _deformation(before: Array, after: Array, periodic: Mask) -> Array | None:
    """F (3, 3) with before @ F = after for the periodic lattice vectors, the normal directions kept as they are."""
    old, new = before[periodic], after[periodic]
    if len(old) == 3:
        if abs(np.linalg.det(old)) < 1e-9:
            return None
        return np.asarray(np.linalg.solve(old, new), dtype=np.float64)
    inverse = np.linalg.pinv(old)
    return np.asarray(np.eye(3) + inverse @ (new - old), dtype=np.float64)
