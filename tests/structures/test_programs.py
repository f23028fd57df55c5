"""Whole files of other programs, as these write them: the crystal of the last step, or one sentence."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.pwscf import PWInput
from pymatgen.io.vasp import Poscar

import sus2
from sus2.errors import StructureError
from sus2.structures import describe, read_structure
from tests.helpers_programs import WHOLE, outcar, vasprun

POSITIONS = ((0.0, 0.0, 0.0), (1.7, 1.65, 1.65))


@pytest.mark.parametrize("name", WHOLE)
def test_the_last_step_of_a_calculation(name: str) -> None:
    atoms = read_structure(name, WHOLE[name].encode())
    assert atoms.get_chemical_symbols() == ["Cs", "Cl"]
    assert np.allclose(atoms.cell.array, 3.3 * np.eye(3), atol=2e-5)
    assert np.allclose(atoms.positions, POSITIONS, atol=2e-5)
    assert any("2" in n and "last one" in n for n in atoms.info["notices"])


@pytest.mark.parametrize("name", WHOLE)
def test_cut_off_anywhere_it_is_a_step_of_it_or_a_sentence(name: str) -> None:
    text, sentences = WHOLE[name], list[str]()
    for cut in range(40, len(text), max(1, len(text) // 25)):
        try:
            atoms = read_structure(name, text[:cut].encode())
        except sus2.StructureError as error:
            sentences.append(str(error))
        else:
            assert sorted(atoms.get_chemical_symbols()) == ["Cl", "Cs"]
            assert np.allclose(atoms.cell.array, 3.3 * np.eye(3), atol=2e-5)
    assert sentences
    assert not any("\n" in sentence for sentence in sentences)


def test_one_step_needs_no_word() -> None:
    assert read_structure("vasprun.xml", vasprun(1).encode()).info["notices"] == []


def written_by_ase(atoms: Atoms, fmt: str, **options: object) -> str:
    out = io.StringIO()
    write(out, atoms, format=fmt, **options)
    return out.getvalue()


def cell_file(atoms: Atoms) -> str:
    rows = "\n".join(" ".join(f"{x:.10f}" for x in v) for v in atoms.cell.array)
    sites = "\n".join(
        f"{s} {x:.10f} {y:.10f} {z:.10f}"
        for s, (x, y, z) in zip(atoms.get_chemical_symbols(), atoms.get_scaled_positions(), strict=True)
    )
    return (
        f"%BLOCK LATTICE_CART\nang\n{rows}\n%ENDBLOCK LATTICE_CART\n\n%BLOCK POSITIONS_FRAC\n{sites}\n"
        "%ENDBLOCK POSITIONS_FRAC\n\nSYMMETRY_GENERATE\nKPOINT_MP_GRID 4 4 4\n%BLOCK SPECIES_POT\nNa Na_C19.usp\n"
        "%ENDBLOCK SPECIES_POT\n"
    )


def res_file(atoms: Atoms) -> str:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "x.res", atoms, format="res")
        return (Path(folder) / "x.res").read_text()


def frames(atoms: Atoms) -> str:
    return written_by_ase(atoms, "extxyz") + written_by_ase(atoms, "extxyz")


WRITERS = {
    "pw.in of ASE": lambda a: written_by_ase(a, "espresso-in", pseudopotentials={"Na": "a.upf", "Cl": "b.upf"}),
    "pw.in of pymatgen": lambda a: str(
        PWInput(AseAtomsAdaptor.get_structure(a), pseudo={"Na": "a.upf", "Cl": "b.upf"})
    ),
    "abinit of ASE": lambda a: written_by_ase(a, "abinit-in"),
    "castep": cell_file,
    "SHELX of ASE": res_file,
    "POSCAR of pymatgen": lambda a: Poscar(AseAtomsAdaptor.get_structure(a)).get_str(),
    "POSCAR of ASE": lambda a: written_by_ase(a, "vasp", direct=False),
    "frames": frames,
}


@pytest.mark.parametrize("name", WRITERS)
def test_what_other_programs_write(name: str) -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.64)
    found = describe(read_structure(name, WRITERS[name](atoms).encode()))
    assert (found.formula, found.n_atoms, found.space_group_number) == ("NaCl", 2, 225)
    assert found.volume_a3 == pytest.approx(5.64**3 / 4, rel=1e-5)


def test_frames_with_results_of_a_calculator() -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.64)
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=np.zeros((2, 3)), stress=np.zeros(6))
    found = read_structure("x.xyz", written_by_ase(atoms, "extxyz").encode())
    assert np.allclose(found.cell.array, atoms.cell.array)
    assert found.info["notices"] == []


def test_an_outcar_that_promises_too_many_atoms_is_refused_before_they_are_counted_out() -> None:
    text = outcar().replace("   1   1\n", "   1   999999999\n")
    with pytest.raises(StructureError, match="promises 1,000,000,000 atoms"):
        read_structure("OUTCAR", text.encode())
