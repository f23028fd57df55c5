"""`sus2 relax`, `eos`, `elastic`, `phonons`, `thermal`: one structure or many, as a table or as JSON lines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

import sus2
from sus2.cli.common import AsJson, Elements, ModelName, Settings, Structures, each, settings_of, write
from sus2.errors import Sus2Error
from sus2.jobs.memory import guarded
from sus2.properties.eos.equations import MODELS

Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Write the relaxed crystal (of one): .cif, .vasp or .xyz."),
]


def relax(
    structures: Structures,
    model: ModelName = None,
    elements: Elements = None,
    cell: Annotated[bool, typer.Option(help="Relax the cell as well as the positions.")] = True,
    fmax: Annotated[float, typer.Option(help="Largest force left, eV/A.")] = 1e-3,
    output: Output = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Relax crystals; exit code 1 where one does not converge."""
    chosen = settings_of(sus2.relax, {"cell": cell, "fmax": fmax}, settings)
    _one_file(output, structures)
    unconverged = []

    def work(atoms: Any, potential: Any, progress: Any) -> Any:
        r = guarded(sus2.relax, atoms, potential, progress=progress, **chosen)
        if output is not None:
            write(r.atoms, output)
        if not r.converged:
            unconverged.append(r)
        return r

    def content(r: Any, potential: Any) -> dict[str, Any]:
        a, b, c, alpha, beta, gamma = (float(x) for x in r.atoms.cell.cellpar())
        return {
            "potential": potential.name,
            "formula": r.atoms.get_chemical_formula("metal"),
            "converged": r.converged,
            "steps": r.steps,
            "energy_ev": r.energy_ev,
            "volume_a3": r.volume_a3,
            "cell_lengths_a": [a, b, c],
            "cell_angles_deg": [alpha, beta, gamma],
            "max_force_ev_per_a": r.max_force_ev_per_a,
            "max_stress_gpa": r.max_stress_gpa,
            "spacegroup_before": r.spacegroup_before,
            "spacegroup_after": r.spacegroup_after,
        }

    def show(r: Any, potential: Any) -> None:
        for name, value in content(r, potential).items():
            if isinstance(value, list):
                value = "  ".join(f"{x:.6f}" for x in value)
            elif isinstance(value, float):
                value = f"{value:.6g}" if abs(value) < 1e-3 else f"{value:.6f}"
            typer.echo(f"{name:<22} {value}")

    each(structures, model=model, elements=elements, work=work, content=content, show=show, as_json=as_json)
    if unconverged:
        raise typer.Exit(1)


