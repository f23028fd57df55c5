"""``sus2 data``: build, inspect and check training sets."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

data_app = typer.Typer(no_args_is_help=True, help="Build, inspect and check training sets.")


@data_app.command()
def setup(
    teacher: Annotated[
        str | None, typer.Option(help="nequix, chgnet or sevennet alone; all of them and matgl by default.")
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Where; SUS2_TEACHER_PYTHON must then name its Python.")] = None,
    torch_index: Annotated[str, typer.Option(help="A pip index to take torch from.")] = "",
) -> None:
    """Build the environment of the teachers (torch, matgl 2.0.4, nequix, sevenn, chgnet)."""
    from sus2.training.teachers.environment import setup as build_environment

    python = build_environment(typer.echo, teacher=teacher, folder=folder, torch_index=torch_index)
    typer.echo(f"The teachers run with {python}.")


@data_app.command("check-teachers")
def check_teachers() -> None:
    """Compare our evaluation of the teachers with that of their own packages."""
    from sus2.training.teachers.build import check_teachers as run_check

    reports = run_check()
    for report in reports:
        typer.echo(
            f"{report['functional']:13s}{report['crystal']:5s}{report['energy_ev_per_atom']:10.4f} eV/atom, "
            f"largest difference {report['difference']:.1e}"
        )


@data_app.command()
def build(
    name: Annotated[str, typer.Argument(help="Name of the set; an unfinished one is continued.")],
    seed: Annotated[int, typer.Option(help="Seed of the random numbers.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="Use only this many base crystals.")] = None,
    bases_per_shard: Annotated[int, typer.Option(min=1, help="Base crystals per shard.")] = 800,
    dynamics_per_shard: Annotated[int, typer.Option(min=0, help="Short molecular-dynamics runs per shard.")] = 60,
    decorations: Annotated[
        bool,
        typer.Option("--decorations", help="Random decorations of prototypes: many compositions, few structures each."),
    ] = False,
    functional: Annotated[
        list[str] | None,
        typer.Option(help="Functional of the labels; may be given several times. Default: PBE and r2SCAN."),
    ] = None,
    known: Annotated[
        bool, typer.Option("--known", help="Known crystals and variations of them, labelled with Nequix.")
    ] = False,
    shards: Annotated[int | None, typer.Option(min=1, help="With --known: stop after this many shards.")] = None,
) -> None:
    """Build a training set: generate structures and label them with the PBE and r2SCAN teachers, or with your own."""
    from sus2.training.teachers.build import BuildPlan, build_set
    from sus2.training.teachers.crystal_set import build_crystal_set

    if known:
        build_crystal_set(name, shards, seed, report=typer.echo)
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
    build_set(plan, typer.echo)


@data_app.command()
def info(
    name: Annotated[str, typer.Argument(help="Name of a training set.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a training set holds: kinds, families, flags, splits, and its hash in each functional."""
    from sus2.training.data.sets import summarize

    summary = summarize(name)
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
    name: Annotated[str, typer.Argument(help="Name of a training set.")],
    potential: Annotated[str, typer.Option(help="Potential to compare with the teacher of its functional.")] = "",
    family: Annotated[str, typer.Option(help="Letter of the family of crystals to compare.")] = "d",
) -> None:
    """Compute V0, B0, elastic constants and frequencies with the teachers, and compare a potential with them."""
    from sus2.registry.load import load_moments
    from sus2.training.teachers.crystal_tests import build_crystal_tests, property_errors

    build_crystal_tests(name, report=typer.echo)
    for group in ("seen", "unseen") if potential else ():
        loaded = load_moments(potential)
        found = property_errors(name, loaded, loaded.functional, family, group)
        typer.echo(f"{group}: " + ", ".join(f"{key} {value:.3g}" for key, value in asdict(found).items()))


@data_app.command()
def holes(
    name: Annotated[str, typer.Argument(help="Name of the set that the structures are added to.")],
    potential: Annotated[str, typer.Option(help="Potential in which crystals collapse or fly apart.")],
    seed: Annotated[int, typer.Option(help="Seed of the random numbers.")] = 0,
) -> None:
    """Relax crystals from far, and label what lies on the way to where they collapse or fly apart."""
    from sus2.registry.load import load_moments
    from sus2.training.teachers.active_learning.holes import build_holes

    build_holes(name, load_moments(potential), seed, typer.echo)


@data_app.command()
def responses(
    name: Annotated[str, typer.Argument(help="Name of the set that the pairs are added to.")],
    potential: Annotated[str, typer.Option(help="Potential whose ions give way to strain.")],
    source: Annotated[str, typer.Option("--set", help="Training set with the crystals at rest.")] = "crystals-2",
    seed: Annotated[int, typer.Option(help="Seed of the random numbers.")] = 0,
) -> None:
    """Strain crystals and move their ions as a potential says, and let the teacher say what it finds there."""
    from sus2.registry.load import load_moments
    from sus2.training.teachers.active_learning.responses import build_responses

    build_responses(name, source, load_moments(potential), seed, typer.echo)


