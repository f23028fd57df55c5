"""How good a potential is on what training never saw: labels by class of crystal, volumes, moduli; and on files.

Three measures on crystals that the splits of a set keep apart (sus2.training.data.hold_out), and one on crystals as
users bring them:

labels
    energies, forces and stresses of structures near equilibrium, and second derivatives from the pairs of small strains
    and displacements, by class of crystal;
volumes
    crystals of the WBM set, relaxed from their PBE geometry (Wang, Botti, Marques, npj Comput. Mater. 7, 12 (2021));
moduli
    K and G (Voigt, Reuss, Hill; relaxed ions) of binary crystals beside those of the Materials Project;
files
    the public-domain crystals of at most 40 atoms, relaxed from the measured geometry of the file, by class. Many of
    them are in the training data; what the deviation holds is the potential, the functional and the temperature.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols

from sus2.derivatives.second_order import second_derivatives
from sus2.errors import DataError, Sus2Error
from sus2.potential.potential import Potential
from sus2.properties.elastic.directions import hill_average
from sus2.relaxation.relax_many import relax_many
from sus2.training.data.crystals.catalogue import public_domain
from sus2.training.data.dataset import TrainingSet, fit_references
from sus2.training.data.hold_out import held_out_wbm, moduli_names
from sus2.training.data.reference_sets import binary_crystals
from sus2.training.data.sets import load_set
from sus2.training.teachers.held_out_errors import LabelErrors, ModuliErrors, VolumeErrors, crystal_class, file_class
from sus2.types import Array, Index, Mask
from sus2.units import EV_PER_A3_TO_GPA

# Kinds whose forces and stresses are those of a crystal that anybody would meet.
NEAR: Final = ("relaxed", "strain", "rattle", "volume", "strain-pair", "displaced-pair")
# A relaxed volume that is off by more than this share counts as wrong.
WRONG_VOLUME: Final = 0.1
OFF_EV_PER_ATOM: Final = 1.0
# Atoms in the primitive cell of a public-domain crystal that is relaxed.
LARGEST_FILE: Final = 40


def label_errors(
    name: str, potential: Potential, *, splits: Sequence[str] = ("test", "type"), largest: int = 3000
) -> list[LabelErrors]:
    """Errors on the held-out labels of a set, near equilibrium (0.9 to 1.1 of the volume), for all and by class.

    Parameters
    ----------
    name
        The set, whose splits keep compositions and structure types apart.
    potential
        What is judged; structures with elements that it does not cover are left out.
    splits
        Which splits.
    largest
        At most so many structures, in pairs, drawn evenly.

    Returns
    -------
    list of LabelErrors
        The first is over all.

    Raises
    ------
    DataError
        There is no such set, or no such functional in it.
    """
    functional = potential.functional
    data = TrainingSet.concatenate([load_set(name, functional, split=s, drop=("label",)) for s in splits])  # type: ignore[arg-type]
    known = np.isin(data.numbers, [chemical_symbols.index(e) for e in potential.elements])
    inside = np.logical_and.reduceat(known, data.offsets[:-1])
    near = inside & np.isin(data.kind, NEAR) & (np.abs(data.volume_ratio - 1.0) < 0.1)
    data = data.subset(_drawn(data, np.flatnonzero(near).astype(np.int64), largest))
    crystals = [data.to_atoms(i) for i in range(len(data))]
    found = potential.evaluate(crystals)
    energy = np.array([r.energy_ev for r in found]) - data.energy_ev
    rest = _without_references(data, energy)
    forces = np.concatenate([r.forces_ev_per_a for r in found])
    stress = np.array([r.stress_ev_per_a3 for r in found])
    classes = np.array([crystal_class(a.get_chemical_symbols()) for a in crystals])
    groups = ["all", *sorted(set(classes.tolist()))]
    return [
        _errors(g, data, np.ones(len(data), bool) if g == "all" else classes == g, rest, forces, stress) for g in groups
    ]


def _drawn(data: TrainingSet, index: Index, largest: int) -> Index:
    """At most `largest` of the structures, whole crystals, in their order (so that pairs stay together)."""
    bases = np.unique(data.base[index])
    order = np.random.default_rng(0).permutation(len(bases))
    counts = {b: int((data.base[index] == b).sum()) for b in bases.tolist()}
    chosen, total = set(), 0
    for k in order.tolist():
        if total >= largest:
            break
        chosen.add(str(bases[k]))
        total += counts[str(bases[k])]
    return np.array([i for i in index.tolist() if str(data.base[i]) in chosen], dtype=np.int64)


def _without_references(data: TrainingSet, difference: Array) -> Array:
    """Energy differences (eV/atom) after a robust fit of one offset for each element."""
    offsets = fit_references(replace(data, energy_ev=difference))
    return (difference - data.counts() @ offsets) / data.sizes


def pairs_of(data: TrainingSet) -> Index:
    """The structures that follow each other as the plus and the minus of one pair.

    Parameters
    ----------
    data
        The set.

    Returns
    -------
    ndarray
        Their places, (P, 2).
    """
    found = []
    i = 0
    while i + 1 < len(data):
        same = (
            data.base[i] == data.base[i + 1] and data.kind[i] == data.kind[i + 1] and data.sizes[i] == data.sizes[i + 1]
        )
        if str(data.kind[i]).endswith("-pair") and same:
            found.append((i, i + 1))
            i += 2
        else:
            i += 1
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def _errors(name: str, data: TrainingSet, chosen: Mask, energy: Array, forces: Array, stress: Array) -> LabelErrors:
    meant = chosen & (np.abs(energy) < OFF_EV_PER_ATOM)
    atoms = meant[data.system]
    pairs = pairs_of(data)
    pairs = pairs[chosen[pairs[:, 0]]]
    strained = pairs[data.kind[pairs[:, 0]] == "strain-pair"]
    moved = pairs[data.kind[pairs[:, 0]] == "displaced-pair"]

    def rows(i: int) -> slice:
        return slice(int(data.offsets[i]), int(data.offsets[i + 1]))

    taught = [data.stress_ev_per_a3[a] - data.stress_ev_per_a3[b] for a, b in strained]
    given = [stress[a] - stress[b] for a, b in strained]
    pulled = [data.forces_ev_per_a[rows(a)] - data.forces_ev_per_a[rows(b)] for a, b in moved]
    shown = [forces[rows(a)] - forces[rows(b)] for a, b in moved]
    moving = [rows(i) for i in np.flatnonzero(chosen & (data.kind == "rattle")).tolist()]
    return LabelErrors(
        name,
        int(chosen.sum()),
        int(chosen.sum() - meant.sum()),
        1e3 * float(np.abs(energy[meant]).mean()),
        1e3 * float(np.abs(forces - data.forces_ev_per_a)[atoms].mean()),
        _slope([data.forces_ev_per_a[r] for r in moving], [forces[r] for r in moving]),
        EV_PER_A3_TO_GPA * float(np.abs(stress - data.stress_ev_per_a3)[meant].mean()),
        _relative(taught, given),
        _slope(taught, given),
        _relative(pulled, shown),
        _slope(pulled, shown),
    )


def _relative(taught: Sequence[Array], given: Sequence[Array]) -> float:
    """Median over the pairs of |given - taught| / |taught|, percent."""
    values = [np.linalg.norm(g - t) / max(float(np.linalg.norm(t)), 1e-9) for t, g in zip(taught, given, strict=True)]
    return 100.0 * float(np.median(values)) if values else float("nan")


def _slope(taught: Sequence[Array], given: Sequence[Array]) -> float:
    """Median over the entries of the slope of a line through the origin, given over taught."""
    values = [float((t * g).sum() / max((t * t).sum(), 1e-12)) for t, g in zip(taught, given, strict=True)]
    return float(np.median(values)) if values else float("nan")


def _relaxed(crystals: Sequence[Atoms], potential: Potential) -> list[Atoms | None]:
    """Each crystal at rest; None where the relaxation failed or did not converge."""
    results = relax_many(list(crystals), potential, fmax=0.01, stress_gpa=0.1, max_steps=300)
    return [r.atoms if r.converged else None for r in results]


def volume_errors(crystals: Sequence[Atoms], potential: Potential) -> VolumeErrors:
    """Volumes after relaxation from the given geometry, beside those given.

    Parameters
    ----------
    crystals
        With the volumes that count as right.
    potential
        What is judged; it has to cover their elements.

    Returns
    -------
    VolumeErrors
        Over all.
    """
    return _volumes("all", crystals, _relaxed(crystals, potential))


def file_errors(potential: Potential) -> list[VolumeErrors]:
    """Volumes of the public-domain crystals beside those of their files, for all and by class.

    Parameters
    ----------
    potential
        What is judged; crystals with elements that it does not cover are left out.

    Returns
    -------
    list of VolumeErrors
        The first is over all.
    """
    known = set(potential.elements)
    crystals = [c.atoms for c in public_domain(LARGEST_FILE) if set(c.atoms.get_chemical_symbols()) <= known]
    found = _relaxed(crystals, potential)
    classes = [file_class(a.get_chemical_symbols()) for a in crystals]
    out = [_volumes("all", crystals, found)]
    for name in sorted(set(classes)):
        some = [k for k, c in enumerate(classes) if c == name]
        out.append(_volumes(name, [crystals[k] for k in some], [found[k] for k in some]))
    return out


def _volumes(name: str, crystals: Sequence[Atoms], found: Sequence[Atoms | None]) -> VolumeErrors:
    change = [
        abs(after.get_volume() / before.get_volume() - 1.0)
        for before, after in zip(crystals, found, strict=True)
        if after is not None
    ]
    failed = sum(after is None for after in found)
    return VolumeErrors(
        name,
        len(crystals),
        100.0 * float(np.median(change)) if change else float("nan"),
        100.0 * float(np.mean(np.array(change) > WRONG_VOLUME)) if change else float("nan"),
        100.0 * failed / len(crystals),
    )


def moduli_errors(names: Sequence[str], potential: Potential, largest: int = 12) -> ModuliErrors:
    """K and G with relaxed ions of crystals of the Materials Project, relaxed by the potential first.

    Parameters
    ----------
    names
        Of the crystals there.
    potential
        What is judged; crystals with elements that it does not cover are left out.
    largest
        Cells of more atoms are left out.

    Returns
    -------
    ModuliErrors
        Over all.
    """
    wanted = set(names)
    entries = [
        (atoms, k, g)
        for name, atoms, k, g in binary_crystals()
        if name in wanted and len(atoms) <= largest and set(atoms.get_chemical_symbols()) <= set(potential.elements)
    ]
    relaxed = _relaxed([atoms for atoms, _, _ in entries], potential)
    rows = []
    for atoms, (_, k, g) in zip(relaxed, entries, strict=True):
        if atoms is None:
            continue
        try:
            mean = hill_average(second_derivatives(atoms, potential).relaxed_elastic.stress_strain_gpa)
        except (Sus2Error, np.linalg.LinAlgError):
            continue
        rows.append((mean.k_gpa, mean.g_gpa, k, g))
    table = np.array(rows).reshape(-1, 4)
    deviation = table[:, :2] - table[:, 2:]
    return ModuliErrors(
        len(entries),
        len(entries) - len(rows),
        *np.abs(deviation).mean(axis=0).tolist(),
        *(100.0 * np.median(deviation / table[:, 2:], axis=0)).tolist(),
    )


Verdict = LabelErrors | VolumeErrors | ModuliErrors
PARTS: Final = ("labels", "volumes", "moduli", "files")


def judged(
    name: str, potential: Potential, only: str = "", show: Callable[[str, Verdict], None] | None = None
) -> dict[str, list[Verdict]]:
    """All measures, or one of them.

    Parameters
    ----------
    name
        The set whose held-out splits judge the potential.
    potential
        What is judged.
    only
        labels, volumes, moduli or files; empty for all.
    show
        Called with the part and each result as soon as it is there.

    Returns
    -------
    dict
        The results of each part.

    Raises
    ------
    DataError
        There is no such part, set or functional.
    """
    if only and only not in PARTS:
        raise DataError(f"There is no part {only!r}; choose one of {', '.join(PARTS)}.")
    found: dict[str, list[Verdict]] = {}
    for part in (only,) if only else PARTS:
        if part == "labels":
            found[part] = list(label_errors(name, potential))
        elif part == "volumes":
            known = set(potential.elements)
            crystals = [a for _, a in held_out_wbm() if set(a.get_chemical_symbols()) <= known]
            found[part] = [volume_errors(crystals, potential)]
        elif part == "files":
            found[part] = list(file_errors(potential))
        else:
            found[part] = [moduli_errors(moduli_names(), potential)]
        for verdict in found[part]:
            if show is not None:
                show(part, verdict)
    return found
