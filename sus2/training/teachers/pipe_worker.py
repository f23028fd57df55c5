"""Runs in the teachers' own environment, never imported by the package: labels what comes in on standard input.

A message is eight bytes with its length and then an npz file: numbers, positions, cells, offsets, functional. The
answer
has energy, forces and stress (eV, eV/A, eV/A^3, ASE sign), or `error`, one sentence. It ends when standard input does.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, BinaryIO

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np

Crystal = tuple[np.ndarray, np.ndarray, np.ndarray]
Label = tuple[float, np.ndarray, np.ndarray]
Evaluate = Callable[[Sequence[Crystal]], Sequence[Label]]


def nequix(weights: str) -> Evaluate:
    """Nequix as sus2.training.teachers.nequix_worker evaluates it."""
    from pathlib import Path

    from nequix_worker import Teacher  # type: ignore[import-not-found]

    teacher = Teacher(Path(weights))

    def evaluate(crystals: Sequence[Crystal]) -> Sequence[Label]:
        unknown = [int(z) for numbers, _, _ in crystals for z in numbers if teacher.index[z] < 0]
        if unknown:
            raise ValueError(f"it does not cover the element with Z = {unknown[0]}")
        found: Sequence[Label] = teacher.evaluate(crystals)
        return found

    return evaluate


def tensornet(weights: str) -> Evaluate:
    """TensorNet-MatPES as sus2.training.teachers.worker evaluates it."""
    from ase.data import atomic_numbers
    from worker import Teacher  # type: ignore[import-not-found]

    teacher = Teacher(weights)
    place = {atomic_numbers[symbol]: k for symbol, k in teacher.elements.items()}

    def evaluate(crystals: Sequence[Crystal]) -> Sequence[Label]:
        types = [np.array([place.get(int(z), -1) for z in numbers]) for numbers, _, _ in crystals]
        if any((t < 0).any() for t in types):
            raise ValueError("it does not cover an element of the crystal")
        found: Sequence[Label] = teacher.evaluate([(t, p, c) for t, (_, p, c) in zip(types, crystals, strict=True)])
        return found

    return evaluate


def sevennet(weights: str, modal: str) -> Evaluate:
    """SevenNet-MF-0 (a file, or its name in the package) in the functional `modal`."""
    from ase import Atoms
    from sevenn.calculator import SevenNetCalculator

    calculator = SevenNetCalculator(weights, device="cpu", modal=modal)

    def evaluate(crystals: Sequence[Crystal]) -> Sequence[Label]:
        found = []
        for numbers, positions, cell in crystals:
            atoms = Atoms(numbers, positions, cell=cell, pbc=True)
            atoms.calc = calculator
            found.append((float(atoms.get_potential_energy()), atoms.get_forces(), atoms.get_stress()))
        return found

    return evaluate


def chgnet(model: str) -> Evaluate:
    """CHGNet by the name of the weights in its package."""
    from ase.units import GPa
    from chgnet.model import CHGNet  # type: ignore[import-not-found,unused-ignore]
    from pymatgen.core import Lattice, Structure

    network = CHGNet.load(model_name=model, use_device="cpu", verbose=False)
    network.graph_converter.set_isolated_atom_response("ignore")

    def evaluate(crystals: Sequence[Crystal]) -> Sequence[Label]:
        structures = [
            Structure(Lattice(cell), [int(z) for z in numbers], positions, coords_are_cartesian=True)
            for numbers, positions, cell in crystals
        ]
        found = network.predict_structure(structures, task="efs", batch_size=8)
        # One structure comes back by itself.
        results = [found] if isinstance(found, dict) else found
        labels = []
        for structure, result in zip(structures, results, strict=True):
            stress = np.asarray(result["s"], dtype=float) * GPa
            voigt = stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
            labels.append((float(result["e"]) * len(structure), np.asarray(result["f"], dtype=float), voigt))
        return labels

    return evaluate


MAKERS: dict[str, Callable[[str, str], Evaluate]] = {
    "chgnet": lambda weights, functional: chgnet(weights),
    "nequix": lambda weights, functional: nequix(weights),
    "tensornet": lambda weights, functional: tensornet(weights),
    "sevennet": lambda weights, functional: sevennet(weights, functional.upper()),
}


def read(pipe: BinaryIO) -> bytes | None:
    """One message; None where the other side is gone."""
    head = pipe.read(8)
    if len(head) < 8:
        return None
    size = int.from_bytes(head, "big")
    content = pipe.read(size)
    return content if len(content) == size else None


def write(pipe: BinaryIO, arrays: dict[str, Any]) -> None:
    """Send one answer."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    content = buffer.getvalue()
    pipe.write(len(content).to_bytes(8, "big") + content)
    pipe.flush()


def answer(content: bytes, teachers: dict[str, Evaluate], make: Callable[[str], Evaluate]) -> dict[str, Any]:
    """Labels of one message."""
    with np.load(io.BytesIO(content), allow_pickle=False) as data:
        numbers, positions, cells, offsets = (data[k] for k in ("numbers", "positions", "cells", "offsets"))
        functional = str(data["functional"])
    crystals = [(numbers[a:b], positions[a:b], cells[k]) for k, (a, b) in enumerate(pairwise(offsets.tolist()))]
    if functional not in teachers:
        teachers[functional] = make(functional)
    labels = teachers[functional](crystals)
    return {
        "energy": np.array([x[0] for x in labels]),
        "forces": np.concatenate([x[1] for x in labels]),
        "stress": np.array([x[2] for x in labels]),
    }


def main() -> None:
    """Serve until standard input closes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=sorted(MAKERS))
    parser.add_argument("--weights", action="append", default=[], help="FUNCTIONAL=PATH")
    given = parser.parse_args()
    weights = dict(item.split("=", 1) for item in given.weights)
    # What a library prints must not get between the messages.
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    teachers: dict[str, Evaluate] = {}
    while (content := read(sys.stdin.buffer)) is not None:
        try:
            found = answer(content, teachers, lambda f: MAKERS[given.kind](weights[f], f))
        except Exception as error:  # whatever a model raises belongs to whoever asked
            found = {"error": np.array(" ".join(f"{type(error).__name__}: {error}".split())[:300])}
        write(pipe, found)


if __name__ == "__main__":
    main()
