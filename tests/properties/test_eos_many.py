"""Equations of state of many crystals at once are those of each alone, failures included."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

import sus2
from sus2.errors import ConvergenceError, FitError
from sus2.properties.eos.calculate import eos
from sus2.properties.eos.many import eos_many
from sus2.properties.eos.result import EosResult
from sus2.relaxation.relax_many import relax_many

MODEL = "si-mlearn-pbe"


def shaken(seed: int) -> Atoms:
    atoms = bulk("Si", cubic=True)
    rng = np.random.default_rng(seed)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.02 * rng.normal(size=(3, 3))), scale_atoms=True)
    atoms.positions += 0.05 * rng.normal(size=(8, 3))
    return atoms


def test_each_is_the_one_alone() -> None:
    potential = sus2.load(MODEL)
    crystals = [bulk("Si"), shaken(1), bulk("Si", "bct", a=3.6, c=2.4), shaken(2)]
    relaxed = relax_many(crystals, potential)
    found = eos_many(relaxed, potential, n_points=7, equation="vinet")
    for crystal, start, many in zip(crystals, relaxed, found, strict=True):
        one = eos(crystal, potential, n_points=7, equation="vinet")
        assert isinstance(many, EosResult)
        assert many.fit.b0_gpa == pytest.approx(one.fit.b0_gpa, rel=1e-8)
        assert np.allclose(many.energies_ev, one.energies_ev, rtol=0, atol=1e-9)
        assert np.allclose(many.volumes_a3, one.volumes_a3, rtol=1e-10)
        assert many.relaxed_points == one.relaxed_points
        assert many.relaxation is start


def test_progress_is_that_of_the_volumes_where_anything_relaxes() -> None:
    potential = sus2.load(MODEL)
    seen: list[tuple[str, float]] = []
    (rigid,) = eos_many(relax_many([bulk("Si")], potential), potential, progress=lambda *x: seen.append(x))
    assert isinstance(rigid, EosResult)
    assert not seen
    relaxed = relax_many([shaken(1), bulk("Si"), shaken(2)], potential)
    eos_many(relaxed, potential, n_points=6, progress=lambda *x: seen.append(x))
    assert seen == [("relaxing at fixed volume", pytest.approx(f)) for f in (1 / 6, 3 / 6, 5 / 6, 1.0)]


def test_one_that_fails_does_not_stop_the_others() -> None:
    potential = sus2.load(MODEL)
    relaxed = relax_many([bulk("Si", a=2.5), bulk("Si"), bulk("Cu")], potential)
    found = eos_many(relaxed, potential)
    assert isinstance(found[0], ConvergenceError)
    assert isinstance(found[1], EosResult)
    assert isinstance(found[2], ConvergenceError)
    assert "collapsed" in str(found[0])
    # Too few steps at fixed volume are an error of that crystal, as in sus2.eos.
    (tetragonal,) = relax_many([bulk("Si", "bct", a=3.6, c=2.4)], potential)
    few = eos_many([tetragonal, relaxed[1]], potential, max_steps=1, stress_gpa=1e-6)
    with pytest.raises(ConvergenceError, match="did not converge in 1"):
        eos(tetragonal.atoms, potential, relaxed=True, max_steps=1, stress_gpa=1e-6)
    assert isinstance(few[0], ConvergenceError)
    assert "did not converge in 1" in str(few[0])
    assert isinstance(few[1], EosResult)


def test_arguments_that_no_crystal_can_be_computed_with() -> None:
    potential = sus2.load(MODEL)
    with pytest.raises(FitError, match="at least 5"):
        eos_many([], potential, n_points=3)
    with pytest.raises(FitError, match="range of volumes"):
        eos_many([], potential, volume_range=0.9)
    with pytest.raises(FitError):
        eos_many([], potential, equation="straight-line")
    assert eos_many([], potential) == []


def test_crystals_too_large_for_dense_matrices(monkeypatch: pytest.MonkeyPatch) -> None:
    potential = sus2.load(MODEL)
    (start,) = relax_many([shaken(4)], potential)
    expected = eos_many([start], potential, n_points=5)[0]
    monkeypatch.setattr("sus2.properties.eos.volumes.MAX_DENSE_ATOMS", 2)
    found = eos_many([start], potential, n_points=5)[0]
    assert isinstance(found, EosResult)
    assert isinstance(expected, EosResult)
    assert found.b0_gpa == pytest.approx(expected.b0_gpa, rel=1e-8)
    assert found.relaxed_points == expected.relaxed_points == 5
