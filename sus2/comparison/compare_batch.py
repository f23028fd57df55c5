"""Many structures in two potentials: how their energies agree before and after referencing to the elements."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.data import atomic_numbers, reference_states

from sus2.comparison.references import (
    Agreement,
    References,
    ShiftRegression,
    agreement,
    elemental_references,
    regress_shifts,
)
from sus2.errors import CancelledError, FitError, StructureError, Sus2Error
from sus2.potential.evaluation import Calculates
from sus2.progress import Progress
from sus2.registry.external import require_potentials
from sus2.relaxation.relax import relax
from sus2.structures import check_crystal, elements_of, labelled, to_atoms
from sus2.types import Array, Mask

if TYPE_CHECKING:
    from pymatgen.core import Structure

__all__ = ["BatchComparison", "compare_batch", "ordered_alloys"]


@dataclass(frozen=True, eq=False)
class BatchComparison:
    """Energies per atom of n structures in two potentials (x: the first, y: the second).

    Attributes
    ----------
    potentials
        The two.
    labels
        (n,) names of the structures.
    structures
        (n,) each as it was computed in the first and in the second potential.
    raw_ev_per_atom
        (2, n) on each potential's own scale.
    formation_ev_per_atom
        (2, n) against each potential's own elements, nan where a reference is missing.
    references
        Elemental references of each potential.
    regression
        The elemental shifts that explain the raw difference best.
    left_out
        Label -> why a structure is not among the n.
    """

    potentials: tuple[Calculates, Calculates]
    labels: tuple[str, ...]
    structures: tuple[tuple[Atoms, Atoms], ...]
    raw_ev_per_atom: Array
    formation_ev_per_atom: Array
    references: tuple[References, References]
    regression: ShiftRegression
    left_out: dict[str, str]

    @cached_property
    def regressed_ev_per_atom(self) -> Array:
        """(2, n): the first potential's raw energies, and the second's with the fitted shifts taken off."""
        return np.stack([self.raw_ev_per_atom[0], self.raw_ev_per_atom[1] - self.regression.per_atom_ev])

    @cached_property
    def referenced(self) -> Mask:
        """(n,) which structures have a formation energy in both potentials."""
        return np.asarray(np.isfinite(self.formation_ev_per_atom).all(axis=0))

    @cached_property
    def before(self) -> Agreement:
        """Agreement of the raw energies."""
        return agreement(*self.raw_ev_per_atom)

    @cached_property
    def after(self) -> Agreement | None:
        """Agreement of the formation energies; None where fewer than two structures have them."""
        x, y = self.formation_ev_per_atom[:, self.referenced]
        return agreement(x, y) if len(x) > 1 else None

    @cached_property
    def after_regression(self) -> Agreement:
        """Agreement after the fitted shifts; better than `after` by what the fit absorbs."""
        return agreement(*self.regressed_ev_per_atom)

    @cached_property
    def reference_shifts_ev(self) -> dict[str, float]:
        """Shift of each element from the references, second minus first, eV per atom."""
        a, b = (r.found for r in self.references)
        return {e: b[e].energy_ev_per_atom - a[e].energy_ev_per_atom for e in a if e in b}

    def to_dict(self) -> dict[str, Any]:
        """Numbers, lists and texts, with units in the names, for JSON."""
        formation = [[float(v) if np.isfinite(v) else None for v in row] for row in self.formation_ev_per_atom]
        return {
            "potentials": [{"name": p.name, "functional": p.functional} for p in self.potentials],
            "labels": list(self.labels),
            "raw_ev_per_atom": self.raw_ev_per_atom.tolist(),
            "formation_ev_per_atom": formation,
            "before": self.before.to_dict(),
            "after": None if self.after is None else self.after.to_dict(),
            "after_regression": self.after_regression.to_dict(),
            "regression": {
                "shifts_ev": self.regression.shifts_ev,
                "rms_residual_ev_per_atom": self.regression.rms_residual_ev_per_atom,
                "determined": self.regression.determined,
            },
            "reference_shifts_ev": self.reference_shifts_ev,
            "references": [r.to_dict() for r in self.references],
            "left_out": self.left_out,
        }

    def to_csv(self) -> str:
        """One row per structure; formation energies empty where there are none."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        names = [p.name for p in self.potentials]
        writer.writerow(
            ["structure", *(f"raw_{n}_ev_per_atom" for n in names), *(f"formation_{n}_ev_per_atom" for n in names)]
        )
        for k, label in enumerate(self.labels):
            formation = [float(v) if np.isfinite(v) else "" for v in self.formation_ev_per_atom[:, k]]
            writer.writerow([label, *self.raw_ev_per_atom[:, k].tolist(), *formation])
        return out.getvalue()


