"""Structures: from uploads, samples, ASE or pymatgen, checked; their symmetry and standard cells."""

from __future__ import annotations

from sus2.structures.choices import Choice, OpenChoiceError
from sus2.structures.crystal import check_crystal, content_key, elements_of, labelled, shortest_distance, to_atoms
from sus2.structures.description import CrystalInfo, CrystalSystem, Orbit, crystal_system, describe, standardise
from sus2.structures.files import FORMATS, read_structure, write_structure
from sus2.structures.formula import SUBSCRIPTS, FormulaUnits, formula_units, with_subscripts
from sus2.structures.samples import DEFAULT_SAMPLE, Sample, sample, samples

__all__ = [
    "DEFAULT_SAMPLE",
    "FORMATS",
    "SUBSCRIPTS",
    "Choice",
    "CrystalInfo",
    "CrystalSystem",
    "FormulaUnits",
    "OpenChoiceError",
    "Orbit",
    "Sample",
    "check_crystal",
    "content_key",
    "crystal_system",
    "describe",
    "elements_of",
    "formula_units",
    "labelled",
    "read_structure",
    "sample",
    "samples",
    "shortest_distance",
    "standardise",
    "to_atoms",
    "with_subscripts",
    "write_structure",
]
