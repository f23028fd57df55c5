"""What the commands share: reading structures and potentials, settings by name, one structure or many."""

from __future__ import annotations

import inspect
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

import sus2
from sus2.errors import StructureError, Sus2Error
from sus2.progress import Progress, silent
from sus2.settings import settings
from sus2.structures import elements_of, read_structure, sample, samples, write_structure

if TYPE_CHECKING:
    from sus2.validation.recommendation import Choice


Structures = Annotated[
    list[str],
    typer.Argument(help="Structure files, keys of sample crystals such as si, or JSON results of this program."),
]
Structure = Annotated[str, typer.Argument(help="Structure file, or key of a sample crystal such as si.")]
ModelName = Annotated[
    str | None,
    typer.Option("--model", "-m", help="Name of a potential, or an .mtp file. Default: the recommended potential."),
]
Elements = Annotated[
    str | None,
    typer.Option("--elements", help="Elements of an .mtp file without a card, in type order, such as Ga,As."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one line per structure.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Setting of the Python function: its name and its value as JSON."),
]


# What plain annotations take, in words and as a test; true and false are no numbers.
_KINDS: Final[dict[str, tuple[str, Callable[[Any], bool]]]] = {
    "bool": ("true or false", lambda v: isinstance(v, bool)),
    "int": ("a whole number", lambda v: isinstance(v, int) and not isinstance(v, bool)),
    "float": ("a number", lambda v: isinstance(v, int | float) and not isinstance(v, bool)),
    "str": ("a text", lambda v: isinstance(v, str)),
    "None": ("null", lambda v: v is None),
}


def structure(name: str) -> Any:
    """Read the crystal of a file or sample; notices go to standard error.

    Parameters
    ----------
    name
        A file, also with #block=, #setting= or #order behind it, or the key of a sample.

    Returns
    -------
    Atoms
        The crystal.

    Raises
    ------
    StructureError
        There is no such file or sample, or it cannot be read.
    Sus2Error
        The file is too large.
    """
    if name in {s.key for s in samples()} and not Path(name).exists():
        return sample(name).atoms()
    path = Path(name)
    choice: dict[str, Any] = {}
    if not path.is_file() and "#" in name:
        # crystals.cif#block=two, #setting=P b n m, #order
        place, _, wanted = name.rpartition("#")
        key, _, value = wanted.partition("=")
        if key in ("block", "setting", "order") and Path(place).is_file():
            path, choice = Path(place), {key: value if key != "order" else True}
    if not path.is_file():
        raise StructureError(f"There is no file '{name}', nor a sample of that key (see: sus2 samples).")
    try:
        atoms = read_structure(path.name, file_bytes(path, settings().max_upload_mb), **choice)
        for notice in atoms.info["notices"]:
            typer.echo(f"{path.name}: {notice}", err=True)
        return atoms
    except OSError as error:
        raise StructureError(f"{path.name} cannot be read ({error.strerror}).") from None


def file_bytes(path: Path, limit_mib: int) -> bytes:
    """Read a file, unless it is too large.

    Parameters
    ----------
    path
        The file.
    limit_mib
        Most that is read, MiB.

    Returns
    -------
    bytes
        The content.

    Raises
    ------
    Sus2Error
        It is larger.
    OSError
        It cannot be read.
    """
    size = path.stat().st_size
    if size > limit_mib * 2**20:
        raise Sus2Error(f"{path.name} has {size / 2**20:,.1f} MiB; at most {limit_mib} MiB are read.")
    return path.read_bytes()


def potential(model: str | None, elements: str | None, atoms: Any) -> Any:
    """The potential that was named, or the one that fits the crystal best (and says why on standard error)."""
    if model is not None:
        return sus2.load(model, elements=elements.replace(",", " ").split() if elements else None)
    best = fitting(atoms)
    typer.echo(f"Model: {best.reason}", err=True)
    return sus2.load(best.card.name)


def fitting(atoms: Any) -> Choice:
    """The shipped potential that fits the crystal best.

    Parameters
    ----------
    atoms
        The crystal.

    Returns
    -------
    Choice
        Its card, and why.

    Raises
    ------
    Sus2Error
        None covers all its elements.
    """
    from sus2.validation.recommendation import recommend

    best = recommend(atoms)
    if best is None:
        wanted = ", ".join(elements_of(atoms))
        raise Sus2Error(f"No shipped model covers all of {wanted}; name an .mtp file with --model.")
    return best


def settings_of(function: Callable[..., Any], values: Mapping[str, Any], given: Sequence[str] | None) -> dict[str, Any]:
    """The settings of a function: values, and over them those given as NAME=JSON.

    Parameters
    ----------
    function
        Its keyword-only arguments are the names.
    values
        Of the command's own options.
    given
        As on the command line; what is no JSON is a text.

    Returns
    -------
    dict
        By name.

    Raises
    ------
    Sus2Error
        A name that the function does not have, or a value of another kind than it takes.
    """
    known = {
        name: p.annotation
        for name, p in inspect.signature(function).parameters.items()
        if p.kind is inspect.Parameter.KEYWORD_ONLY and name != "progress"
    }
    out = dict(values)
    for item in given or ():
        name, equals, text = item.partition("=")
        if not equals or name not in known:
            raise Sus2Error(f"--set {item}: give NAME=VALUE with one of: {', '.join(known)}.")
        try:
            out[name] = json.loads(text)
        except (ValueError, RecursionError):
            out[name] = text
        kinds = str(known[name]).split(" | ")
        if set(kinds) <= set(_KINDS) and not any(_KINDS[k][1](out[name]) for k in kinds):
            words = " or ".join(_KINDS[k][0] for k in kinds)
            raise Sus2Error(f"--set {item}: {name} takes {words}.")
    return out


def each(
    names: Sequence[str],
    *,
    model: str | None,
    elements: str | None,
    work: Callable[[Any, Any, Progress], Any],
    content: Callable[[Any, Any], dict[str, Any]],
    show: Callable[[Any, Any], None],
    as_json: bool,
) -> None:
    """Run a calculation for each structure and print what it gives.

    One structure: errors are raised. Many: an error is printed for its structure and the rest goes on.

    Parameters
    ----------
    names
        Of the structures.
    model
        Of the potential; by default the one that fits best.
    elements
        Of an .mtp file without a card.
    work
        Called with crystal, potential and progress.
    content
        Called with result and potential; gives what is printed as JSON.
    show
        Called with result and potential; prints for people.
    as_json
        Whether JSON is printed, one line for each.

    Raises
    ------
    Sus2Error
        Of one structure alone.
    typer.Exit
        Status 1 at the end, where one of many failed.
    """
    loaded: dict[str, Any] = {}
    failed = False
    for k, name in enumerate(names):
        try:
            atoms = structure(name)
            key = model or fitting(atoms).card.name
            if key not in loaded:
                loaded[key] = potential(model, elements, atoms)
            with progress_bar(name if len(names) == 1 else f"{name} ({k + 1} of {len(names)})") as progress:
                result = work(atoms, loaded[key], progress)
        except Sus2Error as error:
            if len(names) == 1:
                raise
            failed = True
            typer.echo(json.dumps({"structure": name, "error": str(error)})) if as_json else typer.echo(
                f"{name}: {error}", err=True
            )
            continue
        if as_json:
            notices = list(atoms.info.get("notices", []))
            about = (
                {"structure": name, "notices": notices}
                if len(names) > 1
                else {"structure": {"name": name, "notices": notices}}
            )
            typer.echo(json.dumps(about | content(result, loaded[key])))
        else:
            show(result, loaded[key])
    if failed:
        raise typer.Exit(1)


@contextmanager
def progress_bar(label: str) -> Iterator[Progress]:
    """A progress bar on standard error, where that is a terminal."""
    if not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[stage]}"), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=1.0, stage="")
        yield lambda stage, fraction: bar.update(task, completed=fraction, stage=stage)


