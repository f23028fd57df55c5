"""Real DFT data that may lie beside the distillation sets: mlearn, ACWF, MatPES elements, MLIP-2 sets.

They are read where they lie, under the folder that the environment variable SUS2_SHARED names
(``data/mlearn``, ``data/acwf``, ``data/elements``, ``data/dft``); nothing of them is part of this package.
Absolute energies of different sets must not be mixed: fit offsets per element and set.
"""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols

from sus2.errors import DataError
from sus2.training.data.dataset import TrainingSet, make_set
from sus2.training.data.readers import pymatgen_atoms, read_training_set
from sus2.units import KBAR_TO_EV_PER_A3

Functional = Literal["PBE", "r2SCAN"]
# Elements of mlearn whose shear stresses are in VASP's order, and those of which this holds for one kind alone.
_VASP_ORDER: Final = ("Li",)
_VASP_BUT: Final = {"Si": "Elastic", "Ge": "Elastic"}


def shared_root(root: str | Path | None = None) -> Path:
    """The folder that holds ``data/`` and ``teachers/``.

    Parameters
    ----------
    root
        The folder; by default that of the variable SUS2_SHARED.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    DataError
        Neither is given, or the folder does not exist.
    """
    chosen = root if root is not None else os.environ.get("SUS2_SHARED")
    if not chosen:
        raise DataError("There are no reference data; set SUS2_SHARED to the folder that holds data/ and teachers/.")
    path = Path(chosen)
    if not path.is_dir():
        raise DataError(f"The folder of reference data {path} does not exist; set SUS2_SHARED to another.")
    return path


@lru_cache(maxsize=16)
def _load(path: Path) -> Any:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"The reference data {path.name} cannot be read: {error.strerror}.") from error
    return json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)


def mlearn_set(
    element: Literal["Li", "Si", "Ge", "Mo", "Cu", "Ni"],
    split: Literal["training", "test"] = "training",
    root: str | Path | None = None,
) -> TrainingSet:
    """PBE set of one element (Zuo et al., J. Phys. Chem. A 124, 731 (2020)); Cu and Ni have tests only.

    The files have two orders of the shear stresses: xy yz xz, as VASP prints them, for Li and for the strained crystals
    of Si and Ge, xy xz yz for everything else. Strained crystals of cubic elements show it without any model.

    Parameters
    ----------
    element
        Chemical symbol.
    split
        Part of the set.
    root
        As in shared_root.

    Returns
    -------
    TrainingSet
        Labelled.
    """
    path = shared_root(root) / "data" / "mlearn" / f"{element}_{split}.json.gz"
    data = read_training_set(path, name=f"mlearn-{element}-{split}")
    other = np.full(len(data), element not in _VASP_ORDER)
    if element in _VASP_BUT:
        other = data.kind != _VASP_BUT[element]
    stress = data.stress_ev_per_a3.copy()
    stress[other] = stress[other][:, [0, 1, 2, 4, 3, 5]]
    return replace(data, stress_ev_per_a3=stress)


def diamond_set(split: Literal["train", "valid"] = "train", root: str | Path | None = None) -> TrainingSet:
    """Carbon cells of 64 atoms; the functional is not stated by their authors.

    Parameters
    ----------
    split
        Part of the set.
    root
        As in shared_root.

    Returns
    -------
    TrainingSet
        Labelled.
    """
    path = shared_root(root) / "data" / "dft" / f"diamond_{split}.cfg"
    return read_training_set(path, ["C"], name=f"diamond-{split}")


def nacl_set(root: str | Path | None = None) -> TrainingSet:
    """NaCl at 300 K in PBE, 300 cells of 8 atoms (the file gives type 0 to Na, 1 to Cl).

    Parameters
    ----------
    root
        As in shared_root.

    Returns
    -------
    TrainingSet
        Labelled.
    """
    return read_training_set(shared_root(root) / "data" / "dft" / "nacl_300K.cfg", ["Na", "Cl"], name="nacl-300K")


def _xsf_atoms(text: str) -> Atoms:
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    heads = [words[0] for words in lines]
    start = heads.index("PRIMVEC") + 1
    cell = np.array(lines[start : start + 3], dtype=float)
    start = heads.index("PRIMCOORD") + 1
    rows = lines[start + 1 : start + 1 + int(lines[start][0])]
    symbols = [chemical_symbols[int(w[0])] if w[0].isdigit() else w[0] for w in rows]
    return Atoms(symbols, np.array([w[1:4] for w in rows], dtype=float), cell=cell, pbc=True)


