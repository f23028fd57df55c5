"""Energy against volume: relaxed at every volume, fitted with four equations of state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from sus2.errors import FitError
from sus2.properties.eos.equations import MIN_POINTS, MODELS, EosFit, energy_model, fit_eos
from sus2.relaxation.relax import HasCalculator, Progress, RelaxResult, relax
from sus2.structures import check_crystal, to_atoms
from sus2.units import EV_PER_A3_TO_GPA

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from sus2.potential.potential import Evaluation

__all__ = ["MODELS", "EosFit", "EosResult", "energy_model", "eos", "fit_eos"]

Array = NDArray[np.float64]

# Forces and stresses a factor of ten below the tolerances are zero by symmetry or already relaxed.
NEGLIGIBLE = 0.1


class Evaluates(HasCalculator, Protocol):
    """What eos needs of a potential."""

    def evaluate(self, structures: Sequence[Atoms | Structure], /) -> list[Evaluation]: ...


@dataclass(frozen=True, eq=False)
class EosResult:
    """The equation of state of a crystal; all volumes and energies are per cell unless the name says otherwise.

    fit: the chosen model's; fits: of every model that could be fitted, by name; volumes_a3, energies_ev,
    pressures_gpa (n,): the points, the pressure from the stress of the potential, -tr(sigma)/3; structures: the
    relaxed structure at each volume; atoms: the crystal at zero pressure that the volumes were scaled from;
    relaxation: how that crystal was relaxed, None where it was given relaxed; relaxed_points: at how many volumes
    ions or shape had to be relaxed (0 where symmetry leaves them no freedom).
    """

    fit: EosFit
    fits: dict[str, EosFit]
    volumes_a3: Array
    energies_ev: Array
    pressures_gpa: Array
    structures: tuple[Atoms, ...]
    atoms: Atoms
    relaxation: RelaxResult | None
    relaxed_points: int
    formula: str
    formula_units: int

    @property
    def model(self) -> str:
        """Name of the chosen model."""
        return self.fit.model

    @property
    def v0_a3(self) -> float:
        """Equilibrium volume, A^3 per cell."""
        return self.fit.v0_a3

    @property
    def v0_a3_error(self) -> float:
        """Standard error of v0_a3."""
        return self.fit.v0_a3_error

    @property
    def e0_ev(self) -> float:
        """Energy at the equilibrium volume, eV per cell."""
        return self.fit.e0_ev

    @property
    def e0_ev_error(self) -> float:
        """Standard error of e0_ev."""
        return self.fit.e0_ev_error

    @property
    def b0_gpa(self) -> float:
        """Bulk modulus at zero pressure, GPa."""
        return self.fit.b0_gpa

    @property
    def b0_gpa_error(self) -> float:
        """Standard error of b0_gpa."""
        return self.fit.b0_gpa_error

    @property
    def b0_prime(self) -> float:
        """dB/dP at zero pressure."""
        return self.fit.b0_prime

    @property
    def b0_prime_error(self) -> float:
        """Standard error of b0_prime."""
        return self.fit.b0_prime_error

    @property
    def residual_ev(self) -> Array:
        """Computed minus fitted energy at each volume (n,), eV per cell."""
        return self.fit.residual_ev

    @property
    def n_atoms(self) -> int:
        """Atoms in the cell."""
        return len(self.atoms)

    @property
    def v0_a3_per_atom(self) -> float:
        return self.v0_a3 / self.n_atoms

    @property
    def e0_ev_per_atom(self) -> float:
        return self.e0_ev / self.n_atoms

    @property
    def v0_a3_per_formula_unit(self) -> float:
        return self.v0_a3 / self.formula_units

    @property
    def e0_ev_per_formula_unit(self) -> float:
        return self.e0_ev / self.formula_units

    @property
    def rms_residual_mev_per_atom(self) -> float:
        """Root mean square of the residuals, meV per atom."""
        return 1e3 * self.fit.rms_residual_ev / self.n_atoms

    @property
    def pressure_deviation_gpa(self) -> float:
        """Largest difference, over the volumes, of the pressure from the stress and that of the fit, -dE/dV."""
        return float(np.abs(self.pressures_gpa - self.fit.pressure_gpa(self.volumes_a3)).max())

    @property
    def b0_spread_percent(self) -> float:
        """Largest difference of a model's B0 from that of the chosen one, percent of it."""
        return max(100.0 * abs(f.b0_gpa / self.b0_gpa - 1.0) for f in self.fits.values())

    @property
    def atoms_at_v0(self) -> Atoms:
        """The relaxed crystal at the nearest computed volume, scaled to the fitted equilibrium volume."""
        nearest = int(np.abs(self.volumes_a3 - self.v0_a3).argmin())
        return scaled_to(self.structures[nearest], self.v0_a3)

    def to_dict(self) -> dict[str, Any]:
        """Numbers and lists only, with units in the names, for JSON."""
        return {
            "formula": self.formula,
            "n_atoms": self.n_atoms,
            "formula_units": self.formula_units,
            "model": self.model,
            "fits": {name: _fit_dict(f) for name, f in self.fits.items()},
            "volumes_a3": self.volumes_a3.tolist(),
            "energies_ev": self.energies_ev.tolist(),
            "pressures_gpa": self.pressures_gpa.tolist(),
            "residual_ev": self.residual_ev.tolist(),
            "rms_residual_mev_per_atom": self.rms_residual_mev_per_atom,
            "pressure_deviation_gpa": self.pressure_deviation_gpa,
            "b0_spread_percent": self.b0_spread_percent,
            "relaxed_points": self.relaxed_points,
        }


