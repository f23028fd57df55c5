"""Quasi-harmonic thermal properties: phonons at several volumes, phonopy's fit of the free energy over them."""

from __future__ import annotations

import contextlib
import io
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from phonopy.phonon.thermal_properties import ThermalProperties
from phonopy.qha.core import QHA

from sus2.derivatives.second_order import SecondDerivatives, second_derivatives
from sus2.errors import FitError, Sus2Error
from sus2.potential.potential import Calculates, Potential
from sus2.properties.phonons.backends import ExactBackend
from sus2.properties.phonons.calculate import IMAGINARY_THZ, MESH_LENGTH_A
from sus2.properties.phonons.qpath import q_path
from sus2.properties.thermal.gruneisen import average_gruneisen, mode_gruneisen
from sus2.relaxation.relax import Progress, RelaxResult, relax
from sus2.structures import check_crystal, standardise, to_atoms
from sus2.validation.checks import Check, check_applicability, check_relaxation, graded

if TYPE_CHECKING:
    from phonopy.phonon.mesh import Mesh
    from pymatgen.core import Structure

Array = NDArray[np.float64]

MIN_VOLUMES = 7
# The free energy at each temperature has four parameters; phonopy's polynomials in the volume have five.
MIN_STABLE_VOLUMES = 5
EQUATIONS = ("vinet", "birch_murnaghan", "murnaghan")
FMAX_EV_PER_A = 1e-4
STRESS_GPA = 2e-3
# Volumes for the mode Gruneisen parameters: near enough for a derivative, far enough from rounding errors.
GRUNEISEN_STEP = 0.005
_PATH_POINTS = 60


@dataclass(frozen=True, eq=False)
class ThermalResult:
    """Quasi-harmonic properties at zero pressure of the standard primitive cell of n_atoms atoms.

    temperatures_k (nt,); volumes_t_a3: equilibrium volume of the cell at each; thermal_expansion_per_k: the volume's,
    (1/V) dV/dT; bulk_modulus_gpa: isothermal; cp_j_per_k_mol, cv_j_per_k_mol: heat capacity per mole of cells at
    constant pressure and at the constant equilibrium volume; gibbs_ev: per cell; gruneisen: the thermodynamic
    parameter alpha B V/Cv; gruneisen_modes_average: the mean over the modes weighted with their heat capacities.
    volumes_a3 (nv,), energies_ev (nv,), free_energies_ev (nt, nv): the points that were fitted; left_out_a3 and
    left_out_thz: volumes left out for their imaginary modes, and the lowest frequency there.
    mode_frequencies_thz, mode_gruneisen (nq, 3N) and mode_weights (nq,): modes on the irreducible mesh at the static
    equilibrium volume; nan for acoustic modes at Gamma.
    requested_temperature_k: the highest one asked for; the axis ends earlier where the crystal expands beyond the
    computed volumes.
    """

    potential_name: str
    atoms: Atoms
    relaxation: RelaxResult | None
    equation: str
    mesh: tuple[int, int, int]
    temperatures_k: Array
    volumes_t_a3: Array
    thermal_expansion_per_k: Array
    bulk_modulus_gpa: Array
    cp_j_per_k_mol: Array
    cv_j_per_k_mol: Array
    gibbs_ev: Array
    gruneisen: Array
    gruneisen_modes_average: Array
    volumes_a3: Array
    energies_ev: Array
    free_energies_ev: Array
    left_out_a3: tuple[float, ...]
    left_out_thz: tuple[float, ...]
    mode_frequencies_thz: Array
    mode_gruneisen: Array
    mode_weights: NDArray[np.int64]
    requested_temperature_k: float
    checks: tuple[Check, ...] = field(default=())

    @property
    def n_atoms(self) -> int:
        return len(self.atoms)

    @property
    def volumes_t_a3_per_atom(self) -> Array:
        return self.volumes_t_a3 / self.n_atoms

    @property
    def cp_j_per_k_mol_atoms(self) -> Array:
        """Heat capacity at constant pressure per mole of atoms."""
        return self.cp_j_per_k_mol / self.n_atoms

    @property
    def linear_expansion_per_k(self) -> Array:
        """A third of the volume's: the mean over directions."""
        return self.thermal_expansion_per_k / 3.0

    @property
    def note(self) -> str:
        """Volumes left out and temperatures not reached, in words; empty where there are none."""
        parts = []
        if self.left_out_a3:
            listed = ", ".join(
                f"{v / self.n_atoms:.3f} Å³/atom ({abs(f):.2f}i THz)"
                for v, f in zip(self.left_out_a3, self.left_out_thz, strict=True)
            )
            parts.append(f"Left out for imaginary modes: {listed}.")
        if self.temperatures_k[-1] < self.requested_temperature_k - 1e-6:
            parts.append(
                f"Above {self.temperatures_k[-1]:g} K the equilibrium volume leaves the computed range: take a wider "
                "one to go further."
            )
        return " ".join(parts)

    def at(self, name: str, temperature_k: float) -> float:
        """A property of this result (the name of a field over temperatures_k) at a temperature, interpolated.

        Raises Sus2Error for a temperature outside the axis.
        """
        low, high = float(self.temperatures_k[0]), float(self.temperatures_k[-1])
        if not low <= temperature_k <= high:
            raise Sus2Error(f"{temperature_k:g} K lies outside the computed temperatures, {low:g} to {high:g} K.")
        return float(np.interp(temperature_k, self.temperatures_k, getattr(self, name)))

    def to_dict(self) -> dict[str, Any]:
        """Numbers and lists only, with units in the names, for JSON."""
        curves = (
            "temperatures_k",
            "volumes_t_a3",
            "thermal_expansion_per_k",
            "bulk_modulus_gpa",
            "cp_j_per_k_mol",
            "cv_j_per_k_mol",
            "gibbs_ev",
            "gruneisen",
            "gruneisen_modes_average",
            "volumes_a3",
            "energies_ev",
        )
        return {
            "potential": self.potential_name,
            "formula": self.atoms.get_chemical_formula("metal"),
            "n_atoms": self.n_atoms,
            "equation": self.equation,
            "mesh": list(self.mesh),
            **{
                name: [float(x) if math.isfinite(x) else None for x in np.asarray(getattr(self, name))]
                for name in curves
            },
            "left_out_a3": list(self.left_out_a3),
            "left_out_thz": list(self.left_out_thz),
            "note": self.note,
            "checks": [c.to_dict() for c in self.checks],
        }


