"""Every prototype has its space group, takes its number of elements, and starts at a physical size."""

from __future__ import annotations

import numpy as np
import pytest
import spglib
from ase.data import covalent_radii

from sus2.errors import StructureError
from sus2.training.data.prototypes import PROTOTYPES, build, sized


@pytest.mark.parametrize("name", sorted(PROTOTYPES))
def test_space_group_and_size(name: str) -> None:
    prototype = PROTOTYPES[name]
    atoms = build(name, ["Cu", "Zr", "O"][: prototype.species])
    cell = (atoms.cell[:], atoms.get_scaled_positions(), atoms.numbers)
    assert spglib.get_symmetry_dataset(cell, symprec=1e-4).number == prototype.space_group
    assert len(spglib.find_primitive(cell, symprec=1e-4)[2]) == len(atoms)
    assert atoms.cell.handedness == 1
    far = atoms.repeat(3)
    distances = far.get_all_distances(mic=True)
    radii = covalent_radii[far.numbers]
    ratio = distances / (radii[:, None] + radii)
    assert ratio[~np.eye(len(far), dtype=bool)].min() == pytest.approx(1.06, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "elements", "formula", "neighbours"),
    [
        ("rocksalt", ["Mg", "O"], "MgO", 6),
        ("perovskite", ["Sr", "Ti", "O"], "O3SrTi", 12),
        ("fluorite", ["Ca", "F"], "CaF2", 8),
        ("zincblende", ["Ga", "As"], "AsGa", 4),
        ("CsCl", ["Cs", "Cl"], "ClCs", 8),
        ("spinel", ["Mg", "Al", "O"], "Al4Mg2O8", 4),
        ("chalcopyrite", ["Zn", "Si", "P"], "P4Si2Zn2", 4),
    ],
)
def test_first_shell_of_the_first_atom(name: str, elements: list[str], formula: str, neighbours: int) -> None:
    atoms = build(name, elements)
    assert atoms.get_chemical_formula() == formula
    far = atoms.repeat(4)
    unlike = far.numbers == build(name, elements).numbers[-1]
    distances = np.sort(far.get_distances(0, np.flatnonzero(unlike), mic=True))
    assert np.sum(distances < 1.08 * distances[0]) == neighbours


def test_sized_scales_the_nearest_pair() -> None:
    atoms = sized(build("CsCl", ["Cs", "Cl"]), 0.5)
    assert atoms.get_volume() == pytest.approx(build("CsCl", ["Cs", "Cl"]).get_volume() * (0.5 / 1.06) ** 3)


@pytest.mark.parametrize(
    ("name", "elements", "words"),
    [
        ("rocksalt", ["Mg"], "takes 2 elements, not 1"),
        ("unknown", ["Mg"], "There is no prototype 'unknown'"),
        ("fcc", ["Zz"], "'Zz' is not an element"),
    ],
)
def test_wrong_requests(name: str, elements: list[str], words: str) -> None:
    with pytest.raises(StructureError, match=words):
        build(name, elements)
