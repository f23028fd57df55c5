"""`sus2 check`: is this potential to be trusted for this crystal? As text, JSON or one HTML page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from sus2.errors import DataError, Sus2Error


def check(
    structure: Annotated[
        str,
        typer.Argument(help="Structure file, or key of a sample crystal such as si; with --textbook, the potential."),
    ],
    model: Annotated[str | None, typer.Option("--model", "-m", help="Name of a potential, or an .mtp file.")] = None,
    elements: Annotated[
        str | None, typer.Option(help="Elements in type order, for an .mtp file without a card.")
    ] = None,
    quick: Annotated[bool, typer.Option(help="Only the fast checks: relaxation, E(V) and the training data.")] = False,
    reference: Annotated[
        Path | None,
        typer.Option(
            help="Reference to compare with: band.yaml, table of E(V), 6x6 matrix of C_ij, or relaxed structure."
        ),
    ] = None,
    textbook: Annotated[
        bool, typer.Option("--textbook", help="Score the potential on some 35 well-known crystals.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="With --textbook: file that keeps finished crystals, so that a later run can continue."),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report to this HTML file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check a potential for one crystal: pass, warn or fail, each with its meaning; the exit code is 1 if one fails."""
    import sus2
    from sus2.cli import common as cli_common
    from sus2.jobs.memory import check_memory, cutoffs_of
    from sus2.validation.reference_data import MAX_BYTES, read_reference, score

    cli_common.check_folder(html)
    cli_common.check_folder(out)
    if textbook:
        _textbook(model or structure, elements, out, html, as_json)
        return
    if quick and html is not None:
        raise Sus2Error("--html writes the whole report, which --quick leaves out; give one of the two.")
    atoms = cli_common.structure(structure)
    potential = cli_common.potential(model, elements, atoms)
    scored = None
    if reference is not None:
        try:
            raw = cli_common.file_bytes(reference, MAX_BYTES // 2**20)
        except OSError as error:
            raise DataError(f"{reference.name}: cannot be read ({error.strerror}); check the path.") from None
        scored = score(read_reference(raw, reference.name), potential, atoms)
    if not quick:
        check_memory("check", [atoms], cutoffs_of(potential))
    report = sus2.check(atoms, potential, quick=quick)
    if html is not None:
        from sus2.figures.check import report_html

        try:
            html.write_text(report_html(report=report, score=scored), encoding="utf-8")
        except OSError as error:
            raise Sus2Error(f"'{html}' cannot be written ({error.strerror}); choose another file.") from None
    if as_json:
        typer.echo(json.dumps(report.to_dict() | ({"reference": scored.to_dict()} if scored is not None else {})))
    else:
        for c in report.checks:
            typer.echo(f"{c.verdict:<5} {c.name}: {c.value:.4g} {c.unit}".rstrip() + f". {c.meaning}")
        typer.echo(report.summary)
        if scored is not None:
            for key, value in scored.quantities.items():
                typer.echo(f"  {key:<32}{value:>14.6g}")
            typer.echo(scored.note)
    if report.verdict == "fail":
        raise typer.Exit(1)


def _textbook(model: str, elements: str | None, out: Path | None, html: Path | None, as_json: bool) -> None:
    import sus2
    from sus2.cli.common import progress_bar
    from sus2.figures.textbook import textbook_html, textbook_text
    from sus2.validation.textbook.run import textbook

    potential = sus2.load(model, elements=elements.replace(",", " ").split() if elements else None)
    with progress_bar(model) as progress:
        report = textbook(potential, path=out, progress=progress)
    if html is not None:
        try:
            html.write_text(textbook_html(report), encoding="utf-8")
        except OSError as error:
            raise Sus2Error(f"'{html}' cannot be written ({error.strerror}); choose another file.") from None
    typer.echo(json.dumps(report.to_dict()) if as_json else textbook_text(report))
