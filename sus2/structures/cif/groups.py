"""Space groups by name, Hall symbol or number: every setting of gemmi's and spglib's tables, in any usual spelling."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import gemmi
import numpy as np
import spglib

from sus2.types import Array, Index

HALL_SETTINGS: Final = 530
_ORIGIN = re.compile(r"[\s,;(]*(?:origin|choice|setting)[\s_]*(?:choice|no\.?|at)?[\s_:=]*(\S+?)\s*\)?$", re.IGNORECASE)
_CODE = re.compile(r"\s*[:(]\s*(-?[a-c]\d|-?[a-c]|[12]?(?:-?[abc]){3}|[12HRSZhrsz]|HR|hr|RH|rh)\s*\)?\s*$")
_TAIL = re.compile(r"(?<=[-/\dabcdmne ])\s*(HR|RH|[HRSZ])$")
_NUMBERED = re.compile(r"[\s,;]*[(\[]?\s*(?:no\.?|nr\.?|#|number|IT|sg)\s*:?\s*(\d{1,3})\s*[)\]]?\s*$", re.IGNORECASE)
_BRACKETED_NUMBER = re.compile(r"\s*[(\[]\s*(\d{2,3}|[3-9])\s*[)\]]\s*$")
_OVERLINES = (
    (re.compile(r"\\(?:bar|overline)\s*\{?(\d)\}?"), r"-\1"),
    (re.compile(r"(\d)\s*bar", re.IGNORECASE), r"-\1"),
    (re.compile(r"bar\s*\{?(\d)\}?", re.IGNORECASE), r"-\1"),
    (re.compile("(\\d)[\u0304\u0305]"), r"-\1"),
    (re.compile("[\u00af\u203e\u2212\u2013\u2012\u2010\u2011]"), "-"),
)
_OF_ICSD = {"s": "1", "z": "2", "hr": "h", "rh": "r"}
"""Letters behind a symbol: S and Z are the first and second origin, in the habit of the ICSD."""


@dataclass(frozen=True)
class Setting:
    """One setting of a space group.

    Attributes
    ----------
    hall
        Hall symbol.
    number
        From 1 to 230.
    symbol
        Hermann-Mauguin symbol.
    choice
        What tells it from others in the tables: "1" or "2" for the origin, "H" or "R" for the axes, "b1",
        "cab" and so on.
    """

    hall: str
    number: int
    symbol: str
    choice: str

    @property
    def label(self) -> str:
        """As "F d -3 m :2"; without a choice that the symbol says already."""
        code = self.choice[:1]
        return f"{self.symbol} :{code}" if code in ("1", "2", "H", "R") else self.symbol


@dataclass(frozen=True)
class Named:
    """What a name of a space group may mean.

    Attributes
    ----------
    literal
        The settings that it spells out.
    loose
        Others of the group that it may stand for.
    """

    literal: tuple[Setting, ...]
    loose: tuple[Setting, ...]

    @property
    def numbers(self) -> set[int]:
        """Of the groups that it may mean."""
        return {s.number for s in (*self.literal, *self.loose)}


def operations_of(hall: str) -> tuple[Index, Array]:
    """Operations of a Hall symbol.

    Parameters
    ----------
    hall
        The symbol.

    Returns
    -------
    tuple of ndarray
        Rotations (n, 3, 3) and translations (n, 3) as fractions of the cell.

    Raises
    ------
    ValueError
        A symbol that is none.
    """
    return _operations_of(hall_text(hall))


@lru_cache(maxsize=600)
def _operations_of(hall: str) -> tuple[Index, Array]:
    try:
        group = gemmi.symops_from_hall(hall)
    except RuntimeError as error:
        raise ValueError(str(error)) from None
    found = list(group)
    rotations = np.array([op.rot for op in found], dtype=np.int64)
    if (rotations % gemmi.Op.DEN).any():
        raise ValueError("its change of basis does not keep the lattice")
    return rotations // gemmi.Op.DEN, np.array([op.tran for op in found]) / gemmi.Op.DEN % 1.0


def hall_text(hall: str) -> str:
    """Write a Hall symbol as gemmi does: underscores are blanks, and spglib's '=' is a double prime.

    Parameters
    ----------
    hall
        The symbol.

    Returns
    -------
    str
        The symbol.
    """
    text = hall.replace("=", '"').replace("_", " ").replace("''", '"')
    return " ".join(text.split())


def number_of(rotations: Index, translations: Array) -> int | None:
    """Number of the space group of some operations.

    Parameters
    ----------
    rotations
        (n, 3, 3).
    translations
        (n, 3), fractions of the cell.

    Returns
    -------
    int or None
        None for an unusual cell.
    """
    found = spglib.get_spacegroup_type_from_symmetry(rotations, translations)
    return None if found is None else int(found.number)


def settings_of_number(number: int) -> tuple[Setting, ...]:
    """Every tabulated setting of a space group.

    Parameters
    ----------
    number
        From 1 to 230.

    Returns
    -------
    tuple of Setting
        The standard one first.
    """
    return tuple(s for s in _tabulated() if s.number == number)


def setting_of_hall(hall: str) -> Setting | None:
    """The tabulated setting with the operations of a Hall symbol.

    Parameters
    ----------
    hall
        The symbol.

    Returns
    -------
    Setting or None
        None where there is none.
    """
    group = gemmi.find_spacegroup_by_ops(gemmi.symops_from_hall(hall_text(hall)))
    if group is None:
        return None
    return next((s for s in _tabulated() if s.hall == group.hall), None)


def named(name: str) -> Named | None:
    """What a Hermann-Mauguin symbol may mean, in any usual spelling.

    Full and short, old and new symbols (Cmca and Cmce, Fm3m and Fm-3m), with or without blanks, underscores and
    brackets, with ':1', ':2', ':H', ':R', '(origin choice 2)', the S and Z of the ICSD, or a code of the axes
    behind.

    Parameters
    ----------
    name
        The symbol.

    Returns
    -------
    Named or None
        None where the tables do not have it.
    """
    text, codes, number = _split(name)
    literal = list(_names().get(_key(text), ()))
    if not literal:
        literal = _by_gemmi(text)
    loose = list(_short_names().get(_key(text), ()))
    if not literal and not loose:
        return None
    numbers = {s.number for s in (literal or loose)}
    others = [s for s in _tabulated() if s.number in numbers and s not in literal]
    if number is not None and number not in numbers:
        return Named((), ())
    for code in codes:
        chosen = [s for s in literal if _has(s, code)]
        if chosen:
            literal = chosen
            continue
        # A code of the axes, as cab or b2, may name another setting than the symbol alone; an origin may not.
        exact = [s for s in others if s.choice.lower() == code and code not in ("1", "2", "h", "r")]
        if exact:
            literal = exact
        elif len(literal) > 1 or code in ("h", "r"):
            # The symbol has no such choice.
            return Named((), ())
    return Named(tuple(literal), () if codes else tuple(s for s in loose if s not in literal))


def _has(setting: Setting, code: str) -> bool:
    choice = setting.choice.lower()
    return choice == code or (code in ("1", "2") and choice.startswith(code))


def _split(name: str) -> tuple[str, list[str], int | None]:
    """A symbol without what stands behind it, the codes of its choice, and a number."""
    text = " ".join(name.replace("\u00a0", " ").split()).strip("'\"` ")
    for pattern, new in _OVERLINES:
        text = pattern.sub(new, text)
    number = None
    codes: list[str] = []
    for _ in range(3):
        if (match := _NUMBERED.search(text)) or (
            (match := _BRACKETED_NUMBER.search(text)) and match.start() > 2 and _key(text[: match.start()]) in _names()
        ):
            number, text = int(match.group(1)), text[: match.start()]
        elif match := _ORIGIN.search(text):
            codes.append(match.group(1).lower().strip("():"))
            text = text[: match.start()]
        elif ((match := _CODE.search(text)) and not _is_axis(text, match)) or (match := _TAIL.search(text)):
            codes.append(match.group(1).lower())
            text = text[: match.start()]
    return text.rstrip(" :,;"), [_OF_ICSD.get(c, c) for c in codes], number


def _is_axis(text: str, match: re.Match[str]) -> bool:
    """Whether the brackets hold part of the symbol, as in P2(1)/c or P 6(2)."""
    return "(" in match.group(0) and _key(text) in _names()


def _key(text: str) -> str:
    return re.sub(r"[\s_~{}()$^,.*'\"]|</?su[bp]>|\\", "", text).lower()


def _by_gemmi(text: str) -> list[Setting]:
    """gemmi's alternative names, with every choice that such a name leaves open."""
    group = gemmi.find_spacegroup_by_name(text)
    if group is None:
        return []
    return [s for s in _tabulated() if s.symbol == group.hm]


