"""The compact binary form of a potential (`.sus2`): the arrays of a ModelSpec in one compressed archive.

A universal potential with a readout of each element has some hundred thousand numbers, ten megabytes as text. The
archive is NumPy's `.npz` without pickled objects: `format`, `version`, the values of the header, the moment graph in
integers and the coefficients in single precision. They are rounded when the file is written: the numbers in the file
are the potential, and the text that `sus2 export` makes of it has them to the last digit.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final, cast, get_args

import numpy as np
from numpy.typing import NDArray

from sus2.errors import PotentialFileError
from sus2.potential.mtp.spec import (
    ENVELOPE_POWERS,
    MAX_FILE_BYTES,
    RADIAL_TYPES,
    ModelSpec,
    ScalingMap,
    check_graph,
    scaling_block,
)

SUFFIX: Final = ".sus2"
MAGIC: Final = b"PK\x03\x04"
FORMAT: Final = "sus2 potential"
VERSION: Final = 1

_TEXTS: Final = ("potential_name", "scaling_map", "potential_tag", "radial_basis_type")
_COUNTS: Final = (
    "max_rank",
    "species_count",
    "radial_basis_size",
    "radial_funcs_count",
    "moments_count",
    "envelope_power",
)
_NUMBERS: Final = ("scaling", "min_dist", "max_dist")
_GRAPH: Final = ("basic", "times", "mapping")
_COEFFICIENTS: Final = (
    "shift_coeffs",
    "alpha",
    "r0",
    "radial_weights",
    "radial_species",
    "species_coeffs",
    "moment_coeffs",
)
# Energies of whole atoms, which single precision would round by up to half a millielectronvolt.
_DOUBLE: Final = ("shift_coeffs",)
_OPTIONAL: Final = ("neighbour_coeffs",)
_MAX_COUNT: Final = 1_000_000


def rounded(spec: ModelSpec) -> ModelSpec:
    """The spec with the coefficients as the binary form keeps them.

    Parameters
    ----------
    spec
        Any trained spec.

    Returns
    -------
    ModelSpec
        The same, with coefficients rounded to single precision, shifts apart.
    """
    changes: dict[str, Any] = {}
    for name in (*_COEFFICIENTS, *_OPTIONAL):
        value = getattr(spec, name)
        if value is not None and name not in _DOUBLE:
            changes[name] = np.asarray(value, dtype=np.float32).astype(np.float64)
    return replace(spec, e0=None, **changes)


def format_compact(spec: ModelSpec) -> bytes:
    """The bytes of the binary form; parse_compact of them gives `rounded(spec)` bit for bit.

    Parameters
    ----------
    spec
        A trained spec.

    Returns
    -------
    bytes
        The archive; equal specs give equal bytes.

    Raises
    ------
    PotentialFileError
        The spec has no coefficients.
    """
    if not spec.trained:
        raise PotentialFileError("An untrained potential has no binary form: write it as an .mtp file.")
    arrays: dict[str, NDArray[Any]] = {"format": np.array(FORMAT), "version": np.array(VERSION)}
    for name in (*_TEXTS, *_COUNTS, *_NUMBERS):
        arrays[name] = np.array(getattr(spec, name))
    for name in _GRAPH:
        arrays[name] = np.asarray(getattr(spec, name), dtype=np.int32)
    for name in (*_COEFFICIENTS, *_OPTIONAL):
        value = getattr(spec, name)
        if value is not None:
            arrays[name] = np.asarray(value, dtype=np.float64 if name in _DOUBLE else np.float32)
    buffer = io.BytesIO()
    # Without allow_pickle, which numpy 2.0 stores as one more array; these hold numbers and text alone.
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def write_compact(spec: ModelSpec, path: str | Path) -> None:
    """Write a spec in the binary form (see format_compact).

    Parameters
    ----------
    spec
        A trained spec.
    path
        The file, which is overwritten.
    """
    Path(path).write_bytes(format_compact(spec))


def read_compact(path: str | Path) -> ModelSpec:
    """Read a potential in the binary form.

    Parameters
    ----------
    path
        A `.sus2` file.

    Returns
    -------
    ModelSpec
        Its content, checked.

    Raises
    ------
    PotentialFileError
        The file cannot be read or is not a potential that this release supports.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise PotentialFileError(f"{path.name}: larger than {MAX_FILE_BYTES // 2**20} MiB, not a potential.")
        raw = path.read_bytes()
    except OSError as error:
        raise PotentialFileError(f"{path.name}: cannot be read ({error.strerror}); check the path.") from None
    return parse_compact(raw, source=path.name)