def eos(
    atoms: Atoms | Structure,
    potential: Evaluates,
    *,
    model: str = "birch-murnaghan",
    n_points: int = 11,
    volume_range: float = 0.06,
    relaxed: bool = False,
    relax_ions: bool = True,
    relax_shape: bool = True,
    symmetry: bool = True,
    fmax: float = 1e-3,
    stress_gpa: float = 0.01,
    max_steps: int = 500,
    progress: Progress | None = None,
) -> EosResult:
    """E(V) at n_points volumes within +-volume_range (a fraction of the VOLUME, 0.06 is 6 %) of the relaxed one.

    relaxed: take atoms as it is for the centre, without relaxing it first; relax_ions, relax_shape: minimise the
    energy at each fixed volume over the positions and over the shape of the cell (c/a, angles), as E(V) of a crystal
    under hydrostatic pressure needs; symmetry, fmax (eV/A), stress_gpa, max_steps: as in relax.

    Raises StructureError, UnknownElementError, ConvergenceError (a relaxation did not converge or collapsed), FitError
    (unknown model, too few points, no minimum in the range), CancelledError (from progress).
    """
    chosen = energy_model(model)
    check_points(n_points, volume_range)
    centre = to_atoms(atoms)
    centre.set_constraint()
    check_crystal(centre)
    relaxation = None
    if not relaxed:
        relaxation = relax(
            centre,
            potential,
            fmax=fmax,
            stress_gpa=stress_gpa,
            symmetry=symmetry,
            max_steps=max_steps,
            progress=progress,
        ).require_converged()
        centre = relaxation.atoms
    v_centre = abs(float(centre.cell.volume))
    volumes = v_centre * np.linspace(1.0 - volume_range, 1.0 + volume_range, n_points)
    if progress is not None:
        progress("energies", 0.0)
    structures = [scaled_to(centre, v) for v in volumes]
    results = potential.evaluate(structures)
    relaxed_points = 0
    if any_unrelaxed(results, relax_ions, relax_shape, fmax, stress_gpa):
        # From the middle outwards, each from its relaxed neighbour.
        middle = n_points // 2
        for k in sorted(range(n_points), key=lambda i: abs(i - middle)):
            neighbour = k if k == middle else k + (1 if k < middle else -1)
            structures[k] = (
                relax(
                    scaled_to(structures[neighbour], volumes[k]),
                    potential,
                    positions=relax_ions,
                    cell=relax_shape,
                    fixed_volume=relax_shape,
                    fmax=fmax,
                    stress_gpa=stress_gpa,
                    symmetry=symmetry,
                    max_steps=max_steps,
                )
                .require_converged()
                .atoms
            )
            relaxed_points += 1
            if progress is not None:
                progress("relaxing at fixed volume", relaxed_points / n_points)
        structures = [scaled_to(a, v) for a, v in zip(structures, volumes, strict=True)]
        results = potential.evaluate(structures)
    if progress is not None:
        progress("energies", 1.0)
    return fitted_eos(
        chosen.name, centre, volumes, structures, results, relaxation=relaxation, relaxed_points=relaxed_points
    )


