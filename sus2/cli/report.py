"""`sus2 report`: everything about one crystal as one HTML page, or as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from sus2.cli.common import AsJson, Elements, ModelName, Structure, check_folder, potential, progress_bar
from sus2.cli.common import structure as read
from sus2.errors import Sus2Error
from sus2.trust.digits import number_text


def report(
    structure: Structure,
    model: ModelName = None,
    elements: Elements = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File to write: .html (one page that needs no network) or .json."),
    ] = None,
    compare: Annotated[bool, typer.Option(help="Include a comparison of two functionals.")] = True,
    as_json: AsJson = False,
) -> None:
    """Report on a crystal: equation of state, elasticity, phonons, two functionals, and trust in each number."""
    from sus2.comparison.crystal_report import report as compute
    from sus2.jobs.memory import guarded

    if out is not None and out.suffix.lower() not in (".html", ".htm", ".json"):
        raise Sus2Error(f"'{out.name}': give the output file the ending .html or .json.")
    check_folder(out)
    atoms = read(structure)
    chosen = potential(model, elements, atoms)
    label = Path(structure.partition("#")[0]).name
    others: list[Any] | None = None if compare else []
    with progress_bar(structure) as progress:
        found = guarded(compute, atoms, chosen, others=others, label=label, progress=progress)
    if out is not None:
        from sus2.figures.report import report_html

        page = report_html(report=found) if out.suffix.lower() != ".json" else json.dumps(found.to_dict(), indent=1)
        try:
            out.write_text(page, encoding="utf-8")
        except OSError as error:
            raise Sus2Error(f"'{out}' cannot be written ({error.strerror}).") from None
    if as_json:
        typer.echo(json.dumps(found.to_dict()))
        return
    i = found.info
    typer.echo(f"{i.formula}, {i.space_group_symbol} ({i.space_group_number}), {chosen.name} ({chosen.functional})")
    for n in found.numbers:
        text = number_text(n.value, n.digits, n.sigma)
        typer.echo(f"  {n.label:<28}{text:>20} {n.unit:<14} {n.verdict}")
    for sentence in (*found.stability, *found.sentences):
        typer.echo(f"  {sentence}")
    if found.comparison is not None and found.changes:
        c = found.comparison
        typer.echo(f"From {c.names[0]} to {c.names[1]}:")
        for d in found.changes:
            ends = f"{d.reference:.{d.digits}f} to {d.value:.{d.digits}f} {d.unit}"
            typer.echo(f"  {d.label:<28}{d.percent or 0.0:>+8.1f} %   {ends}")
    for problem in found.problems:
        typer.echo(problem, err=True)
    if out is not None:
        typer.echo(f"Written: {out}")
