"""``sus2 data``: build, inspect and check training sets."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from sus2.errors import Sus2Error

data_app = typer.Typer(no_args_is_help=True, help="Build, inspect and check training sets.")


def _stop(error: Sus2Error) -> typer.Exit:
    typer.echo(f"Error: {error}", err=True)
    return typer.Exit(1)


@data_app.command()
def setup() -> None:
    """Build the teachers' own environment (torch, matgl 2.0.4, nequix, sevenn), once."""
    from sus2.training.teachers.build import setup as build_environment

    try:
        python = build_environment(typer.echo)
    except Sus2Error as error:
        raise _stop(error) from error
    typer.echo(f"The teachers run with {python}.")


@data_app.command("check-teachers")
def check_teachers() -> None:
    """Compare the fast evaluation of the teachers with matgl's own."""
    from sus2.training.teachers.build import check_teachers as run_check

    try:
        reports = run_check()
    except Sus2Error as error:
        raise _stop(error) from error
    for report in reports:
        typer.echo(
            f"{report['functional']:13s}{report['crystal']:5s}{report['energy_ev_per_atom']:10.4f} eV/atom, "
            f"largest difference {report['difference']:.1e}"
        )


@data_app.command()
def build(
    name: Annotated[str, typer.Argument(help="Name of the set; a set that was begun is gone on with.")],
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    limit: Annotated[int | None, typer.Option(help="Use this many base crystals alone.")] = None,
    bases_per_shard: Annotated[int, typer.Option(help="Base crystals in each shard.")] = 800,
    dynamics_per_shard: Annotated[int, typer.Option(help="Short runs of dynamics in each shard.")] = 60,
    decorations: Annotated[
        bool, typer.Option("--decorations", help="Random decorations of prototypes: many compositions, few of each.")
    ] = False,
    functional: Annotated[
        list[str] | None, typer.Option(help="A functional to label; give it several times. By default PBE and r2SCAN.")
    ] = None,
    known: Annotated[
        bool, typer.Option("--known", help="Crystals as users have them and their relatives, labelled by Nequix.")
    ] = False,
    shards: Annotated[int | None, typer.Option(help="With --known: stop after so many shards.")] = None,
) -> None:
    """Make structures and label them with the PBE and the r2SCAN teacher, or with one of your own."""
    from sus2.training.teachers.build import BuildPlan, build_set
    from sus2.training.teachers.crystal_set import build_crystal_set

    if known:
        try:
            build_crystal_set(name, shards, seed, report=typer.echo)
        except Sus2Error as error:
            raise _stop(error) from error
        return

    plan = BuildPlan(
        name,
        seed=seed,
        limit=limit,
        bases_per_shard=bases_per_shard,
        dynamics_per_shard=dynamics_per_shard,
        crystals="decorations" if decorations else "families",
        functionals=tuple(functional) if functional else ("PBE", "r2SCAN"),
    )
    try:
        build_set(plan, typer.echo)
    except Sus2Error as error:
        raise _stop(error) from error


