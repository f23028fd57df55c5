"""A calculation written out, as Python and as a command, so that whoever has it gets the same numbers again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from functools import cache
from typing import Any

from ase import Atoms

import sus2
from sus2.jobs.calculation import Calculation
from sus2.properties.catalogue import catalogue
from sus2.registry.reference import PotentialRef
from sus2.structures.crystal import content_key
from sus2.structures.samples import samples

# Crystals with more atoms are read from the file of the result instead of being written out.
MAX_WRITTEN_ATOMS = 60
_OTHER_COMMANDS = {"compare": "compare", "check": "check"}


def as_python(calculation: Calculation, *, file: str, seen: str = "result") -> str:
    """Write a script that repeats a calculation.

    Parameters
    ----------
    calculation
        The calculation.
    file
        Where the JSON of the result lies, from which large crystals are read.
    seen
        The expression that the script prints.

    Returns
    -------
    str
        Python.
    """
    imports: set[str] = {"import sus2"}
    lines: list[str] = []
    names: dict[str, str] = {}
    for key, value in calculation.changed().items():
        names[key] = _written(key, value, imports, lines, file)
    public = calculation.name in sus2.__all__
    if not public:
        imports.add(f"from {calculation.function.partition(':')[0]} import {calculation.name}")
    call = f"{'sus2.' if public else ''}{calculation.name}({', '.join(f'{k}={v}' for k, v in names.items())})"
    head = sorted(imports, key=lambda line: (not line.startswith("import"), line))
    return "\n".join([*head, "", *lines, f"result = {call}", f"print({seen})", ""])


def as_command(calculation: Calculation, *, structure: str) -> str | None:
    """Write the command that repeats a calculation; settings that are not the defaults are given as --set NAME=JSON.

    Parameters
    ----------
    calculation
        The calculation.
    structure
        The file that holds the crystal; samples go by their key.

    Returns
    -------
    str or None
        The command; None where there is none for it.
    """
    command = _command(calculation.name)
    arguments = calculation.changed()
    crystals = [v for v in arguments.values() if isinstance(v, Atoms)]
    if command is None or len(crystals) != 1 or any(isinstance(v, bytes) for v in arguments.values()):
        return None
    words = ["sus2", command, _sample(crystals[0]) or structure]
    for reference in calculation.references():
        words += ["--model", reference.name if reference.raw is None else f"{reference.name}.mtp"]
        if reference.raw is not None:
            words += ["--elements", ",".join(json.loads(reference.card_json)["elements"])]
    for key, value in arguments.items():
        if not isinstance(value, Atoms | PotentialRef) and not _names_potentials(value):
            words += ["--set", f"{key}={json.dumps(value)}"]
    return shlex.join([*words, "--json"])


def _command(function: str) -> str | None:
    """Name the command of a function; helpers of a property have none."""
    for entry in catalogue().values():
        if function == entry.function.partition(":")[2] or function in entry.commands:
            return entry.name
    return _OTHER_COMMANDS.get(function)


def _written(key: str, value: Any, imports: set[str], lines: list[str], file: str) -> str:
    """The expression for an argument; what it needs before goes to imports and lines."""
    if isinstance(value, Atoms):
        lines.append(f"{key} = {_crystal(value, imports, file)}")
        return key
    if isinstance(value, PotentialRef):
        lines.append(f"{key} = {_potential(value, imports)}")
        return key
    if _names_potentials(value):
        lines.append(f"{key} = [{', '.join(_potential(v, imports) for v in value)}]")
        return key
    if isinstance(value, Mapping) and any(isinstance(v, Atoms) for v in value.values()):
        rows = ", ".join(f"{k!r}: {_crystal(v, imports, file)}" for k, v in value.items())
        lines.append(f"{key} = {{{rows}}}")
        return key
    return repr(value)


def _names_potentials(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(v, PotentialRef) for v in value)


@cache
def _samples() -> dict[str, str]:
    """Keys of the samples by their content."""
    return {content_key(s.atoms()): s.key for s in reversed(samples())}


def _sample(atoms: Atoms) -> str | None:
    return _samples().get(content_key(atoms))


def _crystal(atoms: Atoms, imports: set[str], file: str) -> str:
    if (name := _sample(atoms)) is not None:
        imports.add("from sus2.structures import sample")
        return f'sample("{name}").atoms()'
    if len(atoms) > MAX_WRITTEN_ATOMS:
        imports.update({"from pathlib import Path", "from sus2.structures import read_structure"})
        return f'read_structure("{file}", Path("{file}").read_bytes())'
    imports.add("from ase import Atoms")
    return (
        f"Atoms({atoms.get_chemical_symbols()}, cell={atoms.cell.array.tolist()}, "
        f"positions={atoms.positions.tolist()}, pbc=True)"
    )


def _potential(reference: PotentialRef, imports: set[str]) -> str:
    if reference.kind == "external":
        return f'sus2.load("{reference.name}")'
    options = ""
    if reference.precision != "float64":
        imports.add("import torch")
        options = f", dtype=torch.{reference.precision}"
    if reference.kind == "shipped":
        return f'sus2.load("{reference.name}"{options})'
    elements = json.loads(reference.card_json)["elements"]
    return f'sus2.load("{reference.name}.mtp", elements={elements}{options})'
