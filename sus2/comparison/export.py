"""A comparison as JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sus2.comparison.compare import Comparison, Side
    from sus2.comparison.energies import EnergyScales
    from sus2.comparison.rows import Difference

_COLUMNS = ("key", "label", "unit", "reference", "value", "own", "percent", "fixed", "volume_effect", "error")


def comparison_dict(c: Comparison) -> dict[str, Any]:
    """Numbers, lists and texts, with units in the names."""
    path = None
    if c.path is not None:
        labels = [[float(x), name] for x, name in c.path.ticks]
        path = {"q_fractional": c.path.q_fractional.tolist(), "labels": labels}
    agreement = {name: {mode: asdict(v) for mode, v in both.items()} for name, both in c.band_agreement.items()}
    return {
        "formula": c.formula,
        "potentials": [{"name": p.name, "functional": p.functional} for p in c.potentials],
        "fixed_cell": c.fixed_cell,
        "own": [_side_dict(s) for s in c.own],
        "fixed": [_side_dict(s) for s in c.fixed],
        "path": path,
        "differences": {name: [_row_dict(d) for d in rows] for name, rows in c.differences.items()},
        "band_agreement": agreement,
        "energies": None if c.energies is None else _energies_dict(c.energies),
        "summary": c.summary,
        "problems": list(c.problems),
    }


def differences_csv(first: str, differences: Mapping[str, Sequence[Difference]]) -> str:
    """One row for each difference, empty where there is no number."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["first", "other", *_COLUMNS, "error_source"])
    for name, rows in differences.items():
        for d in rows:
            values = [getattr(d, column) for column in _COLUMNS]
            writer.writerow([first, name, *("" if v is None else v for v in values), d.error_source])
    return out.getvalue()


def _side_dict(side: Side) -> dict[str, Any]:
    bands = None if side.bands is None else side.bands.frequencies_thz.tolist()
    dos = None
    if side.dos is not None:
        dos = {
            "frequencies_thz": side.dos.frequencies_thz.tolist(),
            "total_per_thz": side.dos.total_per_thz.tolist(),
        }
    return {
        "potential": side.name,
        "mode": side.mode,
        "symbols": side.atoms.get_chemical_symbols(),
        "cell_a": side.atoms.cell.tolist(),
        "scaled_positions": side.atoms.get_scaled_positions().tolist(),
        "raw_energy_ev_per_atom": side.energy_ev_per_atom,
        "pressure_gpa": side.pressure_gpa,
        "quantities": side.quantities,
        "eos": None if side.eos is None else side.eos.to_dict(),
        "elastic": None if side.elastic is None else side.elastic.to_dict(),
        "bands_thz": bands,
        "dos": dos,
        "quasi_harmonic": None if side.quasi_harmonic is None else side.quasi_harmonic.to_dict(),
        "problems": list(side.problems),
    }


def _row_dict(d: Difference) -> dict[str, Any]:
    derived = {"own": d.own, "percent": d.percent, "volume_effect": d.volume_effect, "below_error": d.below_error}
    return {**asdict(d), **derived}


def _energies_dict(e: EnergyScales) -> dict[str, Any]:
    return {
        "raw_ev_per_atom": [r.ev_per_atom for r in e.raw],
        "raw_shift_ev_per_atom": [e.raw_shift_ev_per_atom(k) for k in range(len(e.raw))],
        "formation_ev_per_atom": list(e.formation_ev_per_atom),
        "cohesive_ev_per_atom": list(e.cohesive_ev_per_atom),
        "referenced_difference_ev_per_atom": [e.referenced_difference_ev_per_atom(k) for k in range(len(e.raw))],
        "references": [r.to_dict() for r in e.references],
        "notes": list(e.notes),
    }
