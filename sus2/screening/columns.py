"""The columns of numbers of a screening."""

from __future__ import annotations

from typing import Final

from sus2.properties.property_table import COLUMNS, Column

PROPERTIES: Final = ("relax", "eos", "elastic", "phonons", "thermal")

TEMPERATURE_K = 300.0

SCREEN_COLUMNS: Final[dict[str, Column]] = {
    **{name: column for name, column in COLUMNS.items() if column.of in PROPERTIES},
    "debye_temperature_vrh_k": Column("elastic", "Debye temperature", "K", 1, "From the isotropic moduli."),
    "lowest_frequency_thz": Column(
        "phonons", "lowest frequency", "THz", 3, "On path and mesh; negative where a mode is imaginary."
    ),
    "highest_frequency_thz": Column("phonons", "highest frequency", "THz", 3, "On path and mesh."),
    "zero_point_ev_per_atom": Column("phonons", "zero-point energy", "eV/atom", 4, "Harmonic; real modes only."),
    "cv_300k_j_per_k_mol_atoms": Column(
        "phonons", "Cᵥ at 300 K", "J/K/mol atoms", 2, "Harmonic heat capacity; real modes only."
    ),
    "thermal_expansion_300k_1e6_per_k": Column(
        "thermal", "volume expansion at 300 K", "10⁻⁶/K", 2, "Quasi-harmonic, of the volume."
    ),
    "volume_300k_a3_per_atom": Column("thermal", "volume at 300 K", "Å³/atom", 3, "Quasi-harmonic."),
    "bulk_modulus_300k_gpa": Column("thermal", "B at 300 K", "GPa", 2, "Isothermal, quasi-harmonic."),
    "cp_300k_j_per_k_mol_atoms": Column("thermal", "Cₚ at 300 K", "J/K/mol atoms", 2, "Quasi-harmonic."),
}
"""The columns of numbers of a screening, by name."""