@data_app.command()
def info(
    name: Annotated[str, typer.Argument(help="Name of a built set.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Counts of a built set: kinds, families, flags, splits, and its hash in each functional."""
    from sus2.training.data.sets import summarize

    try:
        summary = summarize(name)
    except Sus2Error as error:
        raise _stop(error) from error
    if as_json:
        typer.echo(json.dumps(asdict(summary), indent=2))
        return
    typer.echo(
        f"{summary.name}: {summary.structures} structures, {summary.atoms} atoms, {len(summary.elements)} elements, "
        f"{summary.compositions} compositions; {summary.shards_done} of {summary.shards} shards labelled."
    )
    for title in ("kinds", "families", "flags", "splits", "hashes"):
        entries = getattr(summary, title)
        typer.echo(f"{title}: " + ", ".join(f"{key or 'none'} {value}" for key, value in entries.items()))


@data_app.command()
def crystals(
    name: Annotated[str, typer.Argument(help="Name of a built set.")],
    potential: Annotated[str, typer.Option(help="Compare this potential with the teacher of its functional.")] = "",
    family: Annotated[str, typer.Option(help="Letter of the family that is compared.")] = "d",
) -> None:
    """V0, B0, elastic constants and frequencies of whole crystals by the teachers; a potential beside them."""
    from sus2.registry.load import load_moments
    from sus2.training.teachers.crystal_tests import build_crystal_tests, property_errors

    try:
        build_crystal_tests(name, report=typer.echo)
        for group in ("seen", "unseen") if potential else ():
            loaded = load_moments(potential)
            found = property_errors(name, loaded, loaded.functional, family, group)
            typer.echo(f"{group}: " + ", ".join(f"{key} {value:.3g}" for key, value in asdict(found).items()))
    except Sus2Error as error:
        raise _stop(error) from error


@data_app.command()
def information(
    names: Annotated[list[str] | None, typer.Argument(help="Shipped potentials; by default all of them.")] = None,
) -> None:
    """Summaries of the training sets beside the weights, for the extrapolation grade."""
    from sus2.registry.load import with_files
    from sus2.training.fit.information import write_information

    for name in names or [card.name for card in with_files()]:
        try:
            path = write_information(name)
        except Sus2Error as error:
            raise _stop(error) from error
        typer.echo(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")


@data_app.command()
def members(
    names: Annotated[list[str], typer.Argument(help="Potentials that are found by name.")],
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="A built set, or 'acwf'; several times for several. By default those of the configuration."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of every random choice.")] = 0,
) -> None:
    """Draw the committee of readouts beside the weights, from what a labelled set still asks of them.

    A potential that differs from the first one in the functional alone has its members in pairs with the first one's.
    """
    from sus2.registry.load import load_moments
    from sus2.training.fit.members import pairs_with, write_members_of

    for name in names:
        try:
            pair = names[0] if name != names[0] and pairs_with(load_moments(names[0]), load_moments(name)) else ""
            path = write_members_of(name, tuple(sets or ()), seed, pair)
        except Sus2Error as error:
            raise _stop(error) from error
        typer.echo(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")


@data_app.command()
def calibrate(
    names: Annotated[list[str], typer.Argument(help="Potentials that are found by name, with members.")],
    binaries: Annotated[
        int, typer.Option(help="Materials Project binaries to compute besides the textbook crystals.")
    ] = 300,
    records: Annotated[
        Path | None, typer.Option(help="Folder of computed records: those that are there are not computed again.")
    ] = None,
    labels: Annotated[
        str, typer.Option("--set", help="Set whose labels tell of the change from PBE to r2SCAN; empty for none.")
    ] = "crystals-2",
) -> None:
    """Calibrate committees on crystals with known values, and print how often these lie within one and two sigma.

    Another functional than PBE needs --set: its references are those of PBE and the change that the labels tell of.
    """
    from sus2.registry.load import load_moments
    from sus2.training.data.hold_out import binaries_held_out_first
    from sus2.training.teachers.functional_change import changes_by_crystal, functional_changes
    from sus2.trust.known_values import known_crystals
    from sus2.validation.calibrate import calibrate as run

    try:
        chosen, held_out = binaries_held_out_first() if binaries else ([], frozenset())
        others = any(load_moments(n).functional != "PBE" for n in names)
        crystals = [*known_crystals().values(), *(c[1] for c in chosen[: 2 * binaries])]
        changes = changes_by_crystal(functional_changes(labels, crystals)) if others and labels else None
        for name in names:
            found = run(
                name,
                chosen,
                count=binaries,
                records=records,
                changes=changes,
                held_out=held_out,
                report=typer.echo,
            )
            typer.echo(f"{name}: quantity, class, crystals, within one sigma, within two, median error, median sigma")
            for title, coverage in (("", found.coverage), ("difference of ", found.of_differences)):
                for c in coverage:
                    typer.echo(
                        f"{title}{c.quantity:20s}{c.crystal_class:22s}{c.crystals:5d}{c.one_sigma:7.2f}"
                        f"{c.two_sigma:7.2f}{c.median_error:8.3f}{c.median_sigma:8.3f}"
                    )
    except Sus2Error as error:
        raise _stop(error) from error


@data_app.command("second-opinion")
def second_opinion(
    name: Annotated[str, typer.Argument(help="Name of a built set.")],
    shards: Annotated[int, typer.Option(help="Compare the relaxed crystals of this many shards.")] = 1,
) -> None:
    """Compare the set's teachers with CHGNet on the change of volume from PBE to r2SCAN."""
    from sus2.training.teachers.second_opinion import second_opinion as compare

    try:
        rows = compare(name, shards)
    except Sus2Error as error:
        raise _stop(error) from error
    for row in rows:
        typer.echo(
            f"{row.group:20s}{row.crystals:6d} crystals, same sign in {100 * row.same_sign:.0f} % of {row.clear} clear "
            f"ones, r = {row.correlation:.2f}, smaller in r2SCAN {100 * row.smaller_in_r2scan:.0f} %"
        )


@data_app.command("check")
def check_file(
    path: Annotated[Path, typer.Argument(help="A labelled set: .extxyz, .json or .cfg (also .gz).")],
    elements: Annotated[str, typer.Option(help="Elements of the types of a .cfg file, such as 'Ga As'.")] = "",
    skip: Annotated[bool, typer.Option("--skip", help="Count what is left without the bad structures.")] = False,
) -> None:
    """Read a labelled set and name every bad label with its index."""
    from sus2.training.data.readers import read_training_set

    try:
        data = read_training_set(path, elements.replace(",", " ").split() or None, on_bad="skip" if skip else "refuse")
    except Sus2Error as error:
        raise _stop(error) from error
    typer.echo(
        f"{path.name}: {len(data)} good structures, {len(data.numbers)} atoms, {' '.join(data.elements)}; "
        f"hash {data.hash[:16]}."
    )


@data_app.command()
def judge(
    potential: Annotated[str, typer.Argument(help="A shipped potential or the file of one.")],
    name: Annotated[str, typer.Option("--set", help="The set whose held-out splits judge it.")] = "crystals-2",
    only: Annotated[str, typer.Option(help="labels, volumes, moduli or files; by default all.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """A potential on what training never saw (labels, volumes of WBM, moduli beside DFT) and on public files."""
    from sus2.registry.load import load_moments
    from sus2.training.teachers.held_out import Verdict, judged

    def show(part: str, verdict: Verdict) -> None:
        typer.echo(f"{part}: " + ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}"
                                           for k, v in asdict(verdict).items()))  # fmt: skip

    try:
        found = judged(name, load_moments(potential), only, None if as_json else show)
    except Sus2Error as error:
        raise _stop(error) from error
    if as_json:
        typer.echo(json.dumps({part: [asdict(v) for v in rows] for part, rows in found.items()}, indent=2))
