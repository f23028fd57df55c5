"""Which crystals the second set has, in order of importance, so that any number of first shards is a useful set."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from ase.io import read

from sus2.training.data import reference_sets
from sus2.training.data.crystals import fillings, substitution
from sus2.training.data.crystals.crystal import ELEMENTS, NOBLE, Crystal, known, primitive
from sus2.training.data.families import METALS
from sus2.training.data.prototypes import build

# Largest primitive cells; the cost of a label grows with the atoms.
_LARGEST = {"mp": 16, "alexandria": 16, "wbm": 20, "public": 24, "element": 20}
# Elements whose crystals no hexagonal packing but hcp itself is asked of: molecules, noble gases, soft metals.
_HCP_ONLY: Final = frozenset(
    {*NOBLE, "Na", "K", "Rb", "Cs", "Ca", "Sr", "Ba", "C", "N", "O", "H", "F", "Cl", "Br", "I"}
)
_MOLECULES: Final = {"H": 0.75, "N": 1.11, "O": 1.23, "F": 1.42, "Cl": 2.0, "Br": 2.3, "I": 2.68}
_CLOSE: Final = 0.55


def _from_files(crystals: Sequence[tuple[str, Atoms]], source: str, detail: int = 1) -> list[Crystal]:
    largest = _LARGEST[source]
    cells = [(name, primitive(atoms)) for name, atoms in crystals if len(atoms) <= 4 * largest]
    return [Crystal(n, a, source, False, detail=detail) for n, a in cells if len(a) <= largest and known(a)]


def mp_binaries() -> list[Crystal]:
    """The binary crystals of the Materials Project.

    Returns
    -------
    list of Crystal
        At the geometry of the Materials Project.
    """
    return _from_files([(name, atoms) for name, atoms, *_ in reference_sets.binary_crystals()], "mp", detail=2)


def wbm() -> list[Crystal]:
    """The crystals of WBM, mostly ternary.

    Returns
    -------
    list of Crystal
        At their PBE geometry.
    """
    return _from_files(reference_sets.wbm_crystals(), "wbm")


def alexandria() -> list[Crystal]:
    """The binary crystals of Alexandria.

    Returns
    -------
    list of Crystal
        At their PBE geometry.
    """
    return _from_files(reference_sets.alexandria_crystals(), "alexandria")


def public_domain(largest: int = _LARGEST["public"]) -> list[Crystal]:
    """The crystals of the public-domain CIFs that have every site filled by one element.

    Parameters
    ----------
    largest
        At most so many atoms in the primitive cell.

    Returns
    -------
    list of Crystal
        At the geometry of the file, to be relaxed.
    """
    found = []
    archive = zipfile.ZipFile(reference_sets.shared_root() / "data" / "crystals_public_domain.zip")
    for name in sorted(n for n in archive.namelist() if n.endswith(".cif")):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                atoms = read(io.StringIO(archive.read(name).decode("utf-8", "replace")), format="cif")
        except Exception:  # a file that ASE cannot read, for whatever reason, is not one of the crystals
            continue
        occupancy = atoms.info.get("occupancy") or {}
        partial = any(abs(sum(site.values()) - 1.0) > 1e-3 or len(site) > 1 for site in occupancy.values())
        if partial or not known(atoms) or len(atoms) > 8 * largest:
            continue
        cell = primitive(atoms)
        if len(cell) <= largest and not _overlapping(cell):
            found.append(Crystal("cif:" + name.removesuffix(".cif"), cell, "public", True))
    return found


def _overlapping(atoms: Atoms) -> bool:
    """Whether atoms lie closer than 0.55 of the sum of their covalent radii: split sites, doubled hydrogens."""
    if len(atoms) < 2:
        return False
    radii = covalent_radii[atoms.numbers]
    distance = atoms.get_all_distances(mic=True) + 9.0 * np.eye(len(atoms))
    return bool((distance < _CLOSE * (radii[:, None] + radii[None])).any())


def acwf() -> list[Crystal]:
    """Unaries and oxides of ACWF at the all-electron volume.

    Returns
    -------
    list of Crystal
        Elements in four, oxides in six structures.
    """
    reference = reference_sets.acwf_all_electron()
    data = reference_sets.acwf_set()
    found: dict[str, Crystal] = {}
    for i, key in enumerate(data.base.tolist()):
        if key in found or key not in reference:
            continue
        atoms = data.to_atoms(i)
        atoms = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
        if not known(atoms):
            continue
        factor = (reference[key][0] * len(atoms) / atoms.get_volume()) ** (1 / 3)
        atoms.set_cell(atoms.cell * factor, scale_atoms=True)
        unary = "/" in key
        source = "element" if unary else "acwf-oxide"
        found[key] = Crystal(f"acwf:{key}", atoms, source, False, key.split("-")[1], 2 if unary else 1)
    return list(found.values())


def elements() -> list[Crystal]:
    """Elements: the unaries of ACWF, the ground states of MatPES, and closer packings of metals.

    Returns
    -------
    list of Crystal
        About seven of each element.
    """
    found = [c for c in acwf() if c.source == "element"]
    ground = reference_sets.matpes_elements("PBE")
    for i in range(len(ground)):
        atoms = primitive(ground.to_atoms(i))
        if len(atoms) <= _LARGEST["element"]:
            found.append(Crystal(f"ground:{ground.base[i]}", atoms, "element", False, detail=2))
    for symbol in ELEMENTS:
        names = ["hcp"]
        if symbol in METALS and symbol not in _HCP_ONLY:
            names += ["omega", "beta-Sn", "dhcp"]
        if symbol in ("As", "Sb", "Bi", "P", "Si", "Ge", "Sn"):
            names += ["A7", "beta-Sn"]
        found += [Crystal(f"{n}:{symbol}", build(n, (symbol,)), "element", True, n) for n in names]
    return found


def molecules() -> list[Crystal]:
    """Two atoms at their bond length in a small box, three orientations, for elements whose crystals are molecular.

    Returns
    -------
    list of Crystal
        H, N, O, F, Cl, Br, I.
    """
    found = []
    for symbol, bond in _MOLECULES.items():
        side = 2.0 * covalent_radii[atomic_numbers[symbol]] + 2.9
        for k, axis in enumerate(((0, 0, 1), (1, 1, 1), (1, 1, 0))):
            v = np.array(axis, dtype=float)
            v *= bond / np.linalg.norm(v)
            cell = np.diag([side, 1.05 * side, 1.1 * side]) + np.diag(0.8 * np.abs(v))
            atoms = Atoms([symbol, symbol], [[0.0, 0.0, 0.0], v], cell=cell, pbc=True)
            found.append(Crystal(f"molecule{k}:{symbol}", atoms, "molecule", False, "molecule", 2))
    return found


_SPREAD: Final = ((0.5, 0.75), (0.75, 1.1), (1.1, 2.0))
_SPREAD_COMMON: Final = ((0.48, 0.65), (0.65, 0.8), (0.8, 0.95), (0.95, 1.2), (1.2, 2.2))
_SPREAD_EQUAL: Final = tuple((a, a + 0.1) for a in (0.48, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.45, 1.8))
# Further apart TensorNet, cut at 5 A, has nothing to say.
LARGEST_DIMER_A: Final = 4.99


def dimers(seed: int = 9) -> list[Crystal]:
    """Every pair of elements alone in a box, from half the sum of the covalent radii on; in random order.

    Parameters
    ----------
    seed
        Of the distances.

    Returns
    -------
    list of Crystal
        Three distances of each pair, five with H, C, N, O, F, S or Cl, ten of equal atoms.
    """
    rng = np.random.default_rng(seed)
    found = []
    for k, x in enumerate(ELEMENTS):
        for y in ELEMENTS[k:]:
            reach = covalent_radii[atomic_numbers[x]] + covalent_radii[atomic_numbers[y]]
            common = {x, y} & {"H", "C", "N", "O", "F", "S", "Cl"}
            for low, high in _SPREAD_EQUAL if x == y else _SPREAD_COMMON if common else _SPREAD:
                apart = min(reach * float(rng.uniform(low, high)), 5.9)
                box = np.diag([apart + 12.0, 12.5, 13.0])
                atoms = Atoms([x, y], [[1.0, 1.0, 1.0], [1.0 + apart, 1.0, 1.0]], cell=box, pbc=True)
                found.append(Crystal(f"dimer:{x}-{y}", atoms, "dimer", False, "dimer", 0))
    order = np.random.default_rng(3).permutation(len(found))
    return [found[i] for i in order if found[i].atoms.get_distance(0, 1) < LARGEST_DIMER_A]


def stages(seed: int = 0) -> Iterator[tuple[str, list[Crystal]]]:
    """All crystals but the dimers, in five stages.

    Parameters
    ----------
    seed
        Of every random choice.

    Yields
    ------
    tuple[str, list[Crystal]]
        ``textbook``: elements, molecules, textbook binaries, binary salts of all cations; ``files``: crystals of
        databases, minerals, oxides; ``relatives``: AFLOW prototypes, ternary salts, alloys, and substitutions;
        ``more relatives``: substitutions of the crystals of databases, binary ones above all; ``further relatives``:
        substitutions of ternary and richer ones above all, which bring the compositions to 40,000.
    """
    names: set[str] = set()
    taken: set[tuple[str, str]] = set()

    def new(crystals: list[Crystal], rng: np.random.Generator) -> list[Crystal]:
        out = []
        for k in rng.permutation(len(crystals)):
            crystal = crystals[k]
            if crystal.name not in names:
                names.add(crystal.name)
                taken.add(substitution.key(crystal))
                out.append(crystal)
        return out

    rng = np.random.default_rng([seed, 50])
    yield "textbook", new(elements() + molecules() + fillings.textbook() + fillings.binary_salts(), rng)
    rng = np.random.default_rng([seed, 51])
    files, ternary, minerals = mp_binaries() + alexandria(), wbm(), public_domain()
    oxides = [c for c in acwf() if c.source != "element"]
    yield "files", new(files + ternary + minerals + oxides, rng)
    rng = np.random.default_rng([seed, 52])
    types = substitution.aflow_prototypes()
    found = types + fillings.ternary_salts(rng)
    for parents, count, largest, source in (
        (types, 14, 12, "aflow-sub"),
        (ternary, 3, 12, "wbm-sub"),
        ([c for c in minerals if len(set(c.atoms.numbers)) > 1], 5, 14, "public-sub"),
    ):
        small = [c for c in parents if len(c.atoms) <= largest]
        found += substitution.substituted(small, rng, count, source, taken)
    found += fillings.alloys(rng)
    yield "relatives", new(found, rng)
    rng = np.random.default_rng([seed, 53])
    found = []
    for parents, count, largest, source in (
        ([c for c in files if len(set(c.atoms.numbers)) > 1], 4, 10, "binary-sub"),
        (ternary, 4, 12, "wbm-sub"),
        ([c for c in minerals if len(set(c.atoms.numbers)) > 1], 4, 14, "public-sub"),
    ):
        small = [c for c in parents if len(c.atoms) <= largest]
        found += substitution.substituted(small, rng, count, source, taken)
    yield "more relatives", new(found, rng)
    rng = np.random.default_rng([seed, 54])
    found = []
    for parents, count, largest, source in (
        (types, 30, 12, "aflow-sub"),
        (ternary, 28, 12, "wbm-sub"),
        ([c for c in minerals if len(set(c.atoms.numbers)) > 1], 40, 14, "public-sub"),
    ):
        small = [c for c in parents if len(c.atoms) <= largest]
        found += substitution.substituted(small, rng, count, source, taken, tries=4 * count)
    yield "further relatives", new(found, rng)