def check_target(path: Path) -> None:
    """Refuse a file to which no crystal can be written, before anything is computed.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    Sus2Error
        No such format, no such folder, or a folder in its place.
    """
    _format(path)
    check_folder(path)


def check_folder(path: Path | None) -> None:
    """Refuse a file that cannot be written for want of its folder, before anything is computed.

    Parameters
    ----------
    path
        The file; None where none was asked for.

    Raises
    ------
    Sus2Error
        There is no such folder, or the name is that of a folder.
    """
    # Unlike Path.is_dir these are False where nobody may look.
    if path is not None and os.path.isdir(path):
        raise Sus2Error(f"'{path}' cannot be written: it is a folder; give the name of a file.")
    if path is not None and not os.path.isdir(path.parent):
        raise Sus2Error(f"'{path}' cannot be written: there is no folder '{path.parent}'; make it first.")


def write(atoms: Any, path: Path) -> None:
    """Write a crystal in the format of the file's ending.

    Parameters
    ----------
    atoms
        The crystal.
    path
        The file.

    Raises
    ------
    Sus2Error
        No such format, or the file cannot be written.
    """
    fmt = _format(path)
    try:
        path.write_text(write_structure(atoms, fmt), encoding="utf-8")
    except OSError as error:
        raise Sus2Error(f"'{path}' cannot be written ({error.strerror}).") from None


def _format(path: Path) -> str:
    formats = {".cif": "cif-symmetric", ".vasp": "poscar", ".poscar": "poscar", ".xyz": "extxyz", ".extxyz": "extxyz"}
    fmt = "poscar" if path.name.upper().startswith(("POSCAR", "CONTCAR")) else formats.get(path.suffix.lower())
    if fmt is None:
        raise Sus2Error(f"'{path.name}': give the output file the ending .cif, .vasp or .xyz.")
    return fmt
