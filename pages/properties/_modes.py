"""Modes in motion, for the page of phonons: chosen, animated, named by symmetry, followed and saved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st
from ase import Atoms

from pages._parts import frame
from sus2.errors import Sus2Error
from sus2.figures.properties.modes import MAX_BONDED, mode_figure, mode_gif
from sus2.properties.phonons.follow_mode import mode_motion
from sus2.properties.phonons.irreps import GammaModes, gamma_modes
from sus2.properties.phonons.qpath import QPath
from sus2.properties.phonons.report import follow_from
from sus2.properties.phonons.result import BandStructure, PhononResult

MAX_MOVING = 160  # atoms
MAX_BESIDE = 2
HEIGHT = 400
SPEEDS = {"slow": 0.4, "normal": 1.0, "fast": 2.0}
KEPT = tuple(
    f"{key}_{name}"
    for key in ("phonon_motion", "phonon_picked")
    for name in ("amplitude", "cells", "speed", "bonds", "cell", "arrows")
)


def special_points(path: QPath) -> list[tuple[str, list[float]]]:
    """Labelled points of the path, each once."""
    seen: dict[str, list[float]] = {}
    for part, (first, last) in zip(path.segments, path.segment_labels, strict=True):
        seen.setdefault(first, [float(x) for x in path.q_fractional[part.start]])
        seen.setdefault(last, [float(x) for x in path.q_fractional[part.stop - 1]])
    return list(seen.items())


def show_motion(result: PhononResult, bands: BandStructure, crystal: frame.Crystal, model: frame.Model) -> None:
    """Choose modes at a special point and show them move, side by side."""
    points = dict(special_points(bands.path))
    left, middle, right = st.columns(3)
    name = left.selectbox("Point", list(points), key="phonon_point")
    q = points[name]
    frequencies = result.frequencies_thz([q])[0]
    named = _named_branches(result) if name == "Γ" else {}

    def words(k: int) -> str:
        of = f", {named[k].label}, {named[k].activity}" if k in named else ""
        return f"{k + 1}: {frequencies[k]:.2f} THz{of}".replace("-", "−")

    count = len(frequencies)
    branch = middle.selectbox("Mode", range(count), count - 1, key="phonon_branch", format_func=words)
    others = [k for k in range(count) if k != branch]
    beside = right.multiselect(
        "Beside it", others, key=f"phonon_beside_{name}_{branch}", format_func=words, max_selections=MAX_BESIDE
    )
    show_modes(result, q, [branch, *beside], crystal, key="phonon_motion", name=name)
    if name == "Γ" and named:
        frame.folded("All modes at Γ, by symmetry", lambda: _gamma_table(result), key="fold_phonon_gamma")
    if frequencies[branch] > -0.05:
        return
    st.markdown(
        "This mode is imaginary: the energy decreases along it, so the crystal is dynamically unstable along this mode."
    )
    follow(result, q, branch, crystal, model)


def _named_branches(result: PhononResult) -> dict[int, GammaModes]:
    """Branches at the zone centre with their representations; empty where phonopy cannot find them."""
    try:
        return {k: modes for modes in gamma_modes(result) for k in modes.branches}
    except Sus2Error:
        return {}


def _gamma_table(result: PhononResult) -> None:
    rows = [
        {
            "modes": ", ".join(str(k + 1) for k in modes.branches),
            "frequency (THz)": frame.number(modes.frequency_thz, 3),
            "representation": _mulliken(modes.label),
            "activity": modes.activity,
        }
        for modes in gamma_modes(result)
    ]
    st.table(rows, hide_index=True, border="horizontal", alt="Modes at Γ with their irreducible representations")
    st.caption(
        "IR: absorbs infrared light; Raman: scatters light; silent: neither. By symmetry alone, so an active mode can "
        "still be weak. Longitudinal modes are not told apart without Born charges."
    )


def _mulliken(label: str) -> str:
    """T2g as a formula with its indices."""
    return f"${label[0]}_{{{label[1:]}}}$" if len(label) > 1 else label


def show_modes(
    result: PhononResult, q: Sequence[float], branches: Sequence[int], crystal: frame.Crystal, *, key: str, name: str
) -> None:
    """Show modes of one wave vector move, with what sets how."""
    most = int((MAX_MOVING / len(result.atoms)) ** (1 / 3) + 1e-9)
    sizes = list(range(1, max(1, min(4, most)) + 1))
    picture = frame.room(key, HEIGHT)
    row = st.columns([3, 2, 2])
    amplitude = row[0].slider("Largest displacement (Å)", 0.05, 0.8, 0.3, 0.05, key=f"{key}_amplitude")
    cells = row[1].segmented_control(
        "Cells along each axis", sizes, default=min(2, sizes[-1]), required=True, key=f"{key}_cells"
    )
    speed = row[2].segmented_control("Speed", list(SPEEDS), default="normal", required=True, key=f"{key}_speed")
    with st.container(horizontal=True):
        bonds = st.toggle("Bonds", True, key=f"{key}_bonds", help=f"In blocks of at most {MAX_BONDED} atoms.")
        cell = st.toggle("Cell", True, key=f"{key}_cell")
        arrows = st.toggle("Arrows", False, key=f"{key}_arrows", help="Where the atoms go first.")
    block = (cells, cells, cells)
    moving = [(k, *mode_motion(result, q, k, cells=block)) for k in branches]
    frequencies = result.frequencies_thz([list(q)])[0]
    for place, (k, atoms, u) in zip(picture.columns(len(moving)), moving, strict=True):
        with place:
            if len(moving) > 1:
                st.markdown(f"**Mode {k + 1}**, {frame.number(float(frequencies[k]), 2)} THz")
            frame.plot(
                mode_figure(
                    atoms=atoms,
                    displacements=u,
                    cells=block,
                    amplitude_a=amplitude,
                    speed=SPEEDS[speed],
                    bonds=bonds,
                    cell=cell,
                    arrows=arrows,
                    mode=frame.mode(),
                    height=HEIGHT,
                ),
                key=key if k == branches[0] else f"{key}_{k}",
                alt=f"Atoms of {crystal.info.formula} moving in mode {k + 1} at {name}",
                name=f"{crystal.file_name}-mode",
            )
    frame.downloads(
        [
            (
                f"Mode {k + 1} (GIF)",
                f"{crystal.file_name}-mode-{k + 1}.gif",
                "image/gif",
                _gif(atoms, u, amplitude, SPEEDS[speed]),
            )
            for k, atoms, u in moving
        ],
        key=key,
    )


def _gif(atoms: Atoms, displacements: np.ndarray, amplitude_a: float, speed: float) -> Any:
    return lambda: mode_gif(atoms=atoms, displacements=displacements, amplitude_a=amplitude_a, speed=speed)


def follow(
    result: PhononResult,
    q: Sequence[float],
    branch: int,
    crystal: frame.Crystal,
    model: frame.Model,
    *,
    name: str = "",
) -> None:
    """Offer to follow an imaginary mode, and tell where it leads."""
    found = frame.ask(
        follow_from,
        auto=False,
        name=name,
        button="Follow this mode",
        note="Displaces the atoms along the mode and relaxes the crystal.",
        atoms=result.atoms,
        potential=model,
        q_fractional=[float(x) for x in q],
        branch=int(branch),
        method=result.method,
    )
    if found is None:
        return
    followed = found.result
    summary = frame.space_groups(followed.summary)
    st.success(summary) if followed.lower else st.warning(summary)
    if followed.lower and st.button(
        "Continue with the lower phase",
        key=f"phonon_lower{name}",
        on_click=_take_phase,
        args=(followed.atoms, f"{crystal.label}, {frame.space_groups(followed.spacegroup_relaxed)}"),
    ):
        st.rerun()  # the whole page, not its tabs alone


def _take_phase(atoms: Atoms, label: str) -> None:
    frame.choose_crystal(frame.keep_crystal(label, atoms))
