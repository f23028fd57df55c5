"""The list with a skin against a fresh search, along walks of atoms and cell."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.md.verlet import VelocityVerlet
from hypothesis import given, settings
from hypothesis import strategies as st

from sus2.native.arrays import Edges, Structures
from sus2.native.build import available
from sus2.native.neighbours import find_edges, refresh
from sus2.potential.calculator import MIN_LISTED_ATOMS
from sus2.potential.packed import pack_structures
from sus2.potential.verlet_list import SkinList
from tests.conftest import require
from tests.contract.test_contract import SPECS, make

CUTOFF = 4.0


@pytest.fixture(autouse=True)
def compiler() -> None:
    if not available():
        require("there is no C++ compiler for the fused kernels")


def rows(edges: Edges) -> list[tuple[int, ...]]:
    """Edges as rounded numbers, those at the cutoff itself left out."""
    inside = np.linalg.norm(edges.vectors, axis=1) < CUTOFF * (1 - 1e-9)
    i = np.repeat(np.arange(len(edges.types)), np.diff(edges.first))
    table = np.column_stack([i, edges.j, np.round(edges.vectors * 1e6)])[inside].astype(np.int64)
    return [tuple(int(x) for x in row) for row in table[np.lexsort(table.T)]]


def fresh(p: Structures) -> Edges:
    first, j, _, vectors = find_edges(p, CUTOFF)
    return Edges(first, vectors, j, p.types)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 12),
    skin=st.sampled_from([0.05, 0.3, 1.0]),
    step=st.sampled_from([0.0, 0.003, 0.03, 0.4]),
    strain=st.sampled_from([0.0, 0.0005, 0.01]),
    drift=st.sampled_from([0.0, 0.2]),
    pbc=st.lists(st.booleans(), min_size=3, max_size=3),
)
def test_equals_a_fresh_search_along_a_walk(
    seed: int, n: int, skin: float, step: float, strain: float, drift: float, pbc: list[bool]
) -> None:
    rng = np.random.default_rng(seed)
    cell = 3.5 * np.eye(3) + rng.normal(size=(3, 3))
    if abs(np.linalg.det(cell)) < 4.0:
        cell = 3.5 * np.eye(3)
    atoms = Atoms(f"Si{n}", positions=rng.uniform(-6, 6, (n, 3)), cell=cell, pbc=pbc)
    kept = SkinList(CUTOFF, skin=skin)
    for _ in range(12):
        p = pack_structures([atoms], ["Si"])
        edges = kept.edges(p)
        assert edges is not None
        assert rows(refresh(p, edges, CUTOFF)) == rows(fresh(p))
        turn = np.eye(3) + strain * rng.normal(size=(3, 3))
        atoms.set_cell(atoms.cell.array @ turn, scale_atoms=bool(rng.random() < 0.7))
        atoms.positions += step * rng.normal(size=(n, 3)) + drift * rng.normal(size=3)


def test_it_is_kept_while_it_holds() -> None:
    atoms = bulk("Si", cubic=True)
    kept = SkinList(CUTOFF, skin=0.5)
    for _ in range(10):
        kept.edges(pack_structures([atoms], ["Si"]))
        atoms.positions += [0.3, 0.0, -0.2]  # all atoms together
    assert kept.builds == 1
    atoms.positions[0] += [0.4, 0, 0]
    kept.edges(pack_structures([atoms], ["Si"]))
    assert kept.builds == 1  # 0.2 A from the middle of the range
    atoms.positions[0] += [0.2, 0, 0]
    kept.edges(pack_structures([atoms], ["Si"]))
    assert kept.builds == 2
    atoms.set_cell(atoms.cell.array * 0.93, scale_atoms=True)
    kept.edges(pack_structures([atoms], ["Si"]))
    assert kept.builds == 2  # the skin holds 0.5 / 4.5 of compression
    atoms.set_cell(atoms.cell.array * 0.93, scale_atoms=True)
    kept.edges(pack_structures([atoms], ["Si"]))
    assert kept.builds == 3


def test_other_atoms_or_periodicity_need_another_list() -> None:
    kept = SkinList(CUTOFF)
    atoms = bulk("Si", cubic=True)
    for k, other in enumerate([atoms, atoms * (1, 1, 2), atoms, Atoms(atoms, pbc=[True, True, False])]):
        p = pack_structures([other], ["Si"])
        edges = kept.edges(p)
        assert edges is not None
        assert rows(refresh(p, edges, CUTOFF)) == rows(fresh(p))
        assert kept.builds == k + 1


def test_molecular_dynamics_through_the_calculator() -> None:
    """Every step's numbers are those of an evaluation on its own, and the list is found less often than used."""
    potential = make("kernels", SPECS["deep"]())
    atoms = bulk("GaAs", "zincblende", a=5.6, cubic=True) * (2, 2, 3)
    assert len(atoms) >= MIN_LISTED_ATOMS
    calculator = potential.calculator()
    atoms.calc = calculator
    spread = np.sqrt(units.kB * 900 * atoms.get_masses())[:, None]
    atoms.set_momenta(spread * np.random.default_rng(0).normal(size=(len(atoms), 3)))
    dynamics = VelocityVerlet(atoms, timestep=1.0 * units.fs)
    steps = 60
    for _ in range(steps):
        dynamics.run(1)
        expected = potential.evaluate([atoms])[0]
        assert atoms.get_potential_energy() == pytest.approx(expected.energy_ev, abs=1e-9)
        assert np.allclose(atoms.get_forces(), expected.forces_ev_per_a, rtol=0, atol=1e-10)
        assert np.allclose(atoms.get_stress(), expected.stress_ev_per_a3, rtol=0, atol=1e-12)
    assert 1 <= calculator.neighbour_list.builds < steps / 3
