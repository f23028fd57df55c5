"""An ordered crystal near a disordered one: whole atoms on every site, spread as evenly as their numbers allow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from ase import Atoms
from ase.geometry import get_distances

from sus2.errors import StructureError
from sus2.settings import settings
from sus2.structures.choices import Choice, OpenChoiceError
from sus2.structures.formula import written
from sus2.types import Array, Index

Kind = tuple[str, float | None]
VACANCY: Final[Kind] = ("", None)
MAX_ORDERED: Final = 200
"""Atoms up to which a supercell is looked for; a disordered cell that has more is ordered as it is."""
SHARE_TOLERANCE: Final = 0.02
"""Deviation of an occupancy, averaged over the sites of a kind, with which a supercell is good enough."""
WHOLE: Final = 0.005
"""Deviation of an occupancy from 1 that is rounding."""
_TOO_NEAR_A: Final = 1.0
_PENALTY: Final = 1e3


@dataclass(frozen=True, eq=False)
class Mixed:
    """A site with several kinds of atoms or not always an atom.

    Attributes
    ----------
    fractional
        (3,) coordinates.
    content
        Element and mass (None: the natural one) -> occupancy.
    """

    fractional: Array
    content: dict[Kind, float]


def ordered(sites: Sequence[Mixed], cell: Array) -> tuple[Atoms, str]:
    """The smallest supercell in which the occupancies are nearly whole numbers of atoms, with equal atoms far apart.

    The cost of a decoration is the sum of 1/r over pairs of equal atoms (or vacancies) on disordered sites; atoms do
    not come closer than 1 angstrom. From an even start it is lowered by exchanges until none helps.

    Parameters
    ----------
    sites
        Of the whole cell.
    cell
        Lattice vectors in rows, angstrom.

    Returns
    -------
    tuple of Atoms and str
        The ordered crystal, and a sentence on what was done.

    Raises
    ------
    StructureError
        No decoration keeps the atoms apart.
    """
    shares = [_shares(site.content) for site in sites]
    classes: dict[tuple[tuple[Kind, float], ...], list[int]] = {}
    for k, one in enumerate(shares):
        classes.setdefault(tuple(sorted(one.items(), key=str)), []).append(k)
    repeats = _repeats(classes, cell, len(sites))
    copies = math.prod(repeats)
    shifts = np.array([(i, j, k) for i in range(repeats[0]) for j in range(repeats[1]) for k in range(repeats[2])])
    points = np.concatenate([(np.array([s.fractional for s in sites]) + t) / repeats for t in shifts])
    large = cell * np.array(repeats)[:, None]
    kinds: list[Kind] = [VACANCY] * len(points)
    groups: list[Index] = []
    for share, members in classes.items():
        where = np.concatenate([np.array(members) + c * len(sites) for c in range(copies)])
        counts = _counts(dict(share), len(where))
        if len(counts) > 1:
            groups.append(where)
        for index, kind in zip(where, _interleaved(counts), strict=True):
            kinds[int(index)] = kind
    _spread(kinds, groups, points, large)
    kept = [k for k, kind in enumerate(kinds) if kind != VACANCY]
    if not kept:
        raise StructureError("No atom is left in the ordered crystal; the occupancies are too small.")
    atoms = Atoms([kinds[k][0] for k in kept], scaled_positions=points[kept], cell=large, pbc=True)
    if any(kinds[k][1] is not None for k in kept):
        natural = atoms.get_masses()
        atoms.set_masses([n if kinds[k][1] is None else kinds[k][1] for n, k in zip(natural, kept, strict=True)])
    given: dict[str, float] = {}
    for one in shares:
        for (symbol, _), amount in one.items():
            if symbol:
                given[symbol] = given.get(symbol, 0.0) + round(amount, 6)
    made = {e: list(atoms.symbols).count(e) / copies for e in given}
    size = "its own cell" if copies == 1 else f"a {' × '.join(map(str, repeats))} supercell"
    return atoms, (
        f"The disordered sites were filled with whole atoms in {size}: "
        f"{written({e: round(n, 3) for e, n in made.items() if n})} in the cell, where the file has "
        f"{written({e: round(n, 3) for e, n in given.items()})}; this is one of many arrangements."
    )


def _shares(content: dict[Kind, float]) -> dict[Kind, float]:
    """Occupancies that add up to one, vacancies among them; more than one atom on a place share it."""
    total = sum(content.values())
    scale = 1.0 / total if total > 0.995 else 1.0
    found = {kind: round(amount * scale, 6) for kind, amount in content.items()}
    left = 1.0 - sum(found.values())
    return {**found, VACANCY: round(left, 6)} if left > 0.005 else found


def _repeats(
    classes: dict[tuple[tuple[Kind, float], ...], list[int]], cell: Array, n_sites: int
) -> tuple[int, int, int]:
    limit = min(MAX_ORDERED, settings().max_atoms)
    best, least = (1, 1, 1), math.inf
    for copies in range(1, max(1, limit // n_sites) + 1):
        off = max(
            abs(count / (len(members) * copies) - amount)
            for share, members in classes.items()
            for kind, amount in share
            for count in [_counts(dict(share), len(members) * copies).get(kind, 0)]
        )
        if off < least - 1e-9:
            best, least = _shape(copies, cell), off
        if least <= SHARE_TOLERANCE:
            break
    return best


def _shape(copies: int, cell: Array) -> tuple[int, int, int]:
    """The factors of a number that make the most even supercell."""
    lengths = np.linalg.norm(cell, axis=1)
    shapes = [
        (i, j, copies // (i * j))
        for i in range(1, copies + 1)
        if copies % i == 0
        for j in range(1, copies // i + 1)
        if (copies // i) % j == 0
    ]
    return min(shapes, key=lambda s: (round(float((lengths * s).max()), 6), s[::-1]))


def _counts(share: dict[Kind, float], n: int) -> dict[Kind, int]:
    """Whole numbers that add up to n, nearest to the shares (largest remainders)."""
    exact = {kind: amount * n for kind, amount in share.items()}
    counts = {kind: int(value + 1e-9) for kind, value in exact.items()}
    for kind in sorted(exact, key=lambda k: (counts[k] - exact[k], str(k)))[: n - sum(counts.values())]:
        counts[kind] += 1
    return {kind: count for kind, count in counts.items() if count}


def _interleaved(counts: dict[Kind, int]) -> list[Kind]:
    """Each kind at even distances in a row of sites."""
    places = [((k + 0.5) / count, str(kind), kind) for kind, count in counts.items() for k in range(count)]
    return [kind for _, _, kind in sorted(places, key=lambda p: p[:2])]


def _spread(kinds: list[Kind], groups: list[Index], points: Array, cell: Array) -> None:
    """Exchange kinds within the groups while that lowers the cost."""
    if not groups:
        return
    species = sorted(set(kinds), key=str)
    index = np.array([species.index(k) for k in kinds])
    there = np.array([k != VACANCY for k in species], dtype=float)
    _, distance = get_distances(points @ cell, cell=cell, pbc=True)
    np.fill_diagonal(distance, np.inf)
    mixed = np.zeros(len(points), dtype=bool)
    mixed[np.concatenate(groups)] = True
    alike = np.where(mixed[:, None] & mixed[None, :], 1.0 / np.maximum(distance, 0.1), 0.0)
    bump = np.where(distance < _TOO_NEAR_A, _PENALTY, 0.0)
    for _ in range(4 * len(points)):
        hot = np.eye(len(species))[index]
        field = alike @ hot + np.outer(bump @ there[index], there)
        best, change = (0, 0), -1e-9
        for group in groups:
            mine = index[group]
            own = field[group, mine]
            # Site i takes the kind of j, and j that of i.
            gain = field[group][:, mine] + field[group][:, mine].T - own[:, None] - own[None, :]
            pair = np.ix_(group, group)
            gain -= 2.0 * alike[pair] + bump[pair] * (there[mine][:, None] - there[mine][None, :]) ** 2
            gain[mine[:, None] == mine[None, :]] = 0.0
            at = np.unravel_index(int(gain.argmin()), gain.shape)
            if gain[at] < change:
                best, change = (int(group[at[0]]), int(group[at[1]])), float(gain[at])
        if best == (0, 0):
            break
        index[list(best)] = index[list(best[::-1])]
    kinds[:] = [species[k] for k in index]


def assembled(
    sites: Sequence[Mixed], cell: Array, *, order: bool, notices: Sequence[str] = (), what: str = ""
) -> Atoms:
    """The crystal of sites, where these are whole atoms; else an ordered one near it, if that was asked for.

    Parameters
    ----------
    sites
        Of the whole cell.
    cell
        Lattice vectors in rows, angstrom.
    order
        Whether an ordered crystal may take the place of a disordered one.
    notices
        What must be said of the crystal already.
    what
        Which sites are disordered, for the refusal.

    Returns
    -------
    Atoms
        With info["notices"].

    Raises
    ------
    OpenChoiceError
        The crystal is disordered, and order is not set.
    """
    mixed = [s for s in sites if len(s.content) != 1 or abs(sum(s.content.values()) - 1.0) > WHOLE]
    if mixed and not order:
        shown = what or ", ".join(f"{symbol} {amount:g}" for (symbol, _), amount in mixed[0].content.items())
        raise OpenChoiceError(
            f"A site is partially occupied or shared ({shown}): order the structure first, or read an ordered crystal "
            "near it with order=True.",
            [Choice("order", True, "an ordered crystal near it")],
        )
    if mixed:
        atoms, said = ordered(sites, cell)
        atoms.info["notices"] = [*notices, said]
        return atoms
    kinds = [next(iter(s.content)) for s in sites]
    points = np.array([s.fractional for s in sites]).reshape(-1, 3)
    atoms = Atoms([symbol for symbol, _ in kinds], scaled_positions=points, cell=cell, pbc=True)
    if any(mass is not None for _, mass in kinds):
        natural = atoms.get_masses()
        atoms.set_masses([n if m is None else m for n, (_, m) in zip(natural, kinds, strict=True)])
    atoms.info["notices"] = list(notices)
    return atoms
