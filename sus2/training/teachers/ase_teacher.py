"""A teacher from any ASE calculator: relaxes, runs dynamics and labels, as sus2.training.teachers.build asks for it.

A script of a few lines is the worker (SUS2_TEACHER_WORKER): serve({"PBE": make_calculator}). Files are those of
teacher_worker, plain npz; A, eV, eV/A, eV/A^3 (ASE sign, Voigt).
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator, CalculatorError
from ase.filters import FrechetCellFilter
from ase.md.langevin import Langevin
from ase.optimize import BFGS

__all__ = ["serve"]

RELAX_STEPS: Final = 60
# A crystal that keeps a force (eV/A) or stress (eV/A^3) above these is left out of the set.
LOOSE_FORCE: Final = 0.24
LOOSE_STRESS: Final = 0.032
DYNAMICS_STEPS: Final = 60
SHOTS: Final = 3
LARGEST_FORCE: Final = 40.0


def serve(calculators: Mapping[str, Callable[[], Calculator]], arguments: Sequence[str] | None = None) -> None:
    """Do the task of the command line with a calculator for each functional.

    Parameters
    ----------
    calculators
        Functional -> function that makes an ASE calculator.
    arguments
        Of the command line; by default the process's own.

    Raises
    ------
    SystemExit
        The calculator fails, or a functional is not among those given; one sentence.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("task", choices=["label", "relax", "dynamics"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--teacher", action="append", default=[], help="FUNCTIONAL")
    parser.add_argument("--shard", default="*", help="the number of one shard, such as 0003")
    given = parser.parse_args(arguments)
    for functional in given.teacher:
        if functional not in calculators:
            raise SystemExit(f"This teacher has {', '.join(calculators)}, not {functional}.")
    prefix, run = {
        "label": ("structures", _label),
        "relax": ("base", _relax),
        "dynamics": ("start", _dynamics),
    }[given.task]
    for source in sorted(given.folder.glob(f"{prefix}-{given.shard}.npz")):
        shard = source.stem.rsplit("-", 1)[1]
        for functional in given.teacher:
            stem = {"label": f"labels-{functional}", "relax": "relaxed", "dynamics": "snapshots"}[given.task]
            target = given.folder / f"{stem}-{shard}.npz"
            if target.exists():
                continue
            began = time.perf_counter()
            with np.load(source, allow_pickle=False) as data:
                content = {key: data[key] for key in data.files}
            crystals = _crystals(content)
            try:
                found = run(crystals, content, calculators[functional]())
            except (CalculatorError, RuntimeError, ValueError, KeyError) as error:
                text = " ".join(str(error).split())[:200]
                raise SystemExit(f"The calculator failed in {source.name}: {text}") from None
            _write(target, found)
            seconds = round(time.perf_counter() - began, 2)
            print(json.dumps({"file": target.name, "count": len(crystals), "seconds": seconds}), flush=True)


def _crystals(content: Mapping[str, Any]) -> list[Atoms]:
    return [
        Atoms(content["numbers"][a:b], content["positions"][a:b], cell=content["cells"][k], pbc=True)
        for k, (a, b) in enumerate(pairwise(content["offsets"].tolist()))
    ]


def _label(crystals: list[Atoms], content: Mapping[str, Any], calculator: Calculator) -> dict[str, Any]:
    energy, forces, stress = [], [], []
    for atoms in crystals:
        atoms.calc = calculator
        energy.append(atoms.get_potential_energy())
        forces.append(atoms.get_forces())
        stress.append(atoms.get_stress())
    return {"energy": np.array(energy), "forces": np.concatenate(forces), "stress": np.array(stress)}


def _relax(crystals: list[Atoms], content: Mapping[str, Any], calculator: Calculator) -> dict[str, Any]:
    """Ions and cell; those that collapse, fly apart or stay far from rest are marked as not converged."""
    converged, energy = [], []
    for atoms in crystals:
        atoms.calc = calculator
        start = atoms.cell.volume
        optimiser = BFGS(FrechetCellFilter(atoms), logfile=None)
        for _ in optimiser.irun(fmax=0.03, steps=RELAX_STEPS):
            if not 0.3 < atoms.cell.volume / start < 3.0:
                break
        calm = float(np.abs(atoms.get_forces()).max()) < LOOSE_FORCE
        calm = calm and float(np.abs(atoms.get_stress()).max()) < LOOSE_STRESS
        converged.append(calm and bool(0.3 < atoms.cell.volume / start < 3.0))
        energy.append(atoms.get_potential_energy())
    return {
        "positions": np.concatenate([a.positions for a in crystals]),
        "cells": np.array([a.cell.array for a in crystals]),
        "converged": np.array(converged),
        "energy": np.array(energy),
    }


def _dynamics(crystals: list[Atoms], content: Mapping[str, Any], calculator: Calculator) -> dict[str, Any]:
    """Langevin dynamics at fixed cell; velocities start at twice the temperature, as the crystal starts at rest."""
    rng = np.random.default_rng(int(content["seed"]))
    shots = np.zeros((SHOTS, len(content["positions"]), 3))
    valid = np.ones((SHOTS, len(crystals)), dtype=bool)
    masses, offsets = content["masses"], content["offsets"]
    for k, (atoms, kelvin) in enumerate(zip(crystals, content["temperature"].tolist(), strict=True)):
        rows = slice(int(offsets[k]), int(offsets[k + 1]))
        atoms.set_masses(masses[rows])
        scale = np.sqrt(2.0 * units.kB * kelvin / masses[rows])[:, None]
        atoms.set_velocities(scale * rng.standard_normal((len(atoms), 3)))
        atoms.calc = calculator
        step = (0.5 if masses[rows].min() < 3.0 else 1.5) * units.fs
        run = Langevin(atoms, step, temperature_K=kelvin, friction=0.02 / units.fs, rng=rng, fixcm=False)
        good = True
        for shot in range(SHOTS):
            if good:
                run.run(DYNAMICS_STEPS // SHOTS)
                good = bool(np.abs(atoms.get_forces()).max() < LARGEST_FORCE)
            shots[shot, rows], valid[shot, k] = atoms.positions, good
    return {"positions": shots, "valid": valid}


def _write(path: Path, arrays: Mapping[str, Any]) -> None:
    """All or nothing: a kill leaves no half-written file under the final name."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with partial.open("wb") as file:
        np.savez_compressed(file, **arrays)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