def acwf_set(root: str | Path | None = None) -> TrainingSet:
    """E(V) of 384 elemental and 576 oxide crystals of 96 elements, 7 volumes each, non-magnetic PBE.

    VASP energies and stresses of Bosoni et al., Nat. Rev. Phys. 6, 45 (2024). Atoms sit on sites that the
    symmetry fixes, so forces are zero. The files' stress (eV/A^3) is positive in compression: it is negated.

    Parameters
    ----------
    root
        As in shared_root.

    Returns
    -------
    TrainingSet
        ``base`` is the key of the all-electron reference, such as ``Si-X/Diamond`` or ``Mg-XO``.
    """
    folder = shared_root(root) / "data" / "acwf"
    structures = _load(folder / "structures.json.gz")
    atoms_list, energies, stresses, bases, kinds = [], [], [], [], []
    for group in ("unaries", "oxides"):
        result = _load(folder / f"results-{group}-verification-PBE-v1-vasp.json.gz")
        drawn = structures[f"xsfs-{group}-verification-PBE-v1"]
        for key, curve in result["eos_data"].items():
            element, prototype = key.split("-")
            crystal = _xsf_atoms(drawn[f"{element}-{prototype.removeprefix('X/')}.xsf"])
            scale = len(crystal) / result["num_atoms_in_sim_cell"][key]
            stress = {round(volume, 4): np.array(tensor) for volume, tensor in result["stress_data"].get(key) or []}
            for volume, energy in curve:
                if energy is None:
                    continue
                atoms = crystal.copy()
                factor = (scale * volume / crystal.get_volume()) ** (1.0 / 3.0)
                atoms.set_cell(crystal.cell[:] * factor, scale_atoms=True)
                tensor = stress.get(round(volume, 4))
                atoms_list.append(atoms)
                energies.append(scale * energy)
                stresses.append(None if tensor is None else -tensor[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]])
                bases.append(key)
                kinds.append(f"volume-{group}")
    return make_set(
        atoms_list,
        energies,
        [np.zeros((len(a), 3)) for a in atoms_list],
        stresses,
        set_name="acwf",
        kind=kinds,
        base=bases,
    )


def acwf_all_electron(root: str | Path | None = None) -> dict[str, tuple[float, float, float]]:
    """All-electron averages of the ACWF crystals.

    Parameters
    ----------
    root
        As in shared_root.

    Returns
    -------
    dict
        V0 (A^3/atom), B0 (eV/A^3), B0' by ``base`` of acwf_set.
    """
    folder = shared_root(root) / "data" / "acwf"
    table = {}
    for group in ("unaries", "oxides"):
        result = _load(folder / f"results-{group}-verification-PBE-v1-AE-average.json.gz")
        for key, fit in result["BM_fit_data"].items():
            atoms = result["num_atoms_in_sim_cell"][key]
            table[key] = (fit["min_volume"] / atoms, fit["bulk_modulus_ev_ang3"], fit["bulk_deriv"])
    return table


def matpes_elements(functional: Functional, root: str | Path | None = None) -> TrainingSet:
    """The 89 MatPES elemental crystals, the same structures in both functionals.

    Parameters
    ----------
    functional
        "PBE" or "r2SCAN".
    root
        As in shared_root.

    Returns
    -------
    TrainingSet
        Labelled.
    """
    folder = shared_root(root) / "data" / "elements"
    table = _load(folder / f"MatPES-{functional}-Element-Refs.json.gz")
    entries = list(table.values())
    stresses: list[np.ndarray | None] = [
        -KBAR_TO_EV_PER_A3 * np.array(e["stress"], dtype=float) if e.get("stress") else None for e in entries
    ]
    return make_set(
        [pymatgen_atoms(e["structure"]) for e in entries],
        [float(e["energy"]) for e in entries],
        [np.array(e["forces"], dtype=float) for e in entries],
        stresses,
        set_name=f"matpes-elements-{functional}",
        kind="element",
        base=[str(e["matpes_id"]) for e in entries],
    )


def matpes_free_atoms(functional: Functional, root: str | Path | None = None) -> dict[str, float]:
    """Energies of free atoms.

    Parameters
    ----------
    functional
        "PBE" or "r2SCAN".
    root
        As in shared_root.

    Returns
    -------
    dict
        eV by element.
    """
    path = shared_root(root) / "data" / "elements" / "isolated_atomic_energies_PBE_SCAN_r2SCAN.csv"
    rows = [line.split(",") for line in path.read_text().splitlines() if line.strip()]
    column = rows[0].index(functional)
    return {row[0]: float(row[column]) for row in rows[1:] if row[column].strip()}


def binary_crystals(root: str | Path | None = None) -> list[tuple[str, Atoms, float, float]]:
    """The binary crystals of the Materials Project with their moduli in PBE.

    Parameters
    ----------
    root
        As in shared_root.

    Returns
    -------
    list of tuple
        Name, crystal, K_VRH and G_VRH (GPa).
    """
    entries = _load(shared_root(root) / "data" / "mp_elasticity_binary.json.gz")
    return [
        (
            entry["mp_id"],
            Atoms(entry["symbols"], cell=entry["cell"], scaled_positions=entry["frac"], pbc=True),
            float(entry["bulk_modulus_vrh_gpa"]),
            float(entry["shear_modulus_vrh_gpa"]),
        )
        for entry in entries
    ]


def wbm_crystals(root: str | Path | None = None) -> list[tuple[str, Atoms]]:
    """822 crystals of WBM (Wang, Botti, Marques, npj Comput. Mater. 7, 12 (2021)).

    Parameters
    ----------
    root
        As in shared_root.

    Returns
    -------
    list of tuple
        Name and PBE geometry.
    """
    return _named_crystals("wbm", root)


def alexandria_crystals(root: str | Path | None = None) -> list[tuple[str, Atoms]]:
    """1,170 binary crystals of Alexandria (Schmidt et al., Adv. Mater. 35, 2210788 (2023)).

    Parameters
    ----------
    root
        As in shared_root.

    Returns
    -------
    list of tuple
        Name and PBE geometry.
    """
    return _named_crystals("alexandria_binary", root)


def _named_crystals(group: str, root: str | Path | None) -> list[tuple[str, Atoms]]:
    entries = _load(shared_root(root) / "data" / "crystals_wbm_alexandria.json.gz")[group]
    return [
        (entry["id"], Atoms(entry["symbols"], cell=entry["cell"], scaled_positions=entry["scaled"], pbc=True))
        for entry in entries
    ]