def compare_batch(
    structures: Mapping[str, Atoms | Structure] | Sequence[Atoms | Structure],
    potentials: Sequence[Calculates],
    *,
    relaxed: bool = False,
    progress: Progress | None = None,
) -> BatchComparison:
    """Energies of many crystals in two potentials, raw and against the elements of each.

    Parameters
    ----------
    structures
        With labels as keys, or a sequence (labelled by formula).
    potentials
        Two, of different names.
    relaxed
        Whether the structures are relaxed already; else each is relaxed in each potential.
    progress
        Called with a stage and the fraction done; may raise CancelledError.

    Returns
    -------
    BatchComparison
        A structure that one of the potentials does not cover or cannot hold is left out, with a sentence.

    Raises
    ------
    Sus2Error
        Not two potentials of different names.
    StructureError
        Something in a sequence is no structure.
    FitError
        Fewer than two structures are left.
    CancelledError
        From `progress`.
    """
    require_potentials(potentials)
    if len(potentials) != 2 or potentials[0].name == potentials[1].name:
        raise Sus2Error(
            f"Give two potentials of different names, not {', '.join(p.name for p in potentials) or 'none'}."
        )
    first, second = potentials
    named = structures if isinstance(structures, Mapping) else labelled(structures)
    left_out: dict[str, str] = {}
    kept: dict[str, tuple[Atoms, Atoms]] = {}
    energies: list[tuple[float, float]] = []
    for k, (label, structure) in enumerate(named.items()):
        if progress is not None:
            progress(label, 0.9 * k / len(named))
        try:
            pair = [_energy(structure, p, relaxed) for p in (first, second)]
        except CancelledError:
            raise
        except Sus2Error as error:
            left_out[label] = str(error)
            continue
        kept[label] = pair[0][0], pair[1][0]
        energies.append((pair[0][1], pair[1][1]))
    if len(kept) < 2:
        reasons = " ".join(left_out.values())
        raise FitError(f"At least two structures are needed, {len(kept)} can be compared. {reasons}".rstrip())
    raw = np.array(energies).T
    cells = [a for a, _ in kept.values()]
    elements = sorted({e for a in cells for e in elements_of(a)}, key=atomic_numbers.__getitem__)
    if progress is not None:
        progress("elements", 0.9)
    references = elemental_references(first, elements), elemental_references(second, elements)
    return BatchComparison(
        potentials=(first, second),
        labels=tuple(kept),
        structures=tuple(kept.values()),
        raw_ev_per_atom=raw,
        formation_ev_per_atom=np.array(
            [
                [_formation(r, a, e) for a, e in zip(cells, row, strict=True)]
                for r, row in zip(references, raw, strict=True)
            ]
        ),
        references=references,
        regression=regress_shifts(cells, raw[1] - raw[0]),
        left_out=left_out,
    )


def ordered_alloys(elements: Sequence[str]) -> dict[str, Atoms]:
    """Ordered alloys of each pair of close-packed elements: B2 (AB), L1_2 (A3B and AB3), as examples to compare.

    Parameters
    ----------
    elements
        Chemical symbols; those that are not fcc, bcc or hcp are left out.

    Returns
    -------
    dict
        Label -> crystal, with lattice constants from the mean atomic volume of the elements (Zen's rule).

    Raises
    ------
    KeyError
        A symbol of no element.
    """
    volumes = {}
    for e in elements:
        state = reference_states[atomic_numbers[e]]
        if state is not None and state["symmetry"] in ("fcc", "bcc", "hcp"):
            volumes[e] = float(bulk(e).get_volume()) / len(bulk(e))
    out: dict[str, Atoms] = {}
    names = list(volumes)
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            out[f"{a}{b} B2"] = _ordered((a, b), ((0, 0, 0), (0.5, 0.5, 0.5)), volumes)
            for x, y in ((a, b), (b, a)):
                sites = ((0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0))
                out[f"{x}3{y} L1₂"] = _ordered((y, x, x, x), sites, volumes)
    return out


def _ordered(symbols: Sequence[str], sites: Sequence[Sequence[float]], volumes: Mapping[str, float]) -> Atoms:
    edge = sum(volumes[s] for s in symbols) ** (1 / 3)
    return Atoms(list(symbols), scaled_positions=sites, cell=[edge] * 3, pbc=True)


def _energy(structure: Atoms | Structure, potential: Calculates, relaxed: bool) -> tuple[Atoms, float]:
    atoms = to_atoms(structure)
    check_crystal(atoms)
    missing = [e for e in elements_of(atoms) if e not in potential.elements]
    if missing:
        raise StructureError(f"{potential.name} does not cover {', '.join(missing)}.")
    if relaxed:
        return atoms, potential.evaluate([atoms])[0].energy_ev / len(atoms)
    found = relax(atoms, potential).require_converged()
    return found.atoms, found.energy_ev / len(atoms)


def _formation(references: References, atoms: Atoms, energy_ev_per_atom: float) -> float:
    if any(e not in references.found for e in elements_of(atoms)):
        return float("nan")
    return references.formation_energy_ev_per_atom(atoms, energy_ev_per_atom * len(atoms))
