"""A user's own reference beside a potential: phonon bands, E(V), elastic constants or a relaxed structure from DFT.

The file is recognised by its content: a band.yaml of phonopy, a table of volumes and energies (A^3, eV), a 6x6 matrix
of elastic constants (GPa, Voigt order xx yy zz yz xz xy), or a structure file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from ase import Atoms

from sus2.derivatives.second_order import second_derivatives
from sus2.errors import DataError
from sus2.plain_yaml import read_yaml
from sus2.potential.evaluation import Calculates
from sus2.potential.potential import Potential
from sus2.properties.elastic.calculate import elastic
from sus2.properties.eos.calculate import eos
from sus2.properties.eos.equations import fit_eos
from sus2.properties.phonons.calculate import phonons
from sus2.relaxation.relax import relax
from sus2.structures import read_structure, to_atoms
from sus2.types import Array

if TYPE_CHECKING:
    from pymatgen.core import Structure

Kind = Literal["bands", "energies", "elastic", "structure"]

MAX_BYTES: Final = 30 * 1024 * 1024
# Frequencies (THz) below which a mode says nothing about softening.
_FLOOR_THZ: Final = 0.5


SCORE_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "rmse_thz": ("Root mean square difference", "THz"),
    "mean_error_thz": ("Mean difference", "THz"),
    "largest_error_thz": ("Largest difference", "THz"),
    "slope": ("Slope against the reference", ""),
    "highest_reference_thz": ("Highest frequency, reference", "THz"),
    "highest_found_thz": ("Highest frequency, potential", "THz"),
    "v0_reference_a3_per_atom": ("Equilibrium volume V₀, reference", "Å³/atom"),
    "v0_found_a3_per_atom": ("Equilibrium volume V₀, potential", "Å³/atom"),
    "v0_error_percent": ("Error of V₀", "%"),
    "b0_reference_gpa": ("Bulk modulus B₀, reference", "GPa"),
    "b0_found_gpa": ("Bulk modulus B₀, potential", "GPa"),
    "b0_error_percent": ("Error of B₀", "%"),
    "b0_prime_reference": ("Pressure derivative B₀′, reference", ""),
    "b0_prime_found": ("Pressure derivative B₀′, potential", ""),
    "rmse_mev_per_atom": ("Root mean square difference of E(V)", "meV/atom"),
    "mean_relative_error_percent": ("Mean relative error of the large constants", "%"),
    "largest_error_gpa": ("Largest difference of a constant", "GPa"),
    "k_voigt_reference_gpa": ("Bulk modulus (Voigt), reference", "GPa"),
    "k_voigt_found_gpa": ("Bulk modulus (Voigt), potential", "GPa"),
    "g_voigt_reference_gpa": ("Shear modulus (Voigt), reference", "GPa"),
    "g_voigt_found_gpa": ("Shear modulus (Voigt), potential", "GPa"),
    "volume_error_percent": ("Change of the volume", "%"),
    "largest_length_error_percent": ("Largest change of an edge", "%"),
    "largest_angle_error_deg": ("Largest change of an angle", "°"),
    "rms_displacement_a": ("Root mean square displacement of the atoms", "Å"),
}
"""What the quantities of a score are called, and their units."""


@dataclass(frozen=True, eq=False)
class Reference:
    """What a file holds.

    Attributes
    ----------
    kind
        "bands", "energies", "elastic" or "structure".
    name
        Of the file.
    atoms
        The crystal, of bands and structures alone.
    arrays
        Bands: q_fractional (n, 3), distance (n,), frequencies_thz (n, 3N). Energies: volumes_a3, energies_ev (n,).
        Elastic: c_gpa (6, 6). Structure: none.
    """

    kind: Kind
    name: str
    atoms: Atoms | None = None
    arrays: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Score:
    """How a potential does against a reference.

    Attributes
    ----------
    kind
        Of the reference.
    potential
        Name of the potential.
    quantities
        Name with its unit -> value; SCORE_WORDS says what they are.
    reference
        The curve or table that was compared.
    found
        The potential's, of the same shape.
    x
        Their axis; places from nought where they have none.
    note
        A sentence on what was compared.
    """

    kind: Kind
    potential: str
    quantities: Mapping[str, float]
    reference: Array
    found: Array
    x: Array
    note: str

    def to_dict(self) -> dict[str, Any]:
        """For JSON; a quantity that does not exist is None."""
        quantities = {k: v if np.isfinite(v) else None for k, v in self.quantities.items()}
        return {
            "kind": self.kind,
            "potential": self.potential,
            "quantities": quantities,
            "note": self.note,
            "x": self.x.tolist(),
            "reference": self.reference.tolist(),
            "found": self.found.tolist(),
        }


def read_reference(raw: bytes, name: str = "reference") -> Reference:
    """Recognise a file by its content and read it.

    Parameters
    ----------
    raw
        The content of the file.
    name
        Its name.

    Returns
    -------
    Reference
        What it holds.

    Raises
    ------
    DataError
        It is too large, or the sentence says what is wrong with it.
    StructureError
        A structure that cannot be read or used.
    """
    if len(raw) > MAX_BYTES:
        raise DataError(f"{name}: larger than {MAX_BYTES // 2**20} MiB; give a smaller file.")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return Reference("structure", name, read_structure(name, raw))
    if "phonon:" in text and "nqpoint" in text:
        return _bands(text, name)
    table = _numbers(text)
    if table is not None and table.shape == (6, 6):
        return _elastic(table, name)
    if table is not None and table.shape[1] in (2, 3) and len(table) >= 2:
        return _energies(table, name)
    return Reference("structure", name, read_structure(name, raw))


def _numbers(text: str) -> Array | None:
    """Rows of numbers of equal length below an optional header; None where the text is something else."""
    rows = []
    for k, line in enumerate(text.splitlines()):
        words = line.split("#")[0].replace(",", " ").replace(";", " ").split()
        if not words:
            continue
        try:
            rows.append([float(w) for w in words])
        except ValueError:
            if rows or k > 3:
                return None
    if not rows or len({len(r) for r in rows}) != 1:
        return None
    return np.array(rows)


def _energies(table: Array, name: str) -> Reference:
    volumes, energies = table[:, 0], table[:, 1]
    if len(table) < 5 or not np.isfinite(table[:, :2]).all() or (volumes <= 0).any():
        raise DataError(f"{name}: a table of E(V) needs at least five rows of a positive volume (A^3) and energy (eV).")
    order = np.argsort(volumes)
    return Reference("energies", name, None, {"volumes_a3": volumes[order], "energies_ev": energies[order]})


def _elastic(table: Array, name: str) -> Reference:
    if not np.isfinite(table).all() or np.abs(table - table.T).max() > 0.02 * max(np.abs(table).max(), 1e-9):
        raise DataError(f"{name}: the 6x6 matrix is not symmetric; give elastic constants in GPa, xx yy zz yz xz xy.")
    if np.abs(table).max() > 3000.0:
        largest = np.abs(table).max()
        raise DataError(f"{name}: constants up to {largest:.0f} cannot be GPa; convert them (10 kbar = 1 GPa).")
    return Reference("elastic", name, None, {"c_gpa": 0.5 * (table + table.T)})


def _bands(text: str, name: str) -> Reference:
    try:
        content = read_yaml(text)
    except ValueError as error:
        raise DataError(f"{name}: {error}; write it again with phonopy.") from None
    try:
        points = content["phonon"]
        q = np.array([p["q-position"] for p in points], dtype=float)
        frequencies = np.array([[b["frequency"] for b in p["band"]] for p in points], dtype=float)
        distance = np.array([p.get("distance", k) for k, p in enumerate(points)], dtype=float)
        atoms = Atoms(
            [p["symbol"] for p in content["points"]],
            cell=np.array(content["lattice"], dtype=float),
            pbc=True,
            scaled_positions=np.array([p["coordinates"] for p in content["points"]], dtype=float),
        )
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
        raise DataError(
            f"{name}: not a complete band.yaml (phonon, lattice and points are needed); write it again with phonopy."
        ) from None
    if q.shape != (len(q), 3) or frequencies.shape != (len(q), 3 * len(atoms)) or not np.isfinite(frequencies).all():
        raise DataError(f"{name}: {frequencies.shape[-1]} frequencies per q do not fit {len(atoms)} atoms.")
    return Reference(
        "bands",
        name,
        to_atoms(atoms),
        {"q_fractional": q, "distance": distance, "frequencies_thz": np.sort(frequencies, axis=1)},
    )


def score(reference: Reference, potential: Calculates, atoms: Atoms | Structure) -> Score:
    """Compare a potential with a reference.

    Parameters
    ----------
    reference
        What read_reference returned.
    potential
        The potential.
    atoms
        The crystal; bands and structures bring their own.

    Returns
    -------
    Score
        The numbers and what was compared.

    Raises
    ------
    DataError
        Reference and crystal do not fit.
    Sus2Error
        What the property functions raise.
    """
    crystal = to_atoms(atoms)
    work = {
        "bands": _score_bands,
        "energies": _score_energies,
        "elastic": _score_elastic,
        "structure": _score_structure,
    }
    return work[reference.kind](reference, potential, crystal)


def _score_bands(reference: Reference, potential: Calculates, crystal: Atoms) -> Score:
    assert reference.atoms is not None
    q, theirs = reference.arrays["q_fractional"], reference.arrays["frequencies_thz"]
    if isinstance(potential, Potential):
        ours = second_derivatives(reference.atoms, potential).frequencies_thz(q)
    else:
        found = phonons(reference.atoms, potential, relaxed=True, method="finite")
        if len(found.atoms) != len(reference.atoms):
            raise DataError(f"{reference.name}: its cell is not primitive; give bands of the primitive cell.")
        ours = found.frequencies_thz(q)
    hard = theirs > _FLOOR_THZ
    gap = ours - theirs
    quantities = {
        "rmse_thz": float(np.sqrt((gap**2).mean())),
        "mean_error_thz": float(gap.mean()),
        "largest_error_thz": float(np.abs(gap).max()),
        "slope": float((ours[hard] @ theirs[hard]) / (theirs[hard] @ theirs[hard])) if hard.any() else float("nan"),
        "highest_reference_thz": float(theirs.max()),
        "highest_found_thz": float(ours.max()),
    }
    note = "Frequencies at the q-points and in the cell of the file; a slope below one: the potential is too soft."
    return Score("bands", potential.name, quantities, theirs, ours, reference.arrays["distance"], note)


def _score_energies(reference: Reference, potential: Calculates, crystal: Atoms) -> Score:
    volumes, energies = reference.arrays["volumes_a3"], reference.arrays["energies_ev"]
    theirs = fit_eos(volumes, energies)
    ours = eos(crystal, potential)
    atoms = theirs.v0_a3 / ours.v0_a3_per_atom
    n = max(1, round(atoms))
    if abs(atoms / n - 1.0) > 0.25:
        raise DataError(
            f"{reference.name}: its volume of {theirs.v0_a3:.2f} A^3 holds {atoms:.2f} atoms of this crystal in "
            f"{potential.name}; choose the crystal that the table belongs to."
        )
    found = ours.fit.energy_ev(volumes * ours.n_atoms / n) * n / ours.n_atoms
    theirs_shifted, ours_shifted = (energies - theirs.e0_ev) / n, (found - ours.e0_ev * n / ours.n_atoms) / n
    quantities = {
        "v0_reference_a3_per_atom": theirs.v0_a3 / n,
        "v0_found_a3_per_atom": ours.v0_a3_per_atom,
        "v0_error_percent": 100.0 * (ours.v0_a3_per_atom * n / theirs.v0_a3 - 1.0),
        "b0_reference_gpa": theirs.b0_gpa,
        "b0_found_gpa": ours.b0_gpa,
        "b0_error_percent": 100.0 * (ours.b0_gpa / theirs.b0_gpa - 1.0),
        "b0_prime_reference": theirs.b0_prime,
        "b0_prime_found": ours.b0_prime,
        "rmse_mev_per_atom": float(1e3 * np.sqrt(((ours_shifted - theirs_shifted) ** 2).mean())),
    }
    note = f"Energies from their own minimum, {n} {'atom' if n == 1 else 'atoms'} in the cell of the table."
    return Score("energies", potential.name, quantities, 1e3 * theirs_shifted, 1e3 * ours_shifted, volumes / n, note)


def _score_elastic(reference: Reference, potential: Calculates, crystal: Atoms) -> Score:
    theirs = reference.arrays["c_gpa"]
    ours = elastic(crystal, potential, method="exact" if isinstance(potential, Potential) else "finite")
    c = ours.c_gpa
    large = np.abs(theirs) > 0.05 * np.abs(theirs).max()
    k_theirs = float(theirs[:3, :3].sum() / 9.0)
    quantities = {
        "mean_relative_error_percent": float(100.0 * np.abs(c[large] / theirs[large] - 1.0).mean()),
        "largest_error_gpa": float(np.abs(c - theirs).max()),
        "k_voigt_reference_gpa": k_theirs,
        "k_voigt_found_gpa": float(c[:3, :3].sum() / 9.0),
        "g_voigt_reference_gpa": _g_voigt(theirs),
        "g_voigt_found_gpa": _g_voigt(c),
    }
    note = "In the IEEE setting of the crystal, ions relaxed; give the matrix in the same setting."
    return Score("elastic", potential.name, quantities, theirs, c, np.arange(6.0), note)


def _g_voigt(c: Array) -> float:
    shear = np.trace(c[:3, :3]) - (c[0, 1] + c[0, 2] + c[1, 2]) + 3.0 * np.trace(c[3:, 3:])
    return float(shear / 15.0)


def _score_structure(reference: Reference, potential: Calculates, crystal: Atoms) -> Score:
    assert reference.atoms is not None
    theirs = reference.atoms
    found = relax(theirs, potential).require_converged().atoms
    cells = [np.array([*a.cell.lengths(), *a.cell.angles()]) for a in (theirs, found)]
    moved = found.get_scaled_positions(wrap=False) - theirs.get_scaled_positions(wrap=False)
    moved = (moved - np.round(moved)) @ theirs.cell.array
    moved -= moved.mean(axis=0)
    ratio = cells[1][:3] / cells[0][:3] - 1.0
    quantities = {
        "volume_error_percent": 100.0 * (found.get_volume() / theirs.get_volume() - 1.0),
        "largest_length_error_percent": float(100.0 * ratio[np.abs(ratio).argmax()]),
        "largest_angle_error_deg": float(np.abs(cells[1][3:] - cells[0][3:]).max()),
        "rms_displacement_a": float(np.sqrt((moved**2).sum(axis=1).mean())),
    }
    note = "The structure of the file, relaxed with the potential: lengths (A) and angles (degrees) before and after."
    return Score("structure", potential.name, quantities, cells[0], cells[1], np.arange(6.0), note)
