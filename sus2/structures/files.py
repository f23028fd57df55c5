"""Reading and writing structure files.

A file is recognised by its content, never by its name, and read as plain data: no format here can run code,
open another file or unpickle.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Final

import numpy as np
from ase import Atoms

from sus2.errors import StructureError
from sus2.settings import settings
from sus2.structures.choices import OpenChoiceError
from sus2.structures.cif.read import read_cif
from sus2.structures.cif.write import write_cif
from sus2.structures.crystal import SYMPREC_A, check_crystal, to_atoms
from sus2.structures.formats import espresso, json_text, keywords, phonopy_yaml, shelx, vasp, xyz
from sus2.structures.symmetry import right_handed

FORMATS: Final = (
    "CIF and mCIF",
    "POSCAR, CONTCAR, XDATCAR, OUTCAR and vasprun.xml of VASP",
    "extended XYZ",
    "JSON of pymatgen, the Materials Project and ASE",
    "Quantum ESPRESSO input and output",
    "CASTEP .cell",
    "ABINIT input",
    "SHELX .res",
    ".cssr",
    "phonopy.yaml",
)
WRITTEN: Final = ("cif", "cif-symmetric", "poscar", "extxyz")

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")
_ASCII: Final = bytes(range(128))
# Not \s before the word: over empty lines its cost would grow with the square of their number.
_DATA_LINE = re.compile(r"^[^\S\n]*data_", re.MULTILINE | re.IGNORECASE)
_CIF_LINE = re.compile(r"^[^\S\n]*_(cell[_.]length_a|atom_site)", re.MULTILINE | re.IGNORECASE)

Reader = Callable[[str], Atoms]


class _UnknownFormatError(Exception):
    pass


def read_structure(
    filename: str, data: bytes, *, block: str | None = None, setting: str | None = None, order: bool = False
) -> Atoms:
    """The crystal in a file, recognised by its content.

    Parameters
    ----------
    filename
        Only names the file in messages.
    data
        Of the file.
    block
        Name of the data block, for a CIF file with several crystals.
    setting
        Hermann-Mauguin or Hall symbol, over what a CIF file says.
    order
        Whether a disordered crystal is replaced by an ordered one near it.

    Returns
    -------
    Atoms
        The cell with all its atoms; info["notices"] is a list of sentences on what the file leaves out, contradicts
        or does not decide, empty where there is nothing to say.

    Raises
    ------
    StructureError
        One sentence: too large, not text, empty, unknown format, broken, unknown element, no cell, too many atoms,
        overlapping atoms. OpenChoiceError, with the choices, for several crystals, a space group whose setting is
        open, and disorder.
    """
    name = _display_name(filename)
    limit = settings().max_upload_mb
    if len(data) > limit * 2**20:
        raise StructureError(f"{name} has {len(data) / 2**20:.1f} MiB; at most {limit} MiB are allowed.")
    if not data.strip():
        raise StructureError(f"{name} is empty; choose a file with a crystal structure.")
    text = _decode(data, name)
    try:
        found = _reader_of(text, block, setting, order)(text)
        notices = [str(n) for n in found.info.get("notices", [])]
        atoms = to_atoms(found)
        check_crystal(atoms)
    except _UnknownFormatError:
        raise StructureError(f"{name} is in no format that can be read here ({', '.join(FORMATS)}).") from None
    except OpenChoiceError as error:
        raise OpenChoiceError(f"{name}: {error}", error.choices) from None
    except StructureError as error:
        raise StructureError(f"{name}: {error}") from None
    atoms.info = {"notices": list(dict.fromkeys(notices))}
    return atoms


def write_structure(atoms: Atoms, fmt: str) -> str:
    """The text of a crystal.

    Parameters
    ----------
    atoms
        Or a pymatgen Structure.
    fmt
        'cif': the given cell with all its atoms (P 1); 'cif-symmetric': the standard conventional cell with space
        group, operations and Wyckoff sites, idealised within 0.001 Å; 'poscar'; 'extxyz'.

    Returns
    -------
    str
        The file.

    Raises
    ------
    StructureError
        Another format, or no crystal.
    """
    from ase.io import write

    if fmt not in WRITTEN:
        raise StructureError(f"There is no format '{fmt}' to write; there are: {', '.join(WRITTEN)}.")
    given = to_atoms(atoms)
    plain = Atoms(given.numbers, positions=given.positions, cell=given.cell, pbc=True)
    if given.has("masses"):
        plain.set_masses(given.get_masses())
    if fmt.startswith("cif"):
        if fmt == "cif" and np.linalg.det(np.asarray(plain.cell)) < 0:
            # Lengths and angles cannot tell a left-handed cell.
            (cell, scaled, numbers), _ = right_handed(plain)
            masses = plain.get_masses()
            plain = Atoms(numbers, cell=cell, scaled_positions=scaled, pbc=True, masses=masses)
        return write_cif(plain, symprec=SYMPREC_A, symmetric=fmt == "cif-symmetric")
    out = io.StringIO()
    if fmt == "poscar":
        write(out, plain[np.argsort(plain.numbers, kind="stable")], format="vasp", direct=True)
    else:
        write(out, plain, format="extxyz")
    return out.getvalue()


def _display_name(filename: str) -> str:
    base = re.split(r"[\\/]", filename)[-1]
    base = "".join(c for c in base if c.isprintable()).strip()
    return base if 0 < len(base) <= 60 else (base[:57] + "..." if base else "The file")


def _decode(data: bytes, name: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Older CIF files carry authors' names in Latin-1.
        text = data.decode("latin-1")
        if len(data.translate(None, _ASCII)) > 0.05 * len(data):
            raise StructureError(f"{name} is not a text file; give one of: {', '.join(FORMATS)}.") from None
    if _CONTROL.search(text):
        raise StructureError(f"{name} is not a text file; give one of: {', '.join(FORMATS)}.")
    if not text.strip():
        raise StructureError(f"{name} is empty; choose a file with a crystal structure.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _reader_of(text: str, block: str | None, setting: str | None, order: bool) -> Reader:
    """The reader for what the text is; the more definite signs are looked for first, comments and names last."""

    def cif(body: str) -> Atoms:
        return read_cif(body, block=block, setting=setting, order=order)

    if vasp.is_poscar(text):
        return vasp.read_poscar
    if json_text.is_json(text):
        return lambda body: json_text.read_json(body, order=order)
    if "<modeling" in text[:2000]:
        return vasp.read_vasprun
    if vasp.is_outcar(text):
        return vasp.read_outcar
    if espresso.is_espresso_output(text):
        return espresso.read_espresso_output
    if _DATA_LINE.search(text) and _CIF_LINE.search(text):
        return cif
    if espresso.is_espresso_input(text):
        return espresso.read_espresso_input
    if keywords.is_castep(text):
        return keywords.read_castep
    if phonopy_yaml.is_phonopy(text):
        return phonopy_yaml.read_phonopy
    if shelx.is_shelx(text):
        return lambda body: shelx.read_shelx(body, order=order)
    if shelx.is_cssr(text):
        return lambda body: shelx.read_cssr(body, order=order)
    if xyz.is_xyz(text):
        return xyz.read_xyz
    if keywords.is_abinit(text):
        return keywords.read_abinit
    if text.lstrip()[0] in "{[":
        return json_text.read_json
    if _CIF_LINE.search(text):
        raise StructureError("This looks like a CIF file but has no line 'data_...' at its beginning; add one.")
    if _DATA_LINE.search(text):
        return cif
    raise _UnknownFormatError
