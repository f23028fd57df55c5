"""Sample crystals, built from their prototype and lattice constants (angstrom)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from ase import Atoms
from ase.build import bulk
from ase.data import atomic_numbers
from ase.spacegroup import crystal

from sus2.errors import StructureError

DEFAULT_SAMPLE = "si"
KINDS: Final = ("Semiconductors", "Metals", "Intermetallics", "Salts", "Oxides", "Perovskites", "Hard", "Layered")
"""Classes of the samples, in the order in which they are shown."""


@dataclass(frozen=True)
class Sample:
    """A sample crystal.

    Attributes
    ----------
    key
        In links and commands.
    name
        For people.
    formula
        For people.
    kind
        One of KINDS.
    prototype
        Structure type.
    elements
        Chemical symbols by atomic number.
    build
        Builds the crystal.
    """

    key: str
    name: str
    formula: str
    kind: str
    prototype: str
    elements: tuple[str, ...]
    build: Callable[[], Atoms]

    def atoms(self) -> Atoms:
        """A new copy of the crystal.

        Returns
        -------
        Atoms
            The conventional cell of simple cubic crystals and the primitive cell of the others.
        """
        return self.build()


def _bulk(formula: str, prototype: str, a: float, c: float | None = None, u: float | None = None) -> Atoms:
    if prototype in ("hcp", "wurtzite"):
        return bulk(formula, prototype, a=a, c=c, **({"u": u} if u is not None else {}))
    return bulk(formula, prototype, a=a, cubic=True)


def _perovskite(elements: tuple[str, str, str], a: float) -> Atoms:
    sites = [(0.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, 0.5, 0.0), (0.5, 0.0, 0.5), (0.0, 0.5, 0.5)]
    return Atoms([*elements[:2], *elements[2:] * 3], scaled_positions=sites, cell=[a] * 3, pbc=True)


def _sites(
    sites: tuple[tuple[str, tuple[float, float, float]], ...],
    group: int,
    cell: tuple[float, ...],
    *,
    setting: int = 1,
    primitive: bool = False,
) -> Atoms:
    """Atoms at one site of each orbit, repeated by a space group; cell: a, or a and c, or all six."""
    lengths = {1: (*cell * 3, 90, 90, 90), 2: (cell[0], *cell, 90, 90, 120 if 143 <= group <= 194 else 90)}
    atoms = crystal(
        [symbol for symbol, _ in sites],
        [place for _, place in sites],
        spacegroup=group,
        setting=setting,
        cellpar=lengths.get(len(cell), cell),
        primitive_cell=primitive,
    )
    return Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)


def _rutile(elements: tuple[str, str], a: float, c: float, u: float) -> Atoms:
    return _sites(((elements[0], (0, 0, 0)), (elements[1], (u, u, 0))), 136, (a, c))


def _quartz(a: float, c: float) -> Atoms:
    # alpha-SiO2, P3_2 21: Si 3a at x = 0.4697, O 6c at (0.4135, 0.2669, 0.1191 + 2/3).
    return _sites((("Si", (0.4697, 0.0, 2 / 3)), ("O", (0.4135, 0.2669, 0.1191 + 2 / 3))), 154, (a, c))


def _ordered(elements: tuple[str, str], a: float) -> Atoms:
    """Cu3Au: the first on the corners, the second on the faces."""
    return _sites(((elements[0], (0, 0, 0)), (elements[1], (0.5, 0.5, 0))), 221, (a,))


def _s(kind: str, key: str, name: str, formula: str, prototype: str, build: Callable[[], Atoms]) -> Sample:
    elements = sorted(set(re.findall("[A-Z][a-z]?", formula)), key=atomic_numbers.__getitem__)
    return Sample(key, name, formula, kind, prototype, tuple(elements), build)


def _b(kind: str, key: str, name: str, formula: str, prototype: str, *lengths: float) -> Sample:
    """Made by ase.build.bulk."""
    known = {"CsCl": "cesiumchloride"}.get(prototype, prototype)
    return _s(kind, key, name, formula, prototype, partial(_bulk, formula, known, *lengths))


_HALF = (0.5, 0.5, 0.5)

# Lattice constants and positions: experiment at room temperature (Wyckoff, Crystal Structures; CRC Handbook), rounded.
_SAMPLES: tuple[Sample, ...] = (
    _b("Semiconductors", "si", "Silicon", "Si", "diamond", 5.431),
    _b("Semiconductors", "ge", "Germanium", "Ge", "diamond", 5.658),
    _b("Hard", "diamond", "Diamond", "C", "diamond", 3.567),
    _b("Hard", "sic", "Silicon carbide, 3C", "SiC", "zincblende", 4.360),
    _b("Semiconductors", "gaas", "Gallium arsenide", "GaAs", "zincblende", 5.653),
    _b("Semiconductors", "gap", "Gallium phosphide", "GaP", "zincblende", 5.451),
    _b("Semiconductors", "inp", "Indium phosphide", "InP", "zincblende", 5.869),
    _b("Semiconductors", "zns", "Zinc sulfide", "ZnS", "zincblende", 5.409),
    _b("Semiconductors", "cdte", "Cadmium telluride", "CdTe", "zincblende", 6.482),
    _b("Semiconductors", "gan", "Gallium nitride", "GaN", "wurtzite", 3.189, 5.185, 0.377),
    _b("Semiconductors", "aln", "Aluminium nitride", "AlN", "wurtzite", 3.112, 4.982, 0.382),
    _b("Semiconductors", "zno", "Zinc oxide", "ZnO", "wurtzite", 3.250, 5.207, 0.382),
    _b("Oxides", "mgo", "Magnesium oxide", "MgO", "rocksalt", 4.212),
    _b("Oxides", "cao", "Calcium oxide", "CaO", "rocksalt", 4.811),
    _b("Salts", "nacl", "Sodium chloride", "NaCl", "rocksalt", 5.640),
    _b("Salts", "kcl", "Potassium chloride", "KCl", "rocksalt", 6.293),
    _b("Salts", "lif", "Lithium fluoride", "LiF", "rocksalt", 4.026),
    _b("Salts", "cscl", "Caesium chloride", "CsCl", "CsCl", 4.123),
    _b("Salts", "csi", "Caesium iodide", "CsI", "CsCl", 4.567),
    _b("Salts", "caf2", "Fluorite", "CaF2", "fluorite", 5.463),
    _s("Oxides", "ceo2", "Ceria", "CeO2", "fluorite", partial(_bulk, "CeO2", "fluorite", 5.411)),
    _s(
        "Oxides",
        "li2o",
        "Lithium oxide",
        "Li2O",
        "antifluorite",
        partial(_sites, (("O", (0, 0, 0)), ("Li", (0.25, 0.25, 0.25))), 225, (4.619,)),
    ),
    _s("Salts", "mgf2", "Magnesium fluoride", "MgF2", "rutile", partial(_rutile, ("Mg", "F"), 4.621, 3.052, 0.303)),
    _s(
        "Perovskites",
        "srtio3",
        "Strontium titanate",
        "SrTiO3",
        "perovskite",
        partial(_perovskite, ("Sr", "Ti", "O"), 3.905),
    ),
    _s(
        "Perovskites",
        "batio3",
        "Barium titanate, cubic",
        "BaTiO3",
        "perovskite",
        partial(_perovskite, ("Ba", "Ti", "O"), 4.000),
    ),
    _s(
        "Perovskites",
        "bazro3",
        "Barium zirconate",
        "BaZrO3",
        "perovskite",
        partial(_perovskite, ("Ba", "Zr", "O"), 4.192),
    ),
    _s(
        "Perovskites",
        "kmgf3",
        "Potassium magnesium fluoride",
        "KMgF3",
        "perovskite",
        partial(_perovskite, ("K", "Mg", "F"), 3.989),
    ),
    _s("Oxides", "tio2", "Rutile", "TiO2", "rutile", partial(_rutile, ("Ti", "O"), 4.594, 2.959, 0.305)),
    _s("Oxides", "sno2", "Cassiterite", "SnO2", "rutile", partial(_rutile, ("Sn", "O"), 4.737, 3.186, 0.307)),
    _s(
        "Oxides",
        "anatase",
        "Anatase",
        "TiO2",
        "anatase",
        partial(_sites, (("Ti", (0, 0, 0)), ("O", (0, 0, 0.2081))), 141, (3.785, 9.514), primitive=True),
    ),
    _s("Oxides", "quartz", "Quartz, alpha", "SiO2", "quartz", partial(_quartz, 4.913, 5.405)),
    _s(
        "Oxides",
        "al2o3",
        "Corundum",
        "Al2O3",
        "corundum",
        partial(_sites, (("Al", (0, 0, 0.3522)), ("O", (0.3063, 0, 0.25))), 167, (4.759, 12.991), primitive=True),
    ),
    _s(
        "Oxides",
        "mgal2o4",
        "Spinel",
        "MgAl2O4",
        "spinel",
        partial(
            _sites,
            (("Mg", (0.125, 0.125, 0.125)), ("Al", _HALF), ("O", (0.2624, 0.2624, 0.2624))),
            227,
            (8.083,),
            setting=2,
            primitive=True,
        ),
    ),
    _b("Metals", "al", "Aluminium", "Al", "fcc", 4.050),
    _b("Metals", "cu", "Copper", "Cu", "fcc", 3.615),
    _b("Metals", "ni", "Nickel", "Ni", "fcc", 3.524),
    _b("Metals", "ag", "Silver", "Ag", "fcc", 4.086),
    _b("Metals", "au", "Gold", "Au", "fcc", 4.078),
    _b("Metals", "pt", "Platinum", "Pt", "fcc", 3.924),
    _b("Metals", "li", "Lithium", "Li", "bcc", 3.510),
    _b("Metals", "na", "Sodium", "Na", "bcc", 4.291),
    _b("Metals", "mo", "Molybdenum", "Mo", "bcc", 3.147),
    _b("Metals", "w", "Tungsten", "W", "bcc", 3.165),
    _b("Metals", "nb", "Niobium", "Nb", "bcc", 3.301),
    _b("Metals", "ta", "Tantalum", "Ta", "bcc", 3.303),
    _b("Metals", "mg", "Magnesium", "Mg", "hcp", 3.209, 5.211),
    _b("Metals", "ti", "Titanium", "Ti", "hcp", 2.951, 4.684),
    _b("Metals", "zr", "Zirconium", "Zr", "hcp", 3.232, 5.147),
    _b("Metals", "zn", "Zinc", "Zn", "hcp", 2.665, 4.947),
    _b("Intermetallics", "nial", "Nickel aluminide", "NiAl", "CsCl", 2.887),
    _s("Intermetallics", "ni3al", "Trinickel aluminide", "Ni3Al", "Cu3Au", partial(_ordered, ("Al", "Ni"), 3.572)),
    _s("Intermetallics", "cu3au", "Auricupride", "Cu3Au", "Cu3Au", partial(_ordered, ("Au", "Cu"), 3.748)),
    _b("Hard", "tic", "Titanium carbide", "TiC", "rocksalt", 4.327),
    _b("Hard", "tin", "Titanium nitride", "TiN", "rocksalt", 4.242),
    _s(
        "Semiconductors",
        "pyrite",
        "Pyrite",
        "FeS2",
        "pyrite",
        partial(_sites, (("Fe", (0, 0, 0)), ("S", (0.385, 0.385, 0.385))), 205, (5.418,)),
    ),
    _s(
        "Layered",
        "graphite",
        "Graphite",
        "C",
        "graphite",
        partial(_sites, (("C", (0, 0, 0.25)), ("C", (1 / 3, 2 / 3, 0.25))), 194, (2.461, 6.708)),
    ),
    _s(
        "Layered",
        "bn",
        "Boron nitride, hexagonal",
        "BN",
        "h-BN",
        partial(_sites, (("B", (1 / 3, 2 / 3, 0.25)), ("N", (1 / 3, 2 / 3, 0.75))), 194, (2.504, 6.661)),
    ),
    _s(
        "Layered",
        "mos2",
        "Molybdenite, 2H",
        "MoS2",
        "molybdenite",
        partial(_sites, (("Mo", (1 / 3, 2 / 3, 0.25)), ("S", (1 / 3, 2 / 3, 0.621))), 194, (3.160, 12.294)),
    ),
    _s(
        "Layered",
        "bi2te3",
        "Bismuth telluride",
        "Bi2Te3",
        "tetradymite",
        partial(
            _sites,
            (("Bi", (0, 0, 0.4000)), ("Te", (0, 0, 0)), ("Te", (0, 0, 0.2095))),
            166,
            (4.386, 30.497),
            primitive=True,
        ),
    ),
)


def samples() -> tuple[Sample, ...]:
    """All sample crystals.

    Returns
    -------
    tuple of Sample
        In the order of the list.
    """
    return _SAMPLES


def sample(key: str) -> Sample:
    """One sample crystal.

    Parameters
    ----------
    key
        Such as 'nacl'.

    Returns
    -------
    Sample
        Of that key.

    Raises
    ------
    StructureError
        There is none.
    """
    for s in _SAMPLES:
        if s.key == key:
            return s
    known = ", ".join(s.key for s in _SAMPLES)
    raise StructureError(f"There is no sample '{key[:40]}'; there are: {known}.")


def find_samples(text: str = "", kind: str = "") -> tuple[Sample, ...]:
    """The samples of a class whose formula, name, prototype or elements fit the words of a text.

    Parameters
    ----------
    text
        Words that must all fit; an element's symbol finds all crystals with it, "Ti O" those with both. A formula is
        one whatever the order of its elements.
    kind
        One of KINDS, or empty for all.

    Returns
    -------
    tuple of Sample
        In the order of the list.
    """
    words = text.split()
    return tuple(s for s in _SAMPLES if kind in ("", s.kind) and all(_fits(s, word) for word in words))


def _fits(s: Sample, word: str) -> bool:
    if word in s.elements or word == s.key:
        return True
    counted = _counts(word)
    if counted is not None and counted == _counts(s.formula):
        return True
    # The beginning of a word, of at least three letters: "o" alone would find nearly all.
    names = f"{s.name} {s.prototype} {s.formula} {s.kind}".lower()
    return len(word) > 2 and re.search(rf"(?<![a-z0-9]){re.escape(word.lower())}", names) is not None


def _counts(formula: str) -> dict[str, int] | None:
    if re.fullmatch(r"([A-Z][a-z]?\d*)+", formula) is None:
        return None
    found: dict[str, int] = {}
    for symbol, number in re.findall(r"([A-Z][a-z]?)(\d*)", formula):
        found[symbol] = found.get(symbol, 0) + int(number or 1)
    return found
