"""The text of a CIF file as data blocks: gemmi parses it, behind repairs of what people write by hand."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import gemmi

from sus2.errors import StructureError, printable

MAX_BLOCKS: Final = 2000
_BLOCK = re.compile(r"^[^\S\n]*data_", re.MULTILINE | re.IGNORECASE)
_WORDS = re.compile(r"^([^\S\n]*_[^\s]+[^\S\n]+)([^\s'\"#;_][^\n'\"]*[^\S\n][^\n'\"]*?)[^\S\n]*$", re.MULTILINE)
_FRACTION = re.compile(r"([+-]?\d{1,4})/(\d{1,4})$")
_PREFIXES: Final = ("_cell_", "_atom_site", "_symmetry_", "_space_group", "_chemical_formula", "_atom_type")


@dataclass(frozen=True, eq=False)
class Block:
    """One data block of a CIF file.

    Attributes
    ----------
    name
        Behind data_.
    columns
        Values of the tags that concern crystals, by the tag in small letters with underscores for dots (so
        that mmCIF's and newer dictionaries' tags are found too); a single value is a column of one.
    looped
        Tags that stand in loops.
    """

    name: str
    columns: dict[str, list[str]] = field(default_factory=dict)
    looped: frozenset[str] = frozenset()

    def column(self, *tags: str) -> list[str]:
        """Values of the first of some tags that there is.

        Parameters
        ----------
        *tags
            In small letters.

        Returns
        -------
        list of str
            Empty where there is none.
        """
        return next((self.columns[tag] for tag in tags if tag in self.columns), [])

    def value(self, *tags: str) -> str:
        """The first value of some tags that says something.

        Parameters
        ----------
        *tags
            In small letters.

        Returns
        -------
        str
            Empty where there is none.
        """
        for tag in tags:
            for value in self.columns.get(tag, [])[:1]:
                if text := plain(value):
                    return text
        return ""

    def values(self, *tags: str) -> list[str]:
        """What each of some tags says, once each.

        Parameters
        ----------
        *tags
            In small letters.

        Returns
        -------
        list of str
            Values.
        """
        return list(dict.fromkeys(text for tag in tags if (text := self.value(tag))))

    @property
    def has_cell(self) -> bool:
        """Whether there is a cell."""
        return bool(self.value("_cell_length_a"))

    @property
    def has_atoms(self) -> bool:
        """Whether there are coordinates."""
        return bool(self.column("_atom_site_fract_x", "_atom_site_cartn_x"))


def plain(value: str) -> str:
    """Take a value out of its quotes.

    Parameters
    ----------
    value
        As in the file.

    Returns
    -------
    str
        Empty for '?' and '.'.
    """
    if gemmi.cif.is_null(value):
        return ""
    return str(gemmi.cif.as_string(value)).strip()


def number(value: str) -> float:
    """Read a number, with or without an uncertainty in brackets, or a fraction such as 1/3.

    Parameters
    ----------
    value
        As in the file.

    Returns
    -------
    float
        nan where there is none.
    """
    text = plain(value)
    found = gemmi.cif.as_number(text) if text else math.nan
    if math.isnan(found) and (match := _FRACTION.match(text)) and int(match.group(2)):
        return int(match.group(1)) / int(match.group(2))
    if math.isnan(found) and "," in text and text.count(",") == 1:
        # The decimal comma of some editors.
        found = gemmi.cif.as_number(text.replace(",", "."))
    return float(found)


def parse(text: str) -> list[Block]:
    """Read the data blocks of a CIF file.

    Parameters
    ----------
    text
        Of the file.

    Returns
    -------
    list of Block
        In their order.

    Raises
    ------
    StructureError
        It is none; half a sentence or one.
    """
    start = _BLOCK.search(text)
    body = text[start.start() :].lstrip() if start else text
    if len(_BLOCK.findall(body)) > MAX_BLOCKS:
        raise StructureError(f"The CIF file has more than {MAX_BLOCKS:,} data blocks; cut it down.")
    try:
        document = gemmi.cif.read_string(body, 0)
    except (ValueError, RuntimeError) as first:
        try:
            document = gemmi.cif.read_string(_repaired(body), 0)
        except (ValueError, RuntimeError):
            raise StructureError(f"The CIF file cannot be read ({_why(first)}); it may be cut off.") from None
    return [_block(b) for b in document]


def _repaired(text: str) -> str:
    """Quotes around values of several words that stand alone behind their tag, and an end for an open text."""
    return _WORDS.sub(lambda m: f"{m.group(1)}'{m.group(2)}'", text)


def _why(error: Exception) -> str:
    words = printable(error, 100).removeprefix("string:").rstrip(".")
    place = re.match(r"(\d+):\d+(?:\(\d+\))?:?\s*(.*)", words)
    return f"line {place.group(1)}: {place.group(2)}" if place else words


def _block(block: gemmi.cif.Block) -> Block:
    columns: dict[str, list[str]] = {}
    looped: set[str] = set()
    item: Any
    for item in block:
        if item.pair is not None:
            tag = _tag(item.pair[0])
            if tag.startswith(_PREFIXES):
                columns.setdefault(tag, [item.pair[1]])
        elif item.loop is not None:
            tags = [_tag(t) for t in item.loop.tags]
            if not any(t.startswith(_PREFIXES) for t in tags):
                continue
            values = item.loop.values
            for k, tag in enumerate(tags):
                if tag.startswith(_PREFIXES) and tag not in columns:
                    columns[tag] = values[k :: len(tags)]
                    looped.add(tag)
    return Block(block.name, columns, frozenset(looped))


def _tag(tag: str) -> str:
    return tag.lower().replace(".", "_")


def names(blocks: Iterable[Block]) -> str:
    """Quote the names of blocks.

    Parameters
    ----------
    blocks
        Some blocks.

    Returns
    -------
    str
        For a sentence.
    """
    return ", ".join(f"'{printable(b.name, 40)}'" for b in blocks)
