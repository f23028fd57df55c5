"""Elastic constants and frequencies from forces and stresses of a crystal's small strains and displacements.

With central differences, C0 = d(stress)/d(strain) at clamped ions and Lambda = -d(forces)/d(strain); phonopy makes
force constants of the displacements, whose sum over images is the Hessian Phi of the lattice's period. Ions at rest
under strain give C = C0 - Lambda^T Phi^-1 Lambda / V (Born and Huang, Dynamical Theory of Crystal Lattices, section
27).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sus2.errors import Sus2Error
from sus2.training.data.generate import Made
from sus2.training.specialise.structures import STRAIN, Response, deformed, strain_of
from sus2.types import Array
from sus2.units import EV_PER_A3_TO_GPA

if TYPE_CHECKING:
    from sus2.derivatives.second_order import SecondDerivatives
    from sus2.training.data.dataset import TrainingSet


# An internal mode below this share of the stiffest one holds no atom back.
_SOFT: Final = 1e-6
# A coupling to strain below this share of sqrt(stiffest mode x stiffest strain) is that of labels' noise.
_COUPLED: Final = 1e-3
_FOLLOWING: Final = 1e-4
_NO_MOVE_A: Final = 1e-3


@dataclass(frozen=True, eq=False)
class Measured:
    """What a crystal of N atoms is like near rest.

    Attributes
    ----------
    v0_a3
        Volume of the cell.
    energy_ev
        Of the cell.
    c_gpa
        Elastic constants with relaxed ions (6, 6), in the axes of the cell as it is; nan where a mode is unstable.
    q
        Wave vectors of the supercell (Q, 3), fractional.
    frequencies_thz
        At them, (Q, 3N), ascending, imaginary as negative.
    follow_a
        How ions move with a unit strain along each of Voigt's components (6, N, 3), A; empty where nobody asked.
    """

    v0_a3: float
    energy_ev: float
    c_gpa: Array
    q: Array
    frequencies_thz: Array
    follow_a: Array = field(default_factory=lambda: np.zeros((0, 0, 3)))

    @property
    def b0_gpa(self) -> float:
        """Bulk modulus under hydrostatic pressure, the cell's shape and the ions free: 1 / sum of S_ij, i, j <= 3."""
        return bulk_modulus(self.c_gpa)


def unknown(like: Measured) -> Measured:
    """Nothing known of the same crystal: nan in the same shapes."""
    nan = float("nan")
    return Measured(nan, nan, np.full((6, 6), nan), like.q, np.full(like.frequencies_thz.shape, nan))


def bulk_modulus(c_gpa: Array) -> float:
    """Reuss's bulk modulus, 1 / sum of S_ij over i, j <= 3 (A. Reuss, Z. Angew. Math. Mech. 9, 49 (1929)).

    Parameters
    ----------
    c_gpa
        Elastic constants (6, 6), GPa.

    Returns
    -------
    float
        GPa; nan where they have no inverse.
    """
    try:
        return float(1.0 / np.linalg.inv(c_gpa)[:3, :3].sum())
    except np.linalg.LinAlgError:
        return float("nan")


def measured(response: Response, labels: TrainingSet) -> Measured:
    """What the labels of all structures of a response say.

    Parameters
    ----------
    response
        The structures.
    labels
        Their labels, in their order.

    Returns
    -------
    Measured
        The second derivatives.

    Raises
    ------
    Sus2Error
        A label is missing.
    """
    if len(labels) != len(response.made):
        raise Sus2Error(
            f"The teacher could not label {len(response.made) - len(labels)} of the {len(response.made)} small strains "
            "and displacements of this crystal; choose another teacher."
        )
    n, volume = len(response.atoms), abs(float(response.atoms.cell.volume))
    forces = [labels.forces_ev_per_a[a:b] for a, b in zip(labels.offsets[:-1], labels.offsets[1:], strict=True)]
    clamped, coupling = np.zeros((6, 6)), np.zeros((3 * n, 6))
    for component in range(6):
        plus, minus = 1 + 2 * component, 2 + 2 * component
        size = 2.0 * STRAIN * (1.0 if component < 3 else 2.0)
        clamped[:, component] = (labels.stress_ev_per_a3[plus] - labels.stress_ev_per_a3[minus]) / size
        coupling[:, component] = -(forces[plus] - forces[minus]).ravel() / size
    ph = response.phonopy
    ph.forces = np.array(forces[13:])
    ph.produce_force_constants()
    ph.symmetrize_force_constants()
    hessian = gamma_hessian(ph, n)
    q = commensurate(response.matrix)
    ph.run_qpoints(q)
    frequencies = np.asarray(ph.qpoints.frequencies, dtype=np.float64)
    c = relaxed_ions(0.5 * (clamped + clamped.T), coupling, hessian, volume) * EV_PER_A3_TO_GPA
    follow = followed(coupling, hessian).T.reshape(6, n, 3)
    return Measured(volume, float(labels.energy_ev[0]), c, q, frequencies, follow)


