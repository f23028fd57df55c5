"""Phonon frequencies of metals by the teacher, for want of free spectra by density functional theory."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

TABLE: Final = Path(__file__).resolve().with_name("metal_frequencies.csv")
BY_TEACHER: Final = "PBE by Nequix-OMat-1"
"""How the functional of these references is called."""
TEACHERS_ERROR: Final = 0.03
"""Of a frequency by the teacher against PBE, relative: 0.16 THz in the mean over spectra of insulators."""
COLUMNS: Final = ("crystal", "gamma_to_thz", "max_frequency_thz", "mean_frequency_thz")


def teacher_frequencies() -> dict[str, dict[str, tuple[float, str]]]:
    """Frequencies of textbook metals by Nequix-OMat-1, made by docs/scripts/metal_frequencies.py.

    Returns
    -------
    dict
        Name of the crystal -> quantity -> frequency in THz and its functional.
    """
    if not TABLE.is_file():
        return {}
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {r["crystal"]: {q: (float(r[q]), BY_TEACHER) for q in COLUMNS[1:] if r[q]} for r in rows}
