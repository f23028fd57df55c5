"""Where phonons come from: exact derivatives of the primitive cell, or phonopy with a supercell."""

from sus2.properties.phonons.backends.files import nac_parameters, phononwebsite_text, write_phonopy_files
from sus2.properties.phonons.backends.supercell import (
    SYMPREC_A,
    finite_differences,
    phonopy_cell,
    phonopy_of,
    supercell_of_length,
    to_ase,
)
from sus2.properties.phonons.backends.waves import Backend, ExactBackend, PhonopyBackend

__all__ = [
    "SYMPREC_A",
    "Backend",
    "ExactBackend",
    "PhonopyBackend",
    "finite_differences",
    "nac_parameters",
    "phononwebsite_text",
    "phonopy_cell",
    "phonopy_of",
    "supercell_of_length",
    "to_ase",
    "write_phonopy_files",
]
