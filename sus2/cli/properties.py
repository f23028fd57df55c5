"""The commands of the properties, made from their catalogue: one structure or many, as a table or as JSON lines."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from sus2.cli.common import AsJson, Elements, ModelName, Settings, Structures, check_target, each, settings_of, write
from sus2.errors import Sus2Error, counted
from sus2.properties.property import Option, Property, Quantity
from sus2.structures import formula_units, with_subscripts
from sus2.trust.digits import number_text
from sus2.trust.estimate import HasTrust
from sus2.trust.sentence import summary_sentence

RelaxedFile = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="Write the relaxed crystal to this file: .cif, .vasp or .xyz (one structure only)."
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Folder for files of other programs (one structure only)."),
]


def command_of(entry: Property) -> Callable[..., None]:
    """Make the command of a property.

    Parameters
    ----------
    entry
        Its entry in the catalogue.

    Returns
    -------
    callable
        A function with the options of the command as its parameters, as typer reads them.
    """

    def command(
        structures: list[str],
        model: str | None,
        elements: str | None,
        output: Path | None,
        settings: list[str] | None,
        as_json: bool,
        **options: Any,
    ) -> None:
        for name, value in options.items():
            if isinstance(value, float) and math.isnan(value):
                raise Sus2Error(f"--{name.replace('_', '-')} is not a number; give one.")
        shown = {o.name: options.pop(o.name) for o in entry.options if o.shown}
        _run(entry, structures, model, elements, output, settings_of(entry.compute, options, settings), shown, as_json)

    parameters = {
        "structures": (Structures, inspect.Parameter.empty),
        "model": (ModelName, None),
        "elements": (Elements, None),
        **{o.name: (_annotation(o), o.default) for o in entry.options},
        "output": (Folder if entry.write_files is not None else RelaxedFile, None),
        "settings": (Settings, None),
        "as_json": (AsJson, False),
    }
    command.__name__ = entry.name
    command.__doc__ = entry.help
    command.__annotations__ = {name: kind for name, (kind, _) in parameters.items()}
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=kind)
            for name, (kind, default) in parameters.items()
        ]
    )
    return command


def _annotation(option: Option) -> Any:
    names = [f"--{name.replace('_', '-')}" for name in (option.name, option.short) if name]
    if option.kind is bool:
        return Annotated[bool, typer.Option(help=option.help)]
    return Annotated[option.kind, typer.Option(*names, help=option.help, min=option.least)]


def _run(
    entry: Property,
    structures: Sequence[str],
    model: str | None,
    elements: str | None,
    output: Path | None,
    settings: Mapping[str, Any],
    shown: Mapping[str, Any],
    as_json: bool,
) -> None:
    from sus2.jobs.memory import guarded  # here, because it imports torch

    if output is not None and len(structures) > 1:
        raise Sus2Error("--output takes the result of one structure; give the structures one by one.")
    if output is not None and entry.write_files is None:
        check_target(output)
    if entry.before is not None:
        entry.before(settings, **shown)
    unusable: list[Sus2Error] = []

    def work(atoms: Any, potential: Any, progress: Any) -> Any:
        result = guarded(entry.compute, atoms, potential, progress=progress, **settings)
        if output is not None:
            _write(entry, result, output)
        if entry.check is not None:
            try:
                entry.check(result)
            except Sus2Error as error:
                unusable.append(error)
        return result

    def show(result: Any, potential: Any) -> None:
        for line in text_of(entry, result, potential.name, shown):
            typer.echo(line)

    each(
        structures,
        model=model,
        elements=elements,
        work=work,
        content=lambda result, potential: {"potential": potential.name, **entry.content(result)},
        show=show,
        as_json=as_json,
    )
    if unusable:
        raise typer.Exit(1)


def text_of(entry: Property, result: Any, potential: str, shown: Mapping[str, Any] | None = None) -> list[str]:
    """Write a result as lines of text.

    Parameters
    ----------
    entry
        The property.
    result
        Its result.
    potential
        Name of the potential.
    shown
        Options of the text.

    Returns
    -------
    list of str
        The lines.
    """
    relaxed = entry.relaxed(result) if entry.relaxed is not None else None
    formula = (
        f"{with_subscripts(formula_units(relaxed).formula)}, {counted(len(relaxed), 'atom')}, "
        if relaxed is not None
        else ""
    )
    lines = [f"{formula}{potential}"]
    judged: Any = result if isinstance(result, HasTrust) else getattr(result, "phonons", None)
    if hasattr(judged, "trust"):
        lines.insert(0, summary_sentence(judged))
    if entry.show is not None:
        return lines + entry.show(result, **(shown or {}))
    for q in entry.quantities:
        if q.headline or not any(other.headline for other in entry.quantities):
            lines.append(f"  {q.symbol:<24}{_number(q, result)}")
    return lines + [f"  {line}" for line in entry.lines(result)]


def _number(q: Quantity, result: Any) -> str:
    """A number with one standard deviation, unit and verdict; the error of a fit is named as such."""
    words = [f"error of the fit {q.error(result):.2g}"] if q.error is not None else []
    sigma = math.nan
    if isinstance(result, HasTrust) and q.key in result.trust.estimates:
        sigma = result.uncertainty[q.key]
        words.insert(0, result.verdicts[q.key] if math.isfinite(sigma) else "error unknown")
    number = f"{number_text(q.of(result), q.digits, sigma)} {q.unit}".rstrip()
    return f"{number} ({'; '.join(words)})" if words else number


def _write(entry: Property, result: Any, output: Path) -> None:
    if entry.write_files is not None:
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Sus2Error(f"'{output}' cannot be made a folder ({error.strerror}).") from None
        entry.write_files(result, output)
    elif entry.relaxed is not None:
        write(entry.relaxed(result), output)
    else:
        raise Sus2Error(f"The {entry.title} of a crystal have no structure to write.")
