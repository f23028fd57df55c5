"""The convex hull of a chemical system against a hull that is found by hand."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from sus2.comparison.hull import convex_hull
from sus2.errors import DataError
from sus2.relaxation.relax import relax
from tests.helpers_potential import emt


def alloys() -> dict[str, Atoms]:
    b2 = Atoms("CuAu", scaled_positions=[(0, 0, 0), (0.5, 0.5, 0.5)], cell=[3.1] * 3, pbc=True)
    l12 = bulk("Cu", cubic=True, a=3.75)
    l12.symbols[0] = "Au"
    return {"b2": b2, "l12": l12}


def test_energies_and_the_hull() -> None:
    potential = emt()
    hull = convex_hull(alloys(), potential)
    assert hull.elements == ("Au", "Cu")
    e = {s: relax(bulk(s), potential).energy_ev for s in hull.elements}
    rows = {r.name: r for r in hull.rows}
    for name, atoms in alloys().items():
        found = relax(atoms, potential)
        expected = (found.energy_ev - sum(e[s] for s in atoms.get_chemical_symbols())) / len(atoms)
        assert rows[name].formation_ev_per_atom == pytest.approx(expected, abs=1e-5)
    # The lower hull of four points, by all lines between pairs.
    x = np.array([r.fractions.get("Au", 0.0) for r in hull.rows])
    y = np.array([r.formation_ev_per_atom for r in hull.rows])
    for k, row in enumerate(hull.rows):
        lines = [
            y[i] + (y[j] - y[i]) * (x[k] - x[i]) / (x[j] - x[i])
            for i in range(len(x))
            for j in range(len(x))
            if x[i] < x[k] < x[j]
        ]
        assert row.above_hull_ev_per_atom == pytest.approx(max(0.0, y[k] - min([*lines, y[k]])), abs=1e-9)
    assert [r["name"] for r in csv.DictReader(io.StringIO(hull.to_csv()))][2:] == list(alloys())


def test_what_makes_no_hull_is_refused() -> None:
    with pytest.raises(DataError, match="two or more elements"):
        convex_hull({"cu": bulk("Cu")}, emt())
    with pytest.raises(DataError, match="does not cover Si"):
        convex_hull({"x": bulk("Si"), "cu": bulk("Cu")}, emt())