def fitted_eos(
    model: str,
    centre: Atoms,
    volumes_a3: Array,
    structures: Sequence[Atoms],
    results: Sequence[Evaluation],
    *,
    relaxation: RelaxResult | None,
    relaxed_points: int,
) -> EosResult:
    """The result of an equation of state from its volumes (n,), the crystals there, their energies and stresses.

    Raises FitError where the model does not fit or has no minimum in the range.
    """
    energies = np.array([r.energy_ev for r in results])
    pressures = np.array([-r.stress_ev_per_a3[:3].mean() for r in results]) * EV_PER_A3_TO_GPA
    fits = {model: fit_eos(volumes_a3, energies, model)}
    for name in MODELS:
        if name not in fits:
            try:
                fits[name] = fit_eos(volumes_a3, energies, name)
            except FitError:
                # Another model's failure says nothing against the chosen one; it is left out.
                continue
    from pymatgen.core import Composition

    formula, units = Composition(centre.get_chemical_formula()).get_reduced_formula_and_factor()
    return EosResult(
        fit=fits[model],
        fits={name: fits[name] for name in MODELS if name in fits},
        volumes_a3=volumes_a3,
        energies_ev=energies,
        pressures_gpa=pressures,
        structures=tuple(structures),
        atoms=centre,
        relaxation=relaxation,
        relaxed_points=relaxed_points,
        formula=str(formula),
        formula_units=round(units),
    )


def check_points(n_points: int, volume_range: float) -> None:
    """Raise FitError unless an equation of state can be made of so many points in that range."""
    if n_points < MIN_POINTS:
        raise FitError(f"An equation of state has four parameters: use at least {MIN_POINTS} points, not {n_points}.")
    if not 0.0 < volume_range <= 0.5:
        raise FitError(
            f"The range of volumes is {volume_range:g}; give a fraction of the volume between 0 and 0.5, such as 0.06."
        )


def scaled_to(atoms: Atoms, volume_a3: float) -> Atoms:
    """A copy scaled isotropically, with its fractional coordinates, to a volume."""
    scaled = atoms.copy()
    factor = (volume_a3 / abs(float(atoms.cell.volume))) ** (1.0 / 3.0)
    scaled.set_cell(np.asarray(atoms.cell) * factor, scale_atoms=True)
    return scaled


def any_unrelaxed(results: Sequence[Evaluation], ions: bool, shape: bool, fmax: float, stress_gpa: float) -> bool:
    """Whether a force or a deviatoric stress at any volume is more than negligible."""
    for r in results:
        if ions and np.linalg.norm(r.forces_ev_per_a, axis=1).max() > NEGLIGIBLE * fmax:
            return True
        deviator = r.stress_ev_per_a3 - np.repeat([r.stress_ev_per_a3[:3].mean(), 0.0], 3)
        if shape and np.abs(deviator).max() * EV_PER_A3_TO_GPA > NEGLIGIBLE * stress_gpa:
            return True
    return False


def _fit_dict(fit: EosFit) -> dict[str, Any]:
    names = ("v0_a3", "e0_ev", "b0_gpa", "b0_prime")
    values = {n: float(getattr(fit, n)) for name in names for n in (name, f"{name}_error")}
    return {**values, "rms_residual_ev": fit.rms_residual_ev, "citation": MODELS[fit.model].citation}