def parse_compact(raw: bytes, *, source: str = "potential") -> ModelSpec:
    """The spec of the bytes of a binary potential.

    Parameters
    ----------
    raw
        Content of a `.sus2` file.
    source
        Names the file in errors.

    Returns
    -------
    ModelSpec
        Its content: shapes, ranges, finite numbers and the moment graph are checked.

    Raises
    ------
    PotentialFileError
        Anything else than a whole potential of this version, in one sentence.
    """
    arrays = _arrays(raw, source)
    values: dict[str, Any] = {}
    for name in _TEXTS:
        values[name] = str(_scalar(arrays, name, "U", source))
    for name in _COUNTS:
        values[name] = int(_scalar(arrays, name, "iu", source))
        if not 0 <= values[name] <= _MAX_COUNT:
            raise PotentialFileError(f"{source}: '{name}' is {values[name]}, out of range; get a complete copy.")
    for name in _NUMBERS:
        values[name] = float(_scalar(arrays, name, "f", source))
    if values["scaling_map"] not in get_args(ScalingMap) or values["radial_basis_type"] not in RADIAL_TYPES:
        raise PotentialFileError(f"{source}: its scaling map or radial basis is unknown; get a complete copy.")
    if not 0.0 < values["max_dist"] <= 100.0 or not np.isfinite([values["scaling"], values["min_dist"]]).all():
        raise PotentialFileError(f"{source}: its cutoff or scaling is no usable number; get a complete copy.")
    if values["envelope_power"] not in ENVELOPE_POWERS:
        raise PotentialFileError(f"{source}: an envelope to the power {values['envelope_power']} is unknown.")
    c, m, rank = values["species_count"], values["radial_funcs_count"], values["max_rank"]
    if not (1 <= c <= 1024 and 1 <= m <= 10_000 and 0 <= rank <= 20 and 1 <= values["radial_basis_size"] <= 1000):
        raise PotentialFileError(f"{source}: its numbers of species or functions are out of range.")
    if m % (rank + 1):
        raise PotentialFileError(f"{source}: {m} radial functions are no multiple of {rank + 1} ranks.")
    for name, width in (("basic", 4), ("times", 4), ("mapping", 0)):
        table = _array(arrays, name, "iu", source)
        if table.ndim != (2 if width else 1) or (width and table.shape[1] != width) or (not width and not len(table)):
            raise PotentialFileError(f"{source}: array '{name}' has shape {table.shape}; get a complete copy.")
        values[name] = table.astype(np.int64)
    blocks = int(scaling_block(cast(ScalingMap, values["scaling_map"]), rank, np.arange(m)).max()) + 1
    scalars = len(values["mapping"])
    shapes: dict[str, tuple[tuple[int, ...], ...]] = {
        "shift_coeffs": ((c,),),
        "alpha": ((blocks, c, c),),
        "r0": ((blocks, c, c),),
        "radial_weights": ((m, values["radial_basis_size"]),),
        "radial_species": ((m, c),),
        "species_coeffs": ((c,),),
        "moment_coeffs": ((scalars,), (c, scalars)),
        "neighbour_coeffs": ((m, c),),
    }
    for name in (*_COEFFICIENTS, *_OPTIONAL):
        if name in _OPTIONAL and name not in arrays:
            continue
        table = _array(arrays, name, "f", source)
        if table.shape not in shapes[name]:
            raise PotentialFileError(f"{source}: array '{name}' has shape {table.shape}; get a complete copy.")
        if not np.isfinite(table).all():
            raise PotentialFileError(f"{source}: array '{name}' contains a number that is not finite.")
        values[name] = table.astype(np.float64)
    known = {f.name for f in fields(ModelSpec)} | {"format", "version"}
    if foreign := sorted(set(arrays) - known):
        raise PotentialFileError(f"{source}: array '{foreign[0]}' is unknown; a newer release may read the file.")
    spec = ModelSpec(e0=None, **values)
    check_graph(spec, source)
    return spec


def cutoff_of_compact(raw: bytes, *, source: str = "potential") -> float:
    """Read the cutoff alone of a binary potential.

    Parameters
    ----------
    raw
        The bytes of the file.
    source
        What errors call it.

    Returns
    -------
    float
        Angstrom.

    Raises
    ------
    PotentialFileError
        As parse_compact does.
    """
    return float(_scalar(_arrays(raw, source, only=("format", "version", "max_dist")), "max_dist", "f", source))


def _arrays(raw: bytes, source: str, only: tuple[str, ...] | None = None) -> dict[str, NDArray[Any]]:
    """The arrays of the archive, which must be of this format and version and unpack to a sensible size."""
    broken = PotentialFileError(f"{source}: the file is cut off or damaged, or no potential; get a complete copy.")
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            if sum(item.file_size for item in archive.infolist()) > MAX_FILE_BYTES:
                raise PotentialFileError(f"{source}: unpacks to more than {MAX_FILE_BYTES // 2**20} MiB.")
        with np.load(io.BytesIO(raw), allow_pickle=False) as content:
            arrays = {name: content[name] for name in (content.files if only is None else only)}
    except PotentialFileError:
        raise
    except Exception:  # a damaged archive fails in many ways, none of which says more
        raise broken from None
    if str(arrays.get("format", "")) != FORMAT or arrays["format"].ndim:
        raise broken
    version = int(_scalar(arrays, "version", "iu", source))
    if version != VERSION:
        raise PotentialFileError(
            f"{source}: version {version} of the binary form is not supported, this release reads version {VERSION}; "
            "a newer release may read the file."
        )
    return arrays


def _array(arrays: dict[str, NDArray[Any]], name: str, kinds: str, source: str) -> NDArray[Any]:
    if name not in arrays or arrays[name].dtype.kind not in kinds:
        raise PotentialFileError(f"{source}: array '{name}' is missing or of a wrong kind; get a complete copy.")
    return arrays[name]


def _scalar(arrays: dict[str, NDArray[Any]], name: str, kinds: str, source: str) -> Any:
    value = _array(arrays, name, kinds, source)
    if value.ndim:
        raise PotentialFileError(f"{source}: '{name}' must be one value, found shape {value.shape}.")
    return value[()]
