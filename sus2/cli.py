"""The command line: the same calls as in Python, printed as a table or as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

# Before numpy: the matrices here are small, and BLAS threads that wait for a busy core make relaxations many times
# slower. The app's server inherits it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import typer

import sus2
from sus2.check_cli import check
from sus2.compare_cli import compare
from sus2.eos_models import MODELS
from sus2.errors import StructureError, Sus2Error
from sus2.pretrained import recommend
from sus2.structures import elements_of, read_structure, sample, samples, write_structure
from sus2.training.data_cli import data_app
from sus2.training.study_cli import ablate, transfer
from sus2.training.train_cli import train

app = typer.Typer(
    add_completion=True,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="What a SUS2 interatomic potential says about your crystal.",
)

app.add_typer(data_app, name="data")
app.command()(train)
app.command()(transfer)
app.command()(ablate)
app.command()(compare)
app.command()(check)

Structure = Annotated[str, typer.Argument(help="A structure file, or the key of a sample crystal such as si.")]
ModelName = Annotated[
    str | None,
    typer.Option("--model", "-m", help="A model's name or an .mtp file; by default the one that fits best."),
]
Elements = Annotated[
    str | None, typer.Option("--elements", help="Elements of an .mtp file in type order, for example Ga,As.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


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
    """What a SUS2 interatomic potential says about your crystal."""


@app.command()
def relax(
    structure: Structure,
    model: ModelName = None,
    elements: Elements = None,
    cell: Annotated[bool, typer.Option(help="Relax the cell as well as the positions.")] = True,
    fmax: Annotated[float, typer.Option(help="Largest force left, eV/A.")] = 1e-3,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the relaxed structure: .cif, .vasp or .xyz.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Relax a crystal; exit code 1 where it does not converge."""
    atoms = _structure(structure)
    potential = _potential(model, elements, atoms)
    r = sus2.relax(atoms, potential, cell=cell, fmax=fmax)
    if output is not None:
        _write(r.atoms, output)
    a, b, c, alpha, beta, gamma = (float(x) for x in r.atoms.cell.cellpar())
    values = {
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
    _print(values, as_json=as_json)
    if not r.converged:
        raise typer.Exit(1)


@app.command()
def eos(
    structure: Structure,
    model: ModelName = None,
    elements: Elements = None,
    equation: Annotated[str, typer.Option(help=f"One of: {', '.join(MODELS)}.")] = "birch-murnaghan",
    points: Annotated[int, typer.Option(help="Number of volumes.")] = 11,
    volume_range: Annotated[float, typer.Option(help="Largest change of the volume, as a fraction of it.")] = 0.06,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the crystal at V0: .cif, .vasp or .xyz.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Equation of state: V0, B0, B0', E0 with their standard errors."""
    atoms = _structure(structure)
    potential = _potential(model, elements, atoms)
    e = sus2.eos(atoms, potential, model=equation, n_points=points, volume_range=volume_range)
    if output is not None:
        _write(e.atoms_at_v0, output)
    if as_json:
        _print({"potential": potential.name, **e.to_dict()}, as_json=True)
        return
    typer.echo(f"{e.formula}, {e.n_atoms} atoms, {potential.name}, {MODELS[e.model].label}")
    for name, value, error, unit in (
        ("V0", e.v0_a3_per_atom, e.v0_a3_error / e.n_atoms, "A^3/atom"),
        ("B0", e.b0_gpa, e.b0_gpa_error, "GPa"),
        ("B0'", e.b0_prime, e.b0_prime_error, ""),
        ("E0", e.e0_ev_per_atom, e.e0_ev_error / e.n_atoms, "eV/atom"),
    ):
        typer.echo(f"  {name:<4}{value:>16.6f}  +- {error:.2g} {unit}".rstrip())
    typer.echo(f"  rms residual {e.rms_residual_mev_per_atom:.4f} meV/atom")


@app.command()
def elastic(
    structure: Structure,
    model: ModelName = None,
    elements: Elements = None,
    pressure: Annotated[float, typer.Option(help="Pressure at which the crystal is relaxed, GPa.")] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Elastic constants (exact, relaxed ions), moduli and stability."""
    atoms = _structure(structure)
    potential = _potential(model, elements, atoms)
    c = sus2.elastic(atoms, potential, pressure_gpa=pressure)
    if as_json:
        _print(c.to_dict(), as_json=True)
        return
    typer.echo(f"{atoms.get_chemical_formula('metal')}, {c.space_group}, {potential.name}, GPa, xx yy zz yz xz xy")
    for row in c.c_gpa:
        typer.echo("  " + "".join(f"{x:>12.4f}" for x in row))
    typer.echo(f"  K {c.k_vrh_gpa:.4f}  G {c.g_vrh_gpa:.4f} GPa (Voigt-Reuss-Hill)")
    typer.echo(f"  {c.stability}")


@app.command()
def phonons(
    structure: Structure,
    model: ModelName = None,
    elements: Elements = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for phonopy.yaml, FORCE_CONSTANTS, band.yaml, mesh.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Exact phonon frequencies at the special points of the band path, THz."""
    atoms = _structure(structure)
    potential = _potential(model, elements, atoms)
    result = sus2.phonons(atoms, potential)
    path = result.band_structure().path
    points: dict[str, list[float]] = {}
    for part, names in zip(path.segments, path.segment_labels, strict=True):
        for k, name in zip((part.start, part.stop - 1), names, strict=True):
            points.setdefault(name, path.q_fractional[k].tolist())
    frequencies = dict(zip(points, result.frequencies_thz(list(points.values())).tolist(), strict=True))
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        result.write_files(output)
    if as_json:
        content = {"potential": potential.name, "stable": result.stable, "q_fractional": points}
        _print({**content, "frequencies_thz": frequencies}, as_json=True)
        return
    typer.echo(f"{result.atoms.get_chemical_formula('metal')}, {potential.name}, THz")
    for name, values in frequencies.items():
        typer.echo(f"  {name:<6}" + "".join(f"{x:>9.4f}" for x in values))
    typer.echo(f"  {result.stability}")


@app.command()
def thermal(
    structure: Structure,
    model: ModelName = None,
    elements: Elements = None,
    temperature: Annotated[float, typer.Option(help="Temperature to print, K.", min=0.0, max=1000.0)] = 300.0,
    as_json: AsJson = False,
) -> None:
    """Quasi-harmonic volume, expansion, bulk modulus and heat capacity."""
    atoms = _structure(structure)
    potential = _potential(model, elements, atoms)
    t = sus2.thermal(atoms, potential)
    if as_json:
        _print(t.to_dict(), as_json=True)
        return
    typer.echo(f"{atoms.get_chemical_formula('metal')}, {potential.name}, {temperature:g} K. {t.note}".rstrip())
    for label, name, unit in (
        ("V", "volumes_t_a3", f"A^3 for {len(t.atoms)} atoms"),
        ("alpha", "thermal_expansion_per_k", "1/K"),
        ("B", "bulk_modulus_gpa", "GPa"),
        ("Cp", "cp_j_per_k_mol", "J/K/mol"),
    ):
        typer.echo(f"  {label:<6}{t.at(name, temperature):>16.6g}  {unit}")


@app.command()
def models(as_json: AsJson = False) -> None:
    """The shipped models."""
    cards = sus2.models()
    if as_json:
        typer.echo(json.dumps([c.model_dump(mode="json") for c in cards]))
        return
    if not cards:
        typer.echo("No model is installed.")
    for c in cards:
        listed = " ".join(c.elements) if len(c.elements) <= 12 else f"{len(c.elements)} elements"
        typer.echo(f"{c.name:<28} {c.functional:<10} {listed}")


@app.command("samples")
def list_samples(as_json: AsJson = False) -> None:
    """The sample crystals, by key."""
    if as_json:
        typer.echo(json.dumps([{"key": s.key, "name": s.name, "prototype": s.prototype} for s in samples()]))
        return
    for s in samples():
        typer.echo(f"{s.key:<10} {s.name:<22} {s.prototype}")


@app.command("app")
def run_app(
    port: Annotated[int, typer.Option(help="Port of the server.", min=1, max=65535)] = 8501,
    address: Annotated[str, typer.Option(help="Address to listen at; by default this computer alone.")] = "localhost",
) -> None:
    """Open the app (stop it with Ctrl+C)."""
    script = _app_script()
    command = [sys.executable, "-m", "sus2._serve", "run", str(script)]
    command += ["--server.port", str(port), "--server.address", address]
    if os.name == "posix":
        # The server takes this process's place, so that whoever stops the process stops the server.
        os.execv(sys.executable, command)
    try:
        raise typer.Exit(subprocess.run(command, check=False).returncode)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _app_script() -> Path:
    """app.py: beside the package in a checkout, inside it in an installation."""
    try:
        import streamlit  # noqa: F401
    except ModuleNotFoundError:
        raise Sus2Error("The app needs streamlit: install it with pip install 'sus2[app]'.") from None
    package = Path(sus2.__file__).resolve().parent
    for script in (package / "_app" / "app.py", package.parent / "app.py"):
        if script.is_file():
            return script
    raise Sus2Error("app.py is missing from this installation; install SUS2 Explorer again.")


def _structure(name: str) -> Any:
    if name in {s.key for s in samples()} and not Path(name).exists():
        return sample(name).atoms()
    path = Path(name)
    if not path.is_file():
        raise StructureError(f"There is no file '{name}', nor a sample of that key (see: sus2 samples).")
    try:
        return read_structure(path.name, path.read_bytes())
    except OSError as error:
        raise StructureError(f"{path.name} cannot be read ({error.strerror}).") from None


def _potential(model: str | None, elements: str | None, atoms: Any) -> Any:
    if model is not None:
        return sus2.load(model, elements=elements.replace(",", " ").split() if elements else None)
    wanted = elements_of(atoms)
    best = recommend(wanted)
    if best is None:
        raise Sus2Error(f"No shipped model knows all of {', '.join(wanted)}; name an .mtp file with --model.")
    typer.echo(f"Model: {best.reason}", err=True)
    return sus2.load(best.card.name)


def _write(atoms: Any, path: Path) -> None:
    formats = {".cif": "cif", ".vasp": "poscar", ".poscar": "poscar", ".xyz": "extxyz", ".extxyz": "extxyz"}
    fmt = "poscar" if path.name.upper().startswith(("POSCAR", "CONTCAR")) else formats.get(path.suffix.lower())
    if fmt is None:
        raise Sus2Error(f"'{path.name}': give the output file the ending .cif, .vasp or .xyz.")
    try:
        path.write_text(write_structure(atoms, fmt), encoding="utf-8")
    except OSError as error:
        raise Sus2Error(f"'{path}' cannot be written ({error.strerror}).") from None


def _print(values: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(values))
        return
    for name, value in values.items():
        if isinstance(value, list):
            value = "  ".join(f"{x:.6f}" for x in value)
        elif isinstance(value, float):
            value = f"{value:.6g}" if abs(value) < 1e-3 else f"{value:.6f}"
        typer.echo(f"{name:<22} {value}")


def main() -> None:
    """Entry point: errors of ours are one sentence on standard error and exit code 2."""
    try:
        app()
    except Sus2Error as error:
        typer.echo(str(error), err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
