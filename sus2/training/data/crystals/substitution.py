"""Relatives of known crystals: each element replaced by one that takes its place in the chemistry of solids."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Final

import numpy as np
from ase import Atoms
from ase.data import covalent_radii

from sus2.training.data.crystals.crystal import ELEMENTS, Crystal, known, primitive
from sus2.training.data.dataset import reduced_formula

# Rows of elements with a common charge, or neighbours among the transition metals.
_SIMILAR: Final = tuple(
    tuple(row.split())
    for row in (
        "Li Na K Rb Cs Ag Tl Cu",
        "Be Mg Ca Sr Ba Zn Cd Hg Eu Yb Pb",
        "Mg Mn Fe Co Ni Cu Zn",
        "B Al Ga In Tl",
        "Sc Y La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu",
        "Ac Th Pa U Np Pu",
        "Ce Th Zr U",
        "C Si Ge Sn Pb",
        "N P As Sb Bi",
        "O S Se Te",
        "F Cl Br I",
        "H F",
        "O F N",
        "Ti Zr Hf Sn Ge",
        "V Nb Ta",
        "Cr Mo W",
        "Mn Tc Re",
        "Fe Ru Os",
        "Co Rh Ir",
        "Ni Pd Pt",
        "Cu Ag Au",
        "V Cr Mn Fe Co Ni",
        "Al Ga Sc Fe Cr In",
        "Ru Rh Pd Ag",
        "Os Ir Pt Au",
        "Zn Cd Hg Mg",
        "Nb Mo Tc Ru",
        "Ta W Re Os",
        "Ca Sr Ba La",
        "Al Si Ga Ge",
    )
)
LIKE: Final = {s: sorted({t for row in _SIMILAR if s in row for t in row} - {s}) for s in ELEMENTS}
_KEPT: Final = 0.35
_LARGEST: Final = 14


def key(crystal: Crystal) -> tuple[str, str]:
    """Structure type (or name) and formula, by which two crystals count as the same.

    Parameters
    ----------
    crystal
        The crystal.

    Returns
    -------
    (str, str)
        Type and formula.
    """
    return crystal.prototype or crystal.name, reduced_formula(crystal.atoms.numbers)


def substituted(
    parents: Sequence[Crystal],
    rng: np.random.Generator,
    count: int,
    source: str,
    taken: set[tuple[str, str]],
    tries: int = 20,
) -> list[Crystal]:
    """New crystals in the structures of others, scaled by the covalent radii.

    Parameters
    ----------
    parents
        Whose elements are replaced.
    rng
        Of the choice.
    count
        New crystals of each parent, fewer where chemistry gives no more.
    source
        What their `source` says.
    taken
        Types and formulas that exist; those of the new crystals are added.
    tries
        At most so many choices of elements for each parent.

    Returns
    -------
    list of Crystal
        To be relaxed.
    """
    found = []
    for parent in parents:
        symbols = parent.atoms.get_chemical_symbols()
        kinds = sorted(set(symbols))
        made = 0
        for _ in range(tries):
            if made == count:
                break
            new = {s: s if rng.random() < _KEPT or not LIKE[s] else str(rng.choice(LIKE[s])) for s in kinds}
            if len(set(new.values())) < len(kinds) or all(new[s] == s for s in kinds):
                continue
            atoms = parent.atoms.copy()
            atoms.set_chemical_symbols([new[s] for s in symbols])
            factor = covalent_radii[atoms.numbers].sum() / covalent_radii[parent.atoms.numbers].sum()
            atoms.set_cell(atoms.cell * factor, scale_atoms=True)
            name = f"sub:{parent.prototype or parent.name}:{'-'.join(new[s] for s in kinds)}"
            crystal = Crystal(name, atoms, source, True, parent.prototype, 0)
            if (parent.prototype or parent.name, reduced_formula(atoms.numbers)) in taken:
                continue
            taken.add((parent.prototype or parent.name, reduced_formula(atoms.numbers)))
            found.append(crystal)
            made += 1
    return found


def aflow_prototypes() -> list[Crystal]:
    """The AFLOW prototypes of pymatgen with at most 14 atoms in the primitive cell, as their namesakes.

    Returns
    -------
    list of Crystal
        Mehl et al., Comput. Mater. Sci. 136, S1 (2017).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pymatgen.analysis.prototypes import AFLOW_PROTOTYPE_LIBRARY
        from pymatgen.io.ase import AseAtomsAdaptor
    found: dict[str, Crystal] = {}
    for entry in AFLOW_PROTOTYPE_LIBRARY:
        structure = entry["snl"].structure
        if not structure.is_ordered:
            continue
        atoms: Atoms = primitive(AseAtomsAdaptor.get_atoms(structure))
        name = entry["tags"]["aflow"]
        if name not in found and len(atoms) <= _LARGEST and known(atoms):
            found[name] = Crystal(f"aflow:{name}", atoms, "aflow", True, name, 1)
    return list(found.values())
