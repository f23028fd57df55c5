"""`sus2 specialise` and `sus2 fit`: a potential for one crystal, or from one's own frames."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated

import typer

import sus2
from sus2.cli.common import AsJson, Structure, progress_bar, structure
from sus2.errors import counted
from sus2.structures import with_subscripts


def specialise(
    file: Structure,
    teacher: Annotated[
        str, typer.Option("--teacher", "-t", help="Teacher: name of a potential, nequix-omat-1, sevennet-mf-0 ...")
    ] = "sus2-universal-pbe",
    functional: Annotated[
        list[str] | None, typer.Option("--functional", help="PBE or r2SCAN; may be given twice. Default: both.")
    ] = None,
    budget: Annotated[float, typer.Option("--budget", min=0.1, help="Time limit, seconds.")] = 60.0,
    spread: Annotated[float, typer.Option("--spread", help="Spread of elastic constants at which to stop, %.")] = 4.0,
    rivals: Annotated[bool, typer.Option("--rivals", help="Include the elements and other prototypes.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the random numbers.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for weights, cards and labels.")] = None,
    as_json: AsJson = False,
) -> None:
    """Train a potential for one crystal from a teacher's labels; an interrupted run continues in its folder."""
    with progress_bar(file) as progress:
        found = sus2.specialise(
            structure(file),
            teacher,
            functionals=tuple(functional or ("PBE", "r2SCAN")),
            budget_s=budget,
            spread_percent=spread,
            rivals=rivals,
            seed=seed,
            folder=out,
            progress=progress,
        )
    if as_json:
        typer.echo(json.dumps(found.to_dict()))
        return
    for student in found:
        typer.echo(f"{student.name}: {counted(student.structures, 'structure')}, labels of {found.teacher}")
        typer.echo(f"  {'':<28} {'teacher':>10} {'potential':>10} {'spread':>8}")
        for line in student.table:
            typer.echo(
                f"  {with_subscripts(line.quantity):<28} {_number(line.teacher):>10} {_number(line.student):>10} "
                f"{_number(line.spread):>8} {line.unit}"
            )
        for sentence in student.shortfalls:
            typer.echo(f"  {sentence}")
    for notice in found.notices:
        typer.echo(notice, err=True)
    typer.echo(f"{found.seconds:.0f} s." + (f" Weights and cards are in {out}." if out is not None else ""))


def fit(
    file: Annotated[Path, typer.Argument(help="Labelled frames: extended XYZ, OUTCAR, vasprun.xml, .cfg or JSON.")],
    functional: Annotated[
        str, typer.Option("--functional", help="Functional of the labels, for the card.")
    ] = "not stated",
    elements: Annotated[str | None, typer.Option("--elements", help="Elements of a .cfg file in type order.")] = None,
    split: Annotated[str, typer.Option("--split", help="How frames are held out: auto, time or composition.")] = "auto",
    zeros: Annotated[
        str, typer.Option("--zeros", help="Where frames have two zeros of energy: refuse, or fit one for each.")
    ] = "refuse",
    budget: Annotated[float, typer.Option("--budget", min=0.1, help="Time limit, seconds.")] = 90.0,
    seed: Annotated[int, typer.Option(help="Seed of the random numbers.")] = 0,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for weights and card.")] = Path(),
    as_json: AsJson = False,
) -> None:
    """Fit a potential to your own labelled frames, with a learning curve."""
    from sus2.errors import Sus2Error

    if split not in ("auto", "time", "composition") or zeros not in ("refuse", "each"):
        raise Sus2Error("--split takes auto, time or composition; --zeros takes refuse or each.")
    with progress_bar(file.name) as progress:
        found = sus2.fit_frames(
            file,
            functional=functional,
            elements=elements.replace(",", " ").split() if elements else None,
            split=split,  # type: ignore[arg-type]
            zeros=zeros,  # type: ignore[arg-type]
            budget_s=budget,
            seed=seed,
            progress=progress,
        )
    path = found.write(out)
    last = found.learning[-1]
    if as_json:
        typer.echo(json.dumps({"file": str(path), "card": json.loads(found.card_json), "notices": list(found.notices)}))
        return
    for notice in found.notices:
        typer.echo(notice, err=True)
    typer.echo(
        f"{found.frames[0]} frames fitted, {found.frames[1]} held out by {found.split}: "
        f"{last.energy_mev_per_atom:.2f} meV/atom, {last.force_mev_per_a:.1f} meV/Å, {_number(last.stress_gpa)} GPa."
    )
    typer.echo(found.verdict)
    typer.echo(f"{path} and its card, after {found.seconds:.0f} s.")


def _number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "-"
