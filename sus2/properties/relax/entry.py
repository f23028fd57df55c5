"""What the program says of relaxation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sus2.properties.property import Category, Option, Property, Quantity, never
from sus2.trust.digits import number_text

if TYPE_CHECKING:
    from sus2.relaxation.result import RelaxResult


def _content(r: RelaxResult) -> dict[str, Any]:
    a, b, c, alpha, beta, gamma = (float(x) for x in r.atoms.cell.cellpar())
    return {
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
        "trust": r.trust.to_dict(),
    }


def _show(r: RelaxResult) -> list[str]:
    lines = []
    for name, value in _content(r).items():
        if isinstance(value, dict):
            continue
        if isinstance(value, list):
            value = "  ".join(number_text(x, 4 if name == "cell_lengths_a" else 2) for x in value)
        elif name in r.trust.estimates:
            value = number_text(value, 3, r.uncertainty[name])
        elif isinstance(value, float):
            value = f"{value:.2g}" if name.startswith("max_") else number_text(value, 4)
        lines.append(f"{name:<22} {value}")
    return lines


def _length(axis: int) -> Any:
    return lambda r: r.atoms.cell.lengths()[axis]


ENTRY = Property(
    name="relax",
    title="relaxation",
    function="sus2.relaxation.relax:relax",
    help="Relax crystals; exit code 1 where one does not converge.",
    # Two potentials are compared by the lattice of the relaxed cell, which the comparison reads itself.
    quantities=(
        Quantity(
            "relaxed_energy_ev_per_atom",
            "relaxed energy",
            "Energy after relaxation",
            "eV/atom",
            4,
            "Energy at zero force and zero pressure, on the potential's own scale.",
            lambda r: r.energy_ev / len(r.atoms),
            compared=never,
        ),
        Quantity(
            "relaxed_volume_a3_per_atom",
            "relaxed volume",
            "Volume after relaxation",
            "Å³/atom",
            3,
            "Volume at zero force and zero pressure.",
            lambda r: r.volume_a3 / len(r.atoms),
            compared=never,
        ),
        Quantity(
            "volume_change_percent",
            "volume change",
            "Change of volume",
            "%",
            2,
            "From the given cell to the relaxed one.",
            compared=never,
        ),
        Quantity(
            "relaxed_a_a",
            "relaxed a",
            "Length of a",
            "Å",
            4,
            "First lattice vector of the relaxed cell.",
            _length(0),
            compared=never,
        ),
        Quantity(
            "relaxed_b_a",
            "relaxed b",
            "Length of b",
            "Å",
            4,
            "Second lattice vector of the relaxed cell.",
            _length(1),
            compared=never,
        ),
        Quantity(
            "relaxed_c_a",
            "relaxed c",
            "Length of c",
            "Å",
            4,
            "Third lattice vector of the relaxed cell.",
            _length(2),
            compared=never,
        ),
        Quantity(
            "relaxation_steps",
            "steps",
            "Steps",
            "",
            0,
            "Number of steps of the relaxation.",
            lambda r: r.steps,
            compared=never,
        ),
    ),
    categories=(Category("relaxed_space_group", "space group, relaxed", lambda r: r.spacegroup_after),),
    options=(
        Option("cell", bool, True, "Relax the cell as well as the positions."),
        Option("fmax", float, 1e-3, "Largest remaining force, eV/Å."),
    ),
    begins_with_relaxation=True,
    together="sus2.properties.together:relaxations",
    memory={"relax": ()},
    relaxed=lambda r: r.atoms,
    content=_content,
    show=_show,
    check=lambda r: r.require_converged(),
    seen="result.energy_ev, result.volume_a3",
)
