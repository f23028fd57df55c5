"""A comparison against potentials whose differences are known exactly."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones

import sus2
from sus2.comparison.compare import compare, pair_of_functionals
from sus2.comparison.compare_batch import compare_batch, ordered_alloys
from sus2.comparison.differences import Difference
from sus2.comparison.result import Comparison
from sus2.comparison.words import effects_of, summary_of
from sus2.errors import CancelledError, EnergyScaleError, FitError, Sus2Error, UnknownElementError
from sus2.potential.potential import Potential
from sus2.registry.external import wrap_calculator
from sus2.structures import sample
from tests.helpers_alike import alike, cells
from tests.helpers_twins import metals, twin

AUCU3 = Atoms(
    "AuCu3", cell=[3.75] * 3, scaled_positions=[(0, 0, 0), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)], pbc=True
)
SHIFTS = {"Cu": -7.0, "Au": -45.0, "Al": -3.0}


@pytest.fixture(scope="module")
def pbe() -> Potential:
    return metals()


@pytest.fixture(scope="module")
def stronger(pbe: Potential) -> Comparison:
    """Against a potential with 1.21 times the energy of every bond and other zeros of energy."""
    return compare(AUCU3, [pbe, twin(pbe, strength=1.21, shifts_ev=SHIFTS)], mesh=25.0)


@pytest.fixture(scope="module")
def wider(pbe: Potential) -> Comparison:
    """Against a potential whose lengths are all 2 % longer."""
    return compare(bulk("Al"), [pbe, twin(pbe, stretch=1.02)], mesh=25.0)


def row(c: Comparison, key: str) -> Difference:
    return next(d for d in c.differences["twin"] if d.key == key)


def test_a_stronger_potential_is_stiffer_and_no_larger(stronger: Comparison) -> None:
    assert stronger.problems == ()
    assert row(stronger, "volume_a3_per_atom").own == pytest.approx(0.0, abs=1e-3)
    for key in ("k_vrh_gpa", "g_vrh_gpa", "c11_gpa", "c12_gpa", "c44_gpa", "b0_gpa"):
        d = row(stronger, key)
        assert d.value / d.reference == pytest.approx(1.21, rel=2e-4), key
    agreement = stronger.band_agreement["twin"]
    for mode in ("own", "fixed"):
        assert agreement[mode].slope == pytest.approx(1.1, rel=2e-4)
    k = row(stronger, "k_vrh_gpa")
    assert k.fixed == pytest.approx(0.21 * k.reference, rel=2e-4)
    assert k.volume_effect == pytest.approx(0.0, abs=2e-4 * k.reference)
    assert row(stronger, "pressure_gpa").own == pytest.approx(0.0, abs=0.01)


def test_a_wider_potential_changes_as_its_lengths_do(wider: Comparison) -> None:
    s = 1.02
    for key, factor in (
        ("volume_a3_per_atom", s**3),
        ("a_a", s),
        ("k_vrh_gpa", s**-3),
        ("c44_gpa", s**-3),
        ("highest_frequency_thz", 1 / s),
        ("b0_prime", 1.0),
    ):
        d = row(wider, key)
        assert d.value / d.reference == pytest.approx(factor, rel=1e-3), key
    assert wider.band_agreement["twin"]["own"].slope == pytest.approx(1 / s, rel=1e-3)


def test_the_modes_separate_volume_and_force_constants(wider: Comparison, pbe: Potential) -> None:
    other = wider.potentials[1]
    cell = wider.own[0].atoms
    expected = sus2.elastic(cell, other, relaxed=True, cross_checks=False).k_vrh_gpa
    own = sus2.elastic(wider.own[1].atoms, other, relaxed=True, cross_checks=False).k_vrh_gpa
    k = row(wider, "k_vrh_gpa")
    assert k.fixed == pytest.approx(expected - k.reference, rel=1e-6)
    assert k.volume_effect == pytest.approx(own - expected, rel=1e-6)
    # Squeezed into the smaller cell it is under pressure, by about 6 % of its bulk modulus.
    pressure = wider.fixed[1].pressure_gpa
    assert 0.05 * own < pressure < 0.09 * own
    assert row(wider, "volume_a3_per_atom").fixed == 0.0


def test_all_bands_are_on_one_path(wider: Comparison) -> None:
    assert wider.path is not None
    for side in (*wider.own, *wider.fixed):
        bands = side.results["phonons"].bands
        np.testing.assert_array_equal(bands.path.q_fractional, wider.path.q_fractional)
        again = side.results["phonons"].phonons.frequencies_thz(wider.path.q_fractional)
        np.testing.assert_allclose(bands.frequencies_thz, again, atol=1e-12)


def test_a_given_fixed_cell_is_kept(pbe: Potential) -> None:
    atoms = bulk("Cu", a=3.7)
    c = compare(atoms, [pbe, twin(pbe, strength=1.1)], properties=["elastic"], fixed_cell="given")
    for side in c.fixed:
        assert abs(side.atoms.cell.volume) == pytest.approx(abs(atoms.cell.volume), rel=1e-9)
    assert c.fixed_cell == "cell as given"
    assert c.path is None
    assert c.energies is None


def test_raw_energies_are_not_subtracted(stronger: Comparison) -> None:
    assert stronger.energies is not None
    first, second = stronger.energies.raw
    with pytest.raises(EnergyScaleError, match="own zero of energy"):
        second - first
    assert first - first == 0.0
    shift = stronger.energies.raw_shift_ev_per_atom(1)
    assert shift == pytest.approx(0.21 * first.ev_per_atom + (3 * -7.0 - 45.0) / 4, abs=1e-4)


def test_referenced_energies_are(stronger: Comparison) -> None:
    e = stronger.energies
    assert e is not None
    a, b = e.formation_ev_per_atom
    assert a is not None
    assert b == pytest.approx(1.21 * a, abs=1e-4)
    assert e.referenced_difference_ev_per_atom(1) == pytest.approx(0.21 * a, abs=1e-4)
    explained = e.reference_shift_ev_per_atom(1, stronger.own[0].atoms)
    assert explained is not None
    assert explained + 0.21 * a == pytest.approx(e.raw_shift_ev_per_atom(1), abs=1e-4)
    assert row(stronger, "formation_energy_ev_per_atom").own == pytest.approx(0.21 * a, abs=1e-4)


def test_cohesive_energies_need_free_atoms(pbe: Potential) -> None:
    other = twin(pbe, strength=1.1)
    free = {"PBE": {"Cu": -0.6}, "twin": {"Au": -1.0}}
    c = compare(bulk("Cu"), [pbe, other], properties=["energies"], free_atoms_ev=free)
    assert c.energies is not None
    assert c.energies.cohesive_ev_per_atom[0] == pytest.approx(-0.6 - c.energies.raw[0].ev_per_atom)
    assert c.energies.cohesive_ev_per_atom[1] is None
    assert any("free atom of Cu" in p for p in c.problems)
    without = compare(bulk("Cu"), [pbe, other], properties=["energies"])
    assert without.energies is not None
    assert without.energies.cohesive_ev_per_atom == (None, None)
    assert "formation_energy_ev_per_atom" not in {d.key for d in without.differences["twin"]}


def test_the_summary_says_what_the_numbers_say(stronger: Comparison, wider: Comparison) -> None:
    text = stronger.summary["twin"]
    assert "From PBE to other, Cu₃Au keeps its volume" in text
    assert "(+21.0 %) in its bulk modulus" in text
    assert "rise by 10.0 %" in text
    assert "force constants matter more than the cell" in text
    text = wider.summary["twin"]
    assert "Al expands" in text
    assert f"({100 * (1.02**3 - 1):+.1f} %)" in text
    assert "fall by 2.0 %" in text


def test_differences_are_judged_by_the_errors_of_the_cards(pbe: Potential) -> None:
    def with_card(name: str, strength: float, **card: object) -> Potential:
        return twin(pbe, name=name, functional=name, strength=strength, card=card)

    measured = {"Al fcc": {"a0_a": 4.04, "reference_a0_a": 4.0, "b0_gpa": 77.0, "reference_b0_gpa": 70.0}}
    errors = {"test_energy_mae_mev_per_atom": 30.0, "test_stress_mae_gpa": 2.0}
    a = with_card("a", 1.0, properties=measured, errors=errors)
    b = with_card("b", 1.05, properties=measured, errors=errors)
    c = compare(bulk("Al"), [a, b], properties=["elastic", "eos", "phonons"], mesh=20.0)
    rows = {d.key: d for d in c.differences["b"]}
    k = rows["k_vrh_gpa"]
    assert k.error == pytest.approx(0.1 * np.hypot(k.reference, k.value), rel=1e-9)
    assert k.below_error
    assert "measured for Al" in k.error_source
    v = rows["volume_a3_per_atom"]
    assert v.error == pytest.approx(0.03 * np.hypot(v.reference, v.value), rel=1e-9)
    assert rows["pressure_gpa"].error == pytest.approx(2.0 * np.sqrt(2), rel=1e-9)
    assert rows["highest_frequency_thz"].error is None
    assert "not stated" in rows["highest_frequency_thz"].error_source
    assert "Smaller than their error" in c.summary["b"] or "are smaller than it" in c.summary["b"]
    plain = compare(bulk("Al"), [pbe, with_card("d", 1.5)], properties=["elastic"])
    assert all(d.error is None for d in plain.differences["d"])
    assert "cannot be judged" in plain.summary["d"]


def test_other_calculators_are_compared_by_finite_differences() -> None:
    """Lennard-Jones argon in fcc is stable, in bcc it is not; twice the well depth gives twice the constants."""

    def argon(name: str, epsilon: float) -> sus2.registry.external.WrappedCalculator:
        lj = LennardJones(sigma=3.4, epsilon=epsilon, rc=9.0, smooth=True)
        return wrap_calculator(lj, name=name, functional=name, elements=["Ar"])

    pair = [argon("weak", 0.0104), argon("strong", 0.0208)]
    c = compare(bulk("Ar", "fcc", a=5.2), pair, mesh=15.0, points=40)
    rows = {d.key: d for d in c.differences["strong"]}
    assert rows["k_vrh_gpa"].value / rows["k_vrh_gpa"].reference == pytest.approx(2.0, rel=0.02)
    assert c.band_agreement["strong"]["own"].slope == pytest.approx(np.sqrt(2), rel=0.01)
    assert c.own[0].results["elastic"].method == "finite"
    unstable = compare(bulk("Ar", "bcc", a=4.1), pair, properties=["phonons"], mesh=15.0, points=40)
    assert not unstable.own[0].results["phonons"].harmonic
    said = [p for p in unstable.problems if "no thermal functions" in p]
    assert said
    assert all(p.count(".") == 2 for p in said), "one short sentence; what imaginary modes mean stands once, above"
    assert "imaginary modes" in unstable.summary["strong"]


def test_three_potentials_and_thermal_expansion(pbe: Potential) -> None:
    others = [twin(pbe, strength=1.1, functional="x", name="x"), twin(pbe, strength=1.2, functional="x", name="y")]
    c = compare(bulk("Al"), [pbe, *others], properties=["elastic"])
    assert set(c.differences) == {"x", "y"}
    assert c.labels == c.names
    warm = compare(bulk("Al"), [pbe, others[0]], properties=["phonons"], quasi_harmonic=True, mesh=20.0)
    d = next(d for d in warm.differences["x"] if d.key == "thermal_expansion_300k_1e6_per_k")
    expected = sus2.thermal(warm.own[0].atoms, pbe, relaxed=True).at("thermal_expansion_per_k", 300.0)
    assert d.reference == pytest.approx(1e6 * expected, rel=1e-9)


def test_exports_hold_the_same_numbers(stronger: Comparison) -> None:
    found = json.loads(json.dumps(stronger.to_dict(), allow_nan=False))
    assert found["own"][1]["quantities"] == stronger.own[1].quantities
    assert found["summary"] == stronger.summary
    rows = list(csv.DictReader(io.StringIO(stronger.to_csv())))
    assert len(rows) == len(stronger.differences["twin"])
    assert float(rows[0]["value"]) == stronger.differences["twin"][0].value


def test_wrong_arguments_are_named(pbe: Potential) -> None:
    other = twin(pbe)
    with pytest.raises(Sus2Error, match="at least two"):
        compare(bulk("Cu"), [pbe])
    with pytest.raises(Sus2Error, match="different names"):
        compare(bulk("Cu"), [pbe, pbe])
    with pytest.raises(Sus2Error, match="not 'bands'"):
        compare(bulk("Cu"), [pbe, other], properties=["bands"])
    with pytest.raises(Sus2Error, match="'first' or 'given'"):
        compare(bulk("Cu"), [pbe, other], fixed_cell="mine")  # type: ignore[arg-type]
    with pytest.raises(UnknownElementError, match="Po"):
        compare(bulk("Po", "sc", a=3.35), [pbe, other])


def test_it_can_be_stopped_and_reports_how_far_it_is(pbe: Potential) -> None:
    seen: list[float] = []
    compare(bulk("Al"), [pbe, twin(pbe)], properties=["elastic"], progress=lambda _, f: seen.append(f))
    assert seen[-1] == 1.0
    assert all(0.0 <= f <= 1.0 for f in seen)

    def stop(stage: str, fraction: float) -> None:
        raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        compare(bulk("Al"), [pbe, twin(pbe)], progress=stop)


def test_a_batch_before_and_after_referencing(pbe: Potential) -> None:
    other = twin(pbe, shifts_ev=SHIFTS)
    alloys = ordered_alloys(["Al", "Cu", "Au"])
    assert len(alloys) == 9
    b = compare_batch(alloys, [pbe, other])
    assert set(b.labels) | set(b.left_out) == set(alloys)
    n = len(b.labels)
    assert b.before.n == n
    assert b.before.mae > 5.0
    assert b.after is not None
    assert b.after.mae == pytest.approx(0.0, abs=1e-4)
    assert b.after.pearson_r == pytest.approx(1.0, abs=1e-6)
    assert b.after.slope == pytest.approx(1.0, abs=1e-3)
    assert b.regression.determined
    assert b.regression.shifts_ev == pytest.approx(SHIFTS, abs=1e-4)
    assert b.reference_shifts_ev == pytest.approx(SHIFTS, abs=1e-4)
    assert b.after_regression.mae == pytest.approx(0.0, abs=1e-4)
    rows = list(csv.DictReader(io.StringIO(b.to_csv())))
    assert [r["structure"] for r in rows] == list(b.labels)
    json.dumps(b.to_dict(), allow_nan=False)


def test_a_batch_names_what_it_leaves_out(pbe: Potential) -> None:
    other = twin(pbe, shifts_ev=SHIFTS)
    b = compare_batch([bulk("Cu"), bulk("Cu"), bulk("Al"), bulk("Po", "sc", a=3.35)], [pbe, other], relaxed=True)
    assert b.labels == ("Cu", "Cu #2", "Al")
    assert "does not cover Po" in b.left_out["Po"]
    with pytest.raises(FitError, match="does not cover Po"):
        compare_batch([bulk("Cu"), bulk("Po", "sc", a=3.35)], [pbe, other])
    with pytest.raises(Sus2Error, match="two potentials"):
        compare_batch([bulk("Cu"), bulk("Al")], [pbe])


def test_one_unstable_crystal_of_two_is_told_apart() -> None:
    rows = [Difference("volume_a3_per_atom", "Volume", "Å³/atom", 3, 10.0, 11.0, 0.0, 0.5, "measured")]
    text = summary_of(formula="X", functionals=("A", "B"), rows=rows, bands={}, lowest_thz=(None, -1.25))
    assert "B has imaginary modes down to −1.25 THz, A has none" in text
    assert "X expands: its volume goes from 10.00 to 11.00 Å³/atom (+10.0 %), more than the error" in text
    other = summary_of(formula="X", functionals=("A", "B"), rows=rows, bands={}, lowest_thz=(-0.5, None))
    assert "A has imaginary modes down to −0.50 THz, B has none" in other


def test_the_largest_effects_come_first() -> None:
    def row(key: str, reference: float, value: float, fixed: float | None = None) -> Difference:
        return Difference(key, key, "GPa", 2, reference, value, fixed, None, "nobody states one")

    rows = [row("k_vrh_gpa", 100.0, 105.0, 0.5), row("g_vrh_gpa", 50.0, 40.0, -9.0), row("b0_prime", 4.0, 8.0)]
    lines = effects_of(rows, "A is unstable.", most=3)
    assert lines[0] == "A is unstable."
    assert lines[1].startswith("g_vrh_gpa: −20.0 % (50.00 to 40.00 GPa), mostly from the force constants")
    assert lines[2] == "k_vrh_gpa: +5.0 % (100.00 to 105.00 GPa), mostly from the change of the cell, error unknown."
    assert len(effects_of(rows, most=1)) == 1
    assert effects_of([row("k_vrh_gpa", 100.0, 100.01)]) == ["Nothing changes by more than 0.1 %."]


def test_the_pair_is_that_of_the_fewest_elements() -> None:
    shipped = [c for c in sus2.models() if "universal" in c.name]
    few = [c.model_copy(update={"name": f"few-{c.functional}", "elements": ("Na", "Cl")}) for c in shipped]
    for elements, first in ((("Nb",), "sus2-universal-pbe"), (("Na", "Cl"), "few-PBE")):
        found = pair_of_functionals([*shipped, *few], elements)
        assert found is not None
        assert [c.functional for c in found] == ["PBE", "r2SCAN"]
        assert found[0].name == first


def test_the_shipped_pair_is_compared() -> None:
    c = sus2.compare(bulk("Cu"), [sus2.load("sus2-universal-pbe"), sus2.load("sus2-universal-r2scan")], mesh=25.0)
    assert c.labels == ("PBE", "r2SCAN")
    assert "From PBE to r2SCAN, Cu" in c.summary["sus2-universal-r2scan"]
    assert len(c.differences["sus2-universal-r2scan"]) > 15


def test_the_command_line_gives_the_same(root: Path, tmp_path: Path) -> None:
    html, table = tmp_path / "r.html", tmp_path / "d.csv"
    arguments = ["compare", "cu", "--json", "--html", str(html), "--csv", str(table)]
    done = subprocess.run(
        [sys.executable, "-m", "sus2.cli", *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    pair = [sus2.load("sus2-universal-pbe"), sus2.load("sus2-universal-r2scan")]
    c = sus2.compare(sample("cu").atoms(), pair)
    found = json.loads(done.stdout)
    expected = json.loads(json.dumps(c.to_dict()))
    # Last digits depend on which of the crystal's cells this process was asked about before.
    assert alike(found["differences"], expected["differences"])
    assert alike(found["own"][0]["bands_thz"], expected["own"][0]["bands_thz"])
    assert alike(cells(table.read_text()), cells(c.to_csv()))
    page = unescape(html.read_text())
    assert c.summary["sus2-universal-r2scan"] in page
    assert page.count("plotly-graph-div") >= 4
    done = subprocess.run(
        [sys.executable, "-m", "sus2.cli", "compare", "cu", "-m", "sus2-universal-pbe"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "two" in done.stderr


def test_what_follows_from_moduli_and_frequencies_has_an_error() -> None:
    """Shifting K, G or all frequencies of the second potential by their errors shifts the rest by theirs."""
    pair = [sus2.load("sus2-universal-pbe"), sus2.load("sus2-universal-r2scan")]
    made = sus2.compare(bulk("W"), pair)
    first, found = made.own[0], made.estimates[pair[1].name]
    k, g = first.quantities["k_vrh_gpa"], first.quantities["g_vrh_gpa"]

    def young(k: float, g: float) -> float:
        return 9.0 * k * g / (3.0 * k + g)

    def poisson(k: float, g: float) -> float:
        return (3.0 * k - 2.0 * g) / (6.0 * k + 2.0 * g)

    share = 1e-4
    dk, dg = (share * float(found[key].sigma) for key in ("k_vrh_gpa", "g_vrh_gpa"))
    for key, of in (("e_vrh_gpa", young), ("nu_vrh", poisson)):
        moves = of(k + dk, g) - of(k, g), of(k, g + dg) - of(k, g)
        assert found[key].sigma == pytest.approx(np.hypot(*moves) / share, rel=1e-3)
    assert found["debye_temperature_k"].relative == pytest.approx(0.5 * found["g_vrh_gpa"].relative)

    # With all frequencies higher by a share, ln Z at T is that at a lower temperature.
    relative, n = found["mean_frequency_thz"].relative, len(first.atoms)
    thermal = first.results["phonons"].phonons.thermal
    colder, own = (thermal([at]) for at in (300.0 / (1.0 + share), 300.0))
    zero = first.quantities["zero_point_ev_per_atom"]
    assert found["zero_point_ev_per_atom"].sigma == pytest.approx(relative * zero)
    moved = {
        "helmholtz_300k_kj_per_mol_atoms": (1.0 + share) * colder.helmholtz_kj_per_mol - own.helmholtz_kj_per_mol,
        "entropy_300k_j_per_k_mol_atoms": colder.entropy_j_per_k_mol - own.entropy_j_per_k_mol,
        "cv_300k_j_per_k_mol_atoms": colder.heat_capacity_j_per_k_mol - own.heat_capacity_j_per_k_mol,
    }
    for key, change in moved.items():
        assert found[key].sigma == pytest.approx(relative * abs(float(change[0])) / share / n, rel=2e-3)
    assert {d.key for d in made.differences[pair[1].name] if d.error is not None} >= moved.keys()