def followed(coupling: Array, hessian: Array) -> Array:
    """Displacements of ions at rest under unit strains, -Phi^-1 Lambda; soft modes stay where they are.

    Parameters
    ----------
    coupling
        Lambda = d2E/(du d(strain)), (3N, 6), eV/A.
    hessian
        Phi of the lattice's period, (3N, 3N), eV/A^2.

    Returns
    -------
    ndarray
        (3N, 6), A.
    """
    values, vectors = np.linalg.eigh(hessian)
    along = vectors.T @ coupling
    stiff = values > _FOLLOWING * max(float(values.max(initial=0.0)), 1e-12)
    out: Array = -vectors[:, stiff] @ (along[stiff] / values[stiff][:, None])
    return out


def at_rest_under_strain(response: Response, found: Measured, name: str) -> list[Made]:
    """The crystal strained both ways along each component with its ions where the labels so far have them at rest.

    Their stresses are the elastic constants with relaxed ions themselves, and their forces nearly vanish: what soft
    networks bend by, which clamped strains and displacements give as a difference of large numbers.

    Parameters
    ----------
    response
        The structures that were labelled.
    found
        What they say.
    name
        What the new ones are filed under.

    Returns
    -------
    list of Made
        Six pairs; none for a crystal whose ions do not move.
    """
    if not len(found.follow_a) or np.abs(found.follow_a).max() < _NO_MOVE_A:
        return []
    made = []
    for component in range(6):
        for sign in (1.0, -1.0):
            size = sign * STRAIN * (1.0 if component < 3 else 2.0)
            atoms = deformed(response.atoms, np.eye(3) + strain_of(component, size))
            atoms.positions += size * found.follow_a[component]
            made.append(Made(atoms, "strain-pair", f"{name}:at rest", 1.0))
    return made


def relaxed_ions(clamped: Array, coupling: Array, hessian: Array, volume: float) -> Array:
    """C0 - Lambda^T Phi^-1 Lambda / V (Born and Huang, Dynamical Theory of Crystal Lattices, section 27).

    An unstable mode that no strain excites, by symmetry, takes no part: the polar mode of a cubic perovskite.

    Parameters
    ----------
    clamped
        C0, (6, 6), eV/A^3.
    coupling
        Lambda, (3N, 6), eV/A.
    hessian
        Phi of the lattice's period, (3N, 3N), eV/A^2.
    volume
        V, A^3.

    Returns
    -------
    ndarray
        (6, 6), eV/A^3; all nan where a mode that strain excites is unstable.
    """
    values, vectors = np.linalg.eigh(hessian)
    along = vectors.T @ coupling
    largest = max(float(np.abs(values).max(initial=0.0)), 1e-12)
    # The three translations have no stiffness.
    stiff = np.abs(values) > _SOFT * largest
    # Labels have noise, so couplings that vanish by symmetry are small, not zero.
    scale = np.sqrt(largest * max(float(np.abs(clamped).max()) * volume, 1e-12))
    moved = np.abs(along).max(axis=1, initial=0.0) > _COUPLED * scale
    if (values[stiff & moved] < 0.0).any():
        return np.full((6, 6), np.nan)
    counted = stiff & (values > 0.0)
    hard = along[counted]
    out: Array = clamped - hard.T @ (hard / values[counted][:, None]) / volume
    return out


