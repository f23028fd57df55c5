"""Results as bytes and back, without running anything that the bytes say.

A result is a tree of frozen dataclasses of this package with arrays, crystals and plain values at its leaves. It is
written as a zip of one JSON file for the tree and one .npy file for each array. Reading makes only dataclasses that
this package defines; pickle is never used. What follows from other parts of a result is not written: potentials are
named, second derivatives are computed again from their crystal and potential, at their first use.
"""

from __future__ import annotations

import io
import json
import math
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cached_property
from importlib import import_module
from types import MappingProxyType
from typing import Any

import numpy as np
from ase import Atoms

from sus2.errors import StoreError
from sus2.properties.catalogue import catalogue
from sus2.trust.estimate import HasTrust

Resolve = Callable[[dict[str, str]], Any]

MAX_BYTES = 512 * 1024 * 1024
# What zipfile, json, numpy and the constructors of our own dataclasses raise for bytes that make no sense.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    EOFError,
    OSError,
    ImportError,
    RuntimeError,
    ArithmeticError,
    AssertionError,
    struct.error,
)
_ARRAY_KINDS = "biufcU"


def pack(result: Any) -> bytes:
    """Make the bytes of a result.

    Parameters
    ----------
    result
        Of a public function.

    Returns
    -------
    bytes
        A zip archive of a tree and its arrays.

    Raises
    ------
    StoreError
        It holds something that cannot be written.
    """
    arrays: list[np.ndarray] = []
    tree = _encode(result, arrays)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("tree.json", json.dumps(tree, allow_nan=False))
        for k, array in enumerate(arrays):
            with archive.open(f"{k}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
    return out.getvalue()


def unpack(content: bytes, resolve: Resolve) -> Any:
    """Read the result that pack wrote.

    Parameters
    ----------
    content
        The bytes.
    resolve
        Gives back a potential by what names it; a Sus2Error that it raises comes through.

    Returns
    -------
    Any
        The result.

    Raises
    ------
    StoreError
        The bytes are no such result, or too large.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(member.file_size for member in archive.infolist()) > MAX_BYTES:
                raise StoreError(f"The kept result is larger than {MAX_BYTES // 2**20} MiB; compute it again.")
            tree = json.loads(archive.read("tree.json"))
            arrays = _Arrays(archive)
            return _decode(tree, arrays, resolve)
    except _DAMAGED:
        raise StoreError("The kept result is damaged; compute it again.") from None


class _Arrays:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def __getitem__(self, k: int) -> np.ndarray:
        with self._archive.open(f"{int(k)}.npy") as file:
            return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


# Writing ----------------------------------------------------------------------------------------------------------


def _encode(value: Any, arrays: list[np.ndarray]) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value if type(value) in (type(None), bool, int, str) else _encode(_builtin(value), arrays)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"$": "float", "value": repr(float(value))}
    if isinstance(value, np.generic):
        return _encode(value.item(), arrays)
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in _ARRAY_KINDS:
            raise StoreError(f"An array of {value.dtype} cannot be kept.")
        arrays.append(value)
        return {"$": "array", "k": len(arrays) - 1}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {"$": kind, "items": [_encode(v, arrays) for v in value]}
    if isinstance(value, slice):
        return {"$": "slice", "items": [value.start, value.stop, value.step]}
    if isinstance(value, bytes):
        return _encode(np.frombuffer(value, dtype=np.uint8), arrays) | {"$": "bytes"}
    if isinstance(value, dict | MappingProxyType):
        return {"$": "dict", "items": [[_encode(k, arrays), _encode(v, arrays)] for k, v in value.items()]}
    if isinstance(value, Atoms):
        return {"$": "atoms"} | {k: _encode(v, arrays) for k, v in _atoms_parts(value).items()}
    if (reference := _reference(value)) is not None:
        return {"$": "potential", "reference": reference}
    if (special := _special(value)) is not None:
        kind, parts = special
        return {"$": kind} | {k: _encode(v, arrays) for k, v in parts.items()}
    if is_dataclass(value) and type(value).__module__.partition(".")[0] == "sus2":
        return _encode_dataclass(value, arrays)
    raise StoreError(f"A {type(value).__name__} cannot be kept with a result.")


def _builtin(value: Any) -> Any:
    # Subclasses (numpy's str, enums of str) are kept as what they extend.
    return next(kind(value) for kind in (bool, int, str) if isinstance(value, kind))


def _encode_dataclass(value: Any, arrays: list[np.ndarray]) -> Any:
    kind = type(value)
    # A result that computes from its potential needs it again; its parts refer to it by name.
    parts = {f.name: _encode(getattr(value, f.name), arrays) for f in fields(value)}
    if isinstance(value, HasTrust):
        # How far to trust it is found out before it is kept.
        _ = value.trust
    kept = {
        name: _encode(value.__dict__[name], arrays)
        for name in _kept()
        if isinstance(getattr(kind, name, None), cached_property) and name in getattr(value, "__dict__", {})
    }
    return {"$": "dataclass", "type": f"{kind.__module__}:{kind.__qualname__}", "fields": parts, "kept": kept}


def _kept() -> frozenset[str]:
    """Name the cached properties that are kept with a result, because they cost more than reading it."""
    return frozenset(name for entry in catalogue().values() for name in entry.kept) | {"trust"}


def _atoms_parts(atoms: Atoms) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "numbers": atoms.numbers,
        "positions": atoms.positions,
        "cell": atoms.cell.array,
        "pbc": atoms.pbc,
    }
    if atoms.has("masses"):
        parts["masses"] = atoms.get_masses()
    return parts


def _reference(value: Any) -> dict[str, str] | None:
    """What names a potential, None for anything else."""
    if type(value).__name__ == "WrappedCalculator":
        return {"name": value.name, "identity": f"external {value.name}", "precision": "float64"}
    if type(value).__name__ == "Potential":
        return {"name": value.name, "identity": value.card.identity, "precision": value.precision}
    return None


def _special(value: Any) -> tuple[str, dict[str, Any]] | None:
    """Parts of what other packages or torch hold, and of what is cheaper to compute again than to keep."""
    name = type(value).__name__
    if name == "SecondDerivatives":
        return "second", {"atoms": value.atoms, "potential_name": value.potential_name}
    if name == "Phonopy":
        cell = value.unitcell
        return "phonopy", {
            "symbols": list(cell.symbols),
            "cell": cell.cell,
            "scaled_positions": cell.scaled_positions,
            "masses": cell.masses,
            "matrix": value.supercell_matrix,
            "force_constants": value.force_constants,
        }
    return None


# Reading ----------------------------------------------------------------------------------------------------------


def _decode(tree: Any, arrays: _Arrays, resolve: Resolve) -> Any:
    if not isinstance(tree, dict):
        return tree

    def inner(value: Any) -> Any:
        return _decode(value, arrays, resolve)

    kind = tree["$"]
    if kind == "float":
        return float(tree["value"])
    if kind == "array":
        return arrays[tree["k"]]
    if kind == "bytes":
        return arrays[tree["k"]].tobytes()
    if kind == "list":
        return [inner(v) for v in tree["items"]]
    if kind == "tuple":
        return tuple(inner(v) for v in tree["items"])
    if kind == "slice":
        return slice(*tree["items"])
    if kind == "dict":
        return {inner(k): inner(v) for k, v in tree["items"]}
    if kind == "atoms":
        return _atoms({k: inner(v) for k, v in tree.items() if k != "$"})
    if kind == "potential":
        return resolve(tree["reference"])
    if kind == "phonopy":
        return _phonopy({k: inner(v) for k, v in tree.items() if k != "$"})
    if kind == "dataclass":
        return _dataclass(tree, inner)
    raise StoreError("The kept result is damaged; compute it again.")


def _atoms(parts: dict[str, Any]) -> Atoms:
    return Atoms(**parts)


def _dataclass(tree: dict[str, Any], inner: Callable[[Any], Any]) -> Any:
    module, _, name = tree["type"].partition(":")
    if module.partition(".")[0] != "sus2":
        raise StoreError("The kept result is damaged; compute it again.")
    found: Any = sys.modules.get(module) or import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    if not (isinstance(found, type) and is_dataclass(found)):
        raise StoreError("The kept result is damaged; compute it again.")
    encoded = tree["fields"]
    second = [k for k, v in encoded.items() if isinstance(v, dict) and v.get("$") == "second"]
    values = {k: inner(v) for k, v in encoded.items() if k not in second}
    for k in second:
        values[k] = _second(inner(encoded[k]["atoms"]), values)
    out = object.__new__(found)
    for k, v in values.items():
        object.__setattr__(out, k, v)
    kept = _kept()
    for k, v in tree["kept"].items():
        if k in kept:
            out.__dict__[k] = inner(v)
    return out


def _second(atoms: Atoms, others: dict[str, Any]) -> Any:
    from sus2.derivatives.second_order import second_derivatives

    return second_derivatives(atoms, others["potential"])


def _phonopy(parts: dict[str, Any]) -> Any:
    from sus2.properties.phonons.backends import phonopy_of

    cell = Atoms(
        parts["symbols"],
        cell=parts["cell"],
        scaled_positions=parts["scaled_positions"],
        masses=parts["masses"],
        pbc=True,
    )
    made = phonopy_of(cell, parts["matrix"])
    made.force_constants = parts["force_constants"]
    return made
