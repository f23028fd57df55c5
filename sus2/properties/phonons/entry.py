"""What the program says of phonons."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from sus2.properties.property import Category, Download, Page, Property, Quantity
from sus2.trust.digits import number_text
from sus2.units import EV_TO_KJ_PER_MOL

if TYPE_CHECKING:
    from sus2.properties.phonons.report import PhononReport


def bands_csv(report: PhononReport) -> str:
    """Write the frequencies along the path as CSV, with their standard deviations (empty where unknown).

    Parameters
    ----------
    report
        The phonons.

    Returns
    -------
    str
        One row for each q: q, distance in 1/angstrom without 2 pi, frequencies and standard deviations in THz.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    bands = report.bands
    branches = bands.frequencies_thz.shape[1]
    writer.writerow(
        [
            "q1",
            "q2",
            "q3",
            "distance_per_a",
            *(f"branch_{k}_thz" for k in range(branches)),
            *(f"branch_{k}_sigma_thz" for k in range(branches)),
        ]
    )
    path = bands.path
    columns = (path.q_fractional, path.distance_per_a, bands.frequencies_thz, report.sigma_thz)
    for q, d, row, sigma in zip(*columns, strict=True):
        writer.writerow(["" if np.isnan(x) else repr(float(x)) for x in (*q, d, *row, *sigma)])
    return out.getvalue()


def dos_csv(report: PhononReport) -> str:
    """Write the density of states, total and by element, as CSV.

    Parameters
    ----------
    report
        The phonons.

    Returns
    -------
    str
        One row for each frequency in THz; states per THz and primitive cell.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    dos = report.dos
    writer.writerow(["frequency_thz", "total_per_thz", *(f"{e}_per_thz" for e in dos.projected_per_thz)])
    for row in zip(dos.frequencies_thz, dos.total_per_thz, *dos.projected_per_thz.values(), strict=True):
        writer.writerow([repr(float(x)) for x in row])
    return out.getvalue()


def thermal_csv(report: PhononReport) -> str:
    """Write the thermal functions per mole of primitive cells as CSV, with their standard deviations.

    Parameters
    ----------
    report
        The phonons.

    Returns
    -------
    str
        One row for each temperature in K; only the heading where a mode is imaginary.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    found, sigma = report.thermal, report.thermal_sigma
    names = {"helmholtz": "kj_per_mol", "entropy": "j_per_k_mol", "heat_capacity": "j_per_k_mol"}
    keys = [f"{name}_{unit}" for name, unit in names.items()]
    writer.writerow(["temperature_k", *keys, *(f"{name}_sigma_{unit}" for name, unit in names.items())])
    if found is not None:
        columns = [found.temperatures_k, *(getattr(found, k) for k in keys), *(sigma[k] for k in keys)]
        for row in zip(*columns, strict=True):
            writer.writerow(["" if np.isnan(x) else repr(float(x)) for x in row])
    return out.getvalue()


def modes_json(report: PhononReport) -> str:
    """Write bands and modes for the viewer phononwebsite.

    Parameters
    ----------
    report
        The phonons.

    Returns
    -------
    str
        JSON, as `phononwebsite_text` writes it.
    """
    from sus2.properties.phonons.backends import phononwebsite_text

    result, path = report.phonons, report.bands.path
    return phononwebsite_text(result.atoms, path, result.modes(path.q_fractional))


def _highest(report: PhononReport) -> float:
    return float(max(report.bands.frequencies_thz.max(), report.phonons.mesh_frequencies_thz.max()))


def _mean(report: PhononReport) -> float:
    f, g = report.dos.frequencies_thz, report.dos.total_per_thz
    return float(np.trapezoid(f * g, f) / np.trapezoid(g, f))


def _real(report: PhononReport) -> bool:
    return report.lowest_thz >= report.LOWEST_REAL_THZ


def _unstable(report: PhononReport) -> bool:
    return not _real(report)


def _harmonic(report: PhononReport) -> bool:
    return report.harmonic


def _at_room(name: str) -> Callable[[PhononReport], float]:
    return lambda report: float(getattr(report.at_300_k, name)[0]) / report.at_300_k.n_atoms


def _special_points(report: PhononReport) -> dict[str, list[float]]:
    path = report.bands.path
    points: dict[str, list[float]] = {}
    for part, names in zip(path.segments, path.segment_labels, strict=True):
        for k, name in zip((part.start, part.stop - 1), names, strict=True):
            points.setdefault(name, path.q_fractional[k].tolist())
    return points