def eos(
    structures: Structures,
    model: ModelName = None,
    elements: Elements = None,
    equation: Annotated[str, typer.Option(help=f"One of: {', '.join(MODELS)}.")] = "birch-murnaghan",
    points: Annotated[int, typer.Option(help="Number of volumes.")] = 11,
    volume_range: Annotated[float, typer.Option(help="Largest change of the volume, as a fraction of it.")] = 0.06,
    output: Output = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Equations of state: V0, B0, B0', E0 with their standard errors."""
    chosen = settings_of(sus2.eos, {"model": equation, "n_points": points, "volume_range": volume_range}, settings)
    _one_file(output, structures)

    def work(atoms: Any, potential: Any, progress: Any) -> Any:
        e = guarded(sus2.eos, atoms, potential, progress=progress, **chosen)
        if output is not None:
            write(e.atoms_at_v0, output)
        return e

    def show(e: Any, potential: Any) -> None:
        typer.echo(f"{e.formula}, {e.n_atoms} atoms, {potential.name}, {MODELS[e.model].label}")
        for name, value, error, unit in (
            ("V0", e.v0_a3_per_atom, e.v0_a3_error / e.n_atoms, "A^3/atom"),
            ("B0", e.b0_gpa, e.b0_gpa_error, "GPa"),
            ("B0'", e.b0_prime, e.b0_prime_error, ""),
            ("E0", e.e0_ev_per_atom, e.e0_ev_error / e.n_atoms, "eV/atom"),
        ):
            typer.echo(f"  {name:<4}{value:>16.6f}  +- {error:.2g} {unit}".rstrip())
        typer.echo(f"  rms residual {e.rms_residual_mev_per_atom:.4f} meV/atom")

    each(
        structures, model=model, elements=elements, work=work, show=show, as_json=as_json,
        content=lambda e, potential: {"potential": potential.name, **e.to_dict()},
    )  # fmt: skip


def elastic(
    structures: Structures,
    model: ModelName = None,
    elements: Elements = None,
    pressure: Annotated[float, typer.Option(help="Pressure at which the crystal is relaxed, GPa.")] = 0.0,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Elastic constants (exact, relaxed ions), moduli and stability."""
    chosen = settings_of(sus2.elastic, {"pressure_gpa": pressure}, settings)

    def show(c: Any, potential: Any) -> None:
        formula = c.atoms.get_chemical_formula("metal")
        typer.echo(f"{formula}, {c.space_group}, {potential.name}, GPa, xx yy zz yz xz xy")
        for row in c.c_gpa:
            typer.echo("  " + "".join(f"{x:>12.4f}" for x in row))
        typer.echo(f"  K {c.k_vrh_gpa:.4f}  G {c.g_vrh_gpa:.4f} GPa (Voigt-Reuss-Hill)")
        typer.echo(f"  {c.stability}")

    each(
        structures, model=model, elements=elements, show=show, as_json=as_json,
        work=lambda atoms, potential, progress: guarded(sus2.elastic, atoms, potential, progress=progress, **chosen),
        content=lambda c, potential: c.to_dict(),
    )  # fmt: skip


def phonons(
    structures: Structures,
    model: ModelName = None,
    elements: Elements = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Folder for phonopy.yaml, FORCE_CONSTANTS, band.yaml, mesh (one structure)."
        ),
    ] = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Exact phonon frequencies at the special points of the band path, THz."""
    chosen = settings_of(sus2.phonons, {}, settings)
    _one_file(output, structures)

    def work(atoms: Any, potential: Any, progress: Any) -> Any:
        result = guarded(sus2.phonons, atoms, potential, progress=progress, **chosen)
        if output is not None:
            try:
                output.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise Sus2Error(f"'{output}' cannot be made a folder ({error.strerror}).") from None
            result.write_files(output)
        return result

    def content(result: Any, potential: Any) -> dict[str, Any]:
        path = result.band_structure().path
        points: dict[str, list[float]] = {}
        for part, names in zip(path.segments, path.segment_labels, strict=True):
            for k, name in zip((part.start, part.stop - 1), names, strict=True):
                points.setdefault(name, path.q_fractional[k].tolist())
        found = result.frequencies_thz(list(points.values())).tolist()
        about = {"potential": potential.name, "stable": result.stable, "q_fractional": points}
        return {**about, "frequencies_thz": dict(zip(points, found, strict=True))}

    def show(result: Any, potential: Any) -> None:
        typer.echo(f"{result.atoms.get_chemical_formula('metal')}, {potential.name}, THz")
        for name, values in content(result, potential)["frequencies_thz"].items():
            typer.echo(f"  {name:<6}" + "".join(f"{x:>9.4f}" for x in values))
        typer.echo(f"  {result.stability}")

    each(structures, model=model, elements=elements, work=work, content=content, show=show, as_json=as_json)


def thermal(
    structures: Structures,
    model: ModelName = None,
    elements: Elements = None,
    temperature: Annotated[float, typer.Option(help="Temperature to print, K.", min=0.0, max=1000.0)] = 300.0,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Quasi-harmonic volume, expansion, bulk modulus and heat capacity."""
    chosen = settings_of(sus2.thermal, {}, settings)

    def show(t: Any, potential: Any) -> None:
        formula = t.atoms.get_chemical_formula("metal")
        typer.echo(f"{formula}, {potential.name}, {temperature:g} K. {t.note}".rstrip())
        for label, name, unit in (
            ("V", "volumes_t_a3", f"A^3 for {len(t.atoms)} atoms"),
            ("alpha", "thermal_expansion_per_k", "1/K"),
            ("B", "bulk_modulus_gpa", "GPa"),
            ("Cp", "cp_j_per_k_mol", "J/K/mol"),
        ):
            typer.echo(f"  {label:<6}{t.at(name, temperature):>16.6g}  {unit}")

    each(
        structures, model=model, elements=elements, show=show, as_json=as_json,
        work=lambda atoms, potential, progress: guarded(sus2.thermal, atoms, potential, progress=progress, **chosen),
        content=lambda t, potential: t.to_dict(),
    )  # fmt: skip


def _one_file(output: Path | None, structures: list[str]) -> None:
    if output is not None and len(structures) > 1:
        raise Sus2Error("--output takes the result of one structure; give the structures one by one.")
