"""Potentials of others by name: those of installed packages, of the settings file, and those known here.

A package offers one by an entry point of the group ``sus2.potentials`` that names a Plugin (or a function that returns
one, or a list of them); the owner of a server by the table ``[potentials]`` of the settings file. Listing reads what
they say about themselves; the model is made when it is first used. What they print at either goes to standard error:
the output of a command may be JSON.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from sus2.errors import Sus2Error, printable
from sus2.potential.card import Card
from sus2.registry.external import wrap_calculator
from sus2.registry.others.known import Plugin, known
from sus2.settings import potential_tables

GROUP: Final = "sus2.potentials"


class Found(BaseModel):
    """Plug-ins by name with their cards, and one sentence for each that cannot be used."""

    model_config = ConfigDict(frozen=True)

    plugins: Mapping[str, Plugin]
    cards: tuple[Card, ...]
    problems: tuple[str, ...]


def found() -> Found:
    """All plug-ins of this process: those known here, of installed packages, and of the settings file.

    Of two with one name that of the settings file counts, then that of a package. Nothing raises: what is broken is in
    `problems`.
    """
    return _found(tuple(entry_points(group=GROUP)), _frozen(potential_tables()))


@lru_cache(maxsize=4)
def _found(points: tuple[EntryPoint, ...], tables: tuple[tuple[str, str], ...]) -> Found:
    plugins = {p.name: p for p in known()}
    problems: list[str] = []
    for point in points:
        try:
            for plugin in _offered(point):
                plugins[plugin.name] = plugin
        except Sus2Error as error:
            problems.append(str(error))
    for name, text in tables:
        try:
            plugin = _checked({"name": name} | json.loads(text), f"The potential '{printable(name)}' of the settings")
            plugins[plugin.name] = plugin
        except Sus2Error as error:
            problems.append(str(error))
    cards = []
    for plugin in list(plugins.values()):
        try:
            cards.append(card_of(plugin))
        except Sus2Error as error:
            del plugins[plugin.name]
            problems.append(str(error))
    return Found(plugins=plugins, cards=tuple(sorted(cards, key=lambda c: c.name)), problems=tuple(problems))


def _frozen(tables: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    # The key of the cache; what JSON cannot hold (TOML's dates) no factory needs.
    return tuple(sorted((name, json.dumps(table, default=str, sort_keys=True)) for name, table in tables.items()))


def _offered(point: EntryPoint) -> list[Plugin]:
    what = f"The plug-in '{printable(point.name)}' ({printable(point.value)})"
    try:
        with redirect_stdout(sys.stderr):
            offer = point.load()
            offer = offer() if callable(offer) and not isinstance(offer, type) else offer
    # A package of others may fail in any way, and the list of potentials must not.
    except Exception as error:
        raise Sus2Error(f"{what} cannot be used: {_words(error)}.") from None
    offers = list(offer) if isinstance(offer, list | tuple) else [offer]
    dist = point.dist.name if point.dist is not None else ""
    out = []
    for item in offers:
        content = item.model_dump() if isinstance(item, Plugin) else item
        if not isinstance(content, Mapping):
            raise Sus2Error(f"{what} offers a {type(item).__name__}, not a mapping of the fields of a plug-in.")
        out.append(_checked({"package": dist} | {k: v for k, v in content.items() if v}, what))
    return out


def _checked(content: Mapping[str, Any], what: str) -> Plugin:
    try:
        return Plugin.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(k) for k in first["loc"]) or "it"
        raise Sus2Error(f"{what} cannot be used: {printable(key)}: {printable(first['msg'])}.") from None


def card_of(plugin: Plugin) -> Card:
    """The card of a plug-in.

    Parameters
    ----------
    plugin
        What it says about itself.

    Returns
    -------
    Card
        With the SHA-256 of its weights, where it names a file, and the version of its package.

    Raises
    ------
    Sus2Error
        Weights that cannot be read, a package that is not installed, or elements that are none.
    """
    sha256 = ""
    if plugin.weights:
        path = Path(plugin.weights).expanduser()
        try:
            state = path.stat()
            if path.is_file():
                sha256 = _digest(path, state.st_mtime_ns, state.st_size)
        except OSError as error:
            raise Sus2Error(f"The weights of {plugin.name} cannot be read: {path} ({error.strerror}).") from None
    number = ""
    if plugin.package:
        try:
            number = version(plugin.package)
        except PackageNotFoundError:
            raise Sus2Error(f"{plugin.name} needs the package {plugin.package}, which is not installed.") from None
    try:
        return Card(
            name=plugin.name,
            functional=plugin.functional,
            elements=plugin.elements,
            summary=plugin.summary,
            licence=plugin.licence,
            sha256=sha256,
            version=" ".join(w for w in (plugin.package, number) if w),
            plugin=plugin.factory,
        )
    except ValidationError as error:
        raise Sus2Error(f"{plugin.name}: {printable(error.errors(include_url=False)[0]['msg'])}.") from None


@lru_cache(maxsize=64)
def _digest(path: Path, modified: int, size: int) -> str:
    h = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            h.update(block)
    return h.hexdigest()


def load_plugin(name: str, *, device: str | None = None) -> Any:
    """Make the potential of a plug-in.

    Parameters
    ----------
    name
        Its name.
    device
        Where it computes, in place of what the plug-in says: "cpu", "cuda".

    Returns
    -------
    Calculates
        The potential, with its card.

    Raises
    ------
    Sus2Error
        One sentence: an unknown name, a package that is missing, or whatever its factory raises.
    """
    everything = found()
    plugin = everything.plugins.get(name)
    if plugin is None:
        names = ", ".join(sorted(everything.plugins)) or "none"
        raise Sus2Error(f"There is no potential '{printable(name)}' of others; there are: {names}.")
    card = next(c for c in everything.cards if c.name == name)
    what = f"{plugin.name} ({plugin.factory})"
    try:
        function = _factory(plugin.factory)
        with redirect_stdout(sys.stderr):
            made = function(**_arguments(plugin, function, device))
    except Sus2Error:
        raise
    # Whatever code of others raises is one sentence for the user.
    except Exception as error:
        raise Sus2Error(f"{what} cannot be loaded: {_words(error)}.") from None
    if hasattr(made, "evaluate") and hasattr(made, "elements"):
        return made
    if not hasattr(made, "get_potential_energy"):
        raise Sus2Error(f"{what} gives a {type(made).__name__}, not an ASE calculator.")
    return wrap_calculator(
        made,
        name=card.name,
        elements=card.elements,
        functional=card.functional,
        card=card,
        memory_mb_per_atom=plugin.memory_mb_per_atom,
    )


def _factory(text: str) -> Any:
    module, colon, attribute = text.partition(":")
    if not colon:
        from sus2.registry.others import adapters

        function = getattr(adapters, text, None) if text in adapters.__all__ else None
        if function is None:
            names = ", ".join(adapters.__all__)
            raise Sus2Error(f"'{printable(text)}' is no factory: give 'package:function' or one of {names}.")
        return function
    found = import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found


def _arguments(plugin: Plugin, function: Any, device: str | None) -> dict[str, Any]:
    values: dict[str, Any] = dict(plugin.options)
    given = {
        "weights": str(Path(plugin.weights).expanduser()) if plugin.weights else "",
        "device": resolved_device(device or plugin.device),
    }
    parameters = signature(function).parameters
    open_ended = any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values())
    for name, value in given.items():
        if not value:
            continue
        if name in parameters or open_ended:
            values[name] = value
        elif name == "weights":
            raise Sus2Error(
                f"{plugin.name}: {plugin.factory} has no argument 'weights'; give the path among the options, by the "
                "name that it has there."
            )
    return values


def resolved_device(device: str) -> str:
    """The device that "auto" stands for here, or the one that is named.

    Parameters
    ----------
    device
        "auto" or a name.

    Returns
    -------
    str
        For "auto" "cuda" where torch finds it, else "cpu".
    """
    if device != "auto":
        return device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _words(error: BaseException) -> str:
    text = " ".join(str(error).split())[:200].rstrip(".")
    return f"{type(error).__name__}: {printable(text)}" if text else type(error).__name__