def _content(report: PhononReport) -> dict[str, Any]:
    points = _special_points(report)
    found = report.phonons.frequencies_thz(list(points.values())).tolist()
    return {
        "stable": report.phonons.stable,
        "q_fractional": points,
        "frequencies_thz": dict(zip(points, found, strict=True)),
    }


def _show(report: PhononReport) -> list[str]:
    rows = _content(report)["frequencies_thz"].items()
    lines = [f"  {name:<6}" + "".join(f"{number_text(x, 2):>7}" for x in values) for name, values in rows]
    return ["frequencies at the special points of the path, THz", *lines, f"  {report.phonons.stability}"]


ENTRY = Property(
    name="phonons",
    title="phonons",
    function="sus2.properties.phonons.report:phonon_report",
    help="Exact phonon frequencies at the special points of the band path, THz.",
    quantities=(
        Quantity(
            "highest_frequency_thz",
            "highest frequency",
            "Highest phonon frequency",
            "THz",
            2,
            "On path and mesh.",
            _highest,
        ),
        Quantity(
            "mean_frequency_thz",
            "mean frequency",
            "Mean phonon frequency",
            "THz",
            2,
            "Mean over the density of states.",
            _mean,
            tabulated=False,
            compared=_real,
        ),
        Quantity(
            "lowest_frequency_thz",
            "lowest frequency",
            "Lowest phonon frequency",
            "THz",
            2,
            "On path and mesh; negative where a mode is imaginary.",
            lambda r: r.lowest_thz,
            compared=_unstable,
        ),
        Quantity(
            "zero_point_ev_per_atom",
            "zero-point energy",
            "Zero-point energy",
            "eV/atom",
            4,
            "Harmonic; real modes only.",
            lambda r: r.at_300_k.zero_point_energy_kj_per_mol / EV_TO_KJ_PER_MOL / r.at_300_k.n_atoms,
            compared=_harmonic,
        ),
        Quantity(
            "helmholtz_300k_kj_per_mol_atoms",
            "F at 300 K",
            "Vibrational free energy, 300 K",
            "kJ/mol atoms",
            2,
            "Harmonic Helmholtz energy with zero-point energy.",
            _at_room("helmholtz_kj_per_mol"),
            tabulated=False,
            compared=_harmonic,
        ),
        Quantity(
            "entropy_300k_j_per_k_mol_atoms",
            "S at 300 K",
            "Vibrational entropy, 300 K",
            "J/K/mol atoms",
            2,
            "Harmonic entropy.",
            _at_room("entropy_j_per_k_mol"),
            tabulated=False,
            compared=_harmonic,
        ),
        Quantity(
            "cv_300k_j_per_k_mol_atoms",
            "Cᵥ at 300 K",
            "Heat capacity Cᵥ, 300 K",
            "J/K/mol atoms",
            2,
            "Harmonic heat capacity at constant volume; real modes only.",
            _at_room("heat_capacity_j_per_k_mol"),
            compared=_harmonic,
        ),
    ),
    categories=(Category("dynamically", "dynamic stability", lambda r: "stable" if r.phonons.stable else "unstable"),),
    settings={"dos": False},
    finite="finite",
    together="sus2.properties.together:phonon_reports",
    memory={
        "phonon_report": ("phonons", "dos"),
        "phonons": ("phonons",),
        "follow_from": ("phonons",),
        "phonopy_files": ("phonons",),
        "check_phonons": ("phonons",),
    },
    cost=3.0,
    commands=("phonons",),
    relaxed=lambda r: r.phonons.atoms,
    content=_content,
    show=_show,
    write_files=lambda r, folder: r.phonons.write_files(folder),
    downloads=(
        Download("Bands (CSV)", "csv", "text/csv", bands_csv),
        Download("Density of states (CSV)", "dos.csv", "text/csv", dos_csv),
        Download("Thermal functions (CSV)", "thermal.csv", "text/csv", thermal_csv),
        Download("Modes (JSON of phononwebsite)", "phononwebsite.json", "application/json", modes_json),
    ),
    seen="result.bands.frequencies_thz",
    page=Page(
        "Phonons",
        "waves",
        "How the atoms of the relaxed crystal vibrate: exact frequencies at any wave vector, without a supercell.",
        "properties/phonons",
    ),
    kept=("imaginary_modes", "dos", "thermal"),
)
