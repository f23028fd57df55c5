"""Writing CIF files: with space group, operations and Wyckoff sites, or every atom of the given cell."""

from __future__ import annotations

import gemmi
import numpy as np
import spglib
from ase import Atoms
from ase.geometry import cell_to_cellpar

from sus2.structures.cif import groups
from sus2.structures.cif.elements import ISOTOPE_MASSES
from sus2.structures.cif.operations import Operations
from sus2.structures.cif.sites import orbit
from sus2.structures.formula import composition, formula_units
from sus2.structures.symmetry import Cell, dataset, right_handed, standard_cell

_SITE_TAGS = [
    "label",
    "type_symbol",
    "symmetry_multiplicity",
    "Wyckoff_symbol",
    "fract_x",
    "fract_y",
    "fract_z",
    "occupancy",
]


def write_cif(atoms: Atoms, *, symprec: float, symmetric: bool = True) -> str:
    """The text of a CIF file that ASE, pymatgen, gemmi and VESTA read to the same crystal.

    Parameters
    ----------
    atoms
        A checked crystal.
    symprec
        Tolerance of the symmetry search, angstrom.
    symmetric
        The standard conventional cell with ideal coordinates, one line for each Wyckoff site; otherwise the given
        cell with all its atoms in P 1.

    Returns
    -------
    str
        The file.
    """
    standard = _standard(atoms, symprec) if symmetric else None
    document = gemmi.cif.Document()
    block = document.add_new_block(formula_units(atoms).formula)
    if standard is None:
        setting = groups.settings_of_number(1)[0]
        numbers = atoms.numbers
        cell, scaled = np.asarray(atoms.cell), atoms.get_scaled_positions()
        wyckoff, counts, shown = ["a"] * len(atoms), [1] * len(atoms), list(range(len(atoms)))
        masses = _masses(atoms)
    else:
        (cell, scaled, numbers), setting, wyckoff, counts, shown = standard
        masses = [None] * len(numbers)
    _cell(block, cell)
    rotations, translations = groups.operations_of(setting.hall)
    block.set_pair("_space_group_name_H-M_alt", gemmi.cif.quote(setting.label.replace(" :", ":")))
    block.set_pair("_space_group_name_Hall", gemmi.cif.quote(setting.hall))
    block.set_pair("_space_group_IT_number", str(setting.number))
    loop = block.init_loop("_space_group_symop_", ["id", "operation_xyz"])
    for k, (r, t) in enumerate(zip(rotations, translations, strict=True), 1):
        loop.add_row([str(k), gemmi.cif.quote(_triplet(r, t))])
    counted = {z: int((numbers == z).sum()) for z in np.unique(numbers)}
    reduced = formula_units(Atoms(numbers=numbers))
    amounts = composition(Atoms(numbers=numbers))
    block.set_pair(
        "_chemical_formula_sum",
        gemmi.cif.quote(" ".join(f"{e}{n // reduced.count}" for e, n in sorted(amounts.items()))),
    )
    block.set_pair("_cell_formula_units_Z", str(reduced.count))
    sites = block.init_loop("_atom_site_", _SITE_TAGS)
    seen = dict.fromkeys(counted, 0)
    for k in shown:
        z = int(numbers[k])
        seen[z] += 1
        symbol = masses[k] or Atoms(numbers=[z]).get_chemical_symbols()[0]
        x, y, w = (f"{v:.12f}" for v in scaled[k] % 1.0)
        sites.add_row([f"{symbol}{seen[z]}", symbol, str(counts[k]), wyckoff[k], x, y, w, "1.0"])
    return str(document.as_string())


def _cell(block: gemmi.cif.Block, cell: np.ndarray) -> None:
    lengths = cell_to_cellpar(cell)
    for tag, value in zip(
        ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma"), lengths, strict=True
    ):
        block.set_pair(f"_cell_{tag}", f"{value:.12g}")
    block.set_pair("_cell_volume", f"{abs(float(np.linalg.det(cell))):.10g}")


def _masses(atoms: Atoms) -> list[str | None]:
    """D or T for hydrogen of such a mass."""
    return [
        next((s for s, mass in ISOTOPE_MASSES.items() if z == 1 and abs(m - mass) < 0.01), None)
        for z, m in zip(atoms.numbers, atoms.get_masses(), strict=True)
    ]


def _standard(atoms: Atoms, symprec: float) -> tuple[Cell, groups.Setting, list[str], list[int], list[int]] | None:
    """Standard cell, setting, Wyckoff letters, multiplicities and the first atom of each site.

    None where spglib's answer does not give the crystal back.
    """
    if any(_masses(atoms)):
        return None
    found = standard_cell(right_handed(atoms)[0], symprec, primitive=False)
    if found is None:
        return None
    data = dataset(found, symprec)
    if data is None or not np.allclose(data.transformation_matrix, np.eye(3), atol=1e-6):
        return None
    shift = np.asarray(data.origin_shift)
    if np.abs(shift - np.rint(shift)).max() > 1e-6:
        return None
    setting = groups.setting_of_hall(spglib.get_spacegroup_type(data.hall_number).hall_symbol)
    if setting is None or setting.number != data.number:
        return None
    operations = Operations(*groups.operations_of(setting.hall), setting.label, setting.number)
    cell, scaled, _ = found
    equivalent = np.asarray(data.crystallographic_orbits)
    shown = [int(k) for k in np.unique(equivalent)]
    counts = [int((equivalent == equivalent[k]).sum()) for k in range(len(scaled))]
    if any(len(orbit(scaled[k], operations, cell, 1e-3)) != counts[k] for k in shown):
        return None
    return found, setting, list(data.wyckoffs), counts, shown


def _triplet(rotation: np.ndarray, translation: np.ndarray) -> str:
    op = gemmi.Op()
    op.rot = (rotation * gemmi.Op.DEN).tolist()
    op.tran = [round(v * gemmi.Op.DEN) for v in translation]
    return str(op.triplet())
