"""Labels of one level from several teachers: PBE without +U, and r2SCAN as PBE and a difference.

PBE is Nequix-OMat-1's, which has half of TensorNet's error in shear and phonons. It was trained with +U for oxides and
fluorides of V, Cr, Mn, Fe, Co, Ni, Mo and W, as the Materials Project sets it; these are TensorNet-MatPES's instead,
whose energies are brought to the same zero by an offset of each element, fitted where both have labels. Of the
halogens' molecules TensorNet has better bonds (Nequix finds no minimum for I2, and F2 too long). Crystals of one metal
of groups 4 to 11 are those of Nequix-OAM-1-PFT, brought to the same zero: its C44 are nearer to PBE (Nb 21 GPa where
Nequix-OMat-1 has 8 and PBE 20, Ta 59, 41 and 70, W 148, 127 and 145, Pt 56, 48 and 59). Its volumes are not, so each
crystal keeps the pressure that Nequix-OMat-1 finds at rest, by a term as below.

r2SCAN is the PBE label and the difference of the two TensorNet-MatPES potentials; where SevenNet-MF-0 has labelled the
crystal at rest, the pressure of that difference becomes SevenNet's, by a term that is linear in the volume:

    E += -dp (V - V0),  stress += -dp,  dp = dp(SevenNet) - dp(TensorNet) at V0

because SevenNet predicts how volumes change (0.77 points from all-electron results where TensorNet has 2.07), TensorNet
how stiffness does. In solid K, Rb, Cs, Ba and noble gases, whose neighbours are near its cutoff of 5 A or beyond it,
TensorNet does not (pressure of Ba at a quarter more of its volume: -1.7 GPa in PBE, -13 in r2SCAN): there the volume
alone changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from ase.data import atomic_numbers

from sus2.types import Array, Index

Arrays = Mapping[str, np.ndarray]
NEQUIX, METALS, TENSORNET = "nequix-omat-1", "nequix-oam-1-pft", "tensornet-matpes"
PLUS_U: Final = tuple(atomic_numbers[s] for s in ("V", "Cr", "Mn", "Fe", "Co", "Ni", "Mo", "W"))
_OXIDE_OR_FLUORIDE: Final = (atomic_numbers["O"], atomic_numbers["F"])
_HALOGENS: Final = tuple(atomic_numbers[s] for s in ("F", "Cl", "Br", "I"))
# Groups 4 to 11.
_METALS: Final = tuple(z for first in (22, 40, 72) for z in range(first, first + 8))
NOBLE: Final = tuple(atomic_numbers[s] for s in ("He", "Ne", "Ar", "Kr", "Xe"))
WIDE: Final = (*NOBLE, *(atomic_numbers[s] for s in ("K", "Rb", "Cs", "Ba")))
"""Elements whose neighbours in their own crystals are too far for the teachers of the change of functional."""
# Offsets are fitted robustly: deviations beyond this (eV/atom) count linearly.
_ROBUST: Final = 0.02
_RIDGE: Final = 1e-3
_LARGEST_Z: Final = 95


def with_plus_u(numbers: Sequence[int] | Index) -> bool:
    """Whether Nequix gives such a crystal a Hubbard U.

    Parameters
    ----------
    numbers
        Atomic numbers.

    Returns
    -------
    bool
        Whether it has O or F and one of the eight elements.
    """
    found = np.asarray(numbers)
    return bool(np.isin(found, _OXIDE_OR_FLUORIDE).any() and np.isin(found, PLUS_U).any())


def from_nequix(structures: Arrays) -> np.ndarray:
    """Which structures Nequix labels.

    Parameters
    ----------
    structures
        Arrays of a shard.

    Returns
    -------
    ndarray
        (S,) of bool: all but those with +U, and dimers of equal halogens; other dimers have no +U that matters.
    """
    offsets, numbers = structures["offsets"], structures["numbers"].astype(int)
    chosen = []
    for k, (a, b) in enumerate(pairwise(offsets.tolist())):
        own = numbers[a:b]
        if structures["kind"][k] == "dimer":
            chosen.append(not (own[0] == own[-1] and own[0] in _HALOGENS))
        else:
            chosen.append(not with_plus_u(own))
    return np.array(chosen, dtype=bool)


def of_one_metal(structures: Arrays) -> np.ndarray:
    """Which structures are crystals of one metal of groups 4 to 11.

    Parameters
    ----------
    structures
        Arrays of a shard.

    Returns
    -------
    ndarray
        (S,) of bool; dimers are none.
    """
    return _of_one_element(structures, _METALS)


def of_wide_elements(structures: Arrays) -> np.ndarray:
    """Crystals of one element of WIDE, in which TensorNet does not know the change of functional.

    Parameters
    ----------
    structures
        Arrays of the shard.

    Returns
    -------
    ndarray
        (S,) of bool; dimers are none.
    """
    return _of_one_element(structures, WIDE)


def _of_one_element(structures: Arrays, among: Sequence[int]) -> np.ndarray:
    numbers, first = structures["numbers"].astype(int), structures["offsets"][:-1]
    pure = np.minimum.reduceat(numbers, first) == np.maximum.reduceat(numbers, first)
    found: np.ndarray = pure & np.isin(numbers[first], among) & (structures["kind"] != "dimer")
    return found


def element_counts(structures: Arrays) -> Array:
    """Atoms of each element.

    Parameters
    ----------
    structures
        Arrays of a shard.

    Returns
    -------
    ndarray
        (S, 95), column the atomic number.
    """
    sizes = np.diff(structures["offsets"])
    counts = np.zeros((len(sizes), _LARGEST_Z))
    np.add.at(counts, (np.repeat(np.arange(len(sizes)), sizes), structures["numbers"].astype(int)), 1.0)
    return counts


def fit_offsets(counts: Array, difference: Array) -> Array:
    """Offset of each element (eV) that brings the energies of one teacher to the zero of another.

    Parameters
    ----------
    counts
        (S, 95) atoms of each element.
    difference
        (S,) energy of the second less that of the first, eV.

    Returns
    -------
    ndarray
        (95,) by iteratively reweighted least squares; zero for elements that do not occur.
    """
    sizes = counts.sum(axis=1)
    x, y = counts / sizes[:, None], difference / sizes
    weight = np.ones(len(y))
    offsets = np.zeros(_LARGEST_Z)
    for _ in range(40):
        offsets = np.linalg.solve(x.T @ (weight[:, None] * x) + _RIDGE * np.eye(_LARGEST_Z), x.T @ (weight * y))
        weight = 1.0 / np.maximum(np.abs(y - x @ offsets), _ROBUST)
    return np.asarray(offsets)


def offsets_of_metals(numbers: Array, difference: Array) -> dict[int, float]:
    """Offset of each metal, eV/atom, that brings the energies of its own teacher to the zero of the others.

    Parameters
    ----------
    numbers
        (S,) atomic numbers of crystals of one metal.
    difference
        (S,) energy of Nequix-OMat-1 less that of the teacher of metals, eV/atom.

    Returns
    -------
    dict
        Median over the crystals of each.
    """
    return {int(z): float(np.median(difference[numbers == z])) for z in np.unique(numbers)}


def blended(
    structures: Arrays,
    nequix: Arrays,
    tensornet: Mapping[str, Arrays],
    offsets: Array,
    pressures: Mapping[str, tuple[float, float]] | None = None,
    metals: np.ndarray | None = None,
) -> tuple[dict[str, dict[str, np.ndarray]], np.ndarray]:
    """Labels in PBE and r2SCAN of one shard.

    Parameters
    ----------
    structures
        Its arrays.
    nequix
        Labels, NaN where it has none (energy (S,), forces (N, 3), stress (S, 6)).
    tensornet
        Labels of TensorNet by functional.
    offsets
        From TensorNet's energies to Nequix', eV, by atomic number.
    pressures
        By crystal: correction dp (eV/A^3) and volume V0 (A^3 per atom); without, r2SCAN is not corrected.
    metals
        (S,) of bool: whose labels in `nequix` are those of the teacher of metals.

    Returns
    -------
    (dict, ndarray)
        Labels by functional, and the teacher of each PBE label.
    """
    sizes = np.diff(structures["offsets"])
    system = np.repeat(np.arange(len(sizes)), sizes)
    own = np.isfinite(nequix["energy"])
    pbe, scan = tensornet["PBE"], tensornet["r2SCAN"]
    shifted = pbe["energy"] + element_counts(structures) @ offsets
    first = {
        "energy": np.where(own, nequix["energy"], shifted),
        "forces": np.where(own[system, None], nequix["forces"], pbe["forces"]).astype(float),
        "stress": np.where(own[:, None], nequix["stress"], pbe["stress"]).astype(float),
    }
    second = {key: first[key] + (scan[key] - pbe[key]).astype(float) for key in first}
    wide = of_wide_elements(structures)
    second["forces"][wide[system]], second["stress"][wide] = first["forces"][wide[system]], first["stress"][wide]
    for k in np.flatnonzero(wide & (structures["kind"] == "relaxed")).tolist():
        # The zero of energy is another one in r2SCAN.
        rows = wide & (structures["base"] == structures["base"][k])
        change = (scan["energy"][k] - pbe["energy"][k]) / sizes[k]
        second["energy"][rows] = first["energy"][rows] + sizes[rows] * change
    for base, (dp, v0) in (pressures or {}).items():
        rows = np.flatnonzero((structures["base"] == base) & (structures["kind"] != "dimer"))
        change_pressure(second, structures, rows, dp, v0)
    teacher = np.where(own, NEQUIX, TENSORNET)
    return {"PBE": first, "r2SCAN": second}, teacher if metals is None else np.where(metals, METALS, teacher)


def change_pressure(labels: Arrays, structures: Arrays, rows: Index, dp: float, v0: float) -> None:
    """Add dp to the pressure of some structures, in place, by a term that is linear in the volume.

    Parameters
    ----------
    labels
        With energy (S,) eV and stress (S, 6) eV/A^3.
    structures
        Arrays of the shard.
    rows
        Which structures.
    dp
        eV/A^3.
    v0
        Volume per atom at which energies stay, A^3.
    """
    volume = np.abs(np.linalg.det(structures["cells"][rows]))
    labels["energy"][rows] -= dp * (volume - v0 * np.diff(structures["offsets"])[rows])
    labels["stress"][np.ix_(rows, np.arange(3))] -= dp


def pair_numbers(structures: Arrays) -> Index:
    """The number of the pair that each structure belongs to.

    Parameters
    ----------
    structures
        Arrays of a shard, in which the two of a pair follow each other.

    Returns
    -------
    ndarray
        (S,), -1 for structures in no pair.
    """
    numbers = np.full(len(structures["kind"]), -1, dtype=np.int64)
    paired = np.flatnonzero(np.char.endswith(structures["kind"], "-pair"))
    numbers[paired] = np.arange(len(paired)) // 2
    return numbers
