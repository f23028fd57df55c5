"""Quasi-harmonic thermal properties: phonons at several volumes, phonopy's fit of the free energy over them."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from ase import Atoms
from phonopy.phonon.thermal_properties import ThermalProperties
from phonopy.qha.core import QHA

from sus2.derivatives.second_order import SecondDerivatives, second_derivatives
from sus2.errors import FitError, Sus2Error, printable
from sus2.potential.evaluation import Calculates
from sus2.potential.potential import Potential
from sus2.progress import Progress, part_of
from sus2.properties.phonons.backends import ExactBackend, PhonopyBackend
from sus2.properties.phonons.calculate import MESH_LENGTH_A, checked_mesh
from sus2.properties.phonons.qpath import q_path
from sus2.properties.phonons.result import IMAGINARY_THZ
from sus2.properties.thermal.checks import thermal_checks
from sus2.properties.thermal.finite import FiniteDerivatives, finite_derivatives
from sus2.properties.thermal.gruneisen import average_gruneisen, mode_gruneisen
from sus2.properties.thermal.result import ThermalResult
from sus2.registry.external import require_potential
from sus2.relaxation.relax import relax
from sus2.structures import check_crystal, standardise, to_atoms
from sus2.types import Array

if TYPE_CHECKING:
    from phonopy.phonon.mesh import Mesh
    from pymatgen.core import Structure

MIN_VOLUMES, MAX_VOLUMES = 7, 101
MAX_TEMPERATURE_K = 1e5
# The free energy at each temperature has four parameters; phonopy's polynomials in the volume have five.
MIN_STABLE_VOLUMES = 5
RANGES: Final = ((-0.04, 0.08), (-0.03, 0.05), (-0.02, 0.03), (-0.04, 0.14), (-0.01, 0.015))
"""Ranges of volumes, tried in this order: the usual one, narrower ones for crystals that soften, a wide one."""
EQUATIONS = ("vinet", "birch_murnaghan", "murnaghan")
FMAX_EV_PER_A = 1e-4
STRESS_GPA = 2e-3
# Volumes for the mode Gruneisen parameters: near enough for a derivative, far enough from rounding errors.
GRUNEISEN_STEP = 0.005
_PATH_POINTS = 60


@dataclass(frozen=True, eq=False)
class _Point:
    """Phonons at one volume."""

    cell: Atoms
    second: SecondDerivatives | FiniteDerivatives
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
    volume_range: tuple[float, float] | None = None,
    temperatures_k: Sequence[float] | Array | None = None,
    mesh: float | Sequence[int] = MESH_LENGTH_A,
    equation: str = "vinet",
    progress: Progress | None = None,
) -> ThermalResult:
    """Compute V(T), thermal expansion, B(T), Cp and Grueneisen parameters in the quasi-harmonic approximation.

    At each of several volumes the ions and the shape of the cell are relaxed and phonons computed from exact second
    derivatives, or from finite displacements of a supercell where the potential has none. phonopy fits F(V, T).
    Acoustic modes at Gamma are left out; volumes with imaginary modes are left out and named.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.
    relaxed
        Take the crystal as it is instead of relaxing it first.
    n_volumes
        Number of volumes, 7 to 101.
    volume_range
        Smallest and largest volume as a fraction beyond the static one, below and above zero. By default the first of
        RANGES over which the free energy can be fitted; `tried` of the result says what was wrong with the others.
    temperatures_k
        Ascending, equally spaced, K, at most 100,000 K; by default 0 to 1000 K in steps of 10.
    mesh
        Three numbers, or a length in angstrom.
    equation
        Of the fit: vinet, birch_murnaghan or murnaghan.
    progress
        Called with the stage and the fraction that is done.

    Returns
    -------
    ThermalResult
        Properties at each temperature, and the points that were fitted.

    Raises
    ------
    Sus2Error
        Volumes or temperatures out of range, imaginary modes at the static volume or at too many others.
    FitError
        No minimum of F within the volumes.
    StructureError
        The structure is no crystal.
    UnknownElementError
        The potential does not cover an element.
    ConvergenceError
        A relaxation did not end.
    CancelledError
        From `progress`.
    """
    require_potential(potential)
    start = to_atoms(atoms)
    check_crystal(start)
    if not MIN_VOLUMES <= n_volumes <= MAX_VOLUMES:
        raise Sus2Error(f"Use {MIN_VOLUMES} to {MAX_VOLUMES} volumes, not {n_volumes}.")
    if volume_range is not None:
        volume_range = _checked_range(volume_range)
    if equation not in EQUATIONS:
        raise FitError(f"The equation must be one of {', '.join(EQUATIONS)}, not '{equation}'.")
    axis = checked_temperatures(temperatures_k)
    # One more point, which finite differences in the temperature use up.
    axis = np.append(axis, axis[-1] + (axis[-1] - axis[-2]))
    mesh = checked_mesh(mesh)
    relaxation = None
    if not relaxed:
        relaxation = relax(
            start, potential, fmax=FMAX_EV_PER_A, stress_gpa=STRESS_GPA, progress=progress
        ).require_converged()
        start = relaxation.atoms
    centre_cell = standardise(start, "primitive")
    share = 1.0 / (n_volumes + 2)
    centre = _point(centre_cell, 1.0, potential, mesh, _part(progress, 0, share))
    if centre.lowest_thz < -IMAGINARY_THZ:
        raise Sus2Error(
            f"The crystal has imaginary modes ({abs(centre.lowest_thz):.2f}i THz) at its static equilibrium volume, so "
            "it has no quasi-harmonic free energy: follow the mode on the phonons page to a stable phase first."
        )
    numbers = np.asarray(centre.mesh.mesh_numbers)
    computed: dict[float, _Point] = {}

    def point(scale: float) -> _Point:
        key = round(scale, 9)
        if key not in computed:
            part = _part(progress, len(computed) + 1, share)
            computed[key] = _point(centre_cell, scale, potential, numbers, part)
        return computed[key]

    tried: list[str] = []
    ranges = RANGES if volume_range is None else (volume_range,)
    for low, high in ranges:
        try:
            fitted = _fitted(point, low, high, n_volumes, axis, equation)
        except Sus2Error as error:
            if volume_range is not None:
                raise
            if (low, high) == ranges[-1]:
                raise FitError(
                    f"No range of volumes works for this crystal in {potential.name}: it softens before the zero-point "
                    f"motion is balanced. {tried[0]}"
                ) from None
            tried.append(f"From {100 * low:+.3g} to {100 * high:+.3g} %: {error}")
            continue
        used = (low, high)
        break
    unstable, qha, n = fitted.unstable, fitted.qha, fitted.count
    volumes, energies, heat = fitted.volumes_a3, fitted.energies_ev, fitted.heat
    if progress is not None:
        progress("Grüneisen parameters", 0.95)
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
        potential=potential,
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
        volume_range=used,
        tried=tuple(tried),
    )
    return replace(result, checks=thermal_checks(result, potential))


def _checked_range(volume_range: Sequence[float]) -> tuple[float, float]:
    advice = "give two fractions, below and above zero, such as -0.04 and 0.08"
    try:
        low, high = (float(x) for x in volume_range)
    except (TypeError, ValueError):
        raise Sus2Error(f"The range of volumes is {printable(str(volume_range))}; {advice}.") from None
    if not -0.3 <= low < -0.005 or not 0.005 < high <= 0.5:
        raise Sus2Error(f"The range of volumes is {low:g} to {high:g}; {advice}.")
    return low, high


@dataclass(frozen=True, eq=False)
class _Fitted:
    """A fit over one range of volumes; count: temperatures at which the equilibrium volume lies within it."""

    unstable: list[_Point]
    volumes_a3: Array
    energies_ev: Array
    heat: Array
    qha: QHA
    count: int


def _fitted(
    point: Callable[[float], _Point], low: float, high: float, n_volumes: int, axis: Array, equation: str
) -> _Fitted:
    """The free energy over one range of volumes; raises Sus2Error and FitError where it has no use."""
    points = [point(float(scale)) for scale in np.linspace(1.0 + low, 1.0 + high, n_volumes)]
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
    return _Fitted(unstable, volumes, energies, heat, qha, n)


def checked_temperatures(temperatures_k: Sequence[float] | Array | None) -> Array:
    """The temperatures of a calculation.

    Parameters
    ----------
    temperatures_k
        Ascending, equally spaced, K; None for 0 to 1000 K in steps of 10.

    Returns
    -------
    ndarray
        (n,), K.

    Raises
    ------
    Sus2Error
        They are too few, no numbers, out of range or not equally spaced.
    """
    try:
        t = np.arange(0.0, 1000.1, 10.0) if temperatures_k is None else np.asarray(temperatures_k, dtype=np.float64)
    except (TypeError, ValueError):
        t = np.array([np.nan])
    if t.ndim != 1 or len(t) < 4 or not np.isfinite(t).all() or t[0] < 0 or t[-1] > MAX_TEMPERATURE_K:
        raise Sus2Error(f"Give at least four temperatures between 0 and {MAX_TEMPERATURE_K:,.0f} K.")
    steps = np.diff(t)
    if not (steps > 0).all() or not np.allclose(steps, steps[0], rtol=1e-6):
        raise Sus2Error("Temperatures must ascend in equal steps, for the thermal expansion is a finite difference.")
    return t


def _part(progress: Progress | None, k: int, share: float) -> Progress | None:
    """The progress of the phonons at the k-th volume; a second range of volumes goes on from nine tenths."""
    if progress is None:
        return None
    name = f"phonons at volume {k}" if k else "phonons at equilibrium"
    part = part_of(progress, name, min(0.9, k * share), share if k * share < 0.9 else 0.0)
    part("", 0.5 if k else 0.0)
    return part


def _point(cell: Atoms, scale: float, potential: Calculates, mesh: Any, progress: Progress | None = None) -> _Point:
    work = cell.copy()
    if scale != 1.0:
        work.set_cell(np.asarray(cell.cell) * scale ** (1 / 3), scale_atoms=True)
        work = (
            relax(work, potential, fixed_volume=True, fmax=FMAX_EV_PER_A, stress_gpa=STRESS_GPA)
            .require_converged()
            .atoms
        )
    numbers = mesh if np.ndim(mesh) else float(mesh)
    second: SecondDerivatives | FiniteDerivatives
    if isinstance(potential, Potential):
        second = second_derivatives(work, potential)
        found = ExactBackend(second).mesh(numbers, True)
    else:
        second = finite_derivatives(work, potential, progress)
        found = PhonopyBackend(second.phonopy).mesh(numbers, True)
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