@lru_cache(maxsize=1)
def _tabulated() -> tuple[Setting, ...]:
    """The 530 settings of spglib's table, then gemmi's further ones (as F -1, C 4 2 2)."""
    by_hall: dict[str, list[gemmi.SpaceGroup]] = {}
    for group in gemmi.spacegroup_table():
        by_hall.setdefault(group.hall, []).append(group)
    found = []
    for h in range(1, HALL_SETTINGS + 1):
        kind = spglib.get_spacegroup_type(h)
        hall = hall_text(kind.hall_symbol)
        if hall not in by_hall:
            hall = gemmi.find_spacegroup_by_ops(gemmi.symops_from_hall(hall)).hall
        # C c c a :1 and C c c b :1 are one; both tables have them in this order.
        group = by_hall[hall].pop(0) if len(by_hall[hall]) > 1 else by_hall[hall][0]
        found.append(Setting(group.hall, int(kind.number), group.hm, kind.choice))
    seen = {s.hall for s in found}
    for group in gemmi.spacegroup_table():
        if group.hall not in seen:
            seen.add(group.hall)
            found.append(Setting(group.hall, group.number, group.hm, group.ext.strip("\0")))
    return tuple(found)


@lru_cache(maxsize=1)
def _names() -> dict[str, tuple[Setting, ...]]:
    """Settings by the key of each symbol that spells them out."""
    table: dict[str, list[Setting]] = {}

    def add(text: str, setting: Setting) -> None:
        key = _key(text)
        if setting not in (known := table.setdefault(key, [])):
            known.append(setting)

    for k, setting in enumerate(_tabulated()):
        symbols = {setting.symbol}
        if k < HALL_SETTINGS:
            kind = spglib.get_spacegroup_type(k + 1)
            symbols |= {kind.international_full}
            symbols |= set(kind.international.split(" = ")[1:] if 3 <= setting.number <= 15 else [kind.international])
            if not 3 <= setting.number <= 15:
                symbols.add(kind.international_short)
        for symbol in _variants(symbols, setting.number if k < HALL_SETTINGS else 0):
            add(symbol, setting)
    # The e of newer symbols is either of two glides; only where the older symbols of the tables do not say which.
    doubled = [(setting, key) for key, found in table.items() if "e" in key for setting in found]
    fresh = {key.replace("e", glide) for _, key in doubled for glide in "abc"} - set(table)
    for setting, key in doubled:
        for symbol in {key.replace("e", glide) for glide in "abc"} & fresh:
            add(symbol, setting)
    return {key: tuple(found) for key, found in table.items()}


@lru_cache(maxsize=1)
def _short_names() -> dict[str, tuple[Setting, ...]]:
    """Settings by the short symbol of their group, which monoclinic groups have in common for all their axes."""
    table: dict[str, list[Setting]] = {}
    for k, setting in enumerate(_tabulated()[:HALL_SETTINGS]):
        table.setdefault(_key(spglib.get_spacegroup_type(k + 1).international_short), []).append(setting)
    return {key: tuple(found) for key, found in table.items()}


def _variants(symbols: Iterable[str], number: int) -> set[str]:
    found = set(symbols)
    for symbol in symbols:
        parts = symbol.replace("_", "").split()
        if 3 <= number <= 15 and len(parts) == 4:
            found.add(" ".join([parts[0], *(p for p in parts[1:] if p != "1")]))
        if number >= 200:
            # Before 1992 the axes of m-3 and m-3m had no bar.
            found.add(symbol.replace("-3", "3"))
        if number in (146, 148, 155, 160, 161, 166, 167):
            found |= {f"{symbol}{tail}" for tail in (" 1", " 1 1")[: 1 if len(parts) > 2 else 2]}
    return found
