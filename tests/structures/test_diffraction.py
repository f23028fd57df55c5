"""Powder patterns of textbook crystals."""

from __future__ import annotations

import csv
import io
import math

import pytest
from ase.build import bulk

from sus2.errors import StructureError
from sus2.structures.diffraction import powder_pattern


def test_the_lines_of_silicon_are_those_of_braggs_law() -> None:
    found = powder_pattern(bulk("Si", a=5.431), "CuKa")
    lines = dict(zip(found.indices, found.two_theta_deg, strict=True))
    assert list(lines)[:4] == ["(111)", "(220)", "(311)", "(400)"]  # 200 and 222 are extinct in diamond
    for name, squares in {"(111)": 3, "(400)": 16}.items():
        d = 5.431 / math.sqrt(squares)
        assert lines[name] == pytest.approx(2 * math.degrees(math.asin(found.wavelength_a / 2 / d)), abs=1e-3)
    assert found.intensities.max() == pytest.approx(100.0)
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert float(rows[0]["two_theta_deg"]) == found.two_theta_deg[0]


def test_a_longer_wave_has_larger_angles_and_other_names_are_refused() -> None:
    crystal = bulk("NaCl", "rocksalt", a=5.64)
    assert powder_pattern(crystal, "CoKa").two_theta_deg[0] > powder_pattern(crystal, "CuKa").two_theta_deg[0]
    with pytest.raises(StructureError, match="no radiation"):
        powder_pattern(crystal, "radio")