@dataclass(frozen=True, eq=False)
class _Point:
    """Phonons at one volume."""

    cell: Atoms
    second: SecondDerivatives
    mesh: Mesh
    lowest_thz: float

    @property
    def volume_a3(self) -> float:
        return self.second.volume_a3


def thermal(
    atoms: Atoms | Structure,
    potential: Calculates,
    *,
    relaxed: bool = False,
    n_volumes: int = 9,
    volume_range: tuple[float, float] = (-0.04, 0.08),
    temperatures_k: Sequence[float] | Array | None = None,
    mesh: float | Sequence[int] = MESH_LENGTH_A,
    equation: str = "vinet",
    progress: Progress | None = None,
) -> ThermalResult:
    """Quasi-harmonic approximation: V(T), thermal expansion, B(T), Cp and Gruneisen parameters.

    The crystal is relaxed unless `relaxed`; at each of n_volumes (>= 7) volumes, from 1 + volume_range[0] to
    1 + volume_range[1] times the static one, its ions and the shape of its cell are relaxed and its phonons computed
    from exact second derivatives. phonopy fits F(V, T) with `equation` (vinet, birch_murnaghan, murnaghan).
    temperatures_k: ascending, equally spaced, by default 0 to 1000 K in steps of 10. mesh: three numbers, or a length
    in angstrom. Acoustic modes at Gamma are left out. Volumes with imaginary modes are left out and named.

    Raises Sus2Error (potential without exact derivatives, volumes, temperatures, imaginary modes at the static volume
    or at too many others), FitError (no minimum of F within the volumes), StructureError, UnknownElementError,
    ConvergenceError (a relaxation did not end), CancelledError (from progress).
    """
    start = to_atoms(atoms)
    check_crystal(start)
    if not isinstance(potential, Potential):
        raise Sus2Error(f"Thermal properties need the exact derivatives of a SUS2 potential, not {potential.name}.")
    low, high = volume_range
    if n_volumes < MIN_VOLUMES:
        raise Sus2Error(f"Use at least {MIN_VOLUMES} volumes, not {n_volumes}.")
    if not -0.3 <= low < -0.005 or not 0.005 < high <= 0.5:
        raise Sus2Error(
            f"The range of volumes is {low:g} to {high:g}; give fractions below and above zero such as -0.04 and 0.08."
        )
    if equation not in EQUATIONS:
        raise FitError(f"The equation must be one of {', '.join(EQUATIONS)}, not '{equation}'.")
    axis = _temperatures(temperatures_k)
    relaxation = None
    if not relaxed:
        relaxation = relax(
            start, potential, fmax=FMAX_EV_PER_A, stress_gpa=STRESS_GPA, progress=progress
        ).require_converged()
        start = relaxation.atoms
    centre_cell = standardise(start, "primitive")
    centre = _point(centre_cell, 1.0, potential, mesh)
    if centre.lowest_thz < -IMAGINARY_THZ:
        raise Sus2Error(
            f"The crystal has imaginary modes ({abs(centre.lowest_thz):.2f}i THz) at its static equilibrium volume, so "
            "it has no quasi-harmonic free energy: follow the mode on the phonons page to a stable phase first."
        )
    numbers = np.asarray(centre.mesh.mesh_numbers)
    points = []
    scales = np.linspace(1.0 + low, 1.0 + high, n_volumes)
    for k, scale in enumerate(scales):
        if progress is not None:
            progress(f"phonons at volume {k + 1} of {n_volumes}", (k + 0.5) / (n_volumes + 2))
        points.append(_point(centre_cell, scale, potential, numbers))
    stable = [p for p in points if p.lowest_thz >= -IMAGINARY_THZ]
    unstable = [p for p in points if p.lowest_thz < -IMAGINARY_THZ]
    if len(stable) < MIN_STABLE_VOLUMES:
        raise Sus2Error(
            f"Only {len(stable)} of {n_volumes} volumes have no imaginary modes (down to "
            f"{abs(min(p.lowest_thz for p in unstable)):.2f}i THz); at least {MIN_STABLE_VOLUMES} are needed: take a "
            "narrower range of volumes or a stable phase."
        )
    energies = np.array([p.second.energy_ev for p in stable])
    volumes = np.array([p.volume_a3 for p in stable])
    free, entropy, heat = (np.array(x).T for x in zip(*(_harmonic(p.mesh, axis) for p in stable), strict=True))
    qha = _fit(volumes, energies, axis, free, entropy, heat, equation)
    inside = np.asarray(qha.volume_temperature) < volumes.max()
    if not inside[0] or np.asarray(qha.volume_temperature)[0] < volumes.min():
        raise FitError(
            "The equilibrium volume at the lowest temperature lies outside the computed volumes that are stable: take "
            "another range of volumes."
        )
    n = int(np.argmin(inside)) if not inside.all() else len(inside)
    if n < 3:
        raise FitError("The crystal expands beyond the computed volumes at once: take a wider range of volumes.")
    if progress is not None:
        progress("Grüneisen parameters", (n_volumes + 1) / (n_volumes + 2))
    gamma = mode_gruneisen(
        centre.mesh,
        centre.second,
        *(_point(centre_cell, 1.0 + s * GRUNEISEN_STEP, potential, numbers).second for s in (-1, 1)),
    )
    t = axis[:n]
    v_t = np.asarray(qha.volume_temperature)[:n]
    cv = np.array([np.polyval(np.polyfit(volumes, heat[k], 4), v_t[k]) for k in range(n)])
    weights = np.asarray(centre.mesh.weights, dtype=np.int64)
    frequencies = np.array(centre.mesh.frequencies)
    result = ThermalResult(
        potential_name=potential.name,
        atoms=centre_cell,
        relaxation=relaxation,
        equation=equation,
        mesh=(int(numbers[0]), int(numbers[1]), int(numbers[2])),
        temperatures_k=t,
        volumes_t_a3=v_t,
        thermal_expansion_per_k=np.asarray(qha.thermal_expansion)[:n],
        bulk_modulus_gpa=np.asarray(qha.bulk_modulus_temperature)[:n],
        cp_j_per_k_mol=np.asarray(qha.heat_capacity_P_polyfit)[:n],
        cv_j_per_k_mol=cv,
        gibbs_ev=np.asarray(qha.gibbs_temperature)[:n],
        gruneisen=np.asarray(qha.gruneisen_temperature)[:n],
        gruneisen_modes_average=average_gruneisen(frequencies, gamma, weights, t),
        volumes_a3=volumes,
        energies_ev=energies,
        free_energies_ev=np.asarray(qha.helmholtz_volume)[:n],
        left_out_a3=tuple(p.volume_a3 for p in unstable),
        left_out_thz=tuple(p.lowest_thz for p in unstable),
        mode_frequencies_thz=frequencies,
        mode_gruneisen=gamma,
        mode_weights=weights,
        requested_temperature_k=float(axis[-2]),
    )
    object.__setattr__(result, "checks", _checks(result, potential))
    return result


