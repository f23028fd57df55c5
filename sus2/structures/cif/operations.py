"""Symmetry operations as text, whether they are a group, and whether they fit a cell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import gemmi
import numpy as np

from sus2.errors import StructureError, printable
from sus2.types import Array, Index

MAX_OPERATIONS: Final = 400
"""Symmetry operations in a CIF file: 192 is the most a space group has, 384 with time reversal."""
METRIC_TOLERANCE: Final = 0.01
"""Relative deviation of a metric tensor's entries under an operation: 0.5 % of a length, 0.6 degrees."""
_TIME = re.compile(r",\s*[+-]?1\s*$|,\s*[+-]?m\s*$", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Operations:
    """Symmetry operations.

    Attributes
    ----------
    rotations
        (n, 3, 3).
    translations
        (n, 3), fractions of the cell.
    source
        Where they come from.
    number
        Of the space group, where it is known.
    """

    rotations: Index
    translations: Array
    source: str
    number: int | None = None

    def __len__(self) -> int:
        return len(self.rotations)


IDENTITY: Final = Operations(np.eye(3, dtype=np.int64)[None], np.zeros((1, 3)), "no symmetry", 1)


def parse_operations(texts: list[str], source: str) -> Operations:
    """Read operations written as 'x,y,z', once each.

    Parameters
    ----------
    texts
        The operations.
    source
        Where they come from.

    Returns
    -------
    Operations
        In their order.

    Raises
    ------
    StructureError
        What is no operation, quoted, or too many.
    """
    if len(texts) > MAX_OPERATIONS:
        raise StructureError(f"The CIF file lists {len(texts):,} symmetry operations; a space group has at most 192.")
    seen: dict[tuple[int, ...], tuple[Index, Array]] = {}
    for text in texts:
        rotation, translation = _parsed(text)
        key = (*rotation.ravel().tolist(), *(np.rint(translation * 1e4).astype(int) % 10_000).tolist())
        seen.setdefault(key, (rotation, translation))
    rotations, translations = (np.array(part) for part in zip(*seen.values(), strict=True))
    return Operations(rotations, translations, source)


def with_centring(operations: Operations, centring: Operations) -> Operations:
    """Put every operation behind every translation of a centred lattice.

    Parameters
    ----------
    operations
        Of the primitive lattice.
    centring
        Letter of the lattice.

    Returns
    -------
    Operations
        Of the centred lattice.
    """
    rotations = np.concatenate([operations.rotations] * len(centring))
    translations = np.concatenate([operations.translations + t for t in centring.translations]) % 1.0
    return Operations(rotations, translations, operations.source)


def _parsed(text: str) -> tuple[Index, Array]:
    wrong = StructureError(f"'{printable(text, 40)}' is no symmetry operation; write it as -x,y+1/2,z.")
    if len(text) > 100:
        raise wrong
    plain = text.strip().strip("'\"").replace("*", "").replace(" ", "").lower()
    if plain.count(",") == 3:
        plain = _TIME.sub("", plain)
    try:
        op = gemmi.Op(plain)
        rotation, translation = np.array(op.rot), np.array(op.tran) / op.DEN
        rotation, over = np.divmod(rotation, op.DEN)
        if over.any():
            raise wrong
    except (RuntimeError, ValueError):
        # Translations that gemmi's 24ths do not hold, as in supercells.
        rotation, translation = _parsed_freely(plain, wrong)
    if abs(round(float(np.linalg.det(rotation)))) != 1:
        raise wrong
    return rotation.astype(np.int64), translation % 1.0


def _parsed_freely(text: str, wrong: StructureError) -> tuple[Index, Array]:
    rows = text.split(",")
    if len(rows) != 3:
        raise wrong
    rotation, translation = np.zeros((3, 3), dtype=np.int64), np.zeros(3)
    for k, row in enumerate(rows):
        terms = re.findall(r"[+-]?[^+-]+", row)
        if not terms or "".join(terms) != row:
            raise wrong
        for term in terms:
            sign = -1 if term[0] == "-" else 1
            body = term.lstrip("+-")
            if body in ("x", "y", "z"):
                rotation[k, "xyz".index(body)] += sign
            elif (match := re.fullmatch(r"(\d{1,4})/(\d{1,4})", body)) and int(match.group(2)):
                translation[k] += sign * int(match.group(1)) / int(match.group(2))
            elif re.fullmatch(r"\d{0,3}\.?\d{1,12}", body):
                translation[k] += sign * float(body)
            else:
                raise wrong
    return rotation, translation


def is_group(operations: Operations) -> bool:
    """Whether products of operations are among them, up to lattice translations.

    Parameters
    ----------
    operations
        Some operations.

    Returns
    -------
    bool
        True where they are.
    """
    rotations, translations = operations.rotations, operations.translations
    products = np.einsum("aij,bjk->abik", rotations, rotations).reshape(-1, 3, 3)
    moved = (np.einsum("aij,bj->abi", rotations, translations) + translations[:, None]).reshape(-1, 3)
    return bool(np.isin(_keys(products, moved), _keys(rotations, translations)).all())


def _keys(rotations: Index, translations: Array) -> Index:
    """A number (n,) for each operation; translations count in thousandths of the cell."""
    steps = np.floor(translations * 960.0 + 0.37).astype(np.int64) % 960
    digits = np.concatenate([rotations.reshape(-1, 9) + 4, steps], axis=1)
    return digits @ np.array([9**k for k in range(9)] + [9**9 * 960**k for k in range(3)], dtype=np.int64)


def misfit(operations: Operations, cell: Array) -> float:
    """How far operations change the metric of a cell.

    Parameters
    ----------
    operations
        Some operations.
    cell
        (3, 3) angstrom.

    Returns
    -------
    float
        The largest change of an entry, in units of the lengths of its two axes.
    """
    metric = cell @ cell.T
    lengths = np.sqrt(np.diag(metric))
    # A row of the rotation gives the new coordinate, so lengths are kept where R^T G R = G.
    moved = np.einsum("nki,kl,nlj->nij", operations.rotations, metric, operations.rotations)
    return float(np.abs((moved - metric) / np.outer(lengths, lengths)).max())


def fits(operations: Operations, cell: Array) -> bool:
    """Whether operations are ones of a lattice, within what is rounded in a cell.

    Parameters
    ----------
    operations
        Some operations.
    cell
        (3, 3) angstrom.

    Returns
    -------
    bool
        True where they are.
    """
    return misfit(operations, cell) <= METRIC_TOLERANCE
