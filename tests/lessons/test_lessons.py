"""What the lessons measure, each against a second way to the same number."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.spacegroup import crystal

import sus2
from sus2.errors import Sus2Error
from sus2.lessons.curves import energy_curve, equation_of, fit_ranges
from sus2.lessons.functionals import functional_change, functional_volumes
from sus2.lessons.pairs import pair_scaling, shared_scaling
from sus2.lessons.precision import in_precision
from sus2.lessons.soft import soft_mode, wrong_cell
from sus2.lessons.sound import sound, supercell_study
from sus2.lessons.symmetry import cauchy, elastic_symmetry, strain_response
from sus2.potential.potential import Potential
from sus2.registry.external import wrap_calculator
from sus2.structures.samples import sample
from sus2.units import EV_PER_A3_TO_GPA


@pytest.fixture(scope="module")
def silicon() -> Potential:
    return sus2.load("si-mlearn-pbe")


@pytest.fixture(scope="module")
def metals() -> Potential:
    return sus2.load("sus2-universal-pbe")


# Precision and curves ---------------------------------------------------------------------------------------------


def test_precision_by_name(silicon: Potential) -> None:
    single = in_precision(silicon, "float32")
    assert in_precision(silicon, "float64") is silicon
    atoms = bulk("Si")
    a, b = silicon.evaluate([atoms])[0].energy_ev, single.evaluate([atoms])[0].energy_ev
    assert 0 < abs(a - b) < 1e-4 * abs(a)
    with pytest.raises(Sus2Error, match="float16"):
        in_precision(silicon, "float16")  # type: ignore[arg-type]


def test_a_curve_has_one_minimum_and_its_pressure_is_its_slope(silicon: Potential) -> None:
    c = energy_curve(bulk("Si"), silicon)
    assert c.minima == 1
    assert c.energy_ev(c.fit.v0_a3) == pytest.approx(0.0, abs=1e-3)
    v = 0.9 * c.fit.v0_a3
    slope = (c.energy_ev(v + 0.05) - c.energy_ev(v - 0.05)) / 0.1
    assert -slope * EV_PER_A3_TO_GPA == pytest.approx(c.pressure_gpa(v), rel=1e-2)
    assert c.pressure_gpa(c.fit.v0_a3) == pytest.approx(0.0, abs=0.2)
    assert c.bulk_modulus_gpa(c.fit.v0_a3) == pytest.approx(c.fit.b0_gpa, rel=0.03)
    with pytest.raises(Sus2Error, match="outside"):
        c.energy_ev(1e3)


def test_the_curve_of_another_b0_prime_keeps_volume_and_stiffness(silicon: Potential) -> None:
    fit = energy_curve(bulk("Si"), silicon).fit
    h = 1e-3 * fit.v0_a3
    v = fit.v0_a3 + np.array([-h, 0.0, h])
    for b0_prime in (2.0, 4.0, 8.0):
        energy, pressure = equation_of(fit, b0_prime, v)
        assert pressure[1] == pytest.approx(0.0, abs=1e-9)
        b = fit.v0_a3 * (energy[0] - 2 * energy[1] + energy[2]) / h**2 * EV_PER_A3_TO_GPA
        assert b == pytest.approx(fit.b0_gpa, rel=1e-3)
    soft, stiff = (equation_of(fit, b, 0.8 * fit.v0_a3)[1] for b in (2.0, 8.0))
    assert stiff > soft


def test_narrow_ranges_need_double_precision(silicon: Potential) -> None:
    ranges = (0.1, 6.0)
    double, single = fit_ranges(bulk("Si"), silicon, ranges_percent=ranges)
    assert (double.precision, single.precision) == ("float64", "float32")
    right = sus2.eos(bulk("Si"), silicon)
    assert double.reference.b0_gpa == pytest.approx(right.b0_gpa, rel=1e-3)
    assert double.b0_gpa[1] == pytest.approx(right.b0_gpa, rel=1e-3)
    assert abs(double.b0_prime[0] - right.b0_prime) < 1.0
    # Rounding of the energy over the energy of so small a change of volume.
    assert not abs(single.b0_prime[0] - right.b0_prime) < 5.0
    assert single.b0_prime[1] == pytest.approx(right.b0_prime, abs=0.1)


# Pairs ------------------------------------------------------------------------------------------------------------


def test_all_pairs_share_one_function_of_the_scaled_distance(metals: Potential) -> None:
    s = pair_scaling(metals, ["Al-Al", "Cu-Cu", "Al-W"], function=5)
    for xi, values in zip(s.xi, s.values, strict=True):
        np.testing.assert_allclose(np.interp(xi, s.line_xi, s.line_values), values, atol=1e-2)
    assert s.spread_percent(scaled=True) < 0.05 * s.spread_percent(scaled=False)
    assert s.numbers_scaled < s.numbers_table


def test_the_shared_function_is_the_one_of_the_model(metals: Potential) -> None:
    spec = metals.spec
    i, j = metals.elements.index("Al"), metals.elements.index("Cu")
    s = pair_scaling(metals, ["Al-Cu"], function=3)
    r = s.r_a[:-1]
    with torch.no_grad():
        values = metals.model.radial(torch.tensor(r), torch.full((len(r),), i), torch.full((len(r),), j))
    assert spec.radial_species is not None
    c = spec.radial_species[0]
    assert spec.neighbour_coeffs is not None
    expected = spec.scaling * c[i] * c[j] * spec.neighbour_coeffs[3, j] * (r - spec.max_dist) ** 2 * s.values[0, :-1]
    np.testing.assert_allclose(values[:, 3].numpy(), expected, rtol=1e-10, atol=1e-12)


def test_a_share_of_nothing_changes_nothing(metals: Potential) -> None:
    same = shared_scaling(bulk("Cu"), metals, share=0.0)
    assert same.rms_error_ev == 0.0
    assert same.volume_error_percent == 0.0
    v0 = sus2.eos(bulk("Cu"), metals).v0_a3_per_atom
    assert same.own_minimum_a3 == pytest.approx(v0, rel=0.01)
    changed = shared_scaling(bulk("Cu"), metals, share=1.0)
    assert changed.rms_error_ev > 0.01


@pytest.mark.parametrize("pair", ["Cu", "Cu-Xx", "Cu-Cu-Cu", "<b>"])
def test_pairs_that_do_not_exist(metals: Potential, pair: str) -> None:
    with pytest.raises(Sus2Error, match="no pair"):
        pair_scaling(metals, [pair])


def test_arguments_that_make_no_sense(metals: Potential) -> None:
    with pytest.raises(Sus2Error, match="radial function"):
        pair_scaling(metals, ["Cu-Cu"], function=99)
    with pytest.raises(Sus2Error, match="share"):
        shared_scaling(bulk("Cu"), metals, share=2.0)


# Elasticity -------------------------------------------------------------------------------------------------------


def strained(*strain: float) -> Atoms:
    xx, yy, zz, yz, xz, xy = np.array(strain) / 100
    atoms = bulk("Cu", cubic=True)
    deformation = np.eye(3) + np.array([[xx, xy / 2, xz / 2], [xy / 2, yy, yz / 2], [xz / 2, yz / 2, zz]])
    atoms.set_cell(atoms.cell.array @ deformation.T, scale_atoms=True)
    return atoms


@pytest.mark.parametrize(
    ("atoms", "system", "independent"),
    [
        (bulk("Cu"), "cubic", 3),
        (bulk("Mg"), "hexagonal", 5),
        (sample("tio2").atoms(), "tetragonal", 6),
        (sample("quartz").atoms(), "trigonal", 6),
        (strained(0, 0, 5, 0, 0, 0), "tetragonal", 6),
        (strained(5, 0, -5, 0, 0, 0), "orthorhombic", 9),
        (strained(3, 0, -5, 0, 4, 0), "monoclinic", 13),
        (strained(1, 2, 3, 4, 5, 6), "triclinic", 21),
        (crystal("C", [(0.1, 0.2, 0.3)], spacegroup=83, cellpar=[4, 4, 6, 90, 90, 90]), "tetragonal", 7),
        (
            crystal("CO", [(0.1, 0.2, 0.3), (0.31, 0.17, 0.4)], spacegroup=148, cellpar=[4, 4, 6, 90, 90, 120]),
            "trigonal",
            7,
        ),
    ],
)
def test_independent_constants_of_the_crystal_systems(atoms: Atoms, system: str, independent: int) -> None:
    # Nye, Physical Properties of Crystals, table 9.
    found = elastic_symmetry(atoms)
    assert found.system == system
    assert found.independent == independent
    assert found.operations in (1, 2, 3, 4, 6, 8, 12, 16, 24, 48)
    np.testing.assert_array_equal(found.nonzero, found.nonzero.T)


def test_small_strains_call_up_c_times_the_strain(silicon: Potential) -> None:
    c = sus2.elastic(bulk("Si"), silicon, cross_checks=False)
    strain = np.array([0.02, -0.01, 0.03, 0.02, -0.04, 0.05])
    found = strain_response(c, silicon, strain)
    np.testing.assert_allclose(found.stress_gpa, c.c_gpa @ strain / 100, atol=2e-3 * np.abs(found.stress_gpa).max())
    np.testing.assert_allclose(found.clamped_gpa, c.clamped_c_gpa @ strain / 100, atol=2e-3 * 0.2)
    assert found.symmetry.independent == 21
    large = strain_response(c, silicon, 100 * strain)
    assert large.nonlinearity_percent > 2 * found.nonlinearity_percent


def test_strains_turn_with_the_crystal(metals: Potential) -> None:
    plain = sus2.elastic(bulk("Cu"), metals, cross_checks=False)
    turned_atoms = bulk("Cu")
    turned_atoms.rotate(37, (1, 2, 3), rotate_cell=True)
    turned = sus2.elastic(turned_atoms, metals, cross_checks=False)
    a, b = (strain_response(c, metals, [1, 0, 0, 0.5, 0, 0]).stress_gpa for c in (plain, turned))
    np.testing.assert_allclose(a, b, atol=2e-3)


def test_strains_that_make_no_sense(metals: Potential) -> None:
    c = sus2.elastic(bulk("Cu"), metals, cross_checks=False)
    with pytest.raises(Sus2Error, match="six components"):
        strain_response(c, metals, [1, 2, 3])
    with pytest.raises(Sus2Error, match="six components"):
        strain_response(c, metals, [50, 0, 0, 0, 0, 0])


def test_cauchys_relation_holds_for_central_forces_and_not_for_metals(metals: Potential) -> None:
    pairs = wrap_calculator(
        LennardJones(sigma=2.3, epsilon=0.1, rc=6.0, smooth=True), name="central", elements=("Cu",), functional="none"
    )
    c = sus2.elastic(bulk("Cu"), pairs, method="finite", cross_checks=False).c_gpa
    assert c[0, 1] == pytest.approx(c[3, 3], rel=0.01)
    found = cauchy({"Cu": bulk("Cu"), "Al": bulk("Al")}, metals)
    assert (found.ratio > 1.2).all()
    exact = sus2.elastic(bulk("Cu"), metals, cross_checks=False)
    assert found.c12_gpa[0] == pytest.approx(exact.c_gpa[0, 1])
    with pytest.raises(Sus2Error, match="cubic"):
        cauchy({"Mg": bulk("Mg")}, metals)


# Sound ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", [(1, 0, 0), (1, 1, 0), (1, 1, 1)])
def test_sound_is_the_same_both_ways(metals: Potential, direction: tuple[int, int, int]) -> None:
    s = sound(bulk("Cu"), metals, direction=direction)
    assert s.difference_percent < 0.01
    c = sus2.elastic(bulk("Cu"), metals, cross_checks=False)
    if direction == (1, 0, 0):
        expected = np.sqrt(c.c_gpa[0, 0] * 1e9 / c.density_kg_per_m3)
        assert s.elastic_m_per_s[2] == pytest.approx(expected, rel=1e-6)
        a = (4 * c.atoms.get_volume()) ** (1 / 3)
        assert s.plane_distance_a == pytest.approx(a / 2, rel=1e-6)
    assert s.apparent_m_per_s(0)[2] == pytest.approx(s.slope_m_per_s[2], rel=0.01)
    # Planes whose distance exceeds the range of the force constants have no springs: then the chain is exact.
    whole = s.chain(12)
    assert whole.rms_thz < 1e-3
    assert whole.speed_m_per_s == pytest.approx(s.slope_m_per_s[2], rel=0.01)
    assert s.chain(1).rms_thz > whole.rms_thz


def test_chains_and_directions_that_make_no_sense(metals: Potential) -> None:
    with pytest.raises(Sus2Error, match="neighbours"):
        sound(bulk("Cu"), metals).chain(0)
    with pytest.raises(Sus2Error, match="planes"):
        sound(bulk("Cu"), metals, direction=(1, 0.123, 0.777))
    with pytest.raises(Sus2Error, match="components"):
        sound(bulk("Cu"), metals, direction=(0, 0, 0))


def test_small_supercells_miss_the_exact_frequencies(silicon: Potential) -> None:
    study = supercell_study(bulk("Si"), silicon, sizes=(1, 5), points=40)
    small, large = study.largest_error_thz
    assert small > 1.0
    assert large < 0.05
    exact, found = study.worst_thz(0)
    assert abs(found - exact) == pytest.approx(small)
    assert study.reach_a == pytest.approx(2 * silicon.cutoff)
    assert study.finite_thz.shape == (2, *study.exact_thz.shape)


# Soft modes -------------------------------------------------------------------------------------------------------


def test_a_soft_mode_leads_to_a_lower_phase(metals: Potential) -> None:
    s = soft_mode(bulk("Al", "bcc", a=3.24), metals)
    assert s.mode.frequency_thz < -0.1
    # Forces against second derivatives: the same frequency.
    assert s.curvature_thz == pytest.approx(s.mode.frequency_thz, rel=0.05)
    assert s.well_mev_per_atom > 0
    assert s.energy_mev_per_atom(0.0) == pytest.approx(0.0, abs=1e-9)
    assert s.energy_mev_per_atom(s.well_amplitude_a) == pytest.approx(-s.well_mev_per_atom)
    moved = s.displaced(0.2).positions - s.supercell.positions
    assert np.linalg.norm(moved, axis=1).max() == pytest.approx(0.2)
    assert s.followed.gain_mev_per_atom >= s.well_mev_per_atom
    with pytest.raises(Sus2Error, match="beyond"):
        s.energy_mev_per_atom(2.0)


def test_a_stable_crystal_has_no_soft_mode(silicon: Potential) -> None:
    with pytest.raises(Sus2Error, match="no imaginary mode"):
        soft_mode(bulk("Si"), silicon)


def test_a_cell_that_is_not_relaxed_has_other_frequencies(silicon: Potential) -> None:
    none = wrong_cell(bulk("Si"), silicon, strain_percent=0.0, points=40)
    np.testing.assert_allclose(none.wrong.frequencies_thz, none.rest.frequencies_thz, atol=0.02)
    assert none.pressure_gpa == pytest.approx(0.0, abs=0.05)
    off = wrong_cell(bulk("Si"), silicon, strain_percent=-3.0, points=40)
    assert off.pressure_gpa > 5.0
    assert off.highest_thz[1] > off.highest_thz[0] + 0.5
    with pytest.raises(Sus2Error, match="strain"):
        wrong_cell(bulk("Si"), silicon, strain_percent=40.0)


# Functionals ------------------------------------------------------------------------------------------------------


def test_the_change_of_functional_in_parts(metals: Potential) -> None:
    other = sus2.load("sus2-universal-r2scan")
    atoms = sample("al").atoms()
    f = functional_change(atoms, [metals, other], n_points=7)
    assert f.functionals == ("PBE", "r2SCAN")
    for k, p in enumerate((metals, other)):
        relaxed = sus2.relax(atoms, p, fmax=1e-4, stress_gpa=1e-3)
        assert f.own_a3_per_atom[k] == pytest.approx(relaxed.volume_a3 / len(atoms), rel=1e-4)
        assert f.at(float(f.own_a3_per_atom[k]))[1][k] == pytest.approx(0.0, abs=0.3)
    assert f.volume_errors_percent == pytest.approx(100 * (f.own_a3_per_atom / (atoms.get_volume() / 4) - 1))
    total, same, volume = f.frequency_shares_percent
    assert total == pytest.approx(same + volume)
    high = [sus2.phonons(atoms, p).band_structure(60).frequencies_thz.max() for p in (metals, other)]
    assert total == pytest.approx(100 * (high[1] / high[0] - 1), abs=0.3)
    np.testing.assert_allclose(f.formation_ev_per_atom, 0.0, atol=1e-3)
    assert abs(f.raw_ev_per_atom[1] - f.raw_ev_per_atom[0]) > 0.1
    with pytest.raises(Sus2Error, match="outside"):
        f.at(1.0)
    with pytest.raises(Sus2Error, match="two potentials"):
        functional_change(atoms, [metals])


def test_volumes_of_two_functionals(metals: Potential) -> None:
    other = sus2.load("sus2-universal-r2scan")
    crystals = [sample("al").atoms(), sample("cu").atoms()]
    v = functional_volumes(["Al", "Cu"], crystals, [metals] * 2, [other] * 2)
    assert v.functionals == ("PBE", "r2SCAN")
    for k, atoms in enumerate(crystals):
        relaxed = sus2.relax(atoms, metals).volume_a3
        assert v.own_a3_per_atom[0, k] == pytest.approx(relaxed / 4)
        assert v.errors_percent[0, k] == pytest.approx(100 * (relaxed / atoms.get_volume() - 1))
    assert v.mean_absolute_percent[1] == pytest.approx(np.abs(v.errors_percent[1]).mean())
    with pytest.raises(Sus2Error, match="one label"):
        functional_volumes(["Al"], crystals, [metals] * 2, [other] * 2)
    with pytest.raises(Sus2Error, match="share"):
        functional_volumes(["Al", "Cu"], crystals, [metals, other], [other, metals])
