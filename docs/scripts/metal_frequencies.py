"""Phonon frequencies of textbook metals by Nequix-OMat-1, by which frequencies of metals are calibrated.

    python docs/scripts/metal_frequencies.py

Spectra by density functional theory that are free to use are those of insulators; the teacher is within 0.16 THz of PBE
in the mean over such spectra. Needs the teacher (`sus2 data setup --teacher nequix`). Crystals that are in the table
are not computed again.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from ase import Atoms

import sus2
from sus2.errors import Sus2Error
from sus2.structures import standardise
from sus2.training.teachers.remote import remote_teacher
from sus2.trust.crystal_class import crystal_class
from sus2.trust.known_values import known_crystals
from sus2.validation.records import WAVE_VECTORS, frequencies_of
from sus2.validation.teacher_frequencies import COLUMNS, TABLE, teacher_frequencies

WIDE_A = 9.0


def supercell(atoms: Atoms) -> list[int]:
    """Of even numbers, so that the points of the zone's boundary are exact."""
    heights = 1.0 / np.linalg.norm(atoms.cell.reciprocal(), axis=1)
    return [int(max(2, 2 * np.ceil(0.5 * WIDE_A / h - 1e-6))) for h in heights]


def append(path: Path, row: list[str]) -> None:
    new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow(COLUMNS)
        writer.writerow(row)


def main() -> None:
    there = teacher_frequencies()
    (teacher,) = (t for f, t in remote_teacher("nequix-omat-1").items() if f == "PBE")
    for name, atoms in known_crystals().items():
        if name in there or crystal_class(atoms) != "metal":
            continue
        try:
            start = standardise(atoms, "primitive", symprec=1e-3)
            rest = sus2.relax(start, teacher, fmax=1e-3).require_converged().atoms
            size = supercell(rest)
            waves = sus2.phonons(rest, teacher, relaxed=True, method="finite", supercell=size)
            found = frequencies_of(waves.modes(np.array(WAVE_VECTORS)))
        except Sus2Error as error:
            print(f"{name}: {error}", flush=True)
            continue
        append(TABLE, [name, *(f"{found[q]:.4g}" if q in found else "" for q in COLUMNS[1:])])
        print(name, size, found, flush=True)
    teacher.close()


if __name__ == "__main__":
    main()
