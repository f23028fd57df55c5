"""Checks: every verdict can be reached, limits are where they say, published files give the known counts."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st

import sus2
from sus2.checks import Check, graded, worst
from sus2.potential.card import Card
from sus2.properties.eos.calculate import eos
from sus2.properties.eos.checks import check_eos
from sus2.properties.phonons.checks import check_phonons
from sus2.registry.checks import (
    check_applicability,
    check_distances,
    check_elements,
    check_pairs,
    check_shells,
    shells_near_cutoff,
    untrained_pairs,
)
from sus2.relaxation.checks import check_relaxation
from sus2.relaxation.relax import relax
from sus2.validation.model_check import check
from tests.helpers_potential import emt


def by_name(checks: tuple[Check, ...]) -> dict[str, Check]:
    assert len({c.name for c in checks}) == len(checks)
    assert all(c.meaning.endswith(".") for c in checks)
    return {c.name: c for c in checks}


@given(st.floats(allow_nan=True), st.floats(0.1, 1.0), st.floats(1.0, 2.0))
def test_graded(value: float, pass_limit: float, warn_limit: float) -> None:
    c = graded("x", value, "", pass_limit=pass_limit, warn_limit=warn_limit, meaning="y.")
    expected = "fail" if math.isnan(value) or value > warn_limit else "warn" if value > pass_limit else "pass"
    assert c.verdict == expected
    assert json.loads(json.dumps(c.to_dict(), allow_nan=False))["verdict"] == expected


def test_worst() -> None:
    a, b, c = (Check("", 0.0, "", v, "") for v in ("pass", "warn", "fail"))
    assert [worst(x) for x in ((), (a, a), (b, a), (a, c, b))] == ["pass", "pass", "warn", "fail"]


def test_good_relaxation_passes() -> None:
    checks = by_name(check_relaxation(relax(bulk("Cu", "fcc", 3.6), emt())))
    assert worst(checks.values()) == "pass"
    assert set(checks) == {"Residual force", "Residual stress", "Above the start", "Symmetry kept", "Change of volume"}


def test_bad_relaxation_does_not() -> None:
    start = bulk("Cu", "fcc", 3.2, cubic=True)
    start.positions += np.random.default_rng(0).normal(0, 0.1, (4, 3))
    checks = by_name(check_relaxation(relax(start, emt(), max_steps=1)))
    assert checks["Residual force"].verdict == "fail"
    assert checks["Residual stress"].verdict == "fail"
    done = by_name(check_relaxation(relax(start, emt())))
    assert done["Residual force"].verdict == "pass"
    assert done["Change of volume"].verdict == "fail"
    assert done["Symmetry kept"].verdict == "warn"
    assert "P1 (1) to Fm-3m (225)" in done["Symmetry kept"].meaning


def test_only_what_was_free_is_judged() -> None:
    checks = by_name(check_relaxation(relax(bulk("Cu", "fcc", 3.4), emt(), cell=False)))
    assert "Residual stress" not in checks
    assert "Change of volume" not in checks
    assert "Residual force" in checks


def test_a_way_that_ends_above_its_start_is_marked() -> None:
    done = relax(bulk("Cu", "fcc", a=3.6), emt())
    assert done.enthalpy_change_ev_per_atom < 0
    assert by_name(check_relaxation(done))["Above the start"].verdict == "pass"
    lower = replace(done, energies_ev=(done.energy_ev - 1e-4, *done.energies_ev[1:]))
    found = by_name(check_relaxation(lower))["Above the start"]
    assert found.verdict == "fail"
    assert found.value == pytest.approx(0.1)
    # Under pressure the energy rises, the enthalpy does not.
    squeezed = relax(bulk("Cu", "fcc", a=3.6), emt(), pressure_gpa=20.0)
    assert squeezed.energies_ev[-1] > squeezed.energies_ev[0]
    assert squeezed.enthalpy_change_ev_per_atom < 0
    assert by_name(check_relaxation(squeezed))["Above the start"].verdict == "pass"


def test_eos_checks_follow_the_numbers() -> None:
    r = eos(bulk("Ni"), emt())
    good = by_name(check_eos(r))
    assert good["V0 within the range"].verdict == "pass"
    assert good["V0 against the relaxed volume"].verdict == "pass"
    assert good["Fit residual"].verdict == "pass"
    assert good["Fit residual"].value == r.rms_residual_mev_per_atom
    shifted = by_name(check_eos(replace(r, pressures_gpa=r.pressures_gpa + 30.0)))
    assert shifted["Pressure from stress and from energy"].verdict == "fail"
    rough = by_name(check_eos(replace(r, fit=replace(r.fit, residual_ev=r.fit.residual_ev + 0.01))))
    assert rough["Fit residual"].verdict == "fail"
    steep = by_name(check_eos(replace(r, fit=replace(r.fit, b0_prime=8.0, b0_gpa_error=0.02 * r.b0_gpa))))
    assert steep["B0' plausible"].verdict == "warn"
    assert steep["Standard error of B0"].verdict == "warn"
    assert by_name(check_eos(replace(r, fit=replace(r.fit, b0_prime=-1.0))))["B0' plausible"].verdict == "fail"
    given = by_name(check_eos(eos(bulk("Ni", "fcc", 3.44), emt(), relaxed=True)))
    assert "V0 against the relaxed volume" not in given
    assert given["V0 within the range"].verdict == "warn"


def test_elements() -> None:
    assert check_elements(bulk("NaCl", "rocksalt", 5.6), ["Cl", "Na"]).verdict == "pass"
    c = check_elements(bulk("NaCl", "rocksalt", 5.6), ["Na"])
    assert (c.value, c.verdict) == (1.0, "fail")
    assert "does not cover Cl" in c.meaning


def test_shells_near_cutoff() -> None:
    a0 = 4.0
    gold = bulk("Au", "fcc", a0)
    second = a0
    assert shells_near_cutoff(gold, second + 0.04) == (("Au", "Au", pytest.approx(a0)),)
    assert shells_near_cutoff(gold, second - 0.04) == (("Au", "Au", pytest.approx(a0)),)
    assert shells_near_cutoff(gold, second + 0.06) == ()
    assert shells_near_cutoff(gold, second - 0.06) == ()
    assert check_shells(gold, second + 0.04).verdict == "warn"
    assert check_shells(gold, second + 0.3).verdict == "pass"
    salt = bulk("NaCl", "rocksalt", 5.6)
    pairs = {(a, b) for a, b, _ in shells_near_cutoff(salt, 5.6 / math.sqrt(2))}
    assert pairs == {("Cl", "Cl"), ("Na", "Na")}
    assert check_shells(salt, 5.6 / 2).value == 1.0


def test_distances_against_the_training_data() -> None:
    card = Card(name="x", functional="PBE", elements=("Na", "Cl"), shortest_distances_a={"Cl-Na": 2.5, "Na-Na": 3.0})

    def at(a0: float) -> Check:
        return check_distances(bulk("NaCl", "rocksalt", a0), card)

    assert (at(5.6).verdict, at(5.6).value) == ("pass", pytest.approx(2.8 / 2.5))
    assert (at(4.8).verdict, at(4.8).value) == ("warn", pytest.approx(2.4 / 2.5))
    assert at(4.4).verdict == "fail"
    assert "Cl-Na atoms are 2.200 Å apart" in at(4.4).meaning
    only_chlorine = check_distances(bulk("Cl", "fcc", 4.0), card)
    assert only_chlorine.verdict == "warn"
    assert "no Cl-Cl distances" in only_chlorine.meaning
    far = Atoms("Na", cell=[20, 20, 20], pbc=True)
    assert check_distances(far, card).meaning == "No two atoms are near."
    silent = check_distances(far, Card(name="x", functional="PBE", elements=("Na",)))
    assert silent.verdict == "warn"
    assert silent.to_dict()["value"] is None


def test_any_calculator_can_be_checked() -> None:
    checks = by_name(check(bulk("Cu"), emt(), quick=True).checks)
    assert "Pairs of elements trained" not in checks
    assert "B0' plausible" in checks
    assert worst(checks.values()) != "fail"
    unknown = check(bulk("Si"), emt(), quick=True).checks
    assert [c.verdict for c in unknown] == ["fail"]
    assert [c.verdict for c in check_applicability(bulk("Si"), emt())] == ["fail"]
    assert "Residual force" not in by_name(check(bulk("Cu", "fcc", 3.59), emt(), relaxed=True, quick=True).checks)


UNTRAINED = {
    "m3gnet_l2k2": 114,
    "m3gnet_l2k3": 114,
    "hh130": 2380,
    "solid_electrolytes": 146,
    "perovskite": 101,
    "alloy": 0,
}


@pytest.mark.parametrize("name", UNTRAINED)
def test_pairs_never_trained(shared: Path, name: str) -> None:
    from sus2.potential.mtp import read_mtp

    elements = json.loads((shared / "reference" / "models.json").read_text())[name]["elements"]
    spec = read_mtp(shared / "reference" / "models" / f"{name}.mtp")
    pairs = untrained_pairs(spec, elements)
    assert len(pairs) == UNTRAINED[name]
    if pairs:
        a, b = pairs[0]
        crystal = bulk(a + b, "cesiumchloride", a=3.0) if a != b else bulk(a, "fcc", 4.0)
        c = check_pairs(crystal, spec, elements)
        assert c.verdict == "fail"
        assert f"{a}-{b}" in c.meaning
    else:
        assert check_pairs(bulk("NiAl", "cesiumchloride", a=2.9), spec, elements).verdict == "pass"


def test_published_potential(shared: Path) -> None:
    from sus2.registry.load import load

    elements = json.loads((shared / "reference" / "models.json").read_text())["alloy"]["elements"]
    potential = load(shared / "reference" / "models" / "alloy.mtp", elements=elements)
    checks = by_name(check(bulk("NiAl", "cesiumchloride", a=2.89), potential, quick=True).checks)
    assert {n for n, c in checks.items() if c.verdict != "pass"} == {"Shortest distance", "Extrapolation grade"}


def test_phonon_checks_pass_for_silicon_and_both_methods_agree() -> None:
    potential = sus2.load("si-mlearn-pbe")
    exact = sus2.phonons(bulk("Si", "diamond", a=5.47), potential, mesh=20.0)
    finite = sus2.phonons(exact.atoms, potential, relaxed=True, method="finite", mesh=20.0)
    found = {c.name: c for c in check_phonons(exact, finite)}
    assert {"Acoustic sum rule", "Imaginary modes on the path", "Imaginary modes on the mesh"} <= set(found)
    assert worst(found.values()) == "pass"
    assert 0 < found["Exact against finite displacements"].value < 0.03


def test_phonon_checks_find_an_unstable_crystal() -> None:
    """Body-centred aluminium is no minimum."""
    result = sus2.phonons(bulk("Al", "bcc", a=3.24), sus2.load("sus2-universal-pbe"), mesh=20.0)
    found = {c.name: c for c in check_phonons(result)}
    assert found["Imaginary modes on the path"].verdict != "pass"
    assert not result.stable
