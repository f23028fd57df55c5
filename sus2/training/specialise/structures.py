"""What is made around one crystal: volumes, strains, rattles, displacements, and its rivals.

The first structures hold the crystal's second derivatives: strains of both signs along each of Voigt's six components,
and phonopy's displacements of both signs in a supercell. Each pair is a label of curvature to the trainer
(sus2.training.fit.objective), and the teacher's elastic constants and frequencies follow from the same labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii, reference_states

from sus2.properties.phonons.backends import phonopy_of, to_ase
from sus2.training.data.generate import Made, supercell
from sus2.training.data.prototypes import PROTOTYPES, build
from sus2.types import Array
from sus2.voigt import PAIRS

if TYPE_CHECKING:
    from phonopy import Phonopy


STRAIN: Final = 0.005
DISPLACEMENT_A: Final = 0.02
VOLUMES: Final = (0.80, 1.25)
# Supercells of the displacements: as wide as this where that takes no more atoms than that.
_WIDTH_A: Final = 5.5
MAX_SUPERCELL_ATOMS: Final = 40
# Nearer than this share of the sum of covalent radii no teacher is asked.
CLOSEST: Final = 0.55
_ELEMENTAL: Final = ("fcc", "bcc", "hcp")


@dataclass(frozen=True, eq=False)
class Response:
    """The structures that hold the second derivatives of a crystal of N atoms.

    Attributes
    ----------
    atoms
        The crystal at rest.
    made
        The crystal; 12 strains, plus and minus along each of Voigt's components; 2 P displacements in a supercell.
    phonopy
        The supercell and its displacements.
    matrix
        Supercell matrix, diagonal (3,).
    """

    atoms: Atoms
    made: tuple[Made, ...]
    phonopy: Phonopy
    matrix: tuple[int, int, int]


def deformed(atoms: Atoms, gradient: Array) -> Atoms:
    """The crystal under a deformation gradient, atoms carried along.

    Parameters
    ----------
    atoms
        The crystal.
    gradient
        F (3, 3); cell vectors, as rows, become a F.

    Returns
    -------
    Atoms
        Another object.
    """
    out = atoms.copy()
    out.set_cell(atoms.cell.array @ gradient, scale_atoms=True)
    return out


def at_volume(atoms: Atoms, ratio: float) -> Atoms:
    """The crystal scaled to this ratio of its volume."""
    return deformed(atoms, np.eye(3) * ratio ** (1.0 / 3.0))


def strain_of(component: int, size: float) -> Array:
    """The symmetric strain along one of Voigt's components.

    Parameters
    ----------
    component
        0 to 5: xx yy zz yz xz xy.
    size
        Engineering strain: of a shear twice the entry of the tensor.

    Returns
    -------
    ndarray
        (3, 3).
    """
    i, j = PAIRS[component]
    e = np.zeros((3, 3))
    e[i, j] = e[j, i] = size if i == j else 0.5 * size
    return e


def response_structures(atoms: Atoms, name: str) -> Response:
    """The structures from which second derivatives follow by central differences.

    Parameters
    ----------
    atoms
        The crystal at rest.
    name
        What the structures are filed under.

    Returns
    -------
    Response
        The crystal first, then the strains, then the displacements.
    """
    made = [Made(plain(atoms), "relaxed", name, 1.0)]
    for component in range(6):
        for sign in (1.0, -1.0):
            # Shears are halved in the tensor, so they are doubled here to be as large.
            size = sign * STRAIN * (1.0 if component < 3 else 2.0)
            strained = deformed(plain(atoms), np.eye(3) + strain_of(component, size))
            made.append(Made(strained, "strain-pair", f"{name}:strain", 1.0))
    matrix = supercell_of(atoms)
    ph = phonopy_of(atoms, np.diag(matrix))
    ph.generate_displacements(distance=DISPLACEMENT_A, is_plusminus=True)
    cells = [to_ase(c) for c in ph.supercells_with_displacements or [] if c is not None]
    made += [Made(plain(c), "displaced-pair", f"{name}:displaced", 1.0) for c in cells]
    return Response(plain(atoms), tuple(made), ph, matrix)


def supercell_of(atoms: Atoms) -> tuple[int, int, int]:
    """Repeats that make the cell about 5.5 A wide, fewer along the widest directions where atoms are many.

    Parameters
    ----------
    atoms
        The cell.

    Returns
    -------
    tuple of int
        Along each cell vector; together at most MAX_SUPERCELL_ATOMS atoms, where the cell itself has no more.
    """
    areas = np.array([np.linalg.norm(np.cross(*np.delete(atoms.cell.array, k, axis=0))) for k in range(3)])
    heights = abs(atoms.cell.volume) / areas
    repeats = np.maximum(1, np.ceil(_WIDTH_A / heights - 1e-6)).astype(int)
    while len(atoms) * int(np.prod(repeats)) > MAX_SUPERCELL_ATOMS and repeats.max() > 1:
        repeats[int(np.argmax(np.where(repeats > 1, repeats * heights, -np.inf)))] -= 1
    return int(repeats[0]), int(repeats[1]), int(repeats[2])


def around(atoms: Atoms, name: str, seed: int, *, atoms_wanted: int) -> list[Made]:
    """Volumes, strains, rattles and single displacements of a crystal.

    Parameters
    ----------
    atoms
        The crystal at rest.
    name
        What the structures are filed under.
    seed
        Of everything random.
    atoms_wanted
        About how many atoms the structures have together.

    Returns
    -------
    list of Made
        In an order in which any first part is a fair choice.
    """
    rng = np.random.default_rng((seed, len(atoms)))
    cell = plain(atoms)
    made: list[Made] = []
    total = 0
    strata = 12
    order = rng.permutation(strata)
    k = 0
    while total < atoms_wanted:
        kind = ("volume", "rattle", "strain", "rattle", "wide", "rattle", "displaced", "strain-pair")[k % 8]
        place = (order[(k // 8) % strata] + float(rng.random())) / strata
        new = _one(cell, kind, name, place, rng)
        made += new
        total += sum(len(m.atoms) for m in new)
        k += 1
    return made


def _one(cell: Atoms, kind: str, name: str, place: float, rng: np.random.Generator) -> list[Made]:
    """One structure (or a pair) of a kind; `place` in [0, 1) spreads volumes evenly."""
    low, high = VOLUMES
    if kind == "volume":
        ratio = low + (high - low) * place
        return [Made(at_volume(cell, ratio), "volume", name, ratio)]
    if kind == "strain-pair":
        e = random_strain(0.01, rng)
        return [Made(deformed(cell, np.eye(3) + s * e), "strain-pair", f"{name}:strain", 1.0) for s in (1.0, -1.0)]
    if kind == "strain":
        ratio = float(rng.uniform(0.94, 1.06))
        gradient = np.eye(3) + random_strain(float(rng.uniform(0.01, 0.08)), rng)
        out = deformed(cell, gradient * (ratio / np.linalg.det(gradient)) ** (1.0 / 3.0))
        if len(out) > 1:
            out.positions += moves(len(out), 0.02, rng)
        return [Made(out, "strain", name, ratio)]
    ratio = low + (high - low) * place if kind == "wide" else float(rng.uniform(0.93, 1.08))
    gradient = np.eye(3) + random_strain(float(rng.uniform(0.0, 0.03)), rng)
    # Small cells twice or more, so that neighbours move against each other.
    big = supercell(cell, max(2 * len(cell), int(rng.choice([4, 8, 12])))) if len(cell) <= 10 else cell
    out = deformed(big, gradient * (ratio / np.linalg.det(gradient)) ** (1.0 / 3.0))
    if kind == "displaced":
        out.positions[int(rng.integers(len(out)))] += float(rng.uniform(0.05, 0.30)) * direction(rng)
    else:
        out.positions += moves(len(out), float(np.exp(rng.uniform(np.log(0.02), np.log(0.20)))), rng)
    return [Made(out, "rattle-volume" if kind == "wide" else kind, name, ratio)]


def rivals(atoms: Atoms) -> list[tuple[str, Atoms]]:
    """Ground states of a crystal's elements, and other prototypes of its composition, at guessed sizes.

    Parameters
    ----------
    atoms
        The crystal.

    Returns
    -------
    list of (str, Atoms)
        Name and primitive cell of each.
    """
    symbols = list(dict.fromkeys(atoms.get_chemical_symbols()))
    counts = np.array([atoms.get_chemical_symbols().count(s) for s in symbols])
    share = counts // int(np.gcd.reduce(counts))
    found: list[tuple[str, Atoms]] = []
    if len(symbols) > 1:
        found += [(f"{s} ground state", cell) for s in symbols if (cell := ground_state(s)) is not None]
    for prototype in PROTOTYPES.values():
        slots = [site[0] for site in prototype.sites]
        amounts = np.bincount(slots)
        amounts = amounts // int(np.gcd.reduce(amounts))
        if prototype.species != len(symbols) or sorted(amounts) != sorted(share) or len(slots) > 12:
            continue
        if len(symbols) == 1 and prototype.name not in (*_ELEMENTAL, "diamond", "sc", "beta-Sn"):
            continue
        # Elements go to the slots of their own amount.
        left, elements = list(range(len(symbols))), []
        for amount in amounts:
            chosen = next(k for k in left if share[k] == amount)
            left.remove(chosen)
            elements.append(symbols[chosen])
        found.append((prototype.name, build(prototype.name, elements)))
    return found


def ground_state(symbol: str) -> Atoms | None:
    """The crystal of an element as ASE's table of reference states has it; None for molecules and rare structures."""
    from ase.build import bulk

    state: dict[str, Any] | None = reference_states[atomic_numbers[symbol]]
    if state is None or state["symmetry"] not in ("fcc", "bcc", "hcp", "diamond"):
        return None
    return bulk(symbol)


