"""A calculation as a value: a public function, its arguments, and a key for the result.

A calculation travels to a worker process, names a result in the store, and can be written as Python. Two calculations
have the same key exactly where they have the same function, structures, weights, settings and code.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

import sus2
from sus2.errors import StoreError, Sus2Error
from sus2.jobs import archive
from sus2.progress import Progress
from sus2.registry.reference import PotentialRef
from sus2.structures.crystal import content_key

# Rooms that change how a result is shown, not what it is.
_NOT_PHYSICS = ("figures", "training", "studies", "cli", "server", "_app", "pretrained")


@dataclass(frozen=True, eq=False)
class Calculation:
    """One call of a public function of this package.

    Attributes
    ----------
    function
        "module:name" below sus2.
    arguments
        Crystals (ase Atoms), PotentialRef, and plain values (numbers, text, None, sequences and mappings of these), by
        the function's own names.
    """

    function: str
    arguments: Mapping[str, Any]

    @classmethod
    def of(cls, function: Callable[..., Any], **arguments: Any) -> Calculation:
        """The calculation that function(**arguments) answers.

        Parameters
        ----------
        function
            A public function of this package.
        **arguments
            Its arguments.

        Returns
        -------
        Calculation
            The call as a value.
        """
        return cls(f"{function.__module__}:{function.__qualname__}", arguments)

    @property
    def name(self) -> str:
        """The function's name."""
        return self.function.partition(":")[2]

    @property
    def key(self) -> str:
        """64 hexadecimal digits."""
        found = self.__dict__.get("_key")
        if found is None:
            code = [code_version(), *([training_version()] if self.function.startswith("sus2.training.") else [])]
            content = [*code, self.function, sorted((k, _plain(v)) for k, v in self.changed().items())]
            found = hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()
            # Not a cached_property: before Python 3.12 its lock is one for all sessions of a server.
            self.__dict__["_key"] = found
        return str(found)

    def changed(self) -> dict[str, Any]:
        """The arguments that are not the defaults: leaving one out and giving its default are one calculation."""
        parameters = inspect.signature(_function(self.function)).parameters
        return {
            k: v
            for k, v in self.arguments.items()
            if k not in parameters
            or parameters[k].default is inspect.Parameter.empty
            or _plain(v) != _plain(parameters[k].default)
        }

    def references(self) -> Iterator[PotentialRef]:
        """The potentials among the arguments."""
        yield from _references(self.arguments)

    def structures(self) -> Iterator[Atoms]:
        """The crystals among the arguments."""
        yield from _structures(self.arguments)


@dataclass(frozen=True)
class StoredResult:
    """The result of a calculation and where it came from.

    Attributes
    ----------
    key
        Of the calculation.
    packed
        The bytes of sus2.jobs.archive.
    created
        Seconds since 1970.
    seconds
        Of computing.
    machine
        Processor and versions.
    """

    key: str
    packed: bytes = field(repr=False)
    created: float
    seconds: float
    machine: Mapping[str, str]

    def result(self, references: Sequence[PotentialRef] = ()) -> Any:
        """Unpack the result.

        Parameters
        ----------
        references
            The potentials of its calculation.

        Returns
        -------
        Any
            The result.

        Raises
        ------
        StoreError
            It is damaged, or needs a potential that is not loaded.
        Sus2Error
            It needs a plug-in that cannot be loaded.
        """
        return archive.unpack(self.packed, lambda wanted: _resolve(wanted, references))


def compute(calculation: Calculation, progress: Progress | None = None) -> StoredResult:
    """Compute the answer.

    Parameters
    ----------
    calculation
        What to compute.
    progress
        Given to the function where it takes one.

    Returns
    -------
    StoredResult
        Packed, with the seconds that it took.

    Raises
    ------
    Sus2Error
        A function that does not exist; all that the function raises comes through too.
    StoreError
        A result that cannot be written.
    """
    function = _function(calculation.function)
    arguments = {k: _ready(v) for k, v in calculation.arguments.items()}
    if progress is not None and "progress" in inspect.signature(function).parameters:
        arguments["progress"] = progress
    started = time.perf_counter()
    result = function(**arguments)
    seconds = time.perf_counter() - started
    return StoredResult(calculation.key, archive.pack(result), time.time(), seconds, machine())


