"""The universal equation of state: scaled curves of many crystals against each other and against known ones."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

import sus2
from sus2.errors import CancelledError, Sus2Error
from sus2.properties.eos.universal import (
    COHESIVE_EV,
    UniversalEos,
    UniversalMaterial,
    known_crystals,
    universal_energy,
    universal_eos,
)


def material(label: str, length: float, depth: float, *, bend: float = 0.0) -> UniversalMaterial:
    """A crystal that follows the universal curve exactly, or is off by `bend` times a*^3."""
    r0 = 1.5
    a = np.linspace(-0.4, 1.6, 41)
    return UniversalMaterial(
        label=label,
        elements=("Al",),
        v0_a3_per_atom=4.0 / 3.0 * np.pi * r0**3,
        b0_gpa=100.0,
        b0_prime=5.0,
        depth_ev_per_atom=depth,
        length_a=length,
        radii_a=r0 + length * a,
        energies_ev_per_atom=depth * (1.0 + universal_energy(a) + bend * a**3),
        cohesive_ev_per_atom=depth,
        bonded=True,
    )


def test_the_curve_has_its_minimum_and_curvature() -> None:
    step = 1e-4
    low, middle, high = universal_energy([-step, 0.0, step])
    assert middle == -1.0
    assert low > middle < high
    assert (low + high - 2 * middle) / step**2 == pytest.approx(1.0, abs=1e-5)


def test_curves_that_differ_only_in_scale_fall_together() -> None:
    u = UniversalEos("made", 1.3, (material("a", 0.2, 2.0), material("b", 0.3, 5.0), material("c", 0.4, 9.0)), {})
    assert u.spread_percent() < 0.1
    assert u.spread_percent(0.0, 0.0) > 10.0
    assert u.spread_percent(1.0, 0.0) > 10.0
    assert u.spread_percent(0.0, 1.0) > 10.0
    x, y = u.curve(u.materials[0], 1.0, 1.0)
    np.testing.assert_allclose(x, u.materials[0].scaled_lengths)
    np.testing.assert_allclose(y, u.materials[0].scaled_energies)
    assert u.median_deviation < 1e-12
    np.testing.assert_allclose(u.depth_ratios, 1.0)


def test_a_curve_of_another_shape_shows_in_the_spread() -> None:
    same = (material("a", 0.2, 2.0), material("b", 0.3, 5.0))
    u = UniversalEos("made", 1.3, (*same, material("c", 0.4, 9.0, bend=0.2)), {})
    assert u.spread_percent() > 5.0


def test_real_crystals_collapse() -> None:
    potential = sus2.load("sus2-universal-pbe")
    chosen = {e: bulk(e) for e in ("Al", "Cu", "Ag", "Mo", "W", "Pd")}
    u = universal_eos(potential, crystals=chosen)
    assert [m.label for m in u.materials] == list(chosen)
    assert not u.left_out
    assert u.spread_percent() < 0.25 * u.spread_percent(0.0, 0.0)
    for m in u.materials:
        # l is defined by dE, B0 and r0, so the curvature of E* at 0 is that of the universal curve.
        curve = np.interp(0.0, m.scaled_lengths, m.scaled_energies)
        assert curve == pytest.approx(-1.0, abs=0.02)
        assert m.rms_deviation < 0.03
        assert 0.3 < m.depth_ev_per_atom / COHESIVE_EV[m.label] < 2.0


def test_the_fitted_length_and_depth_are_those_of_the_points() -> None:
    # l^2 = dE/(12 pi B r0) from numbers that the equation of state gives by itself.
    potential = sus2.load("sus2-universal-pbe")
    m = universal_eos(potential, crystals={"Cu": bulk("Cu")}, stretch=1.1).materials[0]
    e = sus2.eos(bulk("Cu"), potential)
    assert m.v0_a3_per_atom == pytest.approx(e.v0_a3_per_atom, rel=0.01)
    assert m.b0_gpa == pytest.approx(e.b0_gpa, rel=0.1)


def test_crystals_beyond_the_cutoff_are_told_apart() -> None:
    potential = sus2.load("sus2-universal-pbe")
    u = universal_eos(potential, crystals={"Al": bulk("Al"), "Cu": bulk("Cu"), "Mo": bulk("Mo"), "K": bulk("K")})
    apart = {m.label: m.bonded for m in u.materials}
    assert apart["Al"]
    assert not apart.get("K", False)


def test_a_crystal_without_a_curve_is_left_out_with_a_reason() -> None:
    potential = sus2.load("sus2-universal-pbe")
    u = universal_eos(potential, crystals={"Cu": bulk("Cu"), "Rn": bulk("Rn", "fcc", a=6.6)}, n_points=15)
    assert [m.label for m in u.materials] == ["Cu"]
    assert "Rn" in u.left_out["Rn"]


@pytest.mark.parametrize("stretch", [1.0, 2.5, float("nan")])
def test_stretches_that_make_no_sense(stretch: float) -> None:
    with pytest.raises(Sus2Error, match="stretch"):
        universal_eos(sus2.load("sus2-universal-pbe"), crystals={"Cu": bulk("Cu")}, stretch=stretch)


def test_no_crystal_at_all() -> None:
    with pytest.raises(Sus2Error, match="no curve"):
        universal_eos(sus2.load("si-mlearn-pbe"), crystals={"Cu": bulk("Cu")})


def test_it_can_be_stopped() -> None:
    def stop(stage: str, fraction: float) -> None:
        raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        universal_eos(sus2.load("sus2-universal-pbe"), crystals={"Cu": bulk("Cu")}, progress=stop)


def test_the_crystals_that_are_known() -> None:
    found = known_crystals(("Al", "Cu", "Mg", "O"))
    assert {"Al", "Cu", "Mg", "Magnesium oxide"} == set(found)
    assert all(isinstance(a, Atoms) for a in found.values())
