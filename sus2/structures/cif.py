"""Reading CIF files with pymatgen, in bounded time."""

from __future__ import annotations

import re
import warnings
from typing import Any, Final

from ase.data import atomic_numbers

from sus2.errors import StructureError, printable
from sus2.settings import settings

MAX_OPERATIONS: Final = 400
"""Symmetry operations in a CIF file: 192 is the most a space group has, 384 with time reversal."""

_CELL_LINE = re.compile(r"^[^\S\n]*_cell_length_a\s", re.MULTILINE | re.IGNORECASE)
MAX_POSITIONS_PER_ATOM: Final = 6
"""Sites times operations in a CIF file, as a multiple of the atoms that are allowed."""
_MALFORMED_CIF = (
    ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError, NotImplementedError,
    RecursionError,
)  # fmt: skip
_OPERATION = re.compile(r"^(?=[^\n]{0,100}[xyzXYZ])[^\n,]{1,40},[^\n,]{1,40},[^\n,]{1,40}$", re.MULTILINE)


def read_cif(text: str) -> Any:
    """The first structure of a CIF file, as pymatgen's; raises StructureError, half a sentence or one."""
    from pymatgen.io.cif import CifParser

    if not _CELL_LINE.search(text):
        raise StructureError("The CIF file gives no cell (_cell_length_a ...): a crystal needs one.")
    rows = len(text.splitlines())
    if rows > 50_000:
        raise StructureError(f"The CIF file has {rows:,} lines, too many for one crystal; cut it down.")
    operations = len(_OPERATION.findall(text))
    if operations > MAX_OPERATIONS:
        raise StructureError(f"The CIF file lists {operations:,} symmetry operations; a space group has at most 192.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Partial occupancies pass here, so that they are refused by name and not mended silently.
            parser = CifParser.from_str(text, occupancy_tolerance=100.0)
            _check_cif_size(parser, text)
            found = parser.parse_structures(primitive=False, check_occu=False, on_error="ignore")
    except _MALFORMED_CIF as error:
        raise StructureError(f"The CIF file cannot be read ({_why(error)}); it may be cut off.") from None
    if not found:
        unknown = _unknown_cif_symbol(text)
        if unknown:
            raise StructureError(f"'{unknown}' is no chemical element; correct the symbol.")
        raise StructureError("The CIF file holds no atoms that can be read; it may be cut off.")
    return found[0]


def _check_cif_size(parser: Any, text: str) -> None:
    """Refuse what pymatgen would take minutes for: its time grows with the square of the positions."""
    from pymatgen.io.cif import CifFile

    limit = settings().max_atoms
    for block in CifFile.from_str(text).data.values():
        labels = block.data.get("_atom_site_label") or block.data.get("_atom_site_type_symbol") or []
        sites = 1 if isinstance(labels, str) else len(labels)
        if sites > limit:
            raise StructureError(f"The structure has {sites:,} atoms; at most {limit:,} are allowed here.")
        if sites * MAX_OPERATIONS <= MAX_POSITIONS_PER_ATOM * limit:
            continue
        positions = sites * len(parser.get_symops(block))
        if positions > MAX_POSITIONS_PER_ATOM * limit:
            raise StructureError(
                f"Its sites and symmetry operations make {positions:,} positions, too many to be read; give the atoms "
                "of the primitive cell without symmetry."
            )


def _unknown_cif_symbol(text: str) -> str | None:
    from pymatgen.io.cif import CifFile

    try:
        blocks = CifFile.from_str(text).data.values()
    except (ValueError, KeyError, IndexError, TypeError, AssertionError):
        return None
    for block in blocks:
        column = block.data.get("_atom_site_type_symbol") or block.data.get("_atom_site_label") or []
        for label in [column] if isinstance(column, str) else column:
            symbol = re.match(r"[A-Za-z]*", label)
            letters = symbol.group(0).capitalize() if symbol else ""
            if letters[:2] not in atomic_numbers and letters[:1] not in {*atomic_numbers, "D", "T"}:
                return printable(label, 30)
    return None


def _why(error: Exception) -> str:
    return printable(error).rstrip(".") or type(error).__name__