def _temperatures(temperatures_k: Sequence[float] | Array | None) -> Array:
    """The axis with one more point, which finite differences in the temperature use up."""
    t = np.arange(0.0, 1000.1, 10.0) if temperatures_k is None else np.asarray(temperatures_k, dtype=np.float64)
    if t.ndim != 1 or len(t) < 4 or not np.isfinite(t).all() or t[0] < 0:
        raise Sus2Error("Give at least four finite temperatures, not negative (K).")
    steps = np.diff(t)
    if not (steps > 0).all() or not np.allclose(steps, steps[0], rtol=1e-6):
        raise Sus2Error("Temperatures must ascend in equal steps, for the thermal expansion is a finite difference.")
    return np.append(t, t[-1] + steps[-1])


def _point(cell: Atoms, scale: float, potential: Potential, mesh: Any) -> _Point:
    work = cell.copy()
    if scale != 1.0:
        work.set_cell(np.asarray(cell.cell) * scale ** (1 / 3), scale_atoms=True)
        work = (
            relax(work, potential, fixed_volume=True, fmax=FMAX_EV_PER_A, stress_gpa=STRESS_GPA)
            .require_converged()
            .atoms
        )
    second = second_derivatives(work, potential)
    found = ExactBackend(second).mesh(mesh if np.ndim(mesh) else float(mesh), True)
    along = second.frequencies_thz(q_path(cell, _PATH_POINTS).q_fractional)
    return _Point(work, second, found, float(min(np.min(found.frequencies), along.min())))


