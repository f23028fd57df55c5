"""Reading a CIF file: the block, the cell, the sites, their symmetry, and the file against itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.geometry import cellpar_to_cell

from sus2.errors import StructureError, printable
from sus2.settings import settings
from sus2.structures.choices import Choice, OpenChoiceError
from sus2.structures.cif.consistency import Stated, check, stated_by
from sus2.structures.cif.document import Block, number, parse, plain
from sus2.structures.cif.elements import Species, species_of_label, species_of_type
from sus2.structures.cif.sites import FULL, Place, Row, described, primitive, rounded, unsplit
from sus2.structures.cif.symmetry_choice import choose
from sus2.structures.crystal import check_cell
from sus2.structures.disorder import Mixed, assembled
from sus2.structures.formula import ratio, written
from sus2.types import Array

_MULTIPLICITY = ("_atom_site_symmetry_multiplicity", "_atom_site_site_symmetry_multiplicity")
_TRAN = tuple(f"_atom_sites_cartn_tran_matrix_{i}{j}" for i in (1, 2, 3) for j in (1, 2, 3))


def read_cif(text: str, *, block: str | None = None, setting: str | None = None, order: bool = False) -> Atoms:
    """The crystal of a CIF file, with what must be said of it in atoms.info["notices"].

    Parameters
    ----------
    text
        Of the file.
    block
        Name of the data block, where several hold a crystal.
    setting
        Hermann-Mauguin or Hall symbol, over what the file says.
    order
        Whether a disordered crystal is replaced by an ordered one near it.

    Returns
    -------
    Atoms
        The cell with all its atoms.

    Raises
    ------
    StructureError
        Half a sentence or one; OpenChoiceError where the file can be read in several ways.
    """
    chosen = _block(parse(text), block)
    cell = _cell(chosen)
    stated = stated_by(chosen)
    notices: list[str] = []
    rows, lost = _rows(chosen, cell, stated, notices)
    found = choose(chosen, rows, cell, stated, setting)
    notices += found.notices
    places = found.expanded.places
    whole = all(p.is_whole for p in places)
    if not whole and _whole_by_formula(places, stated):
        notices.append("Occupancies below one were taken as whole atoms: so the formula and Z of the file say.")
        places = [Place(p.points, dict.fromkeys(p.content, 1.0), p.labels, p.texts) for p in places]
    else:
        notices += check(stated, rows, found.expanded, lost)
    places = unsplit(places, cell)
    volume = abs(float(np.linalg.det(cell)))
    if stated.volume_a3 and abs(stated.volume_a3 - volume) > 0.01 * volume:
        notices.append(
            f"The file says that the cell has {stated.volume_a3:g} Å³, but its lengths make {volume:.2f} Å³."
        )
    count, limit = sum(len(p.points) for p in places), settings().max_atoms
    if count > limit:
        places, cell = primitive(places, found.operations, cell)
        smaller = sum(len(p.points) for p in places)
        if smaller <= limit:
            notices.append(f"The conventional cell has {count:,} atoms; the primitive cell of {smaller:,} was taken.")
    sites = [Mixed(point, dict(place.content)) for place in places for point in place.points]
    return assembled(sites, cell, order=order, notices=notices, what=described(places))


def _block(blocks: Sequence[Block], wanted: str | None) -> Block:
    crystals = [b for b in blocks if b.has_cell and b.has_atoms]
    if wanted is not None:
        for b in blocks:
            if b.name.lower() == wanted.lower():
                return b
        raise StructureError(f"There is no data block '{printable(wanted, 40)}'.")
    if len(crystals) == 1:
        return crystals[0]
    if crystals:
        shown = [f"'{printable(b.name, 30)}' ({_formula(b)})" for b in crystals]
        listed = ", ".join(shown[:5]) + (", ..." if len(shown) > 5 else "")
        raise OpenChoiceError(
            f"The file holds {len(crystals)} crystals, {listed}; choose one with "
            f"block='{printable(crystals[0].name, 30)}'.",
            [Choice("block", b.name, label) for b, label in zip(crystals, shown, strict=True)],
        )
    if not any(b.has_cell for b in blocks):
        raise StructureError("The CIF file gives no cell (_cell_length_a ...): a crystal needs one.")
    raise StructureError("The CIF file holds no atoms that can be read; it may be cut off.")


def _formula(block: Block) -> str:
    """What a block is, for a list to choose from: its stated formula, else the elements of its sites."""
    formula = stated_by(block).formula
    if formula:
        return written(formula)
    found: list[str] = []
    types, labels = block.column("_atom_site_type_symbol"), block.column("_atom_site_label")
    for text in types or labels:
        try:
            one = species_of_type(plain(text)) if types else species_of_label(plain(text), (), labels)
        except StructureError:
            return "?"
        if one.symbol not in found:
            found.append(one.symbol)
    return "-".join(found[:8])


def _cell(block: Block) -> Array:
    if number(block.value("_cell_modulation_dimension")) > 0:
        raise StructureError("The structure is modulated, which is not read here; give a commensurate supercell.")
    lengths, angles = [], []
    for axis in "abc":
        value = number(block.value(f"_cell_length_{axis}"))
        if not value > 0.0:
            raise StructureError(f"The CIF file gives no length of {axis} (_cell_length_{axis}) that is a number.")
        lengths.append(value)
    for axis in ("alpha", "beta", "gamma"):
        text = block.value(f"_cell_angle_{axis}")
        value = number(text) if text else 90.0
        if not 0.0 < value < 180.0:
            raise StructureError(f"The angle {axis} of the cell, '{printable(text, 30)}', must be between 0 and 180°.")
        angles.append(value)
    with np.errstate(all="ignore"):
        try:
            cell = np.asarray(cellpar_to_cell([*lengths, *angles]), dtype=np.float64)
        except (AssertionError, ArithmeticError, ValueError):
            cell = np.full((3, 3), np.nan)
    if not np.isfinite(cell).all() or np.linalg.det(cell) <= 0.0:
        raise StructureError("The lengths and angles of the cell make no cell; correct them.")
    check_cell(cell)
    return cell


def _rows(block: Block, cell: Array, stated: Stated, notices: list[str]) -> tuple[list[Row], list[str]]:
    """The sites that have coordinates, and the labels of hydrogens that have none."""
    fractional = [block.column(f"_atom_site_fract_{axis}") for axis in "xyz"]
    cartesian = [block.column(f"_atom_site_cartn_{axis}") for axis in "xyz"]
    inverse = None
    if not all(fractional) or all(number(v) != number(v) for column in fractional for v in column):
        if not all(cartesian):
            raise StructureError("The CIF file holds no atoms that can be read; it may be cut off.")
        inverse = _inverse(block, cell)
        fractional = cartesian
    length, limit = len(fractional[0]), settings().max_atoms
    if length > limit:
        raise StructureError(f"The structure has {length:,} atoms; at most {limit:,} are allowed here.")
    labels = block.column("_atom_site_label") or block.column("_atom_site_type_symbol")
    types = block.column("_atom_site_type_symbol")
    if len(labels) != length or (types and len(types) != length) or any(len(c) != length for c in fractional):
        raise StructureError("The sites of the CIF file have no labels, or another number of them; it may be cut off.")
    occupancies = block.column("_atom_site_occupancy")
    multiplicities = block.column(*_MULTIPLICITY)
    flags = block.column("_atom_site_calc_flag")
    alternatives = block.column("_atom_site_disorder_group")
    formula, words = set(stated.formula), [plain(v) for v in labels]
    rows: list[Row] = []
    lost: list[str] = []
    empty: list[str] = []
    said: dict[str, None] = {}
    kinds: dict[tuple[str, str], Species] = {}
    for k in range(length):
        label = words[k]
        if len(flags) == length and plain(flags[k]).lower() == "dum":
            continue
        text = plain(types[k]) if types else ""
        if (text, label if not text else "") not in kinds:
            kinds[text, label if not text else ""] = (
                species_of_type(text, formula) if text else species_of_label(label, formula, words)
            )
        species = kinds[text, label if not text else ""]
        values = [number(column[k]) for column in fractional]
        if not np.isfinite(values).all():
            if any(plain(column[k]) for column in fractional):
                wrong = next(column[k] for column in fractional if not np.isfinite(number(column[k])))
                raise StructureError(f"The coordinate '{printable(wrong, 30)}' of {printable(label, 30)} is no number.")
            if species.symbol != "H":
                raise StructureError(
                    f"The site {printable(label, 30)} ({species.symbol}) has no coordinates; add them."
                )
            lost.append(printable(label, 20))
            continue
        if np.abs(values).max() > 1e4:
            raise StructureError(f"The coordinates of {printable(label, 30)} are far outside the cell; correct them.")
        occupancy = _occupancy(occupancies[k] if len(occupancies) == length else "", label)
        if occupancy == 0.0:
            empty.append(printable(label, 20))
            continue
        if species.said:
            said[species.said] = None
        exact = [rounded(plain(column[k]), v) for column, v in zip(fractional, values, strict=True)]
        point = np.array([v for v, _ in exact])
        rounding = np.array([r for _, r in exact])
        if inverse is not None:
            point, rounding = np.array(values) @ inverse, np.zeros(3)
        if len(alternatives) == length and plain(alternatives[k]) and occupancy == 1.0:
            # Parts of a disordered group without occupancies.
            others = {plain(a) for a in alternatives} - {""}
            occupancy = 1.0 / len(others) if len(others) > 1 else 1.0
        multiplicity = number(multiplicities[k]) if len(multiplicities) == length else float("nan")
        count = int(multiplicity) if multiplicity == multiplicity and 1 <= multiplicity <= 192 else None
        rows.append(Row(label, species.symbol, species.mass, point, rounding, occupancy, count, text))
    if empty:
        notices.append(f"Sites of occupancy 0 were left out: {', '.join(empty[:6])}.")
    notices += said
    if not rows:
        raise StructureError("The CIF file holds no atoms that can be read; it may be cut off.")
    return rows, lost


def _occupancy(text: str, label: str) -> float:
    if not text or not plain(text):
        return 1.0
    value = number(text)
    if not 0.0 <= value <= 2.0 - FULL:
        raise StructureError(
            f"The occupancy of {printable(label, 30)} is '{printable(text, 30)}'; it must be between 0 and 1."
        )
    return 1.0 if value >= FULL else value


def _inverse(block: Block, cell: Array) -> Array:
    """The matrix from Cartesian rows to fractional ones; raises StructureError where the file leaves the axes open."""
    entries = [number(block.value(tag)) for tag in _TRAN]
    if np.isfinite(entries).all():
        # Its columns are the lattice vectors along the axes of the coordinates.
        matrix = np.reshape(entries, (3, 3))
        if np.allclose(matrix.T @ matrix, cell @ cell.T, rtol=0.02, atol=0.05):
            return np.asarray(np.linalg.inv(matrix).T)
        raise StructureError("The matrix of the Cartesian axes does not fit the cell; give fractional coordinates.")
    lengths = np.linalg.norm(cell, axis=1)
    if np.abs(cell - np.diag(lengths)).max() < 1e-6 * lengths.max():
        return np.asarray(np.linalg.inv(cell))
    raise StructureError(
        "The sites have Cartesian coordinates only, and the file does not say along which axes; give fractional ones."
    )


def _whole_by_formula(places: Sequence[Place], stated: Stated) -> bool:
    """Whether whole atoms on every place give exactly the stated formula and Z, and the occupancies do not.

    Some programs write the share of a general position (1/48 for an atom on m-3m) where the occupancy belongs.
    """
    if not stated.formula or not stated.z or any(len(p.content) > 1 for p in places):
        return False
    whole: dict[str, float] = {}
    given: dict[str, float] = {}
    for p in places:
        for (symbol, _), occupancy in p.content.items():
            whole[symbol] = whole.get(symbol, 0.0) + len(p.points)
            given[symbol] = given.get(symbol, 0.0) + occupancy * len(p.points)
    factor = ratio(whole, stated.formula)
    return factor is not None and abs(factor - stated.z) < 0.01 and ratio(given, stated.formula) is None