@data_app.command()
def information(
    names: Annotated[list[str] | None, typer.Argument(help="Names of shipped potentials. Default: all.")] = None,
) -> None:
    """Write the summary of its training set beside each potential, for the extrapolation grade."""
    from sus2.registry.load import with_files
    from sus2.training.fit.information import write_information

    for name in names or [card.name for card in with_files()]:
        path = write_information(name)
        typer.echo(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")


@data_app.command()
def members(
    names: Annotated[list[str], typer.Argument(help="Names of potentials.")],
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Training set, or 'acwf'; may be given several times. Default: those of the configuration."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random numbers.")] = 0,
) -> None:
    """Draw a committee of readouts from a labelled set and write it beside the weights.

    A potential that differs from the first one in the functional alone has its members in pairs with the first one's.
    """
    from sus2.registry.load import load_moments
    from sus2.training.fit.members import pairs_with, write_members_of

    for name in names:
        pair = names[0] if name != names[0] and pairs_with(load_moments(names[0]), load_moments(name)) else ""
        path = write_members_of(name, tuple(sets or ()), seed, pair)
        typer.echo(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")


@data_app.command()
def calibrate(
    names: Annotated[list[str], typer.Argument(help="Names of potentials that have a committee.")],
    binaries: Annotated[
        int, typer.Option(help="Number of Materials Project binaries besides the textbook crystals.")
    ] = 300,
    records: Annotated[
        Path | None, typer.Option(help="Folder of results; those that are there are not computed again.")
    ] = None,
    labels: Annotated[
        str, typer.Option("--set", help="Training set whose labels give the change from PBE to r2SCAN; empty for none.")
    ] = "crystals-2",
) -> None:
    """Calibrate committees on crystals with known values, and print how often these lie within one and two sigma.

    Another functional than PBE needs --set: its references are those of PBE and the change that the labels give.
    """
    from sus2.registry.load import load_moments
    from sus2.training.data.hold_out import binaries_held_out_first
    from sus2.training.teachers.functional_change import changes_by_crystal, functional_changes, held_out_changes
    from sus2.trust.known_values import known_crystals
    from sus2.validation.calibrate import calibrate as run

    chosen, held_out = binaries_held_out_first() if binaries else ([], frozenset())
    others = any(load_moments(n).functional != "PBE" for n in names)
    crystals = [*known_crystals().values(), *(c[1] for c in chosen[: 2 * binaries])]
    changes, more = None, []
    if others and labels:
        more = held_out_changes(labels)
        changes = changes_by_crystal([*functional_changes(labels, crystals), *(c for _, c in more)])
    more_names = {c.base for _, c in more}
    for name in names:
        found = run(
            name,
            chosen,
            count=binaries,
            records=records,
            changes=changes,
            held_out=held_out | more_names,
            of_differences=[(c.base, a) for a, c in more],
            report=typer.echo,
        )
        typer.echo(f"{name}: quantity, class, crystals, within one sigma, within two, median error, median sigma")
        for title, coverage in (("", found.coverage), ("difference of ", found.of_differences)):
            for c in coverage:
                typer.echo(
                    f"{title}{c.quantity:20s}{c.crystal_class:22s}{c.crystals:5d}{c.one_sigma:7.2f}"
                    f"{c.two_sigma:7.2f}{c.median_error:8.3f}{c.median_sigma:8.3f}"
                )


@data_app.command("second-opinion")
def second_opinion(
    name: Annotated[str, typer.Argument(help="Name of a training set.")],
    shards: Annotated[int, typer.Option(help="Number of shards whose relaxed crystals are compared.")] = 1,
) -> None:
    """Compare the teachers with CHGNet on the change of volume from PBE to r2SCAN."""
    from sus2.training.teachers.second_opinion import second_opinion as compare

    rows = compare(name, shards)
    for row in rows:
        typer.echo(
            f"{row.group:20s}{row.crystals:6d} crystals, same sign in {100 * row.same_sign:.0f} % of {row.clear} clear "
            f"ones, r = {row.correlation:.2f}, smaller in r2SCAN {100 * row.smaller_in_r2scan:.0f} %"
        )


@data_app.command("check")
def check_file(
    path: Annotated[Path, typer.Argument(help="Labelled set: .extxyz, .json or .cfg (also .gz).")],
    elements: Annotated[str, typer.Option(help="Elements of a .cfg file in type order, such as 'Ga As'.")] = "",
    skip: Annotated[bool, typer.Option("--skip", help="Also count what is left without the bad structures.")] = False,
) -> None:
    """Check a labelled set and list every bad label with its index."""
    from sus2.training.data.readers import read_training_set

    data = read_training_set(path, elements.replace(",", " ").split() or None, on_bad="skip" if skip else "refuse")
    typer.echo(
        f"{path.name}: {len(data)} good structures, {len(data.numbers)} atoms, {' '.join(data.elements)}; "
        f"hash {data.hash[:16]}."
    )


@data_app.command()
def judge(
    potential: Annotated[str, typer.Argument(help="Name or file of a potential.")],
    name: Annotated[str, typer.Option("--set", help="Training set whose held-out splits are used.")] = "crystals-2",
    only: Annotated[str, typer.Option(help="labels, volumes, moduli or files. Default: all.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Test a potential on held-out data (labels, volumes of WBM crystals, moduli against DFT) and on public files."""
    from sus2.registry.load import load_moments
    from sus2.training.teachers.held_out import Verdict, judged

    def show(part: str, verdict: Verdict) -> None:
        typer.echo(
            f"{part}: "
            + ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in asdict(verdict).items())
        )

    found = judged(name, load_moments(potential), only, None if as_json else show)
    if as_json:
        typer.echo(json.dumps({part: [asdict(v) for v in rows] for part, rows in found.items()}, indent=2))
