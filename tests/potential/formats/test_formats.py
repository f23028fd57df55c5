"""Files of other programs give the energies, forces and stresses that those programs give, and errors in one sentence.

References: ASE's own EAM and Tersoff, published constants of Stillinger and Weber's silicon, the equations of MLIP-2 in
plain numpy (mlip2.py), and numbers of GPUMD's NEP (calorine 4.1) for a file that files.nep makes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.eam import EAM
from ase.calculators.tersoff import Tersoff as AseTersoff

import sus2
from sus2.errors import PotentialFileError, UnknownElementError
from sus2.potential.evaluation import Calculates
from sus2.registry.load import load_bytes
from tests.potential.formats import files, mlip2

SILICON = "si.sw"


def made(text: str, name: str = "test", **settings: Any) -> Calculates:
    return load_bytes(text.encode(), name=name, **settings)


def shaken(atoms: Atoms, size: float = 0.1, seed: int = 1) -> Atoms:
    out = atoms.copy()
    out.rattle(size, seed=seed)
    out.set_cell(out.cell.array * [1.02, 1.0, 0.98], scale_atoms=True)
    return out


def gaas() -> Atoms:
    return shaken(bulk("GaAs", "zincblende", 5.6, cubic=True))


def same(potential: Calculates, atoms: Atoms, calculator: Any, tolerance: float) -> None:
    (found,) = potential.evaluate([atoms])
    other = atoms.copy()
    other.calc = calculator
    assert found.energy_ev == pytest.approx(other.get_potential_energy(), abs=tolerance)
    assert np.abs(other.get_forces()).max() > 0.01
    np.testing.assert_allclose(found.forces_ev_per_a, other.get_forces(), atol=tolerance)
    np.testing.assert_allclose(found.stress_ev_per_a3, other.get_stress(), atol=tolerance)


@pytest.mark.parametrize("form", ["alloy", "fs"])
def test_embedded_atoms_are_those_of_ase(form: str, tmp_path: Path) -> None:
    text = files.setfl(["Al", "Cu"], finnis_sinclair=form == "fs")
    (tmp_path / "x.eam").write_text(text, encoding="utf-8")
    crystal = bulk("Al", cubic=True).repeat((2, 1, 1))
    crystal.symbols[[0, 3]] = "Cu"
    potential = made(text)
    assert potential.elements == ("Al", "Cu")
    same(potential, shaken(crystal), EAM(potential=str(tmp_path / "x.eam"), form=form, elements=["Al", "Cu"]), 1e-8)


@pytest.mark.parametrize(("lambda3", "m"), [(0.0, 3), (1.3, 3), (1.1, 1)])
def test_tersoff_is_that_of_ase(lambda3: float, m: int, tmp_path: Path) -> None:
    text = files.tersoff(lambda3, m)
    (tmp_path / "x.tersoff").write_text(text, encoding="utf-8")
    crystal = shaken(bulk("SiC", "zincblende", 4.5, cubic=True), 0.15)
    same(made(text), crystal, AseTersoff.from_lammps(tmp_path / "x.tersoff"), 1e-10)


def test_tersoff_of_two_atoms_alone() -> None:
    found = made(files.tersoff()).evaluate([Atoms("Si2", [[0, 0, 0], [0, 0, 2.3]])])[0]
    assert np.isfinite(found.forces_ev_per_a).all()


def test_stillinger_and_weber_silicon_has_its_published_constants() -> None:
    """Energy of the paper, -4.3366 eV; constants of Cowley, Phys. Rev. Lett. 60, 2379 (1988): 151, 76, 56 GPa."""
    potential = made(files.SW_SILICON)
    assert potential.evaluate([bulk("Si", "diamond", 5.431)])[0].energy_ev / 2 == pytest.approx(-4.3366, abs=1e-4)
    c = sus2.elastic(bulk("Si"), potential, cross_checks=False).c_gpa
    assert c[0, 0] == pytest.approx(151.4, abs=0.2)
    assert c[0, 1] == pytest.approx(76.4, abs=0.2)
    assert c[3, 3] == pytest.approx(56.4, abs=0.2)


@pytest.mark.parametrize("deep", [False, True])
def test_moment_tensors_are_those_of_the_equations(deep: bool) -> None:
    text = files.moment_tensor(2, deep=deep)
    potential = made(text, elements=["Ga", "As"])
    atoms = gaas()
    types = np.array([["Ga", "As"].index(s) for s in atoms.get_chemical_symbols()])
    reference = mlip2.energy(mlip2.read(text), types, atoms.positions, atoms.cell.array)
    assert potential.evaluate([atoms])[0].energy_ev == pytest.approx(reference, abs=1e-9)


@pytest.mark.parametrize("deep", [False, True])
def test_moment_tensors_have_exact_derivatives(deep: bool) -> None:
    potential = made(files.moment_tensor(2, deep=deep), elements=["Ga", "As"])
    crystal = bulk("GaAs", "rocksalt", 5.6)
    exact, finite = (
        sus2.phonons(crystal, potential, relaxed=True, method=m, mesh=10.0, supercell=[3, 3, 3])
        for m in ("exact", "finite")
    )
    # At these the waves fit into the supercell, so its size does not matter.
    q = [[0.0, 0.0, 0.0], [1 / 3, 0.0, 1 / 3], [1 / 3, 1 / 3, -1 / 3]]
    a, b = (x.frequencies_thz(q) for x in (exact, finite))
    np.testing.assert_allclose(a, b, atol=2e-3 * np.abs(a).max())
    c, d = (
        sus2.elastic(crystal, potential, relaxed=True, method=m, cross_checks=False).clamped_c_gpa
        for m in ("exact", "finite")
    )
    np.testing.assert_allclose(c, d, atol=2e-3 * np.abs(c).max())


# Energy (eV), first atom's force (eV/A), stress xx and yz (eV/A^3) of gaas() by calorine 4.1's CPUNEP.
NEP_REFERENCE: dict[tuple[str, str], tuple[float, list[float], list[float]]] = {
    ("", "4 2 1"): (
        -0.233369942718,
        [0.0375749385039, -0.0196126586143, 0.0363876655096],
        [0.00921269978882, 0.001519150127],
    ),
    ("", "4 2 0"): (
        1.15044670353,
        [-0.019464674861, -0.00392825695318, 0.0100316497442],
        [0.0127896386276, -0.000323565210021],
    ),
    ("", "4 0 0"): (
        -0.311596011685,
        [-0.111597216707, 0.0251350370895, -0.0313427028753],
        [0.00263492683095, -0.00160911473574],
    ),
    ("1.4 2.6", "8 2 0"): (
        -0.981272741058,
        [-3.2096123949, -0.123141228857, -0.540325718889],
        [-0.130499922765, -0.0413006245864],
    ),
}


@pytest.mark.parametrize(("zbl", "l_max"), [("", "4 2 1"), ("", "4 2 0"), ("", "4 0 0"), ("1.4 2.6", "8 2 0")])
def test_neuroevolution_potentials_are_those_of_gpumd(zbl: str, l_max: str) -> None:
    (found,) = made(files.nep(["Ga", "As"], zbl=zbl, l_max=l_max)).evaluate([gaas()])
    energy, force, stress = NEP_REFERENCE[zbl, l_max]
    assert found.energy_ev == pytest.approx(energy, abs=1e-9)
    np.testing.assert_allclose(found.forces_ev_per_a[0], force, atol=1e-9)
    np.testing.assert_allclose(found.stress_ev_per_a3[[0, 3]], stress, atol=1e-11)


def test_version_3_is_version_4_with_one_network() -> None:
    old = files.nep(["Ga", "As"], version=3)
    lines = old.splitlines()
    start = 6
    dim = 5 + 4 * 6
    network = lines[start : start + (dim + 2) * 7]
    new = "\n".join(["nep4 2 Ga As", *lines[1:start], *network, *lines[start:]]) + "\n"
    a, b = (made(text).evaluate([gaas()])[0] for text in (old, new))
    assert a.energy_ev == pytest.approx(b.energy_ev, abs=1e-12)
    np.testing.assert_allclose(a.forces_ev_per_a, b.forces_ev_per_a, atol=1e-12)


ALL = {
    "eam": (files.setfl(["Ga", "As"], points=300), None),
    "tersoff": (files.tersoff(names=("Ga", "As")), None),
    "sw": (files.SW_SILICON.replace("Si Si Si", "Ga Ga Ga"), None),
    "nep": (files.nep(["Ga", "As"]), None),
    "mtp": (files.moment_tensor(2), ["Ga", "As"]),
}


@pytest.mark.parametrize("kind", sorted(ALL))
def test_forces_and_stress_are_slopes_of_the_energy(kind: str) -> None:
    text, elements = ALL[kind]
    potential = made(text, elements=elements)
    atoms = gaas()
    if kind == "sw":
        atoms.symbols[:] = "Ga"
    h = 1e-4
    moved = [atoms.copy(), atoms.copy(), atoms.copy(), atoms.copy()]
    moved[0].positions[2, 1] += h
    moved[1].positions[2, 1] -= h
    shear = np.array([[0, 0, 0], [0, 0, h / 2], [0, h / 2, 0]])
    for k, sign in ((2, 1.0), (3, -1.0)):
        moved[k].set_cell(atoms.cell.array @ (np.eye(3) + sign * shear), scale_atoms=True)
    e = [r.energy_ev for r in potential.evaluate(moved)]
    (now,) = potential.evaluate([atoms])
    assert now.forces_ev_per_a[2, 1] == pytest.approx(-(e[0] - e[1]) / (2 * h), abs=1e-5)
    assert now.stress_ev_per_a3[3] * atoms.get_volume() == pytest.approx((e[2] - e[3]) / (2 * h), abs=1e-4)
    assert now.energies_ev.sum() == pytest.approx(now.energy_ev)


def test_properties_take_a_file_of_others(tmp_path: Path) -> None:
    (tmp_path / SILICON).write_text(files.SW_SILICON, encoding="utf-8")
    potential = sus2.load(tmp_path / SILICON)
    assert (potential.name, potential.elements) == ("si", ("Si",))
    assert sus2.eos(bulk("Si"), potential).b0_gpa == pytest.approx(101.4, abs=0.5)
    found = sus2.phonons(bulk("Si"), potential, mesh=20.0)
    assert found.method == "finite"
    assert found.stable
    # Gamma of Stillinger and Weber's silicon: 17.8 THz.
    assert found.frequencies_thz([0, 0, 0])[0, -1] == pytest.approx(17.8, abs=0.3)


def test_unknown_elements_are_named() -> None:
    with pytest.raises(UnknownElementError, match="Al"):
        made(files.SW_SILICON).evaluate([bulk("Al")])


def test_elements_in_a_file_and_beside_it() -> None:
    assert made(files.SW_SILICON, elements=["Si"]).elements == ("Si",)
    with pytest.raises(PotentialFileError, match="names its elements itself"):
        made(files.SW_SILICON, elements=["Ge"])
    with pytest.raises(PotentialFileError, match="does not name its elements"):
        made(files.moment_tensor(2))
    with pytest.raises(PotentialFileError, match="2 species but 1 elements"):
        made(files.moment_tensor(2), elements=["Ga"])


def test_the_state_of_active_learning_is_left_aside() -> None:
    text = files.moment_tensor(2)
    raw = text.encode() + b"#MVS_v1.1\nenergy_weight 1\n#\x00\xff\xfe"
    assert load_bytes(raw, name="x", elements=["Ga", "As"]).elements == ("Ga", "As")


def test_a_potential_travels_between_processes() -> None:
    import pickle

    potential = made(files.moment_tensor(2), elements=["Ga", "As"])
    copy = pickle.loads(pickle.dumps(potential))
    assert type(copy) is type(potential)
    assert copy.evaluate([gaas()])[0].energy_ev == potential.evaluate([gaas()])[0].energy_ev
