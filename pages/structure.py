"""Structure: the crystal in three dimensions, its symmetry, edits, neighbours, forces and files."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import streamlit as st
from ase import Atoms

from pages._parts import edits, frame
from sus2.errors import counted
from sus2.figures.structure import SMALLEST_FORCE_EV_PER_A, structure_figure
from sus2.potential.evaluation import Evaluation
from sus2.registry.distances import pair_distances
from sus2.structures import CrystalInfo, describe, write_structure
from sus2.structures.shells import distinct, surroundings
from sus2.units import EV_PER_A3_TO_GPA

LABELS = {"none": None, "elements": "symbols", "numbers": "sites"}
VERDICTS = {"pass": "✓ inside", "warn": "△ just below", "fail": "✗ far below"}
MAX_DRAWN = 800
HEIGHT = 480
MAX_LISTED = 200
MAX_WARNINGS = 3
MAX_WRAPPED = 12


@st.cache_data(show_spinner=False, max_entries=200)
def info_of(key: str, _atoms: Atoms) -> CrystalInfo:
    return describe(_atoms)


@st.cache_data(show_spinner="Computing the forces ...", max_entries=50)
def evaluated(identity: str, key: str, _model: frame.Model, _atoms: Atoms) -> Evaluation:
    found: Evaluation = _model.load().evaluate([_atoms])[0]
    return found


def show_facts(info: CrystalInfo) -> None:
    a, b, c = info.cell_lengths_a
    alpha, beta, gamma = info.cell_angles_deg
    frame.facts(
        [
            (
                "formula",
                f"{frame.formula_html(info.formula)}, {counted(info.formula_units, 'formula unit')} in the cell",
            ),
            ("space group", frame.space_group_html(info)),
            ("crystal system", f"{info.crystal_system}, point group {frame.point_group_html(info)}"),
            ("<i>a</i>, <i>b</i>, <i>c</i>", f"{a:.4f}, {b:.4f}, {c:.4f} Å"),
            ("<i>α</i>, <i>β</i>, <i>γ</i>", f"{alpha:.2f}°, {beta:.2f}°, {gamma:.2f}°"),
            ("volume", f"{info.volume_a3:.3f} Å³, {info.volume_a3 / info.n_atoms:.3f} Å³ per atom"),
            ("density", f"{info.density_g_per_cm3:.3f} g/cm³"),
            ("shortest distance", f"{info.shortest_distance_a:.3f} Å"),
        ]
    )
    st.markdown("**Wyckoff positions**")
    frame.table(
        [
            {
                "atoms": f"{o.count} {o.element}",
                "letter": o.wyckoff,
                "coordinates of the first": "  ".join(f"{x:.4f}" for x in o.fractional),
            }
            for o in info.orbits
        ],
        key="orbits",
    )
    st.caption("Symmetry is searched with a tolerance of 0.001 Å (spglib).")


def view_settings(name_sites: bool) -> tuple[tuple[int, int, int], dict[str, Any], bool]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        a, b, c = (
            int(st.number_input(f"Cells along {axis}", 1, 4, 1, key=f"repeat_{axis}", width=125, bind="query-params"))
            for axis in ("a", "b", "c")
        )
        label = st.selectbox(
            "Labels",
            list(LABELS),
            2 if name_sites else 0,
            key=f"labels_{name_sites}",
            width=130,
            help="Numbers count the atoms of the cell, in the order of its file.",
        )
        bonds = st.toggle("Bonds", True, key="show_bonds", bind="query-params")
        hulls = st.toggle(
            "Polyhedra", False, key="show_polyhedra", bind="query-params", help="Of non-metals around each metal atom."
        )
        forces = st.toggle("Forces", False, key="show_forces", bind="query-params", help="Of the chosen potential.")
    return (a, b, c), {"bonds": bonds, "labels": LABELS[label], "polyhedra_drawn": hulls}, forces


def show_forces(atoms: Atoms) -> np.ndarray | None:
    """The forces of the chosen model, with a line on energy and pressure; None where there are none to draw."""
    with frame.guard():
        model = frame.model(atoms)
        found = evaluated(model.identity, frame.content_key(atoms), model, atoms)
        largest = float(np.linalg.norm(found.forces_ev_per_a, axis=1).max())
        pressure = -found.stress_ev_per_a3[:3].mean() * EV_PER_A3_TO_GPA
        st.markdown(
            f"**{frame.plain(model.name)}**: energy {frame.number(found.energy_ev / len(atoms), 4)} eV/atom, largest "
            f"force {frame.number(largest, 3)} eV/Å, pressure {frame.number(pressure, 2)} GPa."
        )
        if largest < SMALLEST_FORCE_EV_PER_A:
            st.caption("All forces vanish, as symmetry or relaxation makes them: there is nothing to draw.")
        return found.forces_ev_per_a
    return None


def show_view(picture: Any, atoms: Atoms, info: CrystalInfo, crystal: frame.Crystal, name_sites: bool) -> None:
    repeat, options, wanted = view_settings(name_sites)
    if len(atoms) * math.prod(repeat) > MAX_DRAWN:
        repeat = (1, 1, 1)
        if len(atoms) <= MAX_DRAWN:
            st.info(f"More than {MAX_DRAWN} atoms are not drawn: one cell is shown.")
    forces = show_forces(atoms) if wanted else None
    with picture:
        if len(atoms) > MAX_DRAWN:
            st.info(f"Cells with more than {MAX_DRAWN} atoms are not drawn.")
        else:
            frame.plot(
                structure_figure(
                    atoms=atoms, supercell=repeat, forces_ev_per_a=forces, mode=frame.mode(), height=HEIGHT, **options
                ),
                key="structure_view",
                alt=f"Unit cell of {info.formula} in three dimensions, {counted(info.n_atoms, 'atom')}"
                + (", with the forces on them" if forces is not None else ""),
                name=crystal.file_name,
            )
    frame.downloads(
        [
            ("CIF", f"{crystal.file_name}.cif", "chemical/x-cif", partial(write_structure, atoms, "cif-symmetric")),
            ("CIF, P1", f"{crystal.file_name}-p1.cif", "chemical/x-cif", partial(write_structure, atoms, "cif")),
            ("POSCAR", f"{crystal.file_name}.vasp", "text/plain", partial(write_structure, atoms, "poscar")),
            ("extended XYZ", f"{crystal.file_name}.xyz", "chemical/x-xyz", partial(write_structure, atoms, "extxyz")),
        ],
        key="structure",
    )


def show_pairs(atoms: Atoms) -> None:
    """Shortest distances against the training data of the chosen model."""
    model = frame.model(atoms)
    pairs = pair_distances(atoms, model.card)
    st.markdown(f"**Shortest distances beside those in the training data of {frame.plain(model.name)}**")
    if not pairs:
        st.info("No two atoms are near each other.")
        return
    doubtful = [p for p in pairs if p.verdict != "pass"]
    for p in doubtful[:MAX_WARNINGS]:
        {"warn": st.info, "fail": st.warning}[p.verdict](f"**{frame.plain(p.name)}**: {frame.plain(p.meaning)}")
    if not doubtful:
        st.success("No pair of atoms is closer than in the training data.")
    frame.table(
        [
            {
                "pair": p.name,
                "here (Å)": f"{p.shortest_a:.3f}",
                "shortest in training (Å)": "—" if p.trained_a is None else f"{p.trained_a:.3f}",
                "verdict": "△ no data" if p.trained_a is None else VERDICTS[p.verdict],
            }
            for p in pairs
        ],
        key="pairs",
    )


def show_neighbours(atoms: Atoms) -> None:
    """Shells of neighbours of each kind of atom."""
    st.markdown("**Neighbours**")
    found = surroundings(atoms)
    kinds = distinct(found)
    rows = []
    for kind in kinds[:MAX_LISTED]:
        one = found[kind[0]]
        more = f" and {len(kind) - 1} more" if len(kind) > 1 else ""
        shells = "; ".join(
            f"{s.count} {s.element} at {s.distance_a:.3f}" + (f" ± {s.spread_a / 2:.3f}" if s.spread_a > 2e-3 else "")
            for s in one.shells
        )
        rows.append(
            {
                "atom": f"{one.element}{one.site + 1}{more}",
                "coordination": str(one.coordination),
                "shells (Å)": shells or "none near",
            }
        )
    if len(rows) <= MAX_WRAPPED:
        st.table(rows, hide_index=True, border="horizontal", alt="Shells of neighbours of each kind of atom")
    else:
        frame.table(rows, key="neighbours")
    more = f" {len(kinds) - MAX_LISTED} more kinds of atoms are not listed." if len(kinds) > MAX_LISTED else ""
    st.caption(
        f"Coordination: atoms within 10 % of the distance of the nearest. Atoms with the same shells share a row.{more}"
    )


frame.title("Structure", "Rotate with the mouse or a finger, scroll to zoom. Edits show at once.")

with frame.guard():
    crystal = frame.crystal()
    view, side = st.columns([11, 8], gap="large")
    with view:
        # Room for the picture from the start: on a phone what is beside it comes below it.
        picture = frame.room("structure", HEIGHT)
    with side:
        facts_tab, edit_tab = st.tabs(["Crystal", "Edit"], key="structure_tabs")
        with edit_tab:
            atoms, name_sites = edits.panel(crystal)
        key = frame.content_key(atoms)
        info = crystal.info if key == frame.content_key(crystal.atoms) else info_of(key, atoms)
        with facts_tab:
            show_facts(info)
    with view:
        show_view(picture, atoms, info, crystal, name_sites)
    st.divider()
    pairs, neighbours = st.columns([8, 11], gap="large")
    with pairs, frame.guard():
        show_pairs(atoms)
    with neighbours, frame.guard():
        show_neighbours(atoms)
