"""`sus2 compare`: one crystal in two or more potentials, as text, JSON, CSV or one HTML page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sus2.errors import Sus2Error

if TYPE_CHECKING:
    from ase import Atoms

    from sus2.comparison.result import Comparison
    from sus2.potential.evaluation import Calculates


def compare(
    structure: Annotated[str, typer.Argument(help="Structure file, or key of a sample crystal such as cu.")],
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            help="Name of a potential, an .mtp file with its card beside it, or a plug-in such as chgnet-pbe; give at "
            "least two. Default: a shipped pair of functionals that covers all elements.",
        ),
    ] = None,
    fixed_cell: Annotated[
        str, typer.Option(help="Common cell: first (relaxed with the first potential) or given.")
    ] = "first",
    free_atoms: Annotated[
        Path | None,
        typer.Option(help="CSV file of energies of free atoms (Element,PBE,r2SCAN; eV), for cohesive energies."),
    ] = None,
    expansion: Annotated[
        bool, typer.Option(help="Include thermal expansion (quasi-harmonic approximation; slower).")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Write table and figures to this HTML file.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the differences to this CSV file.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Setting of the Python function: its name and its value as JSON."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare potentials or functionals for a crystal: lattice, elasticity, phonons, energies."""
    import sus2
    from sus2.cli.common import check_folder, progress_bar, settings_of
    from sus2.cli.common import structure as read
    from sus2.comparison.compare import compare as run
    from sus2.comparison.references import read_free_atoms
    from sus2.jobs.memory import guarded

    check_folder(html)
    check_folder(csv)
    atoms = read(structure)
    potentials = [sus2.load(name) for name in model] if model else _default_pair(atoms)
    free = read_free_atoms(_read(free_atoms)) if free_atoms is not None else None
    if fixed_cell not in ("first", "given"):
        raise Sus2Error(f"--fixed-cell must be first or given, not '{fixed_cell}'.")
    values = {"fixed_cell": fixed_cell, "free_atoms_ev": free, "quasi_harmonic": expansion}
    with progress_bar(structure) as progress:
        found = guarded(run, atoms, potentials, progress=progress, **settings_of(run, values, settings))
    if html is not None:
        from sus2.figures.comparison.report import comparison_html

        _write(html, comparison_html(comparison=found))
    if csv is not None:
        _write(csv, found.to_csv())
    if as_json:
        typer.echo(json.dumps(found.to_dict()))
        return
    for name, rows in found.differences.items():
        typer.echo(f"{found.formula}: {found.names[0]} -> {name}")
        typer.echo(found.summary[name])
        typer.echo(f"  {'':<46}{'first':>12}{'other':>12}{'change':>12}{'%':>9}{'fixed cell':>12}{'error':>11}")
        for d in rows:
            n = d.digits
            percent = "" if d.percent is None else f"{d.percent:+.1f}"
            fixed = "" if d.fixed is None else f"{d.fixed:+.{n}f}"
            error = "" if d.error is None else f"{d.error:.{n}f}"
            label = f"{d.label} ({d.unit})" if d.unit else d.label
            typer.echo(
                f"  {label:<46}{d.reference:>12.{n}f}{d.value:>12.{n}f}{d.own:>+12.{n}f}"
                f"{percent:>9}{fixed:>12}{error:>11}"
            )
    if found.energies is not None:
        _print_energies(found)
    for problem in found.problems:
        typer.echo(problem)


def _print_energies(found: Comparison) -> None:
    e = found.energies
    assert e is not None
    typer.echo("Energies in eV/atom; raw ones have a zero of their own in each functional and are not subtracted.")
    for k, name in enumerate(found.names):
        formation = e.formation_ev_per_atom[k]
        text = "none" if formation is None else f"{formation:+.4f}"
        references = ", ".join(
            f"{r.element} {r.structure} {r.energy_ev_per_atom:.4f}" for r in e.references[k].found.values()
        )
        typer.echo(f"  {name}: raw {e.raw[k].ev_per_atom:.4f}, formation {text}; elements: {references or 'none'}")
    for k, name in list(enumerate(found.names))[1:]:
        difference = e.referenced_difference_ev_per_atom(k)
        text = "" if difference is None else f"; of the formation energies {difference:+.4f}"
        typer.echo(f"  {name}: shift of the scales {e.raw_shift_ev_per_atom(k):+.4f}{text}")


def _default_pair(atoms: Atoms) -> list[Calculates]:
    import sus2
    from sus2.comparison.compare import pair_of_functionals
    from sus2.structures import elements_of

    wanted = elements_of(atoms)
    found = pair_of_functionals(sus2.models(), wanted)
    if found is None:
        raise Sus2Error(
            f"No two shipped models of different functionals cover all of {', '.join(wanted)}; name two with --model."
        )
    return [sus2.load(card.name) for card in found]


def _read(path: Path) -> str:
    from sus2.cli.common import file_bytes

    try:
        return file_bytes(path, 1).decode("utf-8")
    except (OSError, UnicodeDecodeError):
        raise Sus2Error(f"'{path}' cannot be read as text.") from None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Sus2Error(f"'{path}' cannot be written ({error.strerror}).") from None
