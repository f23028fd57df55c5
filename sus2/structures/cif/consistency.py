"""A CIF file against itself: its formula, Z and multiplicities beside the atoms that were read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sus2.errors import StructureError
from sus2.structures.cif.document import Block, number
from sus2.structures.cif.sites import Expanded, Row
from sus2.structures.formula import parse_formula, ratio, written


@dataclass(frozen=True)
class Stated:
    """What a block says of its content.

    Attributes
    ----------
    formula
        Atoms by element; empty where it says nothing.
    z
        Formula units in the cell.
    volume_a3
        Of the cell.
    """

    formula: dict[str, float]
    z: float | None
    volume_a3: float | None

    @property
    def total(self) -> float:
        """Atoms of the formula."""
        return sum(self.formula.values())


@dataclass(frozen=True)
class Agreement:
    """How a reading agrees with what is stated; None where nothing is stated. Best first when compared as a tuple.

    Attributes
    ----------
    formula
        Whether the formula does.
    z
        Whether the formula units do.
    multiplicities
        Whether those of the rows do.
    """

    formula: bool | None
    z: bool | None
    multiplicities: bool | None

    @property
    def is_full(self) -> bool:
        """Something is stated, and nothing of it disagrees."""
        said = [v for v in (self.formula, self.z, self.multiplicities) if v is not None]
        return bool(said) and all(said)

    @property
    def disagrees(self) -> bool:
        """Whether anything that is stated does not agree."""
        return False in (self.formula, self.z, self.multiplicities)


def stated_by(block: Block) -> Stated:
    """Read what a block says of its content.

    Parameters
    ----------
    block
        The block.

    Returns
    -------
    Stated
        Its formula (sum, else the structural or analytical one), Z and volume.
    """
    formula: dict[str, float] = {}
    for tag in ("_chemical_formula_sum", "_chemical_formula_structural", "_chemical_formula_analytical"):
        formula = parse_formula(block.value(tag))
        if formula:
            break
    z = number(block.value("_cell_formula_units_z"))
    volume = number(block.value("_cell_volume"))
    return Stated(formula, z if z > 0 else None, volume if volume > 0 else None)


def agreement(stated: Stated, rows: Sequence[Row], expanded: Expanded) -> Agreement:
    """Compare expanded sites with what is stated.

    Parameters
    ----------
    stated
        Formula and Z.
    rows
        With their multiplicities.
    expanded
        All places of the cell.

    Returns
    -------
    Agreement
        Of formula, Z and multiplicities.
    """
    found = expanded.composition()
    factor = ratio(found, stated.formula) if stated.formula else None
    heavy, heavy_stated = _without_hydrogen(found), _without_hydrogen(stated.formula)
    formula = z = None
    if stated.formula:
        # Hydrogens are often left out; that is said, but does not tell one space group from another.
        formula = ratio(heavy, heavy_stated) is not None if heavy_stated else factor is not None
        if stated.z and (factor or formula):
            units = factor or ratio(heavy, heavy_stated) or 0.0
            z = abs(units - stated.z) <= 0.01 * stated.z
    wanted = [(r.multiplicity, n) for r, n in zip(rows, expanded.counts, strict=True) if r.multiplicity is not None]
    return Agreement(formula, z, all(a == b for a, b in wanted) if wanted else None)


def check(stated: Stated, rows: Sequence[Row], expanded: Expanded, lost: Sequence[str]) -> list[str]:
    """Say what does not agree with what is stated.

    Parameters
    ----------
    stated
        Formula, Z and volume.
    rows
        With their multiplicities.
    expanded
        All places of the cell.
    lost
        Labels of hydrogens without coordinates.

    Returns
    -------
    list of str
        Notices.

    Raises
    ------
    StructureError
        An element of the formula, other than hydrogen, is not among the atoms at all.
    """
    found = expanded.composition()
    notices = []
    if lost:
        shown = ", ".join(lost[:6]) + (", ..." if len(lost) > 6 else "")
        notices.append(f"Hydrogen without coordinates was left out: {shown}.")
    if stated.formula:
        notices += _formula_notices(stated, found)
    factor = ratio(found, stated.formula) if stated.formula else None
    if factor is not None and stated.z and abs(factor - stated.z) > 0.01 * stated.z:
        notices.append(
            f"The file says Z = {stated.z:g}, but its sites make {factor:.4g} formula units of "
            f"{written(stated.formula)} in the cell."
        )
    wrong = [
        f"{r.label} {r.multiplicity} (read {n})"
        for r, n in zip(rows, expanded.counts, strict=True)
        if r.multiplicity is not None and r.multiplicity != n
    ]
    if wrong:
        shown = ", ".join(wrong[:4]) + (", ..." if len(wrong) > 4 else "")
        notices.append(f"The multiplicities that the file states do not fit its symmetry: {shown}.")
    return notices


def _formula_notices(stated: Stated, found: dict[str, float]) -> list[str]:
    if ratio(found, stated.formula) is not None:
        return []
    missing = [e for e in stated.formula if e not in found]
    heavy = [e for e in missing if e != "H"]
    formula, read = written(stated.formula), written({e: round(n, 3) for e, n in found.items()})
    if heavy:
        raise StructureError(
            f"The file's formula is {formula}, but no {' or '.join(heavy)} is among its atoms; add what is missing."
        )
    units = ratio(_without_hydrogen(found), _without_hydrogen(stated.formula))
    if units is not None and "H" in stated.formula:
        all_of_it = stated.formula["H"] * units
        lacking = all_of_it - found.get("H", 0.0)
        if lacking > 0:
            return [
                f"The file's formula is {formula}, but {lacking:.4g} of {all_of_it:.4g} H in the cell "
                f"have no coordinates: this crystal is {read}, without them."
            ]
    return [f"The file's formula is {formula}, but its sites make {read}."]


def _without_hydrogen(counts: dict[str, float]) -> dict[str, float]:
    return {e: n for e, n in counts.items() if e != "H"}
