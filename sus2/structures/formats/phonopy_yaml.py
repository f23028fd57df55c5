"""phonopy.yaml: its unit cell, cut out of the file before any YAML is parsed."""

from __future__ import annotations

import re

import numpy as np
from ase import Atoms

from sus2.errors import StructureError
from sus2.plain_yaml import read_yaml
from sus2.structures.formats.words import MALFORMED, element, malformed, with_masses
from sus2.units import BOHR_TO_A

_CELLS = ("unit_cell", "primitive_cell", "supercell")
_CELL = re.compile(r"^(unit_cell|primitive_cell|supercell):", re.MULTILINE)
_BOHR = re.compile(r'^\s+length:\s*["\']?(au|bohr)', re.MULTILINE | re.IGNORECASE)
MAX_LINES = 20_000


def is_phonopy(text: str) -> bool:
    """Whether a cell begins at the margin.

    Parameters
    ----------
    text
        Of the file.

    Returns
    -------
    bool
        True where one does.
    """
    return _CELL.search(text) is not None and "lattice:" in text


def read_phonopy(text: str) -> Atoms:
    """The unit cell of a phonopy.yaml or phonopy_disp.yaml.

    Parameters
    ----------
    text
        Of the file.

    Returns
    -------
    Atoms
        Periodic, with info["notices"].

    Raises
    ------
    StructureError
        The file is damaged.
    """
    found = {m.group(1): m.end() for m in reversed(list(_CELL.finditer(text)))}
    name = next(c for c in _CELLS if c in found)
    body = []
    for line in text[found[name] :].split("\n")[1:]:
        if line.strip() and not line[0].isspace() and not line.startswith("#"):
            break
        body.append(line)
    if len(body) > MAX_LINES:
        raise StructureError(f"The {name} of the file has {len(body):,} lines, too many for one crystal.")
    try:
        content = read_yaml("cell:\n" + "\n".join(body))["cell"]
        cell = np.array(content["lattice"], dtype=float).reshape(3, 3)
        points = content.get("points") or content["atoms"]
        species = [element(str(p["symbol"])) for p in points]
        rows = np.array([p["coordinates"] for p in points], dtype=float).reshape(len(points), 3)
        masses = [float(p["mass"]) if "mass" in p else m for p, (_, m) in zip(points, species, strict=True)]
    except MALFORMED as error:
        raise malformed("phonopy file", error) from None
    if _BOHR.search(text[: found[name]]):
        cell = cell * BOHR_TO_A
    notices = [] if name == "unit_cell" else [f"The file has no unit_cell: its {name} was taken."]
    return with_masses(Atoms([z for z, _ in species], positions=rows @ cell, cell=cell, pbc=True), masses, notices)
