"""The families of potentials that the distillation set serves, and which structures belong to each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from ase.data import chemical_symbols

_NO_TEACHER = ("Po", "At", "Rn", "Fr", "Ra")
_NOBLE = ("He", "Ne", "Ar", "Kr", "Xe")
UNIVERSAL: tuple[str, ...] = tuple(s for s in chemical_symbols[1:95] if s not in _NO_TEACHER + _NOBLE)

# Elemental solids that the teachers describe badly, and elements whose magnetism they average over.
WEAK_ELEMENTAL = frozenset({"Na", "K", "Ca", "Ba", "C"})
MAGNETIC = frozenset({"Cr", "Mn", "Fe", "Co", "Ni"})

_HALIDES = ("F", "Cl", "Br", "I")
_CHALCOGENS = ("O", "S", "Se", "Te")
ANIONS = frozenset(_HALIDES + _CHALCOGENS)

METALS = (
    "Li",
    "Mg",
    "Al",
    "Sc",
    "Ti",
    "V",
    "Cu",
    "Zn",
    "Y",
    "Zr",
    "Nb",
    "Mo",
    "Ru",
    "Rh",
    "Pd",
    "Ag",
    "Cd",
    "Hf",
    "Ta",
    "W",
    "Re",
    "Os",
    "Ir",
    "Pt",
    "Au",
    "Pb",
)
TETRAHEDRAL = ("B", "C", "N", "O", "Al", "Si", "P", "S", "Zn", "Ga", "Ge", "As", "Se", "Cd", "In", "Sn", "Sb", "Te")
CATIONS = (
    "Li",
    "Na",
    "K",
    "Rb",
    "Cs",
    "Mg",
    "Ca",
    "Sr",
    "Ba",
    "Al",
    "Ga",
    "Sc",
    "Y",
    "La",
    "Ti",
    "Zr",
    "Hf",
    "Nb",
    "Ta",
    "Zn",
    "Si",
)
IONIC = CATIONS + _HALIDES + _CHALCOGENS


@dataclass(frozen=True)
class Family:
    """A family of potentials.

    Attributes
    ----------
    letter
        That stands for it.
    name
        Of the family.
    elements
        Chemical symbols.
    """

    letter: str
    name: str
    elements: tuple[str, ...]


FAMILIES: dict[str, Family] = {
    "a": Family("a", "metals", METALS),
    "b": Family("b", "tetrahedral", TETRAHEDRAL),
    "c": Family("c", "ionic", IONIC),
    "d": Family("d", "universal", UNIVERSAL),
}


def families_of(symbols: Iterable[str]) -> str:
    """Families that a structure serves.

    An ionic structure has a cation and an anion, or is one of the cations' elemental solids; elemental C, N and
    O are left out of the tetrahedral family.

    Parameters
    ----------
    symbols
        Its elements.

    Returns
    -------
    str
        Letters, such as 'ad'.
    """
    found = frozenset(symbols)
    letters = ""
    if found <= frozenset(METALS):
        letters += "a"
    if found <= frozenset(TETRAHEDRAL) and not (len(found) == 1 and found <= {"C", "N", "O"}):
        letters += "b"
    if found <= frozenset(IONIC):
        anions = found & ANIONS
        if (anions and found - anions) or (len(found) == 1 and not anions and not found & WEAK_ELEMENTAL):
            letters += "c"
    if found <= frozenset(UNIVERSAL):
        letters += "d"
    return letters


def teacher_flag(symbols: Iterable[str]) -> str:
    """Flag what the teachers get wrong.

    Parameters
    ----------
    symbols
        Elements of a structure.

    Returns
    -------
    str
        'weak' for the elemental solids that the teachers get wrong, 'magnetic' with Cr, Mn, Fe, Co, Ni,
        else ''.
    """
    found = frozenset(symbols)
    if len(found) == 1 and found <= WEAK_ELEMENTAL:
        return "weak"
    return "magnetic" if found & MAGNETIC else ""


Recipe = tuple[str, tuple[str, ...]]
_ELEMENTAL = ("fcc", "bcc", "hcp", "diamond", "sc", "beta-Sn", "dhcp", "A7", "simple-hexagonal", "omega", "A15-element")


def recipes(seed: int = 0) -> list[Recipe]:
    """Choose every crystal that the generator builds, without repetition.

    Parameters
    ----------
    seed
        Of the random numbers.

    Returns
    -------
    list of Recipe
        Prototype and elements of each crystal.
    """
    rng = np.random.default_rng(seed)
    found = _elements() + _metals(rng) + _tetrahedral() + _ionic(rng) + _universal(rng)
    return list(dict.fromkeys(found))


def _elements() -> list[Recipe]:
    main = frozenset(METALS + TETRAHEDRAL + CATIONS)
    return [(name, (symbol,)) for symbol in UNIVERSAL for name in (_ELEMENTAL if symbol in main else _ELEMENTAL[:5])]


def _metals(rng: np.random.Generator) -> list[Recipe]:
    found: list[Recipe] = []
    extra = ("L1_1", "B32", "D0_3", "D0_22", "A15", "C15", "C11b", "AlB2")
    for x, y in combinations(METALS, 2):
        found += [("CsCl", (x, y)), ("L1_0", (x, y)), ("L1_2", (x, y)), ("L1_2", (y, x))]
        pair = (x, y) if rng.random() < 0.5 else (y, x)
        found += [(str(name), pair) for name in rng.choice(extra, 2, replace=False)]
    for _ in range(160):
        x, y, z = rng.choice(METALS, 3, replace=False).tolist()
        found.append((str(rng.choice(["Heusler", "half-Heusler"], p=[0.7, 0.3])), (x, y, z)))
    return found


def _tetrahedral() -> list[Recipe]:
    pairs = [
        *product(("B", "Al", "Ga", "In"), ("N", "P", "As", "Sb")),
        *product(("Zn", "Cd"), _CHALCOGENS),
        ("Si", "C"),
        ("Si", "Ge"),
        ("Ge", "C"),
        ("Sn", "C"),
        ("Si", "Sn"),
        ("Ge", "Sn"),
    ]
    found: list[Recipe] = [
        (name, pair) for pair in pairs for name in ("zincblende", "wurtzite", "rocksalt", "CsCl", "NiAs", "WC", "L1_0")
    ]
    for anion in ("N", "P", "As", "Sb"):
        found += [("zincblende-CuAu", (*pair, anion)) for pair in combinations(("B", "Al", "Ga", "In"), 2)]
    found += [("zincblende-CuAu", ("Zn", "Cd", anion)) for anion in _CHALCOGENS]
    found += [("chalcopyrite", trio) for trio in product(("Zn", "Cd"), ("Si", "Ge", "Sn"), ("P", "As", "Sb"))]
    found += [("CdI2", pair) for pair in product(("Sn", "Ge", "Si"), ("S", "Se", "Te"))]
    found += [("rutile", pair) for pair in product(("Sn", "Ge", "Si"), ("O", "S"))]
    found += [("La2O3", pair) for pair in product(("Al", "Ga", "In"), _CHALCOGENS)]
    found += [("corundum", pair) for pair in product(("Al", "Ga", "In"), ("O", "S"))]
    found += [("A7", (symbol,)) for symbol in ("P", "As", "Sb")]
    return found


def _ionic(rng: np.random.Generator) -> list[Recipe]:
    one, two, three = ("Li", "Na", "K", "Rb", "Cs"), ("Mg", "Ca", "Sr", "Ba", "Zn"), ("Al", "Ga", "Sc", "Y", "La")
    four, five = ("Ti", "Zr", "Hf", "Si"), ("Nb", "Ta")
    found: list[Recipe] = []
    for pair in [*product(one, _HALIDES), *product(two, _CHALCOGENS)]:
        found += [(name, pair) for name in ("rocksalt", "CsCl", "zincblende", "wurtzite")]
    found += [("NiAs", pair) for pair in product((*two, *four, "Sc", "Y", "La"), _CHALCOGENS[1:])]
    found += [("rocksalt", pair) for pair in product((*three, *four, *five), _CHALCOGENS)]
    for pair in [*product(two, _HALIDES), *product(four, _CHALCOGENS)]:
        found += [(name, pair) for name in ("fluorite", "rutile", "CdI2")]
    found += [("MoS2", pair) for pair in product((*five, "Zr", "Hf", "Ti"), _CHALCOGENS[1:])]
    found += [("CdI2", pair) for pair in product(five, _CHALCOGENS[1:])]
    found += [("fluorite", (anion, metal)) for metal, anion in product(one, _CHALCOGENS)]
    for pair in product(three, _CHALCOGENS):
        found += [("La2O3", pair), ("corundum", pair)]
    found += [("ReO3", pair) for pair in product(three, _HALIDES)]
    for a, b, x in [
        *product(one, two, _HALIDES),
        *product(two, four, _CHALCOGENS[:2]),
        *product(one, five, ("O",)),
        *product(("La", "Y"), ("Al", "Ga", "Sc"), ("O",)),
    ]:
        found.append(("perovskite", (a, b, x)))
    found += [("NaFeO2", trio) for trio in product(("Li", "Na", "K"), three, ("O", "S"))]
    found += [("spinel", trio) for trio in product(("Mg", "Zn", "Ca"), ("Al", "Ga", "Sc"), ("O", "S"))]
    for a, b in product(("Ca", "Sr", "Ba"), ("Ti", "Zr", "Hf")):
        found.append(("K2NiF4", (a, b, "O")))
    for a, b, x in product(("K", "Rb", "Cs"), ("Mg", "Zn", "Ca"), ("F", "Cl")):
        found.append(("K2NiF4", (a, b, x)))
    found += [("half-Heusler", (str(a), str(b), "Si")) for a, b in zip(rng.permutation(one), two, strict=True)]
    return found


def _universal(rng: np.random.Generator) -> list[Recipe]:
    """One or two random prototypes for each pair of elements, and oxides, fluorides, nitrides of each element."""
    names = (
        "rocksalt",
        "CsCl",
        "zincblende",
        "L1_0",
        "L1_2",
        "D0_3",
        "fluorite",
        "NiAs",
        "AlB2",
        "WC",
        "CdI2",
        "La2O3",
    )
    found: list[Recipe] = []
    for x, y in combinations(UNIVERSAL, 2):
        pair = (x, y) if rng.random() < 0.5 else (y, x)
        found.append((str(rng.choice(names)), pair))
    for symbol in UNIVERSAL:
        if symbol != "O":
            found += [(name, (symbol, "O")) for name in ("rocksalt", "fluorite", "La2O3", "ReO3")]
            found.append(("fluorite", ("O", symbol)))
        if symbol not in ("F", "O"):
            found += [(name, (symbol, "F")) for name in ("rocksalt", "fluorite")]
        if symbol not in ("N", "O", "F"):
            found.append(("rocksalt", (symbol, "N")))
    return found
