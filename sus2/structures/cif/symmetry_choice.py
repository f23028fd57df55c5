"""Which operations a CIF file means: those it lists, else its Hall symbol, its name, its number, in this order.

What a name leaves open (the origin, the axes) is decided by the cell, the multiplicities, the formula and Z of the
file; where nothing decides, the file is refused with the choices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import spglib
from ase import Atoms

from sus2.errors import StructureError, printable
from sus2.structures.choices import Choice, OpenChoiceError
from sus2.structures.cif import groups
from sus2.structures.cif.consistency import Agreement, Stated, agreement
from sus2.structures.cif.document import Block, number, plain
from sus2.structures.cif.operations import (
    IDENTITY,
    Operations,
    fits,
    is_group,
    parse_operations,
    with_centring,
)
from sus2.structures.cif.sites import Expanded, Row, expand, overlap
from sus2.structures.crystal import near_pairs
from sus2.types import Array

_LISTED = (
    "_space_group_symop_operation_xyz",
    "_symmetry_equiv_pos_as_xyz",
    "_symmetry_equiv_as_xyz",
    "_symmetry_equiv_pos_as_xyz_",
    "_space_group_symop_as_xyz",
)
_MAGNETIC = "_space_group_symop_magn_operation_xyz"
_CENTRING = "_space_group_symop_magn_centering_xyz"
_HALL = ("_space_group_name_hall", "_symmetry_space_group_name_hall")
_NAMES = (
    "_space_group_name_h-m_alt",
    "_symmetry_space_group_name_h-m",
    "_space_group_name_h-m_full",
    "_space_group_name_h-m_ref",
    "_space_group_name_h-m",
    "_symmetry_space_group_name_h-m_full",
    "_space_group_name_h-m_alt_description",
    "_symmetry_space_group_name",
)
_NUMBERS = ("_space_group_it_number", "_symmetry_int_tables_number", "_symmetry_it_number")
_CODES = ("_space_group_it_coordinate_system_code", "_symmetry_cell_setting_code")


@dataclass(frozen=True, eq=False)
class Source:
    """What one entry of the file may mean, with `is_open` where a convention does not choose."""

    what: str
    options: list[Operations]
    numbers: set[int]
    is_open: bool = True

    @property
    def is_definite(self) -> bool:
        """Whether it spells the operations out."""
        return self.what.startswith(("the list", "the Hall"))


@dataclass(frozen=True, eq=False)
class Candidate:
    """One way to read the file: operations, all their images, and how these agree with what the file states."""

    operations: Operations
    expanded: Expanded
    agreement: Agreement


@dataclass(eq=False)
class Chosen:
    """The operations and all their images, and what must be said."""

    operations: Operations
    expanded: Expanded
    notices: list[str] = field(default_factory=list)


def choose(block: Block, rows: Sequence[Row], cell: Array, stated: Stated, setting: str | None) -> Chosen:
    """Choose the operations that a block means.

    Parameters
    ----------
    block
        The block.
    rows
        Of its atom-site loop.
    cell
        (3, 3) angstrom.
    stated
        What it says of its content.
    setting
        Hall symbol that the user asks for.

    Returns
    -------
    Chosen
        The operations and all their images.

    Raises
    ------
    StructureError
        The block contradicts itself or leaves them open.
    """
    notices: list[str] = []
    sources = [_asked_for(setting)] if setting else _sources(block, notices)

    def candidates(options: Sequence[Operations]) -> list[Candidate]:
        return [Candidate(o, e := expand(rows, o, cell), agreement(stated, rows, e)) for o in options if fits(o, cell)]

    if not sources:
        notices.append("The file names no space group, so its atoms were taken as they are listed (P 1).")
        return Chosen(IDENTITY, expand(rows, IDENTITY, cell), notices)
    found: list[Candidate] = []
    first: Source | None = None
    for source in sources:
        found = candidates(source.options)
        if found:
            first = source
            break
        if source.options and source is sources[0] and source.what.startswith("list"):
            break
    if first is None:
        _offer_others(sources[0], cell)
        as_listed = candidates([IDENTITY])[0]
        if _is_whole(as_listed, cell, sources[0].numbers):
            notices.append(
                f"The cell is not the conventional one of {sources[0].what}, but the atoms as they are listed have "
                "that symmetry: they were taken as they are."
            )
            return Chosen(IDENTITY, as_listed.expanded, notices)
        raise StructureError(f"{_capital(sources[0].what)} does not fit the cell; correct one of them.")
    left = _decided(found, cell)
    if all(c.agreement.disagrees or (len(left) == 1 and overlap(c.expanded.places, cell)) for c in left):
        rest = [c for s in sources if s is not first for c in candidates(s.options)]
        better = _distinct([c for c in rest if c.agreement.is_full], cell)
        if len(better) == 1 and not overlap(better[0].expanded.places, cell):
            notices.append(
                f"{_capital(first.what)} does not give the content that the file states, but "
                f"{better[0].operations.source} does, and was taken."
            )
            return Chosen(better[0].operations, better[0].expanded, notices)
        as_listed = candidates([IDENTITY])[0]
        if (as_listed.agreement.is_full or not as_listed.agreement.disagrees) and _is_whole(
            as_listed, cell, first.numbers
        ):
            notices.append(
                f"The atoms as they are listed already have the symmetry of {first.what}: they were taken as they are."
            )
            return Chosen(IDENTITY, as_listed.expanded, notices)
    counted = any(c.agreement.z or c.agreement.multiplicities for c in left)
    if len(rows) > 1 and len(left) == 1 and not first.is_definite and not counted:
        # Indium in a face-centred cell with all four atoms, as I 4/m m m: its operations would double the density.
        as_listed = candidates([IDENTITY])[0]
        if (
            not as_listed.agreement.disagrees
            and _is_whole(as_listed, cell, first.numbers)
            and not _is_whole(left[0], cell, first.numbers)
        ):
            notices.append(
                f"The atoms as they are listed have the symmetry of {first.what}, and with its operations they would "
                "have another one: they were taken as they are."
            )
            return Chosen(IDENTITY, as_listed.expanded, notices)
    if len(left) > 1 and first.is_open:
        _refuse_open(first, left)
    also = [o for s in sources if s is not first and s.what == first.what for o in s.options if fits(o, cell)]
    if len(left) > 1 or also:
        notices.append(f"{_capital(first.what)} was read as {left[0].operations.source}, its usual setting.")
    if first.is_definite:
        # A name that is not known does no harm beside what is more definite.
        notices = [n for n in notices if not n.endswith("is not known.")]
    _contradictions(first, left[0].operations, sources, notices)
    return Chosen(left[0].operations, left[0].expanded, notices)


def _asked_for(setting: str) -> Source:
    found = groups.named(setting)
    if found is not None and found.literal:
        return _of_settings(f"the space group '{setting}'", found.literal)
    try:
        return Source("the Hall symbol", [_of_hall(setting)], set())
    except ValueError:
        raise StructureError(f"'{printable(setting, 40)}' is no space group.") from None


def _sources(block: Block, notices: list[str]) -> list[Source]:
    """What the block says of its symmetry, the most definite first."""
    found = [s for s in (_listed(block), _hall(block, notices), *_named(block, notices), _numbered(block)) if s]
    return [s for s in found if s.options]


def _listed(block: Block) -> Source | None:
    texts = [t for v in block.column(*_LISTED) if (t := plain(v))]
    magnetic = [t for v in block.column(_MAGNETIC) if (t := plain(v))]
    if not texts and not magnetic:
        return None
    operations = parse_operations(texts or magnetic, "the listed operations")
    centring = [t for v in block.column(_CENTRING) if (t := plain(v))]
    if not texts and centring:
        operations = with_centring(operations, parse_operations(centring, "the centring"))
    if not is_group(operations):
        wider = [_of_setting(s) for name in block.values(*_NAMES) if (n := groups.named(name)) for s in n.literal]
        wider = [o for o in wider if _contains(o, operations)]
        if len(wider) != 1:
            raise StructureError(
                "The symmetry operations that the file lists are not a group: some are missing or wrong; correct them."
            )
        return Source(f"the list of operations, completed to {wider[0].source},", wider, {wider[0].number or 0}, False)
    try:
        kind = groups.number_of(operations.rotations, operations.translations)
    except spglib.SpglibError:
        kind = None
    return Source("the list of operations", [operations], {kind} if kind else set(), False)


def _contains(group: Operations, part: Operations) -> bool:
    def keys(o: Operations) -> set[bytes]:
        steps = np.rint(o.translations * 24).astype(np.int64) % 24
        return {r.tobytes() + t.tobytes() for r, t in zip(o.rotations, steps, strict=True)}

    return keys(part) <= keys(group)


def _hall(block: Block, notices: list[str]) -> Source | None:
    for text in block.values(*_HALL):
        try:
            operations = _of_hall(text)
        except ValueError:
            notices.append(f"The Hall symbol '{printable(text, 40)}' is not one, and was passed over.")
            continue
        return Source(f"the Hall symbol '{text}'", [operations], {operations.number or 0} - {0}, False)
    return None


def _named(block: Block, notices: list[str]) -> list[Source]:
    found: list[Source] = []
    later: list[Source] = []
    for text in block.values(*_NAMES):
        code = block.value(*_CODES)
        meant = groups.named(f"{text} :{code}") if code and ":" not in text else None
        if meant is None or not meant.literal:
            meant = groups.named(text)
        if meant is None:
            notices.append(f"The space group '{printable(text, 40)}' is not known.")
            continue
        if not meant.literal and not meant.loose:
            raise StructureError(
                f"The space group '{printable(text, 40)}' contradicts itself: there is no such setting; correct it."
            )
        what = f"the space group '{printable(text, 40)}'"
        agreed = {int(n) for n in map(number, block.values(*_NUMBERS)) if n.is_integer()} & meant.numbers
        for settings, kept in ((meant.literal, found), (meant.loose, later)):
            if fitting := [s for s in settings if not agreed or s.number in agreed]:
                kept.append(_of_settings(what, fitting))
    others = block.value(*_NUMBERS) or block.column(*_LISTED) or block.value(*_HALL)
    if not found and not later and notices and not others:
        raise StructureError(notices.pop().removesuffix(".") + "; give its operations or its number.")
    return found + later


def _numbered(block: Block) -> Source | None:
    for text in block.values(*_NUMBERS):
        value = number(text)
        if not value.is_integer() or not 1 <= value <= 230:
            continue
        return _of_settings(f"the space group number {int(value)}", groups.settings_of_number(int(value)))
    return None


def _of_settings(what: str, settings: Sequence[groups.Setting]) -> Source:
    # Where only the axis of a monoclinic cell is open, the first, b, is what the short symbol stands for.
    axes = {s.choice.strip("-")[:1] for s in settings}
    by_axis = all(3 <= s.number <= 15 for s in settings) and len(axes) == len(settings)
    is_open = "number" in what or not by_axis
    return Source(what, [_of_setting(s) for s in settings], {s.number for s in settings}, is_open)


def _of_setting(setting: groups.Setting) -> Operations:
    rotations, translations = groups.operations_of(setting.hall)
    return Operations(rotations, translations, setting.label, setting.number)


def _of_hall(text: str) -> Operations:
    rotations, translations = groups.operations_of(text)
    setting = groups.setting_of_hall(text)
    if setting is not None:
        return Operations(rotations, translations, setting.label, setting.number)
    return Operations(rotations, translations, f"'{text}'", groups.number_of(rotations, translations))


def _decided(found: list[Candidate], cell: Array) -> list[Candidate]:
    """The candidates that agree best with what the file states, and of equal crystals the first."""
    left = found
    for key in ("multiplicities", "formula", "z"):
        agreeing = [c for c in left if getattr(c.agreement, key) is not False]
        left = agreeing or left
    if len(left) > 1:
        left = [c for c in left if not overlap(c.expanded.places, cell)] or left
    return _distinct(left, cell)


def _distinct(found: Sequence[Candidate], cell: Array) -> list[Candidate]:
    if len(found) < 2:
        return list(found)
    kept: list[tuple[Candidate, list[Array]]] = []
    for candidate in found:
        mark = _fingerprint(candidate.expanded, cell)
        if not any(
            len(mark) == len(other)
            and all(a.shape == b.shape and np.allclose(a, b, atol=2e-3) for a, b in zip(mark, other, strict=True))
            for _, other in kept
        ):
            kept.append((candidate, mark))
    return [c for c, _ in kept]


def _fingerprint(expanded: Expanded, cell: Array) -> list[Array]:
    """Distances of every pair of kinds of places, sorted: equal for the same crystal about another origin."""
    kinds = sorted({str(p) for p in expanded.places})
    numbers = np.concatenate([np.full(len(p.points), 1 + kinds.index(str(p))) for p in expanded.places])
    points = np.concatenate([p.points for p in expanded.places])
    atoms = Atoms(numbers=numbers, scaled_positions=points, cell=cell, pbc=True)
    reach = 2.5 * (abs(float(np.linalg.det(cell))) / len(points)) ** (1 / 3)
    i, j, d, _ = near_pairs(atoms, reach)
    # Which atoms have how many neighbours is in the order of the distances of each atom.
    pairs = numbers[i] * 1000 + numbers[j]
    marks = [np.sort(d[pairs == kind]) for kind in np.unique(pairs)]
    sums = np.array([(d[i == k] ** -3).sum() for k in range(len(points))])
    return [np.array([len(points), *[(numbers == k + 1).sum() for k in range(len(kinds))]]), *marks, np.sort(sums)]


def _is_whole(candidate: Candidate, cell: Array, numbers: set[int]) -> bool:
    """Whether the atoms of one way to read the file have one of these space groups."""
    places = candidate.expanded.places
    if not numbers or not all(p.is_whole for p in places) or overlap(places, cell):
        return False
    kinds = sorted({str(p) for p in places})
    what = [1 + kinds.index(str(p)) for p in places for _ in p.points]
    points = [point for p in places for point in p.points]
    for tolerance in (1e-3, 1e-2, 5e-2):
        try:
            data = spglib.get_symmetry_dataset((cell, points, what), symprec=tolerance)
        except spglib.SpglibError:
            continue
        if data is not None and data.number in numbers:
            return True
    return False


def _refuse_open(source: Source, left: Sequence[Candidate]) -> None:
    labels = [c.operations.source for c in left]
    shown = ", ".join(labels[:4]) + (", ..." if len(labels) > 4 else "")
    example = labels[0]
    raise OpenChoiceError(
        f"{_capital(source.what)} leaves open which setting is meant ({shown}), and these give different crystals; "
        f"write it in full, such as '{example}', or choose one with setting='{example}'.",
        [Choice("setting", label, label) for label in labels],
    )


def _offer_others(source: Source, cell: Array) -> None:
    """Refuse a setting that does not fit the cell where another one of its group does, as :H in rhombohedral axes."""
    settings = [s for n in sorted(source.numbers) for s in groups.settings_of_number(n)]
    labels = [o.source for o in map(_of_setting, settings) if fits(o, cell)]
    if labels:
        raise OpenChoiceError(
            f"{_capital(source.what)} does not fit the cell, but {labels[0]} does; correct one of them, or choose "
            f"setting='{labels[0]}'.",
            [Choice("setting", label, label) for label in dict.fromkeys(labels)],
        )


def _contradictions(used: Source, operations: Operations, sources: Sequence[Source], notices: list[str]) -> None:
    """Say which other entries of the file mean another space group than the one that was used."""
    mine = {operations.number} if operations.number else used.numbers
    said = set()
    for other in sources:
        if other is used or other.what == used.what or not mine or not other.numbers or mine & other.numbers:
            continue
        if other.what in said:
            continue
        said.add(other.what)
        notices.append(f"The file contradicts itself: {used.what} was used, but {other.what} is another one.")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