def _harmonic(mesh: Mesh, temperatures: Array) -> tuple[Array, Array, Array]:
    """Free energy kJ/mol, entropy and heat capacity J/(K mol) of the cell at constant volume."""
    properties = ThermalProperties(mesh, exclude_gamma_acoustic=True)
    properties.temperatures = temperatures
    properties.run()
    return np.array(properties.free_energy), np.array(properties.entropy), np.array(properties.heat_capacity)


def _fit(volumes: Array, energies: Array, axis: Array, free: Array, entropy: Array, heat: Array, equation: str) -> QHA:
    """phonopy's quasi-harmonic fit; free, entropy, heat (nt, nv)."""
    qha = QHA(volumes, energies, axis, heat, entropy, free, eos=equation)
    said = io.StringIO()
    try:
        # phonopy reports a failed fit by printing, and then goes on with that of the temperature before.
        with contextlib.redirect_stdout(said), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            qha.run()
    except (AssertionError, RuntimeError, TypeError, ValueError, np.linalg.LinAlgError) as problem:
        raise FitError(
            f"phonopy cannot fit the free energy over these volumes ({type(problem).__name__}): take another range."
        ) from None
    if "failure" in said.getvalue() or not np.isfinite(qha.volume_temperature).all():
        raise FitError("The free energy has no fit at some temperature: take a wider range of volumes or cooler ones.")
    return qha


def _checks(result: ThermalResult, potential: Potential) -> tuple[Check, ...]:
    volumes, v_t = result.volumes_a3, result.volumes_t_a3
    margin = float(volumes.max() - v_t.max()) / float(np.ptp(volumes))
    warm = result.temperatures_k >= 0.25 * result.temperatures_k[-1]
    both = 100.0 * np.abs(result.gruneisen[warm] - result.gruneisen_modes_average[warm])
    checks = [
        *check_applicability(result.atoms, potential),
        *(check_relaxation(result.relaxation) if result.relaxation is not None else ()),
        Check(
            "Volumes with imaginary modes",
            float(len(result.left_out_a3)),
            "left out",
            "look" if result.left_out_a3 else "pass",
            result.note if result.left_out_a3 else "Every computed volume is dynamically stable.",
        ),
        Check(
            "V(T) within the volumes",
            100.0 * margin,
            "% of the range left",
            "pass" if margin > 0.1 and result.temperatures_k[-1] >= result.requested_temperature_k - 1e-6 else "look",
            "The equilibrium volume at the highest temperature should lie well inside the computed volumes.",
        ),
        graded(
            "Grüneisen parameter in two ways",
            float(np.max(both / np.maximum(np.abs(result.gruneisen_modes_average[warm]), 0.1))),
            "%",
            pass_limit=15.0,
            look_limit=50.0,
            meaning="From thermal expansion at V(T), and from the volume dependence of each mode at the static volume: "
            "they part where the crystal is strongly anharmonic in the volume.",
        ),
    ]
    return tuple(checks)
