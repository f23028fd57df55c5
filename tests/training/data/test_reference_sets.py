"""The shared DFT sets are read with the right sizes, units and signs."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

import sus2
from sus2.errors import DataError
from sus2.training.data import reference_sets as sets
from sus2.training.data.dataset import bad_labels

pytestmark = pytest.mark.usefixtures("shared")


@pytest.mark.parametrize(("element", "count"), [("Li", 241), ("Si", 214), ("Ge", 228), ("Mo", 194)])
def test_mlearn(element: str, count: int) -> None:
    data = sets.mlearn_set(element)  # type: ignore[arg-type]
    assert len(data) == count
    assert data.elements == (element,)
    assert np.isfinite(data.stress_ev_per_a3).all()


@pytest.mark.parametrize("element", ["Li", "Si", "Ge", "Mo"])
def test_mlearn_stress_is_tension_positive(element: str) -> None:
    """Among strained crystals the larger cells are the ones under tension."""
    data = sets.mlearn_set(element)  # type: ignore[arg-type]
    strained = data.kind == "Elastic"
    volume = data.volumes_a3[strained] / data.sizes[strained]
    stress = data.stress_ev_per_a3[strained, :3].mean(axis=1)
    assert np.corrcoef(volume, stress)[0, 1] > 0.9


@pytest.mark.parametrize(
    ("element", "split"), [("Si", "training"), ("Ge", "training"), ("Mo", "training"), ("Cu", "test"), ("Ni", "test")]
)
def test_mlearn_shear_stress_belongs_to_its_strain(element: str, split: str) -> None:
    """In strained cubic crystals each shear stress follows its own strain: yz, xz and xy are told apart."""
    data = sets.mlearn_set(element, split)  # type: ignore[arg-type]
    strained = np.flatnonzero(data.kind == "Elastic")
    shear, stress = [], []
    for k in strained.tolist():
        cell = data.to_atoms(k).cell.array
        edges = np.linalg.norm(cell, axis=1)
        angles = (cell @ cell.T) / np.outer(edges, edges)
        if edges.max() < 1.05 * edges.min() and np.abs(angles[np.triu_indices(3, 1)]).max() < 0.3:
            shear.append([angles[1, 2], angles[0, 2], angles[0, 1]])
            stress.append(data.stress_ev_per_a3[k, 3:])
    assert len(shear) > 6
    for axis in range(3):
        assert np.corrcoef(np.array(shear)[:, axis], np.array(stress)[:, axis])[0, 1] > 0.9


@pytest.mark.parametrize("element", ["Li", "Si", "Ge", "Mo"])
def test_mlearn_shear_stress_of_moving_atoms(element: str) -> None:
    """A potential that has never seen these frames finds each shear stress where it is read, and not elsewhere."""
    data = sets.mlearn_set(element)  # type: ignore[arg-type]
    some = np.flatnonzero(data.kind == "AIMD-NVT")[::8].tolist()
    found = sus2.load("sus2-universal-pbe").evaluate([data.to_atoms(k) for k in some])
    ours = np.array([r.stress_ev_per_a3[3:] for r in found])
    misses = {p: np.abs(ours[:, p] - data.stress_ev_per_a3[some, 3:]).mean() for p in permutations(range(3))}
    assert min(misses, key=lambda p: misses[p]) == (0, 1, 2)


def test_diamond_and_nacl() -> None:
    train, valid = sets.diamond_set("train"), sets.diamond_set("valid")
    assert (len(train), len(valid)) == (200, 114)
    assert set(train.sizes.tolist()) == {64}
    salt = sets.nacl_set()
    assert len(salt) == 300
    assert set(salt.composition.tolist()) == {"ClNa"}


def test_acwf_stress_is_the_slope_of_the_energy() -> None:
    data = sets.acwf_set()
    assert len(np.unique(data.base)) == 960
    assert len(data.elements) == 96
    assert bad_labels(data) == []
    for base in ("Si-X/Diamond", "Mg-XO", "Al-X2O3", "W-X/BCC"):
        curve = data.subset(data.base == base)
        volume = curve.volumes_a3
        slope = np.polynomial.Polynomial.fit(volume, curve.energy_ev, 4).deriv()(volume)
        stress = curve.stress_ev_per_a3[:, :3].mean(axis=1)
        assert np.allclose(slope, stress, atol=0.03 * np.abs(slope).max())


def test_acwf_vasp_volume_agrees_with_all_electron() -> None:
    data, reference = sets.acwf_set(), sets.acwf_all_electron()
    assert len(reference) == 960
    curve = data.subset(data.base == "Cu-X/FCC")
    volume = curve.volumes_a3 / curve.sizes
    root = np.polynomial.Polynomial.fit(volume, curve.energy_ev, 4).deriv().roots()
    near = root[np.isreal(root)].real
    assert np.abs(near / reference["Cu-X/FCC"][0] - 1.0).min() < 0.01


def test_matpes_elements_are_the_same_elements_in_both_functionals() -> None:
    pbe, r2scan = sets.matpes_elements("PBE"), sets.matpes_elements("r2SCAN")
    assert len(pbe) == len(r2scan) == 89
    assert pbe.elements == r2scan.elements
    silicon = pbe.subset(pbe.composition == "Si")
    assert silicon.stress_ev_per_a3[0, 0] < 0.0  # its cell is smaller than PBE's, so it is compressed
    atoms = sets.matpes_free_atoms("PBE")
    assert atoms["H"] == pytest.approx(-1.11764114)
    assert len(atoms) == 89


def test_binary_crystals() -> None:
    crystals = sets.binary_crystals()
    assert len(crystals) == 1944
    assert all(len(set(atoms.get_chemical_symbols())) == 2 for _, atoms, _, _ in crystals)
    assert min(bulk for _, _, bulk, _ in crystals) > 0.0


def test_missing_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SUS2_SHARED")
    with pytest.raises(DataError, match="set SUS2_SHARED"):
        sets.shared_root()
    with pytest.raises(DataError, match="does not exist"):
        sets.shared_root(tmp_path / "none")
    with pytest.raises(DataError, match="cannot be read"):
        sets.binary_crystals(tmp_path)
