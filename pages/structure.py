"""Structure: the crystal in three dimensions, its symmetry, cells and files."""

from __future__ import annotations

import streamlit as st

from pages import _frame as frame
from sus2.figures.structure import structure_figure
from sus2.structures import describe, standardise, write_structure

CELLS = {"as given": None, "primitive": "primitive", "conventional": "conventional"}
MAX_DRAWN = 800

frame.title("Structure", "Turn it with the mouse or a finger; scroll to zoom.")

with frame.guard():
    crystal = frame.crystal()
    view, facts = st.columns([11, 8], gap="large")

    with facts:
        choice = st.segmented_control("Cell", list(CELLS), default="as given", key="cell_choice", required=True)
        to = CELLS[choice]
        atoms = crystal.atoms if to is None else standardise(crystal.atoms, to)
        info = crystal.info if to is None else describe(atoms)
        a, b, c = info.cell_lengths_a
        alpha, beta, gamma = info.cell_angles_deg
        frame.facts(
            [
                ("formula", f"{frame.formula_html(info.formula)}, {info.formula_units} in the cell"),
                ("space group", frame.space_group_html(info)),
                ("crystal system", f"{info.crystal_system}, point group {info.point_group}"),
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

    with view:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            repeat = [
                st.number_input(f"Cells along {axis}", 1, 4, 1, key=f"repeat_{axis}", width=120)
                for axis in ("a", "b", "c")
            ]
            bonds = st.toggle("Bonds", True, key="show_bonds")
            labels = st.toggle("Labels", False, key="show_labels")
        if len(atoms) * repeat[0] * repeat[1] * repeat[2] > MAX_DRAWN:
            st.info(f"More than {MAX_DRAWN} atoms are not drawn: one cell is shown.")
            repeat = [1, 1, 1]
        frame.plot(
            structure_figure(
                atoms=atoms,
                supercell=(repeat[0], repeat[1], repeat[2]),
                bonds=bonds,
                labels=labels,
                mode=frame.mode(),
                height=560,
            ),
            key="structure_view",
            alt=f"Unit cell of {info.formula} in three dimensions",
            name=crystal.file_name,
        )
        frame.downloads(
            [
                ("CIF", f"{crystal.file_name}.cif", "chemical/x-cif", write_structure(atoms, "cif")),
                ("POSCAR", f"{crystal.file_name}.vasp", "text/plain", write_structure(atoms, "poscar")),
                ("extended XYZ", f"{crystal.file_name}.xyz", "chemical/x-xyz", write_structure(atoms, "extxyz")),
            ],
            key="structure",
        )
