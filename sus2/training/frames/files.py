"""Labelled frames from the files that programs write, recognised by their content, not by their name."""

from __future__ import annotations

import gzip
import io
import re
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from ase.io import ParseError
from ase.io import read as ase_read

from sus2.errors import DataError, printable
from sus2.structures.formats.words import MALFORMED
from sus2.training.data.dataset import TrainingSet, make_set
from sus2.training.data.readers import MAX_BYTES, read_cfg, read_extxyz, read_json

FORMATS: Final = ("extended XYZ", "VASP OUTCAR", "vasprun.xml", "MLIP-2 .cfg", "ASE or pymatgen JSON")
_HEAD: Final = 20_000
# What ASE's readers raise for text that makes no sense.
_MALFORMED: Final = (*MALFORMED, SyntaxError, ParseError)
_DECLARED: Final = re.compile(r"<!(ENTITY|DOCTYPE)", re.IGNORECASE)


def read_frames(name: str, content: bytes, elements: Sequence[str] | None = None) -> TrainingSet:
    """Frames with whatever labels they have; missing ones are nan, for sus2.training.frames.check to name.

    Parameters
    ----------
    name
        Name of the file, for messages.
    content
        Its bytes, compressed by gzip or not.
    elements
        The element of each type number, which .cfg files alone need.

    Returns
    -------
    TrainingSet
        The frames in the order of the file.

    Raises
    ------
    DataError
        It is none of FORMATS, is malformed, or has no frame.
    """
    text = _text(name, content)
    head = text[:_HEAD].lstrip("\ufeff \t\r\n")
    stem = Path(name).name
    if "BEGIN_CFG" in head:
        if elements is None:
            raise DataError(f"{stem} numbers its atom types; say which elements they are, in their order.")
        return read_cfg(text, elements, name=stem)
    if head[:1] in ("{", "["):
        return read_json(text, name=stem)
    if "<modeling" in head or head.startswith("<?xml"):
        if _DECLARED.search(head):
            raise DataError(f"{stem} declares entities, which no vasprun.xml does; it is not read.")
        return _by_ase(text, stem, "vasp-xml")
    if "TOTAL-FORCE" in text and ("VRHFIN" in text or "POTCAR" in text):
        return _by_ase(text, stem, "vasp-out")
    if not head.split("\n", 1)[0].strip().isdigit():
        raise DataError(f"{stem} is none of the files that are read: {', '.join(FORMATS)}.")
    return read_extxyz(text, name=stem)


def _text(name: str, content: bytes) -> str:
    stem = Path(name).name
    try:
        if content[:2] == b"\x1f\x8b":
            with gzip.open(io.BytesIO(content)) as file:
                content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise DataError(f"{stem} has more than {MAX_BYTES // 2**20} MiB of text; split it into several files.")
        return content.decode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{stem} cannot be read as text: {printable(error)}.") from None


def _by_ase(text: str, name: str, form: str) -> TrainingSet:
    """All ionic steps of an OUTCAR or vasprun.xml; energies are those that forces belong to (free energies)."""
    try:
        # ASE reads OUTCAR from a named file alone.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "OUTCAR"
            path.write_text(text, encoding="utf-8")
            frames = ase_read(path, index=slice(None), format=form)
    except _MALFORMED as error:
        why = printable(error).rstrip(".") or type(error).__name__
        raise DataError(
            f"{name} cannot be read as {'vasprun.xml' if form == 'vasp-xml' else 'OUTCAR'}: {why}."
        ) from None
    if not isinstance(frames, list) or not frames:
        raise DataError(f"{name} has no ionic step.")
    energies, forces, stresses = [], [], []
    for atoms in frames:
        found = atoms.calc.results if atoms.calc is not None else {}
        energies.append(float(found.get("free_energy", found.get("energy", np.nan))))
        given = found.get("forces")
        forces.append(np.full((len(atoms), 3), np.nan) if given is None else np.asarray(given, dtype=float))
        stress = found.get("stress")
        stresses.append(None if stress is None else np.asarray(stress, dtype=float).reshape(6))
    return make_set(frames, energies, forces, stresses, set_name=name)
