"""Phonons against phonopy's own machinery, direct sums and the exact second derivatives."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import phonopy
import pytest
import yaml
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from pymatgen.io.ase import AseAtomsAdaptor

from sus2.errors import CancelledError, ConvergenceError, StructureError, Sus2Error
from sus2.lessons.first import neighborite
from sus2.potential.evaluation import Evaluation
from sus2.properties.phonons import tetrahedra as _tetrahedra
from sus2.properties.phonons.backends import supercell_of_length
from sus2.properties.phonons.calculate import phonons
from sus2.properties.phonons.checks import check_phonons
from sus2.properties.phonons.follow_mode import commensurate_supercell, follow_mode
from sus2.properties.phonons.qpath import label
from sus2.properties.phonons.result import PhononResult, PhononThermal
from sus2.properties.phonons.tetrahedra import tetrahedron_dos
from sus2.registry.load import load
from sus2.units import THZ_TO_MEV
from tests.helpers_spec import random_potential

Q = np.array([[0.13, -0.21, 0.37], [0.5, 0.0, 0.25], [0.02, 0.01, 0.0]])
BORN = """14.4
4.2 0 0 0 4.2 0 0 0 4.2
1.1 0 0 0 1.1 0 0 0 1.1
-1.1 0 0 0 -1.1 0 0 0 -1.1
"""


def crystal() -> Atoms:
    """Stable in random_potential() of seed 0."""
    return bulk("NaCl", "cesiumchloride", a=3.2)


@pytest.fixture(scope="module")
def result() -> PhononResult:
    return phonons(crystal(), random_potential(), mesh=[6, 6, 6])


class Foreign:
    """Forces of a potential without its derivatives: what any other calculator offers."""

    def __init__(self) -> None:
        self.inner = random_potential()
        self.name, self.functional, self.elements = "foreign", "none", self.inner.elements

    def evaluate(self, structures: Sequence[Atoms]) -> list[Evaluation]:
        return self.inner.evaluate(structures)

    def calculator(self) -> Calculator:
        return self.inner.calculator()


def test_the_crystal_is_relaxed_first_and_stable(result):
    assert result.relaxation is not None
    assert result.relaxation.converged
    assert result.stable
    assert "minimum" in result.stability
    assert result.imaginary_modes == ()
    given = phonons(result.atoms, random_potential(), relaxed=True, mesh=[6, 6, 6])
    assert given.relaxation is None
    np.testing.assert_allclose(given.frequencies_thz(Q), result.frequencies_thz(Q), atol=1e-9)


def test_bands_follow_the_path(result):
    bands = result.band_structure(60)
    assert bands.frequencies_thz.shape == (len(bands.path.q_fractional), 6)
    assert 50 <= len(bands.frequencies_thz) <= 75
    np.testing.assert_array_equal(bands.frequencies_thz, result.frequencies_thz(bands.path.q_fractional))
    names = [name for _, name in bands.path.ticks]
    assert names == ["Γ", "X", "M", "Γ", "R", "X|R", "M"]
    distance = bands.path.distance_per_a
    assert (np.diff(distance) >= 0).all()
    np.testing.assert_allclose(distance[bands.path.segments[0].stop - 1], 0.5 / result.atoms.cell.lengths()[0])


def test_labels():
    assert [label(x) for x in ("GAMMA", "X", "W_2", "SIGMA_0")] == ["Γ", "X", "W₂", "Σ₀"]


def test_dos_is_that_of_phonopy_with_the_exported_force_constants(result):
    dos = result.dos(101)
    np.testing.assert_allclose(sum(dos.projected_per_thz.values()), dos.total_per_thz, atol=1e-10)
    assert list(dos.projected_per_thz) == ["Na", "Cl"]
    assert np.trapezoid(dos.total_per_thz, dos.frequencies_thz) == pytest.approx(6.0, rel=0.02)
    for part in dos.projected_per_thz.values():
        assert np.trapezoid(part, dos.frequencies_thz) == pytest.approx(3.0, rel=0.02)
    ph = result.phonopy
    ph.run_mesh([6, 6, 6], is_gamma_center=True)
    f = dos.frequencies_thz
    ph.run_total_dos(freq_min=f[0], freq_max=f[-1], freq_pitch=f[1] - f[0], use_tetrahedron_method=True)
    np.testing.assert_allclose(ph.total_dos.dos[: len(f)], dos.total_per_thz, atol=1e-4 * dos.total_per_thz.max())


def test_sigma_of_thermal_functions_is_the_change_with_all_frequencies() -> None:
    """Of one oscillator of 5 THz, against one that is a thousandth higher."""
    t = np.arange(1.0, 801.0)

    def oscillator(thz: float) -> PhononThermal:
        ev, kb = 1e-3 * THZ_TO_MEV * thz, 8.617333e-5
        x = ev / (kb * t)
        mole = 96.485332
        n = 1.0 / np.expm1(x)
        free = mole * (0.5 * ev + kb * t * np.log(-np.expm1(-x)))
        energy = mole * ev * (0.5 + n)
        heat = 1e3 * mole * kb * x**2 * n * (n + 1.0)
        return PhononThermal(t, free, 1e3 * (energy - free) / t, heat, 0.5 * mole * ev, 1, 1, 0.0)

    one, other = oscillator(5.0), oscillator(5.005)
    for name, sigma in one.sigma(1e-3).items():
        change = np.abs(getattr(other, name) - getattr(one, name))
        # Second order in a thousandth, and the differences of the grid.
        np.testing.assert_allclose(sigma[5:-5], change[5:-5], rtol=1e-2, atol=1e-3 * change.max(), err_msg=name)
    assert np.isnan(one.sigma(float("nan"))["entropy_j_per_k_mol"]).all()


def test_thermal_properties_against_direct_sums(result):
    thermal = result.thermal([0.0, 50.0, 300.0, 20000.0])
    grid = np.stack(np.meshgrid(*[np.arange(6) / 6] * 3, indexing="ij"), -1).reshape(-1, 3)
    energy = (result.frequencies_thz(grid) * THZ_TO_MEV * 1e-3)[1:].ravel()  # eV, without Gamma
    optical = result.frequencies_thz([[0, 0, 0]])[0, 3:] * THZ_TO_MEV * 1e-3
    energy = np.concatenate([energy, optical])
    kb, per_mol = 8.617333262e-5, 96.48533212331
    zero = energy.sum() / 2 / len(grid) * per_mol
    assert thermal.zero_point_energy_kj_per_mol == pytest.approx(zero, rel=1e-6)
    assert thermal.helmholtz_kj_per_mol[0] == pytest.approx(zero, rel=1e-6)
    for k, t in ((1, 50.0), (2, 300.0)):
        x = energy / (kb * t)
        free = (energy / 2 + kb * t * np.log1p(-np.exp(-x))).sum() / len(grid) * per_mol
        heat = (kb * x**2 * np.exp(x) / np.expm1(x) ** 2).sum() / len(grid) * per_mol * 1e3
        entropy = (kb * (x / np.expm1(x) - np.log1p(-np.exp(-x)))).sum() / len(grid) * per_mol * 1e3
        assert thermal.helmholtz_kj_per_mol[k] == pytest.approx(free, rel=1e-5)
        assert thermal.heat_capacity_j_per_k_mol[k] == pytest.approx(heat, rel=1e-5)
        assert thermal.entropy_j_per_k_mol[k] == pytest.approx(entropy, rel=1e-5)
    dulong_petit = 6 * 8.314462618 * (1 - 0.5 / len(grid))
    assert thermal.heat_capacity_j_per_k_mol[3] == pytest.approx(dulong_petit, rel=1e-4)
    assert thermal.imaginary_fraction == 0
    assert (thermal.formula_units, thermal.n_atoms) == (1, 2)
    assert len(result.thermal().temperatures_k) == 101
    with pytest.raises(Sus2Error, match="Temperatures"):
        result.thermal([-1.0])


def test_the_phonopy_object_interpolates_exactly_at_any_q(result):
    found = result.phonopy.run_qpoints(Q, with_eigenvectors=True, with_group_velocities=True)
    # phonopy's unit constants are those of an older CODATA set.
    np.testing.assert_allclose(found.frequencies, result.frequencies_thz(Q), rtol=3e-7)
    velocity = result.group_velocities_thz_a(Q)
    np.testing.assert_allclose(found.group_velocities[:2], velocity[:2], atol=1e-6 * np.abs(velocity[:2]).max())
    np.testing.assert_allclose(result.group_velocities_m_per_s(Q), 100 * velocity)
    overlap = np.abs(np.einsum("qab,qab->qb", found.eigenvectors.conj(), result.modes(Q).eigenvectors))
    np.testing.assert_allclose(overlap[0], 1.0, atol=1e-8)  # a general point has no degeneracy
    assert np.isnan(result.group_velocities_thz_a([[0, 0, 0]])[0, :3]).all()


def test_files_are_read_back_by_phonopy(result, tmp_path):
    names = result.write_files(tmp_path / "new", points=30)
    assert [p.name for p in names] == ["phonopy.yaml", "FORCE_CONSTANTS", "band.yaml", "mesh.yaml"]
    ph = phonopy.load(names[0], force_constants_filename=names[1], is_nac=False, log_level=0)
    np.testing.assert_allclose(ph.run_qpoints(Q).frequencies, result.frequencies_thz(Q), atol=1e-6)
    bands = yaml.safe_load(names[2].read_text())
    assert len(bands["phonon"][0]["band"]) == 6
    assert np.shape(bands["phonon"][0]["band"][0]["eigenvector"]) == (2, 3, 2)
    frequencies = [[b["frequency"] for b in q["band"]] for q in bands["phonon"]]
    np.testing.assert_allclose(frequencies, result.band_structure(30).frequencies_thz, atol=1e-4)
    assert ["Γ", "X"] in bands["labels"]
    assert yaml.safe_load(names[3].read_text())["nqpoint"] == 20


def test_finite_displacements_are_the_cross_check(result):
    seen: list[float] = []
    finite = phonons(
        result.atoms,
        Foreign(),
        relaxed=True,
        method="finite",
        supercell=result.supercell_matrix,
        displacement_a=0.002,
        mesh=[6, 6, 6],
        progress=lambda _, fraction: seen.append(fraction),
    )
    assert seen
    assert seen[-1] == 1.0
    assert finite.second is None
    np.testing.assert_allclose(finite.frequencies_thz(Q), result.frequencies_thz(Q), atol=1e-3)
    np.testing.assert_allclose(finite.group_velocities_thz_a(Q)[0], result.group_velocities_thz_a(Q)[0], atol=1e-2)
    one, two = finite.thermal([300.0]), result.thermal([300.0])
    np.testing.assert_allclose(one.entropy_j_per_k_mol, two.entropy_j_per_k_mol, rtol=1e-3)
    assert phonons(result.atoms, Foreign(), relaxed=True, method="finite").stable


def test_any_setting_of_the_crystal_gives_the_same_phonons(result):
    supercell = crystal().repeat((2, 1, 1))
    supercell.rotate(40, (1, 2, 3), rotate_cell=True)
    again = phonons(AseAtomsAdaptor.get_structure(supercell), random_potential(), mesh=[6, 6, 6])
    assert len(again.atoms) == 2
    one, two = again.thermal([300.0]), result.thermal([300.0])
    np.testing.assert_allclose(one.entropy_j_per_k_mol, two.entropy_j_per_k_mol, rtol=1e-3)


def test_a_born_file_splits_the_optical_modes(result):
    polar = phonons(result.atoms, random_potential(), relaxed=True, born=BORN, mesh=[4, 4, 4])
    assert polar.polar_correction
    assert "BORN" in polar.note
    assert "LO-TO" in result.note
    for elements in ("Cu", "NiAl"):
        assert replace(result, atoms=Atoms(elements, cell=[3.0] * 3, pbc=True)).note == ""
    q = [[1e-3, 0, 0]]
    plain, split = result.frequencies_thz(q)[0], polar.frequencies_thz(q)[0]
    np.testing.assert_allclose(split[3:5], plain[3:5], atol=0.02)
    masses = result.atoms.get_masses()
    # nu_LO^2 - nu_TO^2 = e^2 Z^2 / (eps0 eps_inf V mu), in phonopy's units 14.4 * 4 pi.
    gain = 14.4 * 4 * np.pi * 1.1**2 / 4.2 / result.atoms.get_volume() * (1 / masses).sum() * 15.633302**2
    assert split[5] ** 2 - split[3] ** 2 == pytest.approx(gain, rel=0.02)
    bands = polar.band_structure(40)
    assert bands.frequencies_thz[0, 5] > plain[5] + 0.1
    for text in ("", "1\n2 3", BORN.replace("4.2", "-4.2"), BORN.replace("1.1", "nan"), BORN + "1 0 0 0 1 0 0 0 1\n"):
        with pytest.raises(Sus2Error, match="BORN"):
            phonons(result.atoms, random_potential(), relaxed=True, born=text)


def test_imaginary_modes_are_found_explained_and_followed():
    potential = random_potential(seed=6)
    unstable = phonons(bulk("NaCl", "rocksalt", a=5.2), potential, mesh=[6, 6, 6])
    assert not unstable.stable
    worst = unstable.imaginary_modes[0]
    assert worst.label == "X"
    assert f"{-worst.frequency_thz:.2f}i THz" in unstable.stability
    assert unstable.thermal([300.0]).imaginary_fraction > 0
    assert unstable.dos().frequencies_thz[0] < worst.frequency_thz
    found = follow_mode(unstable, worst.q_fractional, worst.branch)
    assert found.converged
    assert found.lower
    assert found.spacegroup_parent == "Fm-3m (225)"
    assert found.spacegroup_relaxed == "P4/nmm (129)"
    assert len(found.atoms) == 4
    assert found.energies_mev_per_atom[0] == 0
    assert found.energies_mev_per_atom.min() < 0
    energy = potential.evaluate([found.atoms])[0].energy_ev / 4
    parent = potential.evaluate([unstable.atoms])[0].energy_ev / 2
    assert found.gain_mev_per_atom == pytest.approx((parent - energy) * 1e3, abs=1e-3)
    assert "below" in found.summary
    # The curvature of the energy along the mode is that of its frequency.
    small = follow_mode(unstable, worst.q_fractional, worst.branch, max_amplitude_a=0.02, steps=3, max_steps=0)
    assert not small.converged
    assert "did not converge" in small.summary
    m = unstable.modes(worst.q_fractional).eigenvectors[0, :, 0].reshape(2, 3)
    u = m / np.sqrt(unstable.atoms.get_masses())[:, None]
    size = np.linalg.norm(u, axis=1).max()
    curvature = (worst.frequency_thz / 15.633302) ** 2 / size**2  # eV/A^2 per primitive cell at unit amplitude
    expected = -0.5 * curvature * small.amplitudes_a[1] ** 2 / 2 * 1e3
    assert small.energies_mev_per_atom[1] == pytest.approx(expected, rel=0.02)


def test_a_real_mode_leads_back(result):
    found = follow_mode(result, [0.0, 0.0, 0.0], 5, max_amplitude_a=0.05, steps=3)
    assert found.converged
    assert not found.lower
    assert "parent" in found.summary
    for q, branch in (([0, 0], 0), ([0, 0, 0], 6), ([0.123, 0, 0], 0), ([1 / 7, 1 / 8, 1 / 5], 0)):
        with pytest.raises(Sus2Error):
            follow_mode(result, q, branch)
    with pytest.raises(Sus2Error, match="amplitude"):
        follow_mode(result, [0, 0, 0], 0, max_amplitude_a=0.0)


@pytest.mark.parametrize(
    ("q", "cells"),
    [([0.5, 0.5, 0.5], 2), ([0, 0, 0], 1), ([0.5, 0.25, 0], 4), ([1 / 3, 1 / 3, 0], 3), ([1.5, -0.5, 2], 2)],
)
def test_commensurate_supercells_are_small_and_hold_the_wave(q, cells):
    matrix = commensurate_supercell(bulk("Cu"), np.array(q, dtype=float))
    assert round(np.linalg.det(matrix)) == cells
    waves = np.array(q) @ matrix
    np.testing.assert_allclose(waves, np.round(waves), atol=1e-9)


def test_supercells_are_wide_enough():
    for atoms in (bulk("Cu"), bulk("Ti"), Atoms("Cu", cell=[2.5, 7.0, 11.0], pbc=True)):
        matrix = supercell_of_length(atoms, 12.0)
        grid = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3, indexing="ij"), -1).reshape(-1, 3)
        lengths = np.linalg.norm(grid @ (matrix.T @ atoms.cell.array), axis=1)
        assert lengths[lengths > 0].min() >= 12.0 - 1e-9


def test_wrong_requests_are_refused_in_a_sentence():
    potential = random_potential()
    with pytest.raises(Sus2Error, match="finite"):
        phonons(crystal(), Foreign(), method="exact")
    for options in (
        {"method": "guess"},
        {"mesh": [0, 1, 1]},
        {"mesh": [1.5, 1, 1]},
        {"mesh": -3.0},
        {"displacement_a": 0.0},
        {"supercell": [0, 1, 1]},
    ):
        with pytest.raises(Sus2Error):
            phonons(crystal(), potential, relaxed=True, **options)
    with pytest.raises(StructureError):
        phonons(Atoms("NaCl", positions=[[0, 0, 0], [2, 0, 0]]), potential)

    def stop(stage: str, fraction: float) -> None:
        raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        phonons(crystal(), potential, progress=stop)


def test_an_unrelaxed_crystal_is_not_used_as_if_relaxed():
    with pytest.raises(ConvergenceError):
        phonons(bulk("NaCl", "rocksalt", a=5.2), random_potential(seed=1))


@pytest.fixture
def models(shared):
    table = json.loads((shared / "reference" / "models.json").read_text())

    def get(name: str):
        path = shared / "reference" / "models" / f"{name}.mtp"
        return load(path, elements=table[name]["elements"], functional="PBE")

    return get


def test_silicon(models):
    silicon = phonons(bulk("Si", cubic=True, a=5.43), models("alloy"), mesh=[8, 8, 8])
    assert len(silicon.atoms) == 2
    gamma = silicon.frequencies_thz([[0, 0, 0]])[0]
    assert np.abs(gamma[:3]).max() < 1e-5
    np.testing.assert_allclose(gamma[3:], gamma[5], atol=1e-6)
    assert silicon.stable
    assert "U|K" in [name for _, name in silicon.band_structure().path.ticks]


def test_strontium_titanate_tilts(models):
    cubic = Atoms(
        "SrTiO3",
        cell=[3.94] * 3,
        pbc=True,
        scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
    )
    found = phonons(cubic, models("perovskite"), mesh=[6, 6, 6])
    worst = found.imaginary_modes[0]
    assert worst.label == "R"
    phase = follow_mode(found, worst.q_fractional, worst.branch)
    assert phase.lower
    assert phase.spacegroup_relaxed == "I4/mcm (140)"  # the antiferrodistortive phase of experiment


@pytest.mark.parametrize("a", [bulk("NaCl", "rocksalt", a=5.6), bulk("GaN", "wurtzite", a=3.2, c=5.2)])
def test_the_compiled_density_of_states_is_phonopys(a, monkeypatch):
    found = phonons(a, random_potential(tuple(a.get_chemical_symbols()[:2])), relaxed=True, mesh=[5, 5, 4])
    mesh = found._mesh
    parts = np.random.default_rng(0).random((*mesh.frequencies.shape, 2))
    samples = np.linspace(mesh.frequencies.min() - 0.5, mesh.frequencies.max() + 0.5, 201)
    here = tetrahedron_dos(mesh, parts, samples)
    monkeypatch.setattr(_tetrahedra, "library", lambda: None)
    np.testing.assert_allclose(here, tetrahedron_dos(mesh, parts, samples), atol=1e-10 * here.max())


def test_a_supercell_that_is_too_small_shows() -> None:
    """Force constants at its edge: a fraction of the largest in a wide supercell, a large one in a small one."""
    silicon = load("si-mlearn-pbe")
    wide, small = (
        phonons(bulk("Si"), silicon, method="finite", mesh=10.0, supercell=size) for size in ([4, 4, 4], [2, 2, 2])
    )
    assert wide.decay_at_supercell_edge < 1e-6
    assert small.decay_at_supercell_edge > 0.01
    name = "Force constants at the edge of the supercell"
    assert next(c.verdict for c in check_phonons(small) if c.name == name) != "pass"
    assert math.isnan(phonons(bulk("Si"), silicon, mesh=10.0).decay_at_supercell_edge)


def test_along_a_flat_branch_the_special_point_stands_for_its_neighbours():
    # The octahedra of cubic NaMgF3 tilt nearly as easily at M, R and between.
    modes = phonons(neighborite(), load("sus2-universal-pbe")).imaginary_modes
    assert modes[0].label in ("M", "R")
    assert modes[0].frequency_thz == pytest.approx(modes[1].frequency_thz, rel=0.05)
