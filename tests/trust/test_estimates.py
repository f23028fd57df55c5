"""Verdicts, calibrations and their fit on made-up errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ase.build import bulk

import sus2
from sus2.structures.samples import sample
from sus2.trust.assess import Assessor
from sus2.trust.calibration import Calibration, QuantityCalibration, size_of
from sus2.trust.crystal_class import crystal_class
from sus2.trust.estimate import Estimate, Trust, TrustVerdict, safely, unknown, word_of
from sus2.trust.known_values import known_crystals
from sus2.validation.fit_calibration import fit_calibration
from sus2.validation.records import Record


def test_words() -> None:
    words = [word_of(x) for x in (0.0, 0.099, 0.1, 0.299, 0.3, 5.0, math.nan)]
    assert words == ["good", "good", "rough", "rough", "not to be trusted", "not to be trusted", "unknown"]
    verdict = TrustVerdict("good", "because")
    assert verdict == "good"
    assert verdict.reason == "because"


def test_trust_of_several_quantities() -> None:
    trust = Trust({"a": Estimate(1.0, 0.05, "x"), "b": unknown("far away"), "c": Estimate(np.ones(2), 0.4, "y")})
    assert trust.worst() == "not to be trusted"
    assert trust.worst(["a", "b"]).reason == "far away"
    assert math.isnan(trust.uncertainty["b"])
    assert math.isnan(trust.uncertainty["no such quantity"])
    assert trust.to_dict()["b"]["sigma"] is None
    assert trust.to_dict()["c"]["sigma"] == [1.0, 1.0]


def test_numbers_out_of_range_are_a_limit_in_words() -> None:
    @safely
    def fails(result: object) -> Trust:
        raise ValueError("no such thing")

    assert "no such thing" in fails(object()).limits[0]


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("w", "metal"),
        ("nial", "metal"),
        ("si", "semiconductor"),
        ("gaas", "semiconductor"),
        ("mgo", "ionic"),
        ("quartz", "ionic"),
        ("nacl", "ionic"),
    ],
)
def test_classes_of_samples(key: str, kind: str) -> None:
    assert crystal_class(sample(key).atoms()) == kind


def test_layers_and_molecules_hang_together_in_less_than_three_directions() -> None:
    assert crystal_class(known_crystals()["C graphite"]) == "molecular or layered"
    assert crystal_class(known_crystals()["BN hbn"]) == "molecular or layered"
    assert crystal_class(bulk("Ar", "fcc", a=5.3)) == "molecular or layered"
    assert crystal_class(bulk("TiC", "rocksalt", a=4.33)) == "other"


def _records(seed: int = 0) -> list[Record]:
    """Crystals whose errors are three times the spread, ten times as large where tungsten is in them."""
    rng = np.random.default_rng(seed)
    out = []
    for k in range(400):
        spread = float(np.exp(rng.normal(-3.0, 0.7)))
        wrong = k % 4 == 0
        error = 3.0 * spread * (10.0 if wrong else 1.0) * rng.normal()
        value = 100.0
        out.append(
            Record(
                f"crystal {k}",
                "p",
                f"X{k}",
                f"X{k}",
                "metal" if k % 2 else "ionic",
                ("W",) if wrong else ("Cu",),
                0.5,
                {"k_vrh_gpa": value},
                {"k_vrh_gpa": spread * value},
                {"k_vrh_gpa": value * (1.0 - error)},
                {"k_vrh_gpa": "PBE"},
            )
        )
    return out


def test_calibration_finds_the_size_of_errors_and_covers_crystals_left_out() -> None:
    calibration, coverage = fit_calibration("sha", _records())
    whole = next(c for c in coverage if c.crystal_class == "all")
    assert 0.6 < whole.one_sigma < 0.76
    assert whole.two_sigma > 0.9
    found = [
        calibration.relative_sigma("k_vrh_gpa", "metal", [e], 0.5, {"k_vrh_gpa": s})
        for e, s in (("Cu", 0.02), ("Cu", 0.08), ("W", 0.02))
    ]
    assert found[1] / found[0] == pytest.approx(4.0, rel=0.35)
    assert found[2] / found[0] > 4.0
    assert found[0] == pytest.approx(0.06, rel=0.5)


def test_what_is_far_away_or_uncalibrated_is_unknown() -> None:
    model = QuantityCalibration(classes={"metal": -2.0}, spread=0.5)
    calibration = Calibration(weights_sha256="x", quantities={"b0_gpa": model})
    assert math.isfinite(calibration.relative_sigma("b0_gpa", "metal", ["Cu"], 1.0, {"b0_gpa": 0.05}))
    assert math.isnan(calibration.relative_sigma("b0_gpa", "metal", ["Cu"], 4.0, {"b0_gpa": 0.05}))
    assert math.isnan(calibration.relative_sigma("b0_gpa", "ionic", ["Cu"], 1.0, {"b0_gpa": 0.05}))
    assert math.isnan(calibration.relative_sigma("g_vrh_gpa", "metal", ["Cu"], 1.0, {}))


def test_c12_next_to_zero_is_compared_with_the_bulk_modulus() -> None:
    values = {"c12_gpa": 1.0, "k_vrh_gpa": 100.0, "c44_gpa": 3.0}
    assert size_of("c12_gpa", values) == 50.0
    assert size_of("c44_gpa", values) == 3.0


def test_what_is_known_has_its_unit() -> None:
    found = Assessor(sus2.load("sus2-universal-pbe"), bulk("W"))
    for quantity, unit in (("linear_expansion_1e6_per_k", "10⁻⁶/K"), ("c44_gpa", "GPa")):
        reference = found.references[quantity]
        told = found.estimate(quantity, 10.0 * reference.value).reason
        assert f": {reference.value:.4g} {unit} (" in told
