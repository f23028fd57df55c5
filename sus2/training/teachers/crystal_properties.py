"""Properties of the crystals of a test set, from a teacher's labels and from a potential (see crystal_tests)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from ase import Atoms
from ase.data import atomic_masses

from sus2.derivatives.second_order import second_derivatives
from sus2.errors import DataError, Sus2Error
from sus2.potential.potential import Potential
from sus2.properties.eos.equations import fit_eos
from sus2.types import Array
from sus2.units import EV_PER_A3_TO_GPA, SQRT_EV_PER_AMU_A2_TO_THZ

RATIOS: Final = np.linspace(0.92, 1.08, 9)
STRAIN: Final = 0.005
DISPLACEMENT_A: Final = 0.01


@dataclass(frozen=True, eq=False)
class CrystalProperties:
    """Properties of a cubic crystal, at the tested geometry but for V0 and B0.

    Attributes
    ----------
    v0_a3_per_atom
        Of the Birch-Murnaghan fit.
    b0_gpa
        Of that fit.
    c_gpa
        C11, C12, C44 with clamped ions.
    relaxed_c_gpa
        The same with relaxed ions; nan where a mode has no restoring force.
    gamma_thz
        Frequencies at q = 0 without the three translations.
    boundary_thz
        Frequencies at (1/2, 0, 0).
    """

    v0_a3_per_atom: float
    b0_gpa: float
    c_gpa: Array
    relaxed_c_gpa: Array
    gamma_thz: Array
    boundary_thz: Array


def teacher_properties(folder: Path, functional: str) -> list[CrystalProperties | None]:
    """What the labels say of each crystal.

    Parameters
    ----------
    folder
        Of the set of crystals.
    functional
        Of the labels.

    Returns
    -------
    list of CrystalProperties or None
        In the order of crystals.json; None where E(V) has no minimum.

    Raises
    ------
    DataError
        There are no such labels.
    """
    path = folder / f"labels-{functional}-0000.npz"
    if not path.exists():
        raise DataError(f"The crystals in {folder.name} have no labels of {functional!r}; build them first.")
    with np.load(folder / "structures-0000.npz", allow_pickle=False) as s, np.load(path, allow_pickle=False) as labels:
        base, offsets, cells, numbers = s["base"], s["offsets"], s["cells"], s["numbers"]
        energy, forces, stress = labels["energy"], labels["forces"], labels["stress"]
    out: list[CrystalProperties | None] = []
    for k in range(int(base.astype(int).max()) + 1):
        rows = np.flatnonzero(base == str(k))
        first = int(rows[0])
        n = int(offsets[first + 1] - offsets[first])
        volumes = np.abs(np.linalg.det(cells[rows[: len(RATIOS)]]))
        strained = rows[len(RATIOS) : len(RATIOS) + 4]
        strains = stress[strained]
        pulled = np.array([forces[offsets[i] : offsets[i + 1]].ravel() for i in strained])
        pushed = np.array([forces[offsets[i] : offsets[i + 1]] for i in rows[len(RATIOS) + 4 :]])
        masses = atomic_masses[numbers[offsets[first] : offsets[first + 1]]]
        along, shear = (strains[::2] - strains[1::2]) / (2.0 * STRAIN) * EV_PER_A3_TO_GPA
        clamped = np.array([along[0], along[1], shear[3]])
        internal = -(pulled[::2] - pulled[1::2]) / (2.0 * STRAIN)  # d2E/du d(strain) for xx and yz
        # Force constants of the two halves of the doubled cell: rows the displaced atom, columns all others.
        phi = -(pushed[::2] - pushed[1::2]).reshape(3 * n, 2, 3 * n) / (2.0 * DISPLACEMENT_A)
        root = np.sqrt(np.repeat(masses, 3))
        near, far = (phi[:, half] / np.outer(root, root) for half in (0, 1))
        out.append(
            _properties(
                n,
                volumes,
                energy[rows[: len(RATIOS)]],
                clamped,
                _relaxed(clamped, internal, phi.sum(axis=1), float(volumes[len(RATIOS) // 2])),
                _frequencies(near + far),
                _frequencies(near - far),
            )
        )
    return out


def _relaxed(clamped: Array, internal: Array, hessian: Array, volume: float) -> Array:
    """C11, C12, C44 of a cubic crystal with the ions at rest, from the Gamma Hessian and the internal strain (2, 3n).

    The bulk modulus is that of clamped ions, because symmetry holds them under a uniform strain.
    """
    values, vectors = np.linalg.eigh(0.5 * (hessian + hessian.T))
    inner = np.argsort(np.abs(values))[3:]
    if (values[inner] <= 0).any():
        return np.full(3, np.nan)
    coupling = internal @ vectors[:, inner]
    soft = (coupling**2 / values[inner]).sum(axis=1) / volume * EV_PER_A3_TO_GPA
    c11 = clamped[0] - soft[0]
    return np.array([c11, 0.5 * (clamped[0] + 2.0 * clamped[1] - c11), clamped[2] - soft[1]])


def _frequencies(dynamical: Array) -> Array:
    w = np.linalg.eigvalsh(0.5 * (dynamical + dynamical.T))
    return np.sort(np.sign(w) * np.sqrt(np.abs(w)) * SQRT_EV_PER_AMU_A2_TO_THZ)


def _properties(
    n: int, volumes: Array, energies: Array, c: Array, relaxed: Array, gamma: Array, boundary: Array
) -> CrystalProperties | None:
    try:
        fit = fit_eos(volumes, energies)
    except Sus2Error:
        return None
    # The three smallest in size are the translations.
    inner = np.sort(gamma[np.argsort(np.abs(gamma))[3:]])
    return CrystalProperties(fit.v0_a3 / n, fit.b0_gpa, c, relaxed, inner, boundary)


def student_properties(folder: Path, potential: Potential, chosen: Sequence[int]) -> list[CrystalProperties | None]:
    """What a potential says of the chosen crystals.

    Parameters
    ----------
    folder
        Of the set of crystals.
    potential
        The potential.
    chosen
        Places in crystals.json.

    Returns
    -------
    list of CrystalProperties or None
        In that order; None where E(V) has no minimum in the range.
    """
    with np.load(folder / "structures-0000.npz", allow_pickle=False) as s:
        arrays = {key: s[key] for key in ("base", "offsets", "cells", "numbers", "positions")}
    out = []
    for k in chosen:
        rows = np.flatnonzero(arrays["base"] == str(k))[: len(RATIOS)]
        crystals = [_atoms(arrays, int(i)) for i in rows]
        middle = crystals[len(RATIOS) // 2]
        energies = np.array([r.energy_ev for r in potential.evaluate(crystals)])
        second = second_derivatives(middle, potential)
        try:
            relaxed = _cubic(second.relaxed_elastic.stress_strain_gpa)
        except Sus2Error:
            relaxed = np.full(3, np.nan)
        gamma, boundary = second.frequencies_thz([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0]])
        volumes = np.array([a.get_volume() for a in crystals])
        clamped = _cubic(second.clamped_elastic.stress_strain_gpa)
        out.append(_properties(len(middle), volumes, energies, clamped, relaxed, gamma, boundary))
    return out


def _cubic(c: Array) -> Array:
    return np.array([c[0, 0], c[1, 0], c[3, 3]])


def vrh_moduli_gpa(c: Array) -> tuple[float, float]:
    """K and G of a cubic polycrystal, the mean of Voigt's and Reuss's bounds.

    R. Hill, Proc. Phys. Soc. A 65, 349 (1952), doi 10.1088/0370-1298/65/5/307.

    Parameters
    ----------
    c
        C11, C12 and C44, GPa.

    Returns
    -------
    tuple of float
        K and G, GPa.
    """
    c11, c12, c44 = (float(x) for x in c)
    voigt = (c11 - c12 + 3.0 * c44) / 5.0
    reuss = 5.0 * (c11 - c12) * c44 / (4.0 * c44 + 3.0 * (c11 - c12))
    return (c11 + 2.0 * c12) / 3.0, 0.5 * (voigt + reuss)


def _atoms(arrays: dict[str, Any], i: int) -> Atoms:
    rows = slice(int(arrays["offsets"][i]), int(arrays["offsets"][i + 1]))
    return Atoms(arrays["numbers"][rows], arrays["positions"][rows], cell=arrays["cells"][i], pbc=True)
