"""More compositions: prototypes decorated at random with the elements of a family, a few structures of each.

What limits a potential on compositions that it never saw is how many it did see, so a set of decorations has many
crystals and few structures of each, where the families' own crystals (sus2.training.data.families) have many.
"""

from __future__ import annotations

import numpy as np

from sus2.training.data.families import ANIONS, CATIONS, METALS, TETRAHEDRAL, Recipe

_ALLOYS = ("CsCl", "L1_0", "L1_1", "L1_2", "D0_3", "D0_22", "B32", "C11b", "AlB2", "WC", "NiAs", "A15", "C15")
_TETRAHEDRAL = (
    "zincblende",
    "wurtzite",
    "rocksalt",
    "CsCl",
    "NiAs",
    "WC",
    "L1_0",
    "CdI2",
    "fluorite",
    "L1_2",
    "AlB2",
    "rutile",
    "La2O3",
)
_SALTS = (
    "rocksalt",
    "CsCl",
    "zincblende",
    "wurtzite",
    "NiAs",
    "fluorite",
    "rutile",
    "CdI2",
    "La2O3",
    "ReO3",
    "MoS2",
    "corundum",
)
# Slots: cation, cation, anion; and, where two anions share a cation, cation, anion, anion.
_TWO_CATIONS = ("perovskite", "NaFeO2", "K2NiF4", "zincblende-CuAu", "chalcopyrite", "half-Heusler")
_TWO_ANIONS = ("half-Heusler", "NaFeO2")


def decorations(seed: int = 0, per_family: tuple[int, int, int] = (2400, 2800, 2800)) -> list[Recipe]:
    """Choose random prototypes and elements, without repetition.

    Parameters
    ----------
    seed
        Of the random numbers.
    per_family
        How many for metals, tetrahedral and ionic crystals each.

    Returns
    -------
    list of Recipe
        Prototype and elements of each crystal.
    """
    rng = np.random.default_rng([seed, 5])
    metals, tetrahedral, ionic = per_family
    found = [_alloy(rng) for _ in range(metals)]
    found += [_covalent(rng) for _ in range(tetrahedral)]
    found += [_salt(rng) for _ in range(ionic)]
    return list(dict.fromkeys(found))


def _pick(rng: np.random.Generator, elements: tuple[str, ...], count: int) -> list[str]:
    return [str(e) for e in rng.choice(elements, count, replace=False)]


def _alloy(rng: np.random.Generator) -> Recipe:
    if rng.random() < 0.35:
        return str(rng.choice(("Heusler", "half-Heusler"))), tuple(_pick(rng, METALS, 3))
    return str(rng.choice(_ALLOYS)), tuple(_pick(rng, METALS, 2))


def _covalent(rng: np.random.Generator) -> Recipe:
    if rng.random() < 0.35:
        name = str(rng.choice(("zincblende-CuAu", "half-Heusler", "chalcopyrite"), p=(0.5, 0.25, 0.25)))
        return name, tuple(_pick(rng, TETRAHEDRAL, 3))
    return str(rng.choice(_TETRAHEDRAL)), tuple(_pick(rng, TETRAHEDRAL, 2))


def _salt(rng: np.random.Generator) -> Recipe:
    anions = tuple(sorted(ANIONS))
    draw = rng.random()
    if draw < 0.5:
        pair = (*_pick(rng, CATIONS, 1), *_pick(rng, anions, 1))
        name = str(rng.choice(_SALTS))
        # An antifluorite has the cation on the fourfold site.
        return (name, pair[::-1]) if name == "fluorite" and rng.random() < 0.5 else (name, pair)
    if draw < 0.9:
        return str(rng.choice(_TWO_CATIONS)), (*_pick(rng, CATIONS, 2), *_pick(rng, anions, 1))
    return str(rng.choice(_TWO_ANIONS)), (*_pick(rng, CATIONS, 1), *_pick(rng, anions, 2))