def random_strain(size: float, rng: np.random.Generator) -> Array:
    """A random symmetric strain (3, 3) whose largest entry is `size`."""
    e = rng.uniform(-1.0, 1.0, (3, 3))
    e = 0.5 * (e + e.T)
    out: Array = size * e / np.abs(e).max()
    return out


def moves(count: int, size: float, rng: np.random.Generator) -> Array:
    """Normal displacements of atoms, cut at 2.5 standard deviations, without drift.

    Parameters
    ----------
    count
        Number of atoms.
    size
        Standard deviation, A.
    rng
        Where the numbers come from.

    Returns
    -------
    ndarray
        (count, 3), A.
    """
    out: Array = size * np.clip(rng.standard_normal((count, 3)), -2.5, 2.5)
    return out - out.mean(axis=0) if count > 1 else out


def direction(rng: np.random.Generator) -> Array:
    """A random unit vector (3,)."""
    v: Array = rng.standard_normal(3)
    return v / np.linalg.norm(v)


def plain(atoms: Atoms) -> Atoms:
    """Numbers, positions and cell alone, periodic."""
    return Atoms(atoms.numbers, atoms.positions, cell=atoms.cell.array, pbc=True)


def too_close(atoms: Atoms, share: float = CLOSEST) -> bool:
    """Whether two atoms are nearer than this share of the sum of their covalent radii."""
    from sus2.native.neighbours import neighbours

    radii = covalent_radii[atoms.numbers]
    found = neighbours(atoms, 2.0 * share * float(radii.max()))
    distance = np.linalg.norm(found.vector, axis=1)
    return bool((distance < share * (radii[found.index_i] + radii[found.index_j])).any())