def machine() -> dict[str, str]:
    """Versions and processor that a result was computed with."""
    out = {"sus2": sus2.__version__, "code": code_version(), "python": platform.python_version()}
    out |= {"numpy": np.__version__, "system": platform.platform(), "device": "cpu"}
    if torch := sys.modules.get("torch"):
        out["torch"] = str(torch.__version__)
    return out


@lru_cache(maxsize=1)
def code_version() -> str:
    """The release and a digest of the source that computes, so that a result never outlives the code it came from."""
    folder = Path(__file__).resolve().parents[1]
    physics = [p for p in _sources(folder) if p.relative_to(folder).parts[0] not in _NOT_PHYSICS]
    return f"{sus2.__version__}-{_digest(physics)}"


@lru_cache(maxsize=1)
def training_version() -> str:
    """A digest of the source that trains, for calculations whose result is a potential."""
    return _digest(_sources(Path(__file__).resolve().parents[1] / "training"))


def _sources(folder: Path) -> list[Path]:
    return sorted(p for kind in ("*.py", "*.cpp", "*.h") for p in folder.rglob(kind))


def _digest(paths: Iterable[Path]) -> str:
    folder = Path(__file__).resolve().parents[1]
    h = hashlib.sha256(sus2.__version__.encode())
    for path in paths:
        h.update("/".join(path.relative_to(folder).parts).encode() + path.read_bytes())
    return h.hexdigest()[:12]


# Arguments --------------------------------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    """A JSON value that is equal for equal arguments."""
    if isinstance(value, Atoms):
        masses = value.get_masses().tolist() if value.has("masses") else None
        return {"atoms": content_key(value), "masses": masses}
    if isinstance(value, PotentialRef):
        return {"potential": value.identity, "precision": value.precision}
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, bytes):
        return {"bytes": hashlib.sha256(value).hexdigest()}
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {"map": [[str(k), _plain(v)] for k, v in value.items()]}
    if isinstance(value, Sequence):
        return [_plain(v) for v in value]
    raise Sus2Error(f"A {type(value).__name__} cannot be part of a calculation.")


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for v in value.values():
            yield from _leaves(v)
    elif isinstance(value, list | tuple):
        for v in value:
            yield from _leaves(v)
    else:
        yield value


def _references(value: Any) -> Iterator[PotentialRef]:
    yield from (v for v in _leaves(value) if isinstance(v, PotentialRef))


def _structures(value: Any) -> Iterator[Atoms]:
    yield from (v for v in _leaves(value) if isinstance(v, Atoms))


def _ready(value: Any) -> Any:
    if isinstance(value, PotentialRef):
        return value.load()
    if isinstance(value, Mapping):
        return {k: _ready(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_ready(v) for v in value)
    return value.copy() if isinstance(value, Atoms) else value


def _function(path: str) -> Callable[..., Any]:
    module, _, name = path.partition(":")
    if module.partition(".")[0] != "sus2" or name.startswith("_"):
        raise Sus2Error(f"'{path[:80]}' is no function of this package.")
    try:
        # Loaded modules are taken as they are: the import lock would make the sessions of a server wait for each other.
        found = getattr(sys.modules.get(module) or import_module(module), name)
    except (ImportError, AttributeError):
        raise Sus2Error(f"'{path[:80]}' is no function of this package.") from None
    if not inspect.isfunction(found):
        raise Sus2Error(f"'{path[:80]}' is no function of this package.")
    return found


def _resolve(wanted: dict[str, str], references: Sequence[PotentialRef]) -> Any:
    for reference in references:
        if (reference.identity, reference.precision) == (wanted["identity"], wanted["precision"]):
            return reference.load()
    if wanted["identity"].startswith("external "):
        return PotentialRef.external(wanted["name"]).load()
    shipped = PotentialRef(wanted["name"], wanted["identity"], precision=wanted["precision"])
    try:
        return shipped.load()
    except Sus2Error:
        raise StoreError(f"The kept result needs the potential {wanted['name'][:60]}, which is not loaded.") from None
