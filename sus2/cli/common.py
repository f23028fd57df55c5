"""What the commands share: reading structures and potentials, settings by name, one structure or many."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import sus2
from sus2.errors import StructureError, Sus2Error
from sus2.progress import Progress
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


def structure(name: str) -> Any:
    """The crystal of a file or sample; raises StructureError."""
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
    """The content of a file; raises Sus2Error for one that is too large, before it is read, and OSError."""
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
    """The shipped potential that fits the crystal best; raises Sus2Error where none knows its elements."""
    from sus2.validation.recommendation import recommend

    best = recommend(atoms)
    if best is None:
        wanted = ", ".join(elements_of(atoms))
        raise Sus2Error(f"No shipped model knows all of {wanted}; name an .mtp file with --model.")
    return best


def settings_of(function: Callable[..., Any], values: Mapping[str, Any], given: Sequence[str] | None) -> dict[str, Any]:
    """The function's settings: values, and over them those given as NAME=JSON.

    Raises Sus2Error for a name that the function does not have.
    """
    known = [
        name
        for name, p in inspect.signature(function).parameters.items()
        if p.kind is inspect.Parameter.KEYWORD_ONLY and name != "progress"
    ]
    out = dict(values)
    for item in given or ():
        name, equals, text = item.partition("=")
        if not equals or name not in known:
            raise Sus2Error(f"--set {item}: give NAME=VALUE with one of: {', '.join(known)}.")
        try:
            out[name] = json.loads(text)
        except ValueError:
            out[name] = text
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
    """Run work(atoms, potential, progress) for each structure and print what it gives.

    One structure: errors are raised. Many: an error is printed for its structure, the rest goes on, and the exit code
    is 1 at the end. content(result, potential) is printed as JSON, show(result, potential) prints for people.
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
        yield lambda stage, fraction: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[stage]}"), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=1.0, stage="")
        yield lambda stage, fraction: bar.update(task, completed=fraction, stage=stage)


def write(atoms: Any, path: Path) -> None:
    """Write a crystal in the format of the file's ending."""
    formats = {".cif": "cif-symmetric", ".vasp": "poscar", ".poscar": "poscar", ".xyz": "extxyz", ".extxyz": "extxyz"}
    fmt = "poscar" if path.name.upper().startswith(("POSCAR", "CONTCAR")) else formats.get(path.suffix.lower())
    if fmt is None:
        raise Sus2Error(f"'{path.name}': give the output file the ending .cif, .vasp or .xyz.")
    try:
        path.write_text(write_structure(atoms, fmt), encoding="utf-8")
    except OSError as error:
        raise Sus2Error(f"'{path}' cannot be written ({error.strerror}).") from None
