"""Which crystals of a chemical system are stable: formation energies and the convex hull, by pymatgen."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from ase import Atoms

from sus2.comparison.references import elemental_references
from sus2.errors import CancelledError, DataError, Sus2Error
from sus2.progress import Progress, part_of, silent
from sus2.relaxation.relax import relax
from sus2.structures import elements_of, to_atoms

if TYPE_CHECKING:
    from sus2.potential.evaluation import Calculates

# Further above the hull than rounding, eV/atom.
_ON_HULL: Final = 1e-6


@dataclass(frozen=True)
class HullRow:
    """One crystal of a chemical system.

    Attributes
    ----------
    name : str
        As it was given; "reference" and the structure for an element.
    formula : str
        Reduced.
    fractions : dict
        Element -> share of the atoms.
    formation_ev_per_atom : float
        Energy against the elements, each relaxed in the same potential.
    above_hull_ev_per_atom : float
        Energy above the most stable mixture of the others and itself; 0 on the hull.
    """

    name: str
    formula: str
    fractions: dict[str, float]
    formation_ev_per_atom: float
    above_hull_ev_per_atom: float

    @property
    def stable(self) -> bool:
        """Whether it is on the hull."""
        return self.above_hull_ev_per_atom <= _ON_HULL


@dataclass(frozen=True)
class Hull:
    """The crystals of a chemical system, with the elements, in one potential at zero temperature and pressure.

    Attributes
    ----------
    potential : str
        Its name.
    functional : str
        Of the potential.
    elements : tuple of str
        Of the system.
    rows : tuple of HullRow
        The references of the elements first.
    problems : dict
        Name -> why a crystal or an element has no energy.
    """

    potential: str
    functional: str
    elements: tuple[str, ...]
    rows: tuple[HullRow, ...]
    problems: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def to_csv(self) -> str:
        """One row for each crystal."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(
            [
                "name",
                "formula",
                *(f"share_{e}" for e in self.elements),
                "formation_ev_per_atom",
                "above_hull_ev_per_atom",
            ]
        )
        for r in self.rows:
            shares = [r.fractions.get(e, 0.0) for e in self.elements]
            writer.writerow([r.name, r.formula, *shares, r.formation_ev_per_atom, r.above_hull_ev_per_atom])
        return out.getvalue()


def convex_hull(
    structures: Mapping[str, Atoms],
    potential: Calculates,
    *,
    relaxed: bool = False,
    progress: Progress | None = None,
) -> Hull:
    """Formation energies and the convex hull of the chemical system that crystals span.

    Parameters
    ----------
    structures
        Crystals by name.
    potential
        Of all energies.
    relaxed
        The crystals are relaxed in this potential already.
    progress
        Called with a stage and the fraction done; may raise CancelledError.

    Returns
    -------
    Hull
        What cannot be relaxed is among the problems and does not stop the others.

    Raises
    ------
    DataError
        No structures, one element alone, or an element without a reference.
    """
    # Slow to import, and wanted by few who open a page.
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
    from pymatgen.core import Composition

    elements = tuple(sorted({e for atoms in structures.values() for e in elements_of(atoms)}))
    if len(elements) < 2:
        raise DataError("A convex hull needs crystals of two or more elements.")
    unknown = [e for e in elements if e not in potential.elements]
    if unknown:
        raise DataError(f"{potential.name} does not cover {', '.join(unknown)}; choose a potential that does.")
    tell = progress or silent
    references = elemental_references(potential, elements, progress=part_of(tell, "", 0.0, 0.3))
    if references.missing:
        raise DataError(f"No convex hull: {' '.join(references.missing.values())}")
    names = {e: f"reference, {references.found[e].structure}" for e in elements}
    entries = [PDEntry(Composition({e: 1}), references.found[e].energy_ev_per_atom, name=names[e]) for e in elements]
    problems: dict[str, str] = {}
    for k, (name, structure) in enumerate(structures.items()):
        tell(name, 0.3 + 0.7 * k / len(structures))
        try:
            atoms = to_atoms(structure)
            if relaxed:
                energy = potential.evaluate([atoms])[0].energy_ev
            else:
                found = relax(atoms, potential).require_converged()
                atoms, energy = found.atoms, found.energy_ev
        except CancelledError:
            raise
        except Sus2Error as error:
            problems[name] = str(error)
            continue
        entries.append(PDEntry(Composition(dict(atoms.symbols.formula.count())), energy, name=name))
    diagram = PhaseDiagram(entries)
    rows = tuple(
        HullRow(
            name=str(entry.name),
            formula=str(entry.composition.reduced_formula),
            fractions={str(e): float(x) for e, x in entry.composition.fractional_composition.items()},
            formation_ev_per_atom=float(diagram.get_form_energy_per_atom(entry)),
            above_hull_ev_per_atom=max(0.0, float(diagram.get_e_above_hull(entry))),
        )
        for entry in entries
    )
    tell("done", 1.0)
    return Hull(potential.name, potential.functional, elements, rows, problems)
