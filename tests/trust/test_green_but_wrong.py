"""No wrong number is called good: textbook crystals in the shipped universal potential, against known values."""

from __future__ import annotations

import numpy as np
import pytest

from sus2.errors import Sus2Error
from sus2.properties.elastic.calculate import elastic
from sus2.registry.load import load_moments
from sus2.relaxation.relax import relax
from sus2.trust.calibration import calibration_of
from sus2.trust.estimate import ROUGH
from sus2.trust.known_values import known_crystals, known_values, references

QUANTITIES = ("k_vrh_gpa", "g_vrh_gpa", "c11_gpa", "c12_gpa", "c44_gpa")
CRYSTALS = 62
LARGEST = 2  # atoms: bcc, fcc, hcp, diamond, rocksalt, zincblende, CsCl


def test_no_wrong_number_of_a_textbook_crystal_is_called_good() -> None:
    potential = load_moments("sus2-universal-pbe")
    if calibration_of(potential) is None:
        pytest.skip("these weights are not calibrated")
    verdicts: dict[str, list[bool]] = {"good": [], "rough": [], "not to be trusted": [], "unknown": []}
    seen = 0
    crystals = known_crystals()
    for name in np.random.default_rng(0).permutation(sorted(crystals)).tolist():
        atoms = crystals[name]
        if seen == CRYSTALS:
            break
        if len(atoms) > LARGEST or not set(atoms.get_chemical_symbols()) <= set(potential.elements):
            continue
        known = references(known_values(atoms), "PBE", atoms)
        try:
            relaxed = relax(atoms, potential)
            result = elastic(relaxed.atoms, potential, relaxed=True, cross_checks=False)
        except Sus2Error:
            # No number at all is no wrong one.
            continue
        seen += 1
        found = result.trust
        for quantity in QUANTITIES:
            if quantity not in known or quantity not in found.estimates:
                continue
            a, b = int(quantity[1]) if quantity[1].isdigit() else 0, int(quantity[2]) if quantity[2].isdigit() else 0
            value = float(result.c_gpa[a - 1, b - 1]) if a else float(getattr(result, quantity))
            wrong = abs(value - known[quantity].value) > ROUGH * abs(known[quantity].value)
            verdicts[str(found.estimates[quantity].verdict)].append(wrong)
            assert not (wrong and found.estimates[quantity].verdict == "good"), (name, quantity, value)
    assert seen == CRYSTALS
    assert sum(verdicts["rough"]) <= max(1, 0.05 * len(verdicts["rough"]))
    # Verdicts that call everything wrong would be of no use.
    assert len(verdicts["good"]) + len(verdicts["rough"]) > 30
