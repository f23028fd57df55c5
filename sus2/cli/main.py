"""The command line: the same calls as in Python, printed as a table or as JSON."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable
from typing import Annotated

# Before numpy: the matrices here are small, and BLAS threads that wait for a busy core make relaxations many times
# slower. The app's server inherits it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import typer

import sus2
from sus2.cli.check import check
from sus2.cli.common import AsJson
from sus2.cli.compare import compare
from sus2.cli.data import data_app
from sus2.cli.export import export
from sus2.cli.info import show_info
from sus2.cli.properties import command_of
from sus2.cli.report import report
from sus2.cli.screening import screen
from sus2.cli.server import run_app, show_settings
from sus2.cli.specialise import fit, specialise
from sus2.cli.studies import ablate, limits, transfer
from sus2.cli.train import train
from sus2.errors import Sus2Error
from sus2.properties.catalogue import catalogue
from sus2.structures import samples

app = typer.Typer(
    add_completion=True,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Properties of your crystal from SUS2 and other interatomic potentials, and how far to trust them.",
)

PROPERTIES, POTENTIALS, TRAINING, PROGRAM = "Properties of crystals", "Potentials", "Training and studies", "Program"

for entry in catalogue().values():
    app.command(entry.name, rich_help_panel=PROPERTIES)(command_of(entry))
COMMANDS: dict[str, tuple[Callable[..., None], ...]] = {
    PROPERTIES: (report, compare, screen),
    POTENTIALS: (check, export),
    TRAINING: (specialise, fit, train, transfer, ablate, limits),
}
for panel, functions in COMMANDS.items():
    for function in functions:
        app.command(rich_help_panel=panel)(function)
app.add_typer(data_app, name="data", rich_help_panel=TRAINING)
app.command("app", rich_help_panel=PROGRAM)(run_app)
app.command("settings", rich_help_panel=PROGRAM)(show_settings)
app.command("info", rich_help_panel=PROGRAM)(show_info)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(sus2.__version__)
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Properties of your crystal from SUS2 and other interatomic potentials, and how far to trust them."""


@app.command(rich_help_panel=POTENTIALS)
def models(as_json: AsJson = False) -> None:
    """List the potentials: shipped ones, those of your folders, and plug-ins."""
    from sus2.registry.others.plugins import found

    cards = sus2.models()
    for problem in found().problems:
        typer.echo(problem, err=True)
    if as_json:
        typer.echo(json.dumps([c.model_dump(mode="json") for c in cards]))
        return
    if not cards:
        typer.echo("No model is installed.")
    for c in cards:
        listed = " ".join(c.elements) if len(c.elements) <= 12 else f"{len(c.elements)} elements"
        typer.echo(f"{c.name:<28} {c.functional:<10} {listed}")


@app.command("samples", rich_help_panel=PROPERTIES)
def list_samples(as_json: AsJson = False) -> None:
    """List the sample crystals by key."""
    if as_json:
        rows = [
            {"key": s.key, "name": s.name, "formula": s.formula, "kind": s.kind, "prototype": s.prototype}
            for s in samples()
        ]
        typer.echo(json.dumps(rows))
        return
    for s in samples():
        typer.echo(f"{s.key:<10} {s.formula:<10} {s.name:<30} {s.prototype:<13} {s.kind}")


def main() -> None:
    """Entry point: errors of ours are one sentence on standard error and exit code 2."""
    try:
        app()
    except Sus2Error as error:
        typer.echo(str(error), err=True)
        sys.exit(2)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        # What is left in the buffer of the output cannot be written either, and would be said again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        typer.echo("The output cannot be written: no space is left on the device; make room and try again.", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
