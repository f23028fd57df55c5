"""The sentence on a result, and frequencies of a crystal whose stiffness is known to be wrong."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from ase.build import bulk

import sus2
from sus2.properties.thermal.entry import ENTRY
from sus2.structures import sample
from sus2.trust.assess import assessor
from sus2.trust.calibration import calibration_of, relative_spreads
from sus2.trust.committee import Committee
from sus2.trust.estimate import Estimate, Trust, unknown
from sus2.trust.known_values import known_values, references
from sus2.trust.sentence import summary_sentence
from sus2.validation.records import record_of


def said(**estimates: Estimate) -> str:
    potential = SimpleNamespace(name="mine", functional="PBE")
    result = SimpleNamespace(atoms=bulk("FeO", "rocksalt", a=4.3), potential=potential, trust=Trust(estimates))
    return summary_sentence(result)


def test_every_verdict_is_said_in_plain_words() -> None:
    text = said(
        volume_a3=Estimate(1.0, 0.034, "close"),
        b0_gpa=Estimate(1.0, 0.2, "middling"),
        g_vrh_gpa=Estimate(1.0, 0.25, "middling"),
        c44_gpa=Estimate(1.0, 0.6, "far"),
        b0_prime=unknown("nothing is known"),
    )
    assert text.startswith("FeO in mine (PBE): trust volume (±3.4 %); ")
    assert "bulk modulus (±20 %) and shear modulus (±25 %) are rough; " in text
    assert "are rough; the error of B₀′ is unknown; " in text
    assert text.endswith("(±60 %) is not to be trusted. far")


def test_formulas_are_written_as_in_a_book() -> None:
    result = SimpleNamespace(atoms=sample("quartz").atoms(), potential=None, trust=Trust({}))
    assert summary_sentence(result).startswith("SiO₂: ")


def test_plurals_are_plural() -> None:
    assert "optical frequencies (±20 %) are rough. " in said(gamma_frequencies_thz=Estimate(1.0, 0.2, "middling"))
    assert "highest frequency (±20 %) is rough. " in said(max_frequency_thz=Estimate(1.0, 0.2, "middling"))


@pytest.mark.parametrize(("name", "a"), [("FeO", 4.3), ("MnO", 4.4), ("MgO", 4.24)])
def test_frequencies_are_no_better_known_than_the_stiffness_of_the_crystal(name: str, a: float) -> None:
    potential = sus2.load("sus2-universal-pbe")
    if calibration_of(potential) is None:
        pytest.skip("these weights are not calibrated")
    atoms = bulk(name, "rocksalt", a=a)
    found = sus2.phonons(atoms, potential)
    known = references(known_values(atoms), "PBE", found.atoms)["b0_gpa"].value
    # Rocksalt has no internal strain, so the curve through strained cells gives its bulk modulus.
    own = sus2.eos(found.atoms, potential, relaxed=True).b0_gpa
    least = abs(1.0 - (own / known) ** 0.5)
    estimate = found.trust.estimates["max_frequency_thz"]
    assert estimate.relative >= 0.9 * least
    assert ("root of stiffness" in estimate.reason) == (estimate.relative == pytest.approx(least, rel=0.1))
    if abs(own / known - 1.0) > 0.3:
        assert found.verdicts["max_frequency_thz"] != "good"


def test_spreads_that_a_calibration_builds_on_are_found_where_they_are_not_given() -> None:
    potential = sus2.load("sus2-universal-pbe")
    if calibration_of(potential) is None:
        pytest.skip("these weights are not calibrated")
    rest = sus2.relax(bulk("MgO", "rocksalt", a=4.24), potential).atoms
    found = assessor(potential, rest)
    assert found is not None
    record = record_of("MgO", rest, potential)
    for name, share in found.moduli_spreads.items():
        assert share == pytest.approx(record.spreads[name] / abs(record.values[name]), rel=0.02)
    calibration = calibration_of(potential)
    assert calibration is not None
    for quantity in ("max_frequency_thz", "mean_frequency_thz", "gamma_to_thz", "linear_expansion_1e6_per_k"):
        value, spread = record.values.get(quantity, 10.0), record.spreads.get(quantity, float("nan"))
        wanted = calibration.relative_sigma(
            quantity,
            record.crystal_class,
            record.elements,
            record.grade,
            relative_spreads(record.values, record.spreads),
        )
        shown = found.estimate(quantity, value, spread, known="").relative
        assert shown == pytest.approx(wanted, rel=0.05, nan_ok=True), quantity


def test_without_elastic_constants_an_error_is_unknown_and_not_small(monkeypatch: pytest.MonkeyPatch) -> None:
    potential = sus2.load("sus2-universal-pbe")
    if calibration_of(potential) is None:
        pytest.skip("these weights are not calibrated")

    def refuse(*_: object) -> None:
        raise sus2.Sus2Error("Relaxed-ion elastic constants do not exist here.")

    rest = sus2.relax(bulk("MgO", "rocksalt", a=4.24), potential).atoms
    monkeypatch.setattr(Committee, "moduli_shares", refuse)
    found = assessor(potential, rest)
    assert found is not None
    estimate = found.estimate("max_frequency_thz", 20.0, 0.1, known="")
    assert not math.isfinite(estimate.relative)
    assert "no elastic constants" in estimate.reason
    # What builds on nothing else is known as before.
    assert math.isfinite(found.estimate("k_vrh_gpa", 160.0, 1.0, known="").relative)


def test_the_command_line_gives_thermal_curves_with_their_errors() -> None:
    heated = sus2.thermal(
        bulk("Al", a=4.04), sus2.load("sus2-universal-pbe"), temperatures_k=[0.0, 100.0, 200.0, 300.0]
    )
    lines = {line.split()[0]: line for line in ENTRY.show(heated)[1:]}
    sigma = heated.trust.estimates["bulk_modulus_gpa"].sigma[-1]
    assert f"± {sigma:.2g} GPa ({heated.verdicts['bulk_modulus_gpa']})" in lines["B"]
    assert "±" not in lines["Cₚ"]
    assert "Å³ for 1 atom (" in lines["V"]