def lightest_first(made: Sequence[Made], most_atoms: int) -> list[Made]:
    """The first structures that together have at most so many atoms; pairs stay whole."""
    kept: list[Made] = []
    total = 0
    for m in made:
        total += len(m.atoms)
        if total > most_atoms and not (m.kind.endswith("-pair") and kept and kept[-1].base == m.base):
            break
        kept.append(m)
    return kept


def dimensions(atoms: Atoms, reach_a: float) -> int:
    """In how many directions atoms that lie within `reach_a` of each other go on for ever.

    Parameters
    ----------
    atoms
        Periodic in three directions.
    reach_a
        Distance up to which two atoms hold together, A.

    Returns
    -------
    int
        3 for a crystal, 2 for sheets, 1 for chains, 0 for molecules; the least of all parts.
    """
    from sus2.native.neighbours import neighbours

    found = neighbours(atoms, reach_a)
    i, j = found.index_i, found.index_j
    moved = (found.vector - atoms.positions[j] + atoms.positions[i]) @ np.linalg.inv(atoms.cell.array)
    shift = np.rint(moved).astype(int)
    place = np.full((len(atoms), 3), 0)
    part = np.full(len(atoms), -1)
    ranks = []
    for first in range(len(atoms)):
        if part[first] >= 0:
            continue
        part[first] = first
        todo = [first]
        while todo:
            a = todo.pop()
            for k in np.flatnonzero((i == a) & (part[j] < 0)):
                # Another edge may have reached the same atom since.
                if part[j[k]] < 0:
                    part[j[k]], place[j[k]] = first, place[a] + shift[k]
                    todo.append(int(j[k]))
        own = part[i] == first
        loops = place[i[own]] + shift[own] - place[j[own]]
        ranks.append(int(np.linalg.matrix_rank(np.unique(loops, axis=0))) if len(loops) else 0)
    return min(ranks)