def gamma_hessian(ph: Any, n: int) -> Array:
    """Second derivatives by displacements of the lattice's period: the sum of force constants over images.

    Parameters
    ----------
    ph
        A phonopy object with force constants, full or compact.
    n
        Atoms N of the primitive cell.

    Returns
    -------
    ndarray
        (3N, 3N), symmetric, eV/A^2.
    """
    constants = np.asarray(ph.force_constants)
    primitive = ph.primitive
    place = {int(a): k for k, a in enumerate(primitive.p2s_map)}
    owner = np.array([place[int(a)] for a in primitive.s2p_map])
    rows = constants if len(constants) == n else constants[primitive.p2s_map]
    out = np.zeros((n, n, 3, 3))
    for k in range(rows.shape[1]):
        out[:, owner[k]] += rows[:, k]
    flat = out.transpose(0, 2, 1, 3).reshape(3 * n, 3 * n)
    hessian: Array = 0.5 * (flat + flat.T)
    return hessian


def commensurate(matrix: tuple[int, int, int]) -> Array:
    """Wave vectors that a diagonal supercell holds, one of q and -q.

    Parameters
    ----------
    matrix
        The diagonal.

    Returns
    -------
    ndarray
        (Q, 3), in units of the reciprocal cell vectors.
    """
    grid = np.array(np.meshgrid(*(np.arange(m) for m in matrix), indexing="ij")).reshape(3, -1).T
    q = grid / np.array(matrix)
    kept: list[Array] = []
    for point in q:
        if not any(np.allclose((point + other) % 1.0, 0.0) for other in kept):
            kept.append(point)
    return np.array(kept)


def measured_exactly(second: SecondDerivatives, q: Array) -> Measured:
    """What a SUS2 potential says of a crystal at its rest, by exact second derivatives.

    Parameters
    ----------
    second
        Of the crystal.
    q
        Wave vectors (Q, 3), fractional.

    Returns
    -------
    Measured
        Elastic constants nan where a mode is unstable.
    """
    try:
        c = second.relaxed_elastic.stress_strain_gpa
    except Sus2Error:
        c = np.full((6, 6), np.nan)
    return Measured(second.volume_a3, second.energy_ev, c, q, second.frequencies_thz(q))


def frequency_difference_thz(ours: Array, theirs: Array) -> float:
    """Root mean square of the differences of frequencies at the same wave vectors.

    Parameters
    ----------
    ours
        (Q, 3N), THz, ascending.
    theirs
        (Q, 3N), THz.

    Returns
    -------
    float
        THz.
    """
    return float(np.sqrt(np.mean((ours - theirs) ** 2)))


def independent(c_gpa: Array) -> list[tuple[int, int]]:
    """Places of the elastic constants that are worth a line: not zero, and each of equal ones once.

    Parameters
    ----------
    c_gpa
        (6, 6), GPa.

    Returns
    -------
    list of (int, int)
        Row and column, counted from 0, in the upper triangle.
    """
    scale = float(np.nanmax(np.abs(c_gpa))) if np.isfinite(c_gpa).any() else 0.0
    found: list[tuple[int, int]] = []
    for i in range(6):
        for j in range(i, 6):
            value = c_gpa[i, j]
            if not np.isfinite(value) or abs(value) < max(0.01 * scale, 0.5):
                continue
            # Equal ones of other symmetry (C44 of a cubic crystal is not C12) keep their lines.
            alike = any(
                abs(abs(value) - abs(c_gpa[a, b])) < 0.005 * scale and _sort(i, j) == _sort(a, b) for a, b in found
            )
            if not alike:
                found.append((i, j))
    return found


def _sort(i: int, j: int) -> str:
    """Whether a constant is of a strain with itself, of two normal strains, or with a shear."""
    if i == j:
        return "normal" if i < 3 else "shear"
    return "between" if j < 3 else "coupling"
