"""Equations of state of crystals: the whole calculation, against other codes and published fits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.spacegroup import crystal
from pymatgen.analysis.eos import EOS

from sus2.errors import CancelledError, ConvergenceError, FitError, StructureError
from sus2.properties.eos.calculate import eos
from sus2.properties.eos.equations import MODELS, fit_eos
from sus2.relaxation.relax import relax
from sus2.units import EV_PER_A3_TO_GPA
from tests.helpers_potential import AsePotential, argon, emt

NAMES = list(MODELS)


# The whole calculation.


@pytest.mark.parametrize("name", NAMES)
def test_metal(name: str) -> None:
    potential = emt()
    r = eos(bulk("Cu", "fcc", 3.5), potential, equation=name)
    assert potential.evaluated == 11
    assert r.relaxed_points == 0
    assert r.relaxation is not None
    assert r.model == name
    assert r.v0_a3 == pytest.approx(r.relaxation.volume_a3, rel=3e-4)
    assert r.e0_ev == pytest.approx(r.relaxation.energy_ev, abs=1e-4)
    assert set(r.fits) == set(NAMES)
    assert np.ptp(r.volumes_a3) / r.relaxation.volume_a3 == pytest.approx(0.12)
    assert r.pressure_deviation_gpa < 0.3
    assert r.b0_spread_percent < 2.0
    assert r.residual_ev == pytest.approx(r.energies_ev - r.fit.energy_ev(r.volumes_a3))
    assert json.loads(json.dumps(r.to_dict()))["fits"][name]["b0_gpa"] == r.b0_gpa


def test_pressure_is_that_of_the_stress() -> None:
    """P(V) of the virial integrates to the energy differences: two independent outputs of the potential."""
    r = eos(bulk("Ar", "fcc", 5.3), argon(), n_points=21)
    work = -np.trapezoid(r.pressures_gpa / EV_PER_A3_TO_GPA, r.volumes_a3)
    assert r.energies_ev[-1] - r.energies_ev[0] == pytest.approx(work, rel=2e-2)


def test_cell_and_supercell_agree() -> None:
    one = eos(bulk("Ni"), emt())
    four = eos(bulk("Ni", cubic=True), emt())
    assert four.v0_a3 == pytest.approx(4 * one.v0_a3, rel=1e-4)
    assert four.b0_gpa == pytest.approx(one.b0_gpa, rel=1e-3)
    assert (four.n_atoms, four.formula_units, four.formula) == (4, 4, "Ni")
    assert four.v0_a3_per_atom == pytest.approx(one.v0_a3, rel=1e-4)
    assert four.e0_ev_per_formula_unit == pytest.approx(one.e0_ev, abs=1e-5)
    assert four.v0_a3_per_formula_unit == four.v0_a3_per_atom
    assert four.e0_ev_per_atom == four.e0_ev_per_formula_unit
    assert four.atoms_at_v0.cell.volume == pytest.approx(four.v0_a3)
    assert 1000 * four.fit.rms_residual_ev / 4 == four.rms_residual_mev_per_atom


def ordered_alloy():
    return crystal(["Cu", "Au"], [(0, 0, 0), (0.5, 0.5, 0.5)], spacegroup=123, cellpar=[2.75, 2.75, 3.9, 90, 90, 90])


def test_shape_is_relaxed_at_fixed_volume() -> None:
    """Tetragonal CuAu: at every volume the stress is hydrostatic, the energy below that of the rigid cell."""
    free = eos(ordered_alloy(), emt())
    rigid = eos(free.atoms, emt(), relaxed=True, relax_shape=False, relax_ions=False)
    assert free.relaxed_points == 11
    assert rigid.relaxed_points == 0
    assert rigid.relaxation is None
    for atoms in free.structures:
        [e] = emt().evaluate([atoms])
        assert np.ptp(e.stress_ev_per_a3[:3]) * EV_PER_A3_TO_GPA < 0.04
    assert np.array([a.cell.volume for a in free.structures]) == pytest.approx(free.volumes_a3, rel=1e-12)
    ratios = [a.cell.lengths()[2] / a.cell.lengths()[0] for a in free.structures]
    assert np.ptp(ratios) > 1e-3
    assert (free.energies_ev <= rigid.energies_ev + 1e-6).all()
    assert free.b0_gpa < rigid.b0_gpa


def test_ions_are_relaxed_at_fixed_volume() -> None:
    """fcc Cu with one atom of another kind: its neighbours move."""
    atoms = bulk("Cu", cubic=True).repeat((2, 1, 1))
    atoms.symbols[0] = "Au"
    start = relax(atoms, emt()).atoms
    moved = eos(start, emt(), relaxed=True, relax_shape=False, n_points=5)
    rigid = eos(start, emt(), relaxed=True, relax_shape=False, relax_ions=False, n_points=5)
    assert moved.relaxed_points == 5
    for a in moved.structures:
        [e] = emt().evaluate([a])
        assert np.linalg.norm(e.forces_ev_per_a, axis=1).max() <= 1e-3
        assert a.cell.cellpar()[1] / a.cell.cellpar()[0] == pytest.approx(
            start.cell.cellpar()[1] / start.cell.cellpar()[0], rel=1e-12
        )
    assert (moved.energies_ev <= rigid.energies_ev + 1e-7).all()


def test_what_cannot_work_is_refused() -> None:
    with pytest.raises(FitError, match="at least 5 points, not 4"):
        eos(bulk("Cu"), emt(), n_points=4)
    with pytest.raises(FitError, match="range of volumes is 6"):
        eos(bulk("Cu"), emt(), volume_range=6)
    with pytest.raises(FitError, match="no equation of state"):
        eos(bulk("Cu"), emt(), equation="x")
    with pytest.raises(FitError, match="out of each other's reach"):
        eos(bulk("Ar", "fcc", 30.0), argon(), relaxed=True)
    with pytest.raises(FitError, match="fall towards larger"):
        eos(bulk("Cu", "fcc", 3.3), emt(), relaxed=True)
    with pytest.raises(ConvergenceError, match="did not converge in 1 steps"):
        eos(bulk("Cu", "fcc", 3.3), emt(), max_steps=1)
    molecule = bulk("Cu")
    molecule.pbc = False
    with pytest.raises(StructureError):
        eos(molecule, emt())


def test_progress_and_cancel() -> None:
    seen: list[tuple[str, float]] = []
    eos(ordered_alloy(), emt(), n_points=5, progress=lambda *x: seen.append(x))
    stages = [s for s, _ in seen]
    assert set(stages) == {"relaxing", "energies", "relaxing at fixed volume"}
    assert seen[-1] == ("energies", 1.0)
    assert [f for s, f in seen if s == "relaxing at fixed volume"] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])

    def cancel(stage: str, fraction: float) -> None:
        if stage == "relaxing at fixed volume":
            raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        eos(ordered_alloy(), emt(), progress=cancel)


def test_input_is_not_modified() -> None:
    start = ordered_alloy()
    before = start.copy()
    eos(start, emt(), n_points=5)
    assert start == before


@pytest.mark.parametrize("seed", [0, 1])
def test_orientation_and_setting_do_not_matter(seed: int) -> None:
    start = ordered_alloy()
    rng = np.random.default_rng(seed)
    turned = start[[1, 0]]
    turned.rotate(float(rng.uniform(10, 80)), rng.normal(size=3), rotate_cell=True)
    turned.positions += rng.normal(size=3)
    turned.set_cell(np.asarray(turned.cell)[[2, 1, 0]], scale_atoms=False)
    a, b = (eos(x, emt(), fmax=1e-4, stress_gpa=1e-3) for x in (start, turned))
    assert b.v0_a3 == pytest.approx(a.v0_a3, rel=1e-5)
    assert b.b0_gpa == pytest.approx(a.b0_gpa, rel=1e-3)


def published(shared: Path, name: str):
    from sus2.registry.load import load

    elements = json.loads((shared / "reference" / "models.json").read_text())[name]["elements"]
    return load(shared / "reference" / "models" / f"{name}.mtp", elements=elements)


def test_published_potential_against_pymatgen(shared: Path) -> None:
    """NiAl: the fit of the same points by pymatgen; PBE gives a0 = 2.894 A and B0 near 160 GPa."""
    r = eos(bulk("NiAl", "cesiumchloride", a=2.9), published(shared, "alloy"))
    other = EOS("birch_murnaghan").fit(r.volumes_a3, r.energies_ev)
    assert (r.v0_a3, r.e0_ev, r.b0_gpa, r.b0_prime) == pytest.approx(
        (other.v0, other.e0, other.b0 * EV_PER_A3_TO_GPA, other.b1), rel=1e-5
    )
    assert r.v0_a3 ** (1 / 3) == pytest.approx(2.894, rel=5e-3)
    assert r.b0_gpa == pytest.approx(160.0, rel=0.1)
    assert r.pressure_deviation_gpa < 0.05
    assert r.formula == "AlNi"


def test_hexagonal_metal_of_a_published_potential(shared: Path) -> None:
    """Ti: c/a is free at every volume; the pressure of the virial is the slope of the fitted energies."""
    ti = crystal(["Ti"], [(1 / 3, 2 / 3, 0.25)], spacegroup=194, cellpar=[2.93, 2.93, 4.65, 90, 90, 120])
    r = eos(ti, published(shared, "alloy"))
    assert r.relaxed_points == 11
    assert r.pressure_deviation_gpa < 0.05
    assert r.formula_units == 2


def test_all_points_in_one_call() -> None:
    calls: list[int] = []

    class Counting(AsePotential):
        def evaluate(self, structures):
            calls.append(len(structures))
            return super().evaluate(structures)

    base = emt()
    eos(bulk("Cu"), Counting(base.make, base.elements))
    assert calls == [11]


@pytest.mark.parametrize("part", ["unaries", "oxides"])
def test_real_dft_tables_give_the_published_parameters(shared: Path, part: str) -> None:
    """E(V) of 960 crystals by VASP and their fits in Bosoni et al., Nat. Rev. Phys. 6, 45 (2024)."""
    import gzip

    raw = (shared / "data" / "acwf" / f"results-{part}-verification-PBE-v1-vasp.json.gz").read_bytes()
    data = json.loads(gzip.decompress(raw))
    for key, rows in data["eos_data"].items():
        v, e = np.array(rows).T
        fit, expected = fit_eos(v, e), data["BM_fit_data"][key]
        assert fit.v0_a3 == pytest.approx(expected["min_volume"], rel=1e-9), key
        assert fit.e0_ev == pytest.approx(expected["E0"], abs=1e-9), key
        # All differ by the same factor of 4.4e-7, that of their unit constants.
        b0 = expected["bulk_modulus_ev_ang3"] * EV_PER_A3_TO_GPA
        assert fit.b0_gpa == pytest.approx(b0, rel=1e-6), key
        assert fit.b0_prime == pytest.approx(expected["bulk_deriv"], abs=1e-7), key


def test_the_old_name_of_the_equation_warns() -> None:
    with pytest.warns(DeprecationWarning, match="equation="):
        old = eos(bulk("Cu", "fcc", 3.6), emt(), model="vinet", n_points=7)
    assert old.fit.model == "vinet"
