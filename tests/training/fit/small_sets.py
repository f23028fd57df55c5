"""Small labelled sets, a loss and a configuration for the tests of fitting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from sus2.potential.card import Card
from sus2.potential.potential import Potential
from sus2.training.data.dataset import TrainingSet, make_set
from sus2.training.fit.objective import LossWeights, Objective
from sus2.training.fit.parameters import ParameterSpace
from tests.helpers_spec import extended, random_spec

ELEMENTS = ("Ga", "As")

TEACHER = random_spec(2)

FORMS = {"common": TEACHER, "extended": extended(TEACHER)}


def structures(count: int, seed: int = 0) -> list[Atoms]:
    out = []
    for k in range(count):
        rng = np.random.default_rng((seed, k))
        atoms = bulk("GaAs", "zincblende", a=5.2) * (1, 1, 1 + k % 2)
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.04 * rng.normal(size=(3, 3))), scale_atoms=True)
        atoms.positions += 0.1 * rng.normal(size=atoms.positions.shape)
        out.append(atoms)
    return out


def labelled(count: int = 12, seed: int = 0) -> TrainingSet:
    teacher = Potential(TEACHER, Card(name="t", functional="none", elements=ELEMENTS))
    atoms = structures(count, seed)
    r = teacher.evaluate(atoms)
    return make_set(
        atoms,
        [x.energy_ev for x in r],
        [x.forces_ev_per_a for x in r],
        [x.stress_ev_per_a3 for x in r],
        set_name="random",
    )


def quadratic(data: TrainingSet, **changes: float) -> Objective:
    """A loss without its robust part."""
    return Objective(data, ELEMENTS, 4.0, replace(LossWeights(robust=1e6), **changes), threads=1)


def disturbed(space: ParameterSpace, amount: float, seed: int = 1) -> np.ndarray:
    x = space.pack(space.spec)
    return x + amount * space.steps * np.random.default_rng(seed).normal(size=len(x))


def config_file(folder: Path, **changes: object) -> Path:
    """A small run of every kind of step on labels in an extended XYZ file."""
    atoms = structures(24)
    data = labelled(24)
    for k, a in enumerate(atoms):
        a.calc = SinglePointCalculator(
            a,
            energy=data.energy_ev[k],
            forces=data.forces_ev_per_a[data.offsets[k] : data.offsets[k + 1]],
            stress=data.stress_ev_per_a3[k],
        )
    write(folder / "labels.extxyz", atoms, format="extxyz")
    content = {
        "name": "small",
        "functional": "none",
        "elements": list(ELEMENTS),
        "graph": "l2k1",
        "cutoff_a": 4.0,
        "radial_basis_size": 5,
        "element_space": "factorised",
        "batches": 3,
        "limits": "a test",
        "sources": [{"kind": "file", "path": str(folder / "labels.extxyz")}],
        "stages": [
            {"kind": "search", "starts": 2, "iterations": 1},
            {"kind": "adam", "epochs": 3},
            {"kind": "expand"},
            {"kind": "lbfgs", "rounds": 2, "iterations": 5},
            {"kind": "gauss-newton", "iterations": 2, "share": 0.5},
            {"kind": "release"},
            {"kind": "adam", "epochs": 2, "rate": 0.001},
        ],
    }
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(content | changes))
    return path


def weights(folder: Path) -> bytes:
    return (folder / "small.mtp").read_bytes()
