"""The one list of properties.

A property is a folder here with an `entry.py` that describes it (`ENTRY`), and one line below. Commands, pages, tables
of many crystals, screening, comparison, memory estimates, stored results and the texts that reproduce a result read
this list.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module

from sus2.properties.property import Property, Quantity

FOLDERS = (
    "relax",
    "eos",
    "elastic",
    "phonons",
    "thermal",
)
"""Folders of the properties, in the order in which they are shown."""


def catalogue() -> dict[str, Property]:
    """List the properties by name, in their order."""
    return _entries(FOLDERS)


@lru_cache(maxsize=4)
def _entries(folders: tuple[str, ...]) -> dict[str, Property]:
    entries = [import_module(f"sus2.properties.{folder}.entry").ENTRY for folder in folders]
    return {entry.name: entry for entry in entries if isinstance(entry, Property)}


def property_of(function: str) -> Property | None:
    """Find the property that a function belongs to, by the function's name.

    Parameters
    ----------
    function
        Name without its module: the property's own function, one of its `commands` or a name in its `memory`.

    Returns
    -------
    Property or None
        None where no property has such a function.
    """
    for entry in catalogue().values():
        if function == entry.function.partition(":")[2] or function in entry.commands or function in entry.memory:
            return entry
    return None


def columns() -> dict[str, tuple[Property, Quantity]]:
    """List the quantities of tables by key, with the property of each."""
    return _columns(FOLDERS)


@lru_cache(maxsize=4)
def _columns(folders: tuple[str, ...]) -> dict[str, tuple[Property, Quantity]]:
    return {q.key: (entry, q) for entry in _entries(folders).values() for q in entry.quantities if q.tabulated}


def compared_quantities() -> dict[str, Quantity]:
    """List by key the quantities by which potentials can be compared; those that depend on the crystal come with it."""
    return {q.key: q for entry in catalogue().values() for q in entry.quantities}
