"""The result of a relaxation."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from ase import Atoms

from sus2.errors import ConvergenceError
from sus2.potential.evaluation import Calculates
from sus2.relaxation.trust import trust_relaxation
from sus2.trust.estimate import HasTrust, Trust
from sus2.units import EV_PER_A3_TO_GPA


@dataclass(frozen=True, eq=False)
class RelaxResult(HasTrust):
    """A relaxed crystal and how well it is relaxed.

    Attributes
    ----------
    atoms
        The final structure (no calculator, no constraints).
    converged
        Whether force and stress are within their tolerances, each where positions or the cell were free.
    steps
        How many were taken.
    max_force_ev_per_a
        Largest force on an atom.
    max_stress_gpa
        Largest component of the stress less that of the target pressure; at fixed volume, of the deviatoric stress.
    energy_ev
        The last of energies_ev.
    energies_ev
        Energy at each step.
    volume_a3
        Of the final cell.
    start_volume_a3
        Of the cell at the start.
    pressure_gpa
        Target pressure, positive in compression.
    spacegroup_before
        For example "Fd-3m (227)".
    spacegroup_after
        That of the final structure.
    symmetry_constrained
        Whether the steps kept the symmetry of the start.
    positions_free
        Whether atoms could move.
    cell_free
        Whether the cell could change.
    force_tolerance_ev_per_a
        Largest force that was wanted.
    stress_tolerance_gpa
        Largest deviation of the stress that was wanted.
    failure
        Why the relaxation was given up (it collapsed, say; atoms are then the last ones), empty otherwise. relax raises
        such a failure; sus2.relaxation.relax_many.relax_many marks it.
    potential
        Where it is one of this package, else None.
    """

    atoms: Atoms
    converged: bool
    steps: int
    max_force_ev_per_a: float
    max_stress_gpa: float
    energy_ev: float
    energies_ev: tuple[float, ...]
    volume_a3: float
    start_volume_a3: float
    pressure_gpa: float
    spacegroup_before: str
    spacegroup_after: str
    symmetry_constrained: bool
    positions_free: bool
    cell_free: bool
    force_tolerance_ev_per_a: float
    stress_tolerance_gpa: float
    failure: str = ""
    potential: Calculates | None = field(default=None, repr=False)

    @cached_property
    def trust(self) -> Trust:
        """Estimates of the errors of these numbers, made at the first use."""
        return trust_relaxation(self)

    @property
    def volume_change_percent(self) -> float:
        """Change of the volume from the start, percent."""
        return 100.0 * (self.volume_a3 / self.start_volume_a3 - 1.0)

    @property
    def enthalpy_change_ev_per_atom(self) -> float:
        """E + P V at the end less that at the start, of the target pressure; not above zero for a way downhill."""
        work = self.pressure_gpa / EV_PER_A3_TO_GPA * (self.volume_a3 - self.start_volume_a3)
        return (self.energies_ev[-1] - self.energies_ev[0] + work) / len(self.atoms)

    @property
    def symmetry_kept(self) -> bool:
        """Whether the space group is that of the start."""
        return self.spacegroup_before == self.spacegroup_after

    def require_converged(self) -> RelaxResult:
        """Return the result itself where it converged.

        Returns
        -------
        RelaxResult
            The same object.

        Raises
        ------
        ConvergenceError
            It did not converge, or the relaxation was given up.
        """
        if self.failure:
            raise ConvergenceError(self.failure)
        if not self.converged:
            reasons = []
            if self.positions_free and self.max_force_ev_per_a > self.force_tolerance_ev_per_a:
                reasons.append(
                    f"the largest force is {self.max_force_ev_per_a:.2g} eV/Å "
                    f"(wanted {self.force_tolerance_ev_per_a:.2g})"
                )
            if self.cell_free and self.max_stress_gpa > self.stress_tolerance_gpa:
                reasons.append(
                    f"the largest stress is {self.max_stress_gpa:.2g} GPa (wanted {self.stress_tolerance_gpa:.2g})"
                )
            raise ConvergenceError(
                f"The relaxation of {self.atoms.get_chemical_formula('metal')} did not converge in {self.steps} "
                f"steps: {' and '.join(reasons)}; allow more steps or start from a better structure."
            )
        return self
