"""Prototypes filled with the elements that their sites take: salts by charge, alloys by chance."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product
from typing import Final

import numpy as np

from sus2.training.data.crystals.crystal import ELEMENTS, NOBLE, Crystal
from sus2.training.data.families import Recipe
from sus2.training.data.hold_out import TEXTBOOK_BINARIES
from sus2.training.data.prototypes import build


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_HALIDES: Final = ("F", "Cl", "Br", "I")
_CHALCOGENS: Final = ("O", "S", "Se", "Te")
# Cations by charge; an element that has several appears several times.
ONE: Final = _words("Li Na K Rb Cs Ag Cu Tl H")
TWO: Final = _words("Be Mg Ca Sr Ba Zn Cd Hg Pb Sn Mn Fe Co Ni Cu Eu V Cr Pd Yb")
THREE: Final = _words("B Al Ga In Sc Y La Ce Pr Nd Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Ti V Cr Mn Fe Co Bi Sb Rh Tl U Pu")
FOUR: Final = _words("Ti Zr Hf Si Ge Sn Ce Th U V Mn Mo W Re Ru Os Ir Pt Pb Te Nb Ta Pa Np Pu")
FIVE: Final = _words("Nb Ta V Sb As P Mo W Re")
_NOT_ALLOYED: Final = NOBLE | set(_words("H N O F Cl Br I S Se"))
_ALLOYS: Final = _words("CsCl L1_0 L1_2 D0_3 AlB2 C15 NiAs B32 A15 D0_22 WC rocksalt L1_1")


def _made(recipes: Sequence[Recipe], source: str, detail: int) -> list[Crystal]:
    distinct = [(name, e) for name, e in dict.fromkeys(recipes) if len(set(e)) == len(e)]
    return [
        Crystal(f"{n}:{'-'.join(e)}", build(n, e), source, True, n, 0 if set(e) & NOBLE else detail)
        for n, e in distinct
    ]


def textbook() -> list[Crystal]:
    """The binary textbook compounds in their structure and in its rivals.

    Returns
    -------
    list of Crystal
        Rocksalt, CsCl, zincblende, wurtzite and NiAs of salts; CsCl, L1_0 and B32 of alloys.
    """
    found = []
    for formula in TEXTBOOK_BINARIES.split():
        x, y = re.findall(r"[A-Z][a-z]?", formula)
        covalent = x in ("B", "Al", "Ga", "In", "Si", "Ge")
        alloy = not covalent and y in ("Al", "Zn", "Ti", "Pd", "Ag", "Cu", "Cd", "In", "Tl")
        alloy = alloy or formula in ("NiAl", "BeCu")
        for name in ("CsCl", "L1_0", "B32") if alloy else ("rocksalt", "CsCl", "zincblende", "wurtzite", "NiAs"):
            detail = 2 if name in ("rocksalt", "zincblende", "CsCl") else 1
            found.append(Crystal(f"{name}:{x}-{y}", build(name, (x, y)), "textbook", True, name, detail))
    return found


def binary_salts() -> list[Crystal]:
    """Oxides, halides, sulfides, nitrides, hydrides of every cation in the prototypes of its charge.

    Returns
    -------
    list of Crystal
        And a few prototypes of every element with O, F, N, C, H, Cl and S.
    """
    r: list[Recipe] = []
    for a, x in product(ONE, _HALIDES):
        r += [(n, (a, x)) for n in ("rocksalt", "CsCl", "zincblende")]
    r += [("fluorite", (x, a)) for a, x in product(ONE, _CHALCOGENS)]
    for a, x in product(TWO, _CHALCOGENS):
        r += [(n, (a, x)) for n in ("rocksalt", "zincblende", "NiAs", "wurtzite")]
    for a, x in product(TWO, (*_HALIDES, "H")):
        r += [(n, (a, x)) for n in ("fluorite", "rutile", "CdI2")]
    for a, x in product(THREE, ("N", "P", "As")):
        r += [("rocksalt", (a, x)), ("zincblende", (a, x))]
    for a, x in product(THREE, ("O", "S", "Se")):
        r += [("La2O3", (a, x)), ("corundum", (a, x))]
    for a, x in product(THREE, ("F", "Cl")):
        r += [("ReO3", (a, x)), ("D0_3", (x, a))]
    for a, x in product(FOUR, ("O", "S", "Se", "F")):
        r += [(n, (a, x)) for n in (("fluorite", "rutile", "CdI2") if x != "F" else ("fluorite",))]
    for a in FIVE:
        r += [("rutile", (a, "O")), ("MoS2", (a, "S")), ("MoS2", (a, "Se"))]
    for a in ELEMENTS:
        r += [(n, (a, "O")) for n in ("rocksalt", "ReO3")]
        r += [(n, (a, "F")) for n in ("rocksalt", "fluorite", "ReO3")]
        r += [("rocksalt", (a, "N"))] if a not in ("O", "F") else []
        r += [("rocksalt", (a, "C"))] if a not in ("O", "F", "N") else []
        r += [("rocksalt", (a, "H")), ("fluorite", (a, "H"))]
        r += [("rocksalt", (a, "Cl"))] if a != "F" else []
        r += [("rocksalt", (a, "S"))]
    return _made(r, "ionic", 1)


def ternary_salts(rng: np.random.Generator) -> list[Crystal]:
    """Perovskites, layered oxides, spinels, mixed anions, chalcopyrites and Heusler phases, in random order.

    Parameters
    ----------
    rng
        Of the order.

    Returns
    -------
    list of Crystal
        All of them.
    """
    r: list[Recipe] = []
    for a in ("Li", "Na", "K", "Rb", "Cs", "Ag", "Tl"):
        r += [("perovskite", (a, b, x)) for b, x in product(TWO, _HALIDES)]
        r += [("perovskite", (a, b, "O")) for b in FIVE]
        r += [("NaFeO2", (a, b, x)) for b, x in product(THREE, ("O", "S"))]
        r += [("K2NiF4", (a, b, "F")) for b in TWO]
    for a, b in product(("Ca", "Sr", "Ba", "Pb", "Eu", "Cd"), FOUR):
        r += [("perovskite", (a, b, "O")), ("perovskite", (a, b, "S")), ("K2NiF4", (a, b, "O"))]
    r += [("perovskite", (a, b, "O")) for a, b in product(("La", "Y", "Nd", "Gd", "Ce", "Bi", "Pr", "Sm"), THREE)]
    spinels = product(_words("Mg Zn Cd Mn Fe Co Ni Cu"), _words("Al Ga In Cr Fe V Sc Mn Co Rh"))
    r += [("spinel", (a, b, "O")) for a, b in spinels]
    for a in THREE:
        for x, y in (("O", "F"), ("O", "Cl"), ("O", "Br"), ("S", "F"), ("N", "F")):
            r += [("half-Heusler", (a, x, y)), ("half-Heusler", (x, a, y))]
    for a, b in product(_words("Ti Nb Ta V Zr Mo W"), ("K", "Na", "Rb", "Ba", "Sr")):
        r += [("perovskite", (b, a, "O")), ("perovskite", (b, a, "F"))]
    for a, b in product(("Cu", "Ag", "Li"), ("Al", "Ga", "In", "Fe")):
        r += [("chalcopyrite", (a, b, x)) for x in ("S", "Se", "Te")]
    for x, y, z in product(_words("Ti Zr Hf V Nb"), _words("Fe Co Ni Ru Rh"), _words("Sn Sb Al Ga")):
        r += [("half-Heusler", (z, x, y)), ("Heusler", (y, x, z))]
    found = _made(r, "ionic", 0)
    return [found[k] for k in rng.permutation(len(found))]


def alloys(rng: np.random.Generator, count: int = 2500) -> list[Crystal]:
    """Pairs of metals and metalloids, each in one random prototype.

    Parameters
    ----------
    rng
        Of the prototypes and pairs.
    count
        How many.

    Returns
    -------
    list of Crystal
        Binary crystals.
    """
    metals = [s for s in ELEMENTS if s not in _NOT_ALLOYED]
    found: list[Recipe] = []
    for k, x in enumerate(metals):
        for y in metals[k + 1 :]:
            pair = (x, y) if rng.random() < 0.5 else (y, x)
            found.append((str(rng.choice(_ALLOYS)), pair))
    return _made([found[k] for k in rng.permutation(len(found))[:count]], "intermetallic", 0)
