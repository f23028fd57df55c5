"""Powder diffraction of X-rays, by pymatgen."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ase import Atoms

from sus2.errors import StructureError, counted
from sus2.structures.description import standardise
from sus2.types import Array

if TYPE_CHECKING:
    from pymatgen.core import Structure

RADIATIONS: Final = ("CuKa", "MoKa", "CoKa", "FeKa", "CrKa", "AgKa")
MAX_ATOMS: Final = 400


@dataclass(frozen=True, eq=False)
class PowderPattern:
    """Lines of a powder.

    Attributes
    ----------
    radiation
        Such as "CuKa".
    wavelength_a
        Of that radiation.
    two_theta_deg
        Angles.
    intensities
        The strongest is 100. With the Lorentz and polarisation factors, at rest: no thermal motion, no absorption.
    indices
        Of each line: one family of planes, or several with the same spacing.
    spacings_a
        Distances of the planes.
    """

    radiation: str
    wavelength_a: float
    two_theta_deg: Array
    intensities: Array
    indices: tuple[str, ...]
    spacings_a: Array

    def to_csv(self) -> str:
        """Write one row for each line.

        Returns
        -------
        str
            CSV.
        """
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["two_theta_deg", "intensity", "d_a", "hkl"])
        for row in zip(self.two_theta_deg, self.intensities, self.spacings_a, self.indices, strict=True):
            writer.writerow([*(repr(float(x)) for x in row[:3]), row[3]])
        return out.getvalue()


def powder_pattern(
    atoms: Atoms | Structure, radiation: str = "CuKa", *, largest_two_theta_deg: float = 120.0
) -> PowderPattern:
    """Lines of a powder of a crystal, with the indices of its standard conventional cell.

    Parameters
    ----------
    atoms
        The crystal.
    radiation
        One of RADIATIONS, as pymatgen names them.
    largest_two_theta_deg
        Up to which angle.

    Returns
    -------
    PowderPattern
        By angle.

    Raises
    ------
    StructureError
        Unknown radiation, or too many atoms for the page to wait.
    """
    # Slow to import, and wanted by few who open a page.
    from pymatgen.analysis.diffraction.xrd import XRDCalculator
    from pymatgen.io.ase import AseAtomsAdaptor

    if radiation not in RADIATIONS:
        raise StructureError(f"There is no radiation '{radiation[:20]}'; choose of {', '.join(RADIATIONS)}.")
    cell = standardise(atoms, "conventional", symprec=1e-3)
    if len(cell) > MAX_ATOMS:
        raise StructureError(
            f"The pattern of a cell of {counted(len(cell), 'atom')} takes too long; at most {MAX_ATOMS} are allowed."
        )
    calculator = XRDCalculator(wavelength=radiation, symprec=0)
    found = calculator.get_pattern(AseAtomsAdaptor.get_structure(cell), two_theta_range=(0.0, largest_two_theta_deg))
    indices = tuple(" ".join(_family(h["hkl"]) for h in group) for group in found.hkls)
    return PowderPattern(radiation, float(calculator.wavelength), found.x, found.y, indices, found.d_hkls)


def _family(hkl: tuple[int, ...]) -> str:
    """(1, -1, 0) as 1 1̅ 0, the third of four hexagonal indices left out."""
    three = (hkl[0], hkl[1], hkl[3]) if len(hkl) == 4 else hkl
    return "(" + "".join(f"{abs(i)}\N{COMBINING OVERLINE}" if i < 0 else str(i) for i in three) + ")"
