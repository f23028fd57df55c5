"""References of elements, energies on their scales and regressions, against hand-made numbers."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.data import chemical_symbols
from ase.neighborlist import neighbor_list
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import linregress

import sus2
from sus2.comparison.references import (
    PotentialEnergy,
    agreement,
    cohesive_energy_ev_per_atom,
    elemental_references,
    ground_state,
    read_free_atoms,
    regress_shifts,
)
from sus2.errors import DataError, EnergyScaleError, FitError, StructureError
from sus2.potential.potential import Potential
from tests.helpers_potential import emt
from tests.helpers_twins import metals, twin


@pytest.fixture(scope="module")
def pbe() -> Potential:
    return metals()


def test_every_ground_state_is_a_sensible_crystal() -> None:
    built = []
    for symbol in chemical_symbols[1:95]:
        try:
            atoms, name = ground_state(symbol)
        except StructureError:
            continue
        built.append(symbol)
        assert name
        assert set(atoms.get_chemical_symbols()) == {symbol}
        nearest = neighbor_list("d", atoms, 6.0).min()
        # Nearest neighbours of the elements lie between those of H2 and of caesium.
        assert 0.7 < nearest < 5.5, symbol
        if atoms.pbc.all():
            assert 4.0 < atoms.get_volume() / len(atoms) < 130.0, symbol
    assert len(built) > 75
    # Contacts of the covalent ones, angstrom (Donohue 1974).
    for symbol, bond in (("B", 1.67), ("P", 2.22), ("Ga", 2.48), ("Se", 2.37), ("Te", 2.84), ("As", 2.51)):
        assert neighbor_list("d", ground_state(symbol)[0], 5.0).min() == pytest.approx(bond, abs=0.03), symbol


def test_references_are_relaxed_in_the_potential(pbe: Potential) -> None:
    found = elemental_references(pbe, ["Cu", "Mg", "Cu"])
    assert list(found.found) == ["Cu", "Mg"]
    assert found.missing == {}
    for symbol, reference in found.found.items():
        relaxed = sus2.relax(bulk(symbol), pbe)
        assert reference.energy_ev_per_atom == pytest.approx(relaxed.energy_ev / len(relaxed.atoms), abs=1e-6)
        assert reference.volume_a3_per_atom == pytest.approx(relaxed.volume_a3 / len(relaxed.atoms), rel=1e-4)
        assert reference.source == "relaxed crystal"
    assert found.found["Mg"].structure == "hcp"


def test_a_missing_reference_comes_from_the_card_or_is_named(pbe: Potential) -> None:
    bare = elemental_references(pbe, ["Cu", "S"])
    assert "S has no reference" in bare.missing["S"]
    sulphide = Atoms("CuS", positions=[[0, 0, 0], [2, 0, 0]])
    with pytest.raises(DataError, match="S has no reference"):
        bare.formation_energy_ev_per_atom(sulphide, -8.0)
    stated = elemental_references(twin(pbe, card={"reference_energies_ev": {"S": -4.1}}), ["Cu", "S"])
    assert stated.found["S"].source == "card"
    copper = stated.found["Cu"].energy_ev_per_atom
    assert stated.formation_energy_ev_per_atom(sulphide, -8.0) == pytest.approx((-8.0 - copper + 4.1) / 2)


def test_formation_energies_of_another_potential() -> None:
    found = elemental_references(emt(), ["Au", "Cu"])
    alloy = bulk("Cu", cubic=True)
    alloy.symbols[0] = "Au"
    relaxed = sus2.relax(alloy, emt())
    energy = found.formation_energy_ev_per_atom(relaxed.atoms, relaxed.energy_ev)
    by_hand = relaxed.energy_ev - found.found["Au"].energy_ev_per_atom - 3 * found.found["Cu"].energy_ev_per_atom
    assert energy == pytest.approx(by_hand / 4)
    assert -0.2 < energy < 0.0


def test_cohesive_energies() -> None:
    atoms = Atoms("CuAu", positions=[[0, 0, 0], [2, 0, 0]])
    assert cohesive_energy_ev_per_atom(atoms, -8.0, {"Cu": -0.6, "Au": -0.4}) == pytest.approx(3.5)
    with pytest.raises(DataError, match="Au"):
        cohesive_energy_ev_per_atom(atoms, -8.0, {"Cu": -0.6})


def test_free_atoms_are_read() -> None:
    text = "Element,PBE,r2SCAN\nCu,-0.6,-6.96\n\nAu,-0.29,-47.2\n"
    assert read_free_atoms(text) == {"PBE": {"Cu": -0.6, "Au": -0.29}, "r2SCAN": {"Cu": -6.96, "Au": -47.2}}
    for wrong, said in (
        ("", "first row"),
        ("Cu,-0.6\n", "first row"),
        ("Element,PBE\nXx,-1\n", "row 2: 'Xx'"),
        ("Element,PBE\nCu,-0.6\nAu,low\n", "row 3: 'low'"),
    ):
        with pytest.raises(DataError, match=said):
            read_free_atoms(wrong)


def test_cohesive_energies_against_dft(shared: Path) -> None:
    """Free atoms and crystals on one scale: a wrong one would be off by several eV, the models by some tenths."""
    path = shared / "data" / "elements" / "isolated_atomic_energies_PBE_SCAN_r2SCAN.csv"
    free = read_free_atoms(path.read_text())
    with gzip.open(shared / "data" / "reference_tables.json.gz", "rt") as file:
        rows = [r for r in json.load(file) if r["quantity"] == "cohesive_energy" and "MatPES" in r["source"]]
    dft = {(r["material"], r["functional"]): r["value"] for r in rows}
    for name in ("sus2-universal-pbe", "sus2-universal-r2scan"):
        p = sus2.load(name)
        for symbol in ("Cu", "Al", "Au", "Pd"):
            r = sus2.relax(bulk(symbol), p)
            found = cohesive_energy_ev_per_atom(r.atoms, r.energy_ev, free[p.functional])
            assert found == pytest.approx(abs(dft[symbol, p.functional]), abs=0.8), (name, symbol)


def test_energies_of_two_scales_refuse_subtraction() -> None:
    a, b = PotentialEnergy(-3.7, "p", "PBE"), PotentialEnergy(-10.8, "q", "r2SCAN")
    with pytest.raises(EnergyScaleError, match=r"p \(PBE\) and q \(r2SCAN\)"):
        a - b
    # The same name with another functional is another scale.
    with pytest.raises(EnergyScaleError):
        a - PotentialEnergy(-3.7, "p", "r2SCAN")
    assert b - PotentialEnergy(-10.0, "q", "r2SCAN") == pytest.approx(-0.8)
    assert b.raw_shift_ev_per_atom(a) == pytest.approx(-7.1)


@given(
    st.lists(st.tuples(st.floats(-60, 60), st.floats(-60, 60)), min_size=3, max_size=30).filter(
        lambda p: np.ptp([x for x, _ in p]) > 1e-2 and np.ptp([y for _, y in p]) > 1e-2
    )
)
def test_agreement_is_that_of_scipy(points: list[tuple[float, float]]) -> None:
    x, y = np.array(points).T
    found, expected = agreement(x, y), linregress(x, y)
    assert found.pearson_r == pytest.approx(expected.rvalue, abs=1e-6)
    assert found.slope == pytest.approx(expected.slope, rel=1e-6, abs=1e-6)
    assert found.intercept == pytest.approx(expected.intercept, rel=1e-6, abs=1e-4)
    assert found.mae == pytest.approx(np.abs(y - x).mean())
    assert found.rmse >= found.mae - 1e-9


def test_agreement_of_equal_numbers_has_no_correlation() -> None:
    found = agreement([1.0, 1.0], [2.0, 2.0])
    assert np.isnan(found.pearson_r)
    assert found.to_dict()["pearson_r"] is None
    assert found.mean_difference == 1.0
    with pytest.raises(FitError, match="two pairs"):
        agreement([1.0], [1.0])
    with pytest.raises(FitError, match="two pairs"):
        agreement([1.0, 2.0], [1.0])


def test_shifts_are_found_again() -> None:
    shifts = {"Cu": -7.0, "Au": -45.0, "Al": -3.0}
    structures = [bulk("Cu"), bulk("Au"), bulk("Al"), Atoms("Cu3Au"), Atoms("AlAu")]
    gap = [np.mean([shifts[s] for s in a.get_chemical_symbols()]) for a in structures]
    found = regress_shifts(structures, gap)
    assert found.shifts_ev == pytest.approx(shifts)
    assert found.determined
    assert found.rms_residual_ev_per_atom == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_allclose(found.per_atom_ev, gap)
    vague = regress_shifts([Atoms("CuAu"), Atoms("Cu2Au2")], [1.0, 1.2])
    assert not vague.determined
    assert vague.rms_residual_ev_per_atom == pytest.approx(0.1)
    with pytest.raises(FitError, match="2 structures"):
        regress_shifts([bulk("Cu"), bulk("Au")], [1.0])
