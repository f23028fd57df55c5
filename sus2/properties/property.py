"""How a property is described, so that everything that lists properties can read one description."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ase import Atoms


def always(result: Any) -> bool:
    """Compare this quantity for every result.

    Parameters
    ----------
    result
        Of the property.

    Returns
    -------
    bool
        True.
    """
    return True


def never(result: Any) -> bool:
    """Compare this quantity for no result.

    Parameters
    ----------
    result
        Of the property.

    Returns
    -------
    bool
        False.
    """
    return False


@dataclass(frozen=True)
class Quantity:
    """A number of a result.

    Attributes
    ----------
    key
        Name in tables, databases and JSON, with the unit at its end (``b0_gpa``).
    symbol
        Short name, for the heading of a column.
    label
        Name in words, for a row.
    unit
        Unit as people write it; empty for a pure number.
    digits
        Digits after the decimal point.
    meaning
        One sentence that explains the quantity.
    read
        ``read(result)`` gives the number; by default the attribute called `key`.
    error
        ``error(result)`` gives its standard error, where there is one.
    headline
        Whether the page of the property shows it above the figures.
    tabulated
        Whether tables of many crystals have a column for it.
    compared
        ``compared(result)`` tells whether potentials are compared by it.
    """

    key: str
    symbol: str
    label: str
    unit: str
    digits: int
    meaning: str
    read: Callable[[Any], float] | None = None
    error: Callable[[Any], float] | None = None
    headline: bool = False
    tabulated: bool = True
    compared: Callable[[Any], bool] = always

    @property
    def title(self) -> str:
        """Symbol and unit, the heading of a column."""
        return f"{self.symbol} ({self.unit})" if self.unit else self.symbol

    def of(self, result: Any) -> float:
        """Read the number from a result.

        Parameters
        ----------
        result
            Of the property that the quantity belongs to.

        Returns
        -------
        float
            In the unit of the quantity.
        """
        return float(getattr(result, self.key) if self.read is None else self.read(result))


@dataclass(frozen=True)
class Category:
    """What a result says in one word, such as "stable": a column of text.

    Attributes
    ----------
    key
        Name in tables, databases and JSON.
    title
        Heading of the column.
    read
        ``read(result)`` gives the word.
    """

    key: str
    title: str
    read: Callable[[Any], str]


@dataclass(frozen=True)
class Option:
    """An argument of the function that has an option of its own on the command line.

    Attributes
    ----------
    name
        Name of the argument; the option is ``--name`` with hyphens.
    kind
        Type of the value.
    default
        Its default, the function's own.
    help
        One sentence.
    short
        A second, shorter name of the option.
    shown
        Whether it is no argument of the function, but of the text that is printed.
    least
        Smallest value that makes sense; None where there is none.
    """

    name: str
    kind: type
    default: Any
    help: str
    short: str = ""
    shown: bool = False
    least: float | None = None


@dataclass(frozen=True)
class Page:
    """A page of the app.

    Attributes
    ----------
    title
        Name in the navigation and heading.
    icon
        Name of a Material symbol.
    about
        One or two sentences below the heading.
    script
        Its script below ``pages/``, without the ending; empty for the page that every property has.
    max_auto_atoms
        Samples of at most so many atoms are computed without waiting for the button.
    """

    title: str
    icon: str
    about: str
    script: str = ""
    max_auto_atoms: int = 8


@dataclass(frozen=True)
class Download:
    """A file that a result can be saved as.

    Attributes
    ----------
    label
        What the button says.
    ending
        Ending of the file's name.
    mime
        Media type.
    write
        ``write(result)`` gives the content.
    """

    label: str
    ending: str
    mime: str
    write: Callable[[Any], str]


def _as_dict(result: Any) -> dict[str, Any]:
    found: dict[str, Any] = result.to_dict()
    return found


def _nothing(result: Any) -> list[str]:
    return []


@dataclass(frozen=True, eq=False)
class Property:
    """Everything that the program needs to know of a property to offer it everywhere.

    Attributes
    ----------
    name
        Its name, which is also its command and the path of its page.
    title
        What it is, in the middle of a sentence.
    function
        ``module:function`` that computes it; called as ``f(atoms, potential, *, progress, **settings)``.
    help
        Help text of the command.
    quantities
        Its numbers.
    categories
        Its words.
    more
        ``more(result)`` gives further quantities and their numbers, which depend on the crystal (elastic constants).
    options
        Options of the command.
    settings
        Settings for tables of many crystals, where they are not the function's own defaults.
    finite
        Value of the setting ``method`` for potentials without exact second derivatives; empty where there is no such
        setting.
    begins_with_relaxation
        Whether the function begins with ``sus2.relax`` and its defaults, so that one relaxation serves several.
    in_fixed_cell
        Whether it has a meaning in a cell that is not relaxed in the potential.
    together
        ``module:function`` that prepares many crystals at once (see `sus2.properties.together`); empty where each is
        computed alone.
    memory
        Function name -> parts of the memory estimate (see `sus2.jobs.memory`), for the property's function and for
        those that go with it.
    cost
        Time for one crystal, in relaxations.
    commands
        Further functions that the command reproduces.
    relaxed
        ``relaxed(result)`` gives the relaxed crystal.
    content
        ``content(result)`` gives the JSON of the command.
    lines
        ``lines(result)`` gives lines of text for the command, below the quantities.
    show
        ``show(result, **options)`` gives all lines of text, in place of the quantities.
    write_files
        ``write_files(result, folder)`` writes the files of other programs; the command's ``--output`` is a folder then.
    before
        ``before(settings, **options)`` raises the error of options of `show` that cannot be answered.
    check
        ``check(result)`` raises the error of a result that is not to be used.
    downloads
        Files of the page.
    seen
        The expression that the script which reproduces a result prints.
    page
        Its page; None where it has none.
    kept
        Cached properties of its results that are stored with them, as they take longer to compute than to read.
    """

    name: str
    title: str
    function: str
    help: str
    quantities: tuple[Quantity, ...]
    categories: tuple[Category, ...] = ()
    more: Callable[[Any], Mapping[Quantity, float]] | None = None
    options: tuple[Option, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    finite: str = ""
    begins_with_relaxation: bool = False
    in_fixed_cell: bool = True
    together: str = ""
    memory: Mapping[str, Sequence[str]] = field(default_factory=dict)
    cost: float = 1.0
    commands: tuple[str, ...] = ()
    relaxed: Callable[[Any], Atoms] | None = None
    content: Callable[[Any], dict[str, Any]] = _as_dict
    lines: Callable[[Any], list[str]] = _nothing
    show: Callable[..., list[str]] | None = None
    write_files: Callable[[Any, Any], object] | None = None
    before: Callable[..., object] | None = None
    check: Callable[[Any], object] | None = None
    downloads: tuple[Download, ...] = ()
    seen: str = "result"
    page: Page | None = None
    kept: tuple[str, ...] = ()

    @cached_property
    def compute(self) -> Callable[..., Any]:
        """The function itself; its module is imported at first use, as it may import torch."""
        return _found(self.function)

    @cached_property
    def prepare(self) -> Callable[..., Any] | None:
        """The function of `together`."""
        return _found(self.together) if self.together else None

    def numbers(self, result: Any) -> dict[str, float]:
        """Read the numbers of tables, by key.

        Parameters
        ----------
        result
            Of this property.

        Returns
        -------
        dict
            Key of each tabulated quantity -> its number.
        """
        return {q.key: q.of(result) for q in self.quantities if q.tabulated}

    def words(self, result: Any) -> dict[str, str]:
        """Read the words of tables, by key.

        Parameters
        ----------
        result
            Of this property.

        Returns
        -------
        dict
            Key of each category -> its word.
        """
        return {c.key: c.read(result) for c in self.categories}

    def compared(self, result: Any) -> dict[Quantity, float]:
        """Read the finite numbers by which potentials are compared.

        Parameters
        ----------
        result
            Of this property.

        Returns
        -------
        dict
            Quantity -> its number, with those of `more`; numbers that are not finite are left out.
        """
        found = {q: q.of(result) for q in self.quantities if q.compared(result)}
        if self.more is not None:
            found |= self.more(result)
        return {q: value for q, value in found.items() if math.isfinite(value)}

    def for_potential(self, *, exact: bool, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Settings for tables: the property's own, and over them those given.

        Parameters
        ----------
        exact
            Whether the potential has exact second derivatives.
        given
            Settings that go before.

        Returns
        -------
        dict
            Arguments of the function.
        """
        method = {"method": self.finite} if self.finite and not exact else {}
        return {**self.settings, **method, **(given or {})}


def _found(path: str) -> Callable[..., Any]:
    module, _, name = path.partition(":")
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function
