"""Calibrate a potential: compute crystals with known values, fit the noise model, write it beside the weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np
from ase import Atoms

from sus2.potential.potential import Potential
from sus2.registry.load import load_moments
from sus2.structures import elements_of
from sus2.trust.calibration import Calibration, calibration_path
from sus2.trust.known_values import known_crystals
from sus2.validation.fit_calibration import Coverage, fit_calibration
from sus2.validation.records import Record, read_records, record_of, write_records

Binary = tuple[str, Atoms, float, float]
"""Name, crystal at its PBE volume, K and G of the Materials Project in GPa."""

MAX_ATOMS: Final = 12
_SEED: Final = 0


def textbook_records(potential: Potential, report: Callable[[str], None] = print) -> list[Record]:
    """Records of the textbook crystals that a potential knows the elements of.

    Parameters
    ----------
    potential
        The potential.
    report
        Told how far it is.

    Returns
    -------
    list of Record
        In the order of known_crystals.
    """
    out = []
    for name, atoms in known_crystals().items():
        if set(elements_of(atoms)) <= set(potential.elements):
            out.append(record_of(name, atoms, potential))
            if len(out) % 25 == 0:
                report(f"{len(out)} textbook crystals")
    return out


def binary_records(
    potential: Potential, binaries: Sequence[Binary], count: int, report: Callable[[str], None] = print
) -> list[Record]:
    """Records of Materials Project binaries, which come with PBE volumes and moduli.

    Parameters
    ----------
    potential
        The potential.
    binaries
        See sus2.training.data.reference_sets.binary_crystals.
    count
        How many of those with up to twelve atoms, drawn at random.
    report
        Told how far it is.

    Returns
    -------
    list of Record
        Without equations of state: the bulk modulus stands for B0.
    """
    known = set(potential.elements)
    fitting = [b for b in binaries if len(b[1]) <= MAX_ATOMS and set(b[1].get_chemical_symbols()) <= known]
    order = np.random.default_rng(_SEED).permutation(len(fitting))[:count]
    out = []
    for k in order:
        name, atoms, bulk, shear = fitting[int(k)]
        extra = {
            "v0_a3_per_atom": (atoms.get_volume() / len(atoms), "PBE"),
            "k_vrh_gpa": (bulk, "PBE"),
            "g_vrh_gpa": (shear, "PBE"),
        }
        out.append(record_of(name, atoms, potential, extra=extra, with_eos=False))
        if len(out) % 50 == 0:
            report(f"{len(out)} binaries")
    return out


def calibrate(
    name: str,
    binaries: Sequence[Binary],
    *,
    count: int = 300,
    records: Path | None = None,
    report: Callable[[str], None] = print,
) -> tuple[Calibration, list[Coverage]]:
    """Calibrate a potential that is found by name and write the calibration beside its weights.

    Parameters
    ----------
    name
        The potential; its members must have been drawn.
    binaries
        Crystals with volumes and moduli; may be empty.
    count
        How many of them.
    records
        File of records: read where it is there, else written.
    report
        Told how far it is.

    Returns
    -------
    tuple of Calibration and list of Coverage
        As fit_calibration gives them.

    Raises
    ------
    Sus2Error
        The potential cannot be loaded.
    """
    potential = load_moments(name)
    if records is not None and records.is_file():
        found = read_records(records)
    else:
        found = textbook_records(potential, report) + binary_records(potential, binaries, count, report)
        if records is not None:
            write_records(records, found)
    calibration, coverage = fit_calibration(potential.card.sha256, found)
    calibration_path(name).write_text(calibration.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return calibration, coverage


def coverage_json(coverage: Sequence[Coverage]) -> str:
    """The coverage as JSON."""
    return json.dumps([asdict(c) for c in coverage], indent=1) + "\n"
