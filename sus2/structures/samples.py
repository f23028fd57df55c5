"""Sample crystals, built from their prototype and lattice constants (angstrom)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal

from sus2.errors import StructureError

DEFAULT_SAMPLE = "si"


@dataclass(frozen=True)
class Sample:
    """A sample crystal: key for links, name and prototype for people, elements, and atoms() to build it."""

    key: str
    name: str
    prototype: str
    elements: tuple[str, ...]
    build: Callable[[], Atoms]

    def atoms(self) -> Atoms:
        """A new copy, the conventional cell of cubic crystals and the primitive cell of the others."""
        return self.build()


def _bulk(formula: str, prototype: str, a: float, c: float | None = None, u: float | None = None) -> Atoms:
    if prototype in ("hcp", "wurtzite"):
        return bulk(formula, prototype, a=a, c=c, **({"u": u} if u is not None else {}))
    return bulk(formula, prototype, a=a, cubic=True)


def _perovskite(elements: tuple[str, str, str], a: float) -> Atoms:
    sites = [(0.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, 0.5, 0.0), (0.5, 0.0, 0.5), (0.0, 0.5, 0.5)]
    return Atoms([*elements[:2], *elements[2:] * 3], scaled_positions=sites, cell=[a] * 3, pbc=True)


def _rutile(elements: tuple[str, str], a: float, c: float, u: float) -> Atoms:
    atoms = crystal(elements, [(0, 0, 0), (u, u, 0)], spacegroup=136, cellpar=[a, a, c, 90, 90, 90])
    return Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)


def _quartz(a: float, c: float) -> Atoms:
    # alpha-SiO2, P3_2 21: Si 3a at x = 0.4697, O 6c at (0.4135, 0.2669, 0.1191 + 2/3).
    atoms = crystal(
        ("Si", "O"),
        [(0.4697, 0.0, 2 / 3), (0.4135, 0.2669, 0.1191 + 2 / 3)],
        spacegroup=154,
        cellpar=[a, a, c, 90, 90, 120],
    )
    return Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)


def _s(key: str, name: str, prototype: str, elements: tuple[str, ...], build: Callable[[], Atoms]) -> Sample:
    return Sample(key, name, prototype, elements, build)


# Lattice constants: experiment at room temperature (Wyckoff, Crystal Structures; CRC Handbook), rounded.
_SAMPLES: tuple[Sample, ...] = (
    _s("si", "Silicon", "diamond", ("Si",), partial(_bulk, "Si", "diamond", 5.431)),
    _s("ge", "Germanium", "diamond", ("Ge",), partial(_bulk, "Ge", "diamond", 5.658)),
    _s("diamond", "Diamond", "diamond", ("C",), partial(_bulk, "C", "diamond", 3.567)),
    _s("sic", "Silicon carbide, 3C", "zincblende", ("C", "Si"), partial(_bulk, "SiC", "zincblende", 4.360)),
    _s("gaas", "Gallium arsenide", "zincblende", ("Ga", "As"), partial(_bulk, "GaAs", "zincblende", 5.653)),
    _s("gan", "Gallium nitride", "wurtzite", ("N", "Ga"), partial(_bulk, "GaN", "wurtzite", 3.189, 5.185, 0.377)),
    _s("aln", "Aluminium nitride", "wurtzite", ("N", "Al"), partial(_bulk, "AlN", "wurtzite", 3.112, 4.982, 0.382)),
    _s("zno", "Zinc oxide", "wurtzite", ("O", "Zn"), partial(_bulk, "ZnO", "wurtzite", 3.250, 5.207, 0.382)),
    _s("mgo", "Magnesium oxide", "rocksalt", ("O", "Mg"), partial(_bulk, "MgO", "rocksalt", 4.212)),
    _s("nacl", "Sodium chloride", "rocksalt", ("Na", "Cl"), partial(_bulk, "NaCl", "rocksalt", 5.640)),
    _s("lif", "Lithium fluoride", "rocksalt", ("Li", "F"), partial(_bulk, "LiF", "rocksalt", 4.026)),
    _s("cscl", "Caesium chloride", "CsCl", ("Cl", "Cs"), partial(_bulk, "CsCl", "cesiumchloride", 4.123)),
    _s("caf2", "Fluorite", "fluorite", ("F", "Ca"), partial(_bulk, "CaF2", "fluorite", 5.463)),
    _s("srtio3", "Strontium titanate", "perovskite", ("O", "Ti", "Sr"), partial(_perovskite, ("Sr", "Ti", "O"), 3.905)),
    _s("tio2", "Rutile", "rutile", ("O", "Ti"), partial(_rutile, ("Ti", "O"), 4.594, 2.959, 0.305)),
    _s("quartz", "Quartz, alpha", "quartz", ("O", "Si"), partial(_quartz, 4.913, 5.405)),
    _s("al", "Aluminium", "fcc", ("Al",), partial(_bulk, "Al", "fcc", 4.050)),
    _s("cu", "Copper", "fcc", ("Cu",), partial(_bulk, "Cu", "fcc", 3.615)),
    _s("ni", "Nickel", "fcc", ("Ni",), partial(_bulk, "Ni", "fcc", 3.524)),
    _s("li", "Lithium", "bcc", ("Li",), partial(_bulk, "Li", "bcc", 3.510)),
    _s("mo", "Molybdenum", "bcc", ("Mo",), partial(_bulk, "Mo", "bcc", 3.147)),
    _s("w", "Tungsten", "bcc", ("W",), partial(_bulk, "W", "bcc", 3.165)),
    _s("mg", "Magnesium", "hcp", ("Mg",), partial(_bulk, "Mg", "hcp", 3.209, 5.211)),
    _s("ti", "Titanium", "hcp", ("Ti",), partial(_bulk, "Ti", "hcp", 2.951, 4.684)),
    _s("nial", "Nickel aluminide", "CsCl", ("Al", "Ni"), partial(_bulk, "NiAl", "cesiumchloride", 2.887)),
)


def samples() -> tuple[Sample, ...]:
    """All sample crystals."""
    return _SAMPLES


def sample(key: str) -> Sample:
    """The sample of that key; raises StructureError for an unknown one."""
    for s in _SAMPLES:
        if s.key == key:
            return s
    known = ", ".join(s.key for s in _SAMPLES)
    raise StructureError(f"There is no sample '{key[:40]}'; there are: {known}.")
