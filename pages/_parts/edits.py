"""Edits on the Structure page: steps that are applied anew to the chosen crystal, with one in the making."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import streamlit as st
from ase import Atoms
from ase.data import chemical_symbols

from pages._parts import frame
from sus2.errors import Sus2Error
from sus2.structures import edits, elements_of, standardise

KINDS = {
    "supercell": "Supercell",
    "strain": "Strain",
    "replace": "Replace atoms",
    "remove": "Remove an atom",
    "symmetrise": "Symmetrise",
    "standardise": "Standard cell",
}
TOLERANCES = (1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3)
MAX_LABEL = 80


@dataclass(frozen=True)
class Step:
    """One edit: the function (of sus2.structures.edits, or standardise), its arguments, and words for people."""

    function: str
    arguments: tuple[Any, ...]
    words: str

    def __call__(self, atoms: Atoms) -> Atoms:
        known: dict[str, Callable[..., Atoms]] = {"standardise": standardise}
        function = known.get(self.function) or getattr(edits, self.function)
        edited: Atoms = function(atoms, *self.arguments)
        return edited

    @property
    def python(self) -> str:
        return f"atoms = {self.function}({', '.join(['atoms', *map(repr, self.arguments)])})"


@dataclass
class History:
    """The edits of a crystal, and the crystals that were given up for an edited one."""

    key: str
    steps: list[Step] = field(default_factory=list)
    before: list[tuple[str, list[Step]]] = field(default_factory=list)

    @property
    def version(self) -> str:
        """Changes with every step, so that the widgets of the next one begin anew."""
        return f"{self.key[:8]}_{len(self.before)}_{len(self.steps)}"


def history(crystal: frame.Crystal) -> History:
    """The edits of this crystal; another crystal begins without any."""
    found = st.session_state.get("edits")
    if not isinstance(found, History) or found.key != crystal.key:
        found = st.session_state["edits"] = History(crystal.key)
    return found


def apply(atoms: Atoms, steps: Sequence[Step]) -> Atoms:
    """The crystal after the steps; raises StructureError."""
    for step in steps:
        atoms = step(atoms)
    return atoms


def panel(crystal: frame.Crystal) -> tuple[Atoms, bool]:
    """The panel of edits; the crystal with them, the one in the making included, and whether sites are to be named."""
    past = history(crystal)
    atoms = apply(crystal.atoms, past.steps)
    kind = st.selectbox("Edit", list(KINDS), format_func=KINDS.get, key="edit_kind")
    step = _MAKERS[kind](atoms, f"{kind}_{past.version}")
    shown = atoms
    if step is not None:
        try:
            shown = step(atoms)
        except Sus2Error as problem:
            frame.error(str(problem))
            step = None
    _buttons(crystal, past, step, shown)
    return shown, kind in ("replace", "remove")


def _buttons(crystal: frame.Crystal, past: History, step: Step | None, shown: Atoms) -> None:
    steps = [*past.steps, *([step] if step is not None else [])]
    st.button(
        "Use this crystal",
        type="primary",
        key="edit_use",
        disabled=not steps,
        on_click=_use,
        args=(past, steps, _label(crystal.label, steps), shown),
        width="stretch",
        help="All pages compute with it from then on.",
    )
    with st.container(horizontal=True):
        st.button(
            "Add another edit",
            key="edit_add",
            disabled=step is None,
            on_click=_add,
            args=(past, step),
            width="stretch",
            help="Keeps this edit and begins the next one.",
        )
        st.button(
            "Undo",
            key="edit_undo",
            icon=":material/undo:",
            disabled=not (past.steps or past.before),
            on_click=_undo,
            args=(past,),
            width="stretch",
        )
    if past.steps:
        st.caption("Edits so far: " + "; ".join(frame.plain(s.words) for s in past.steps) + ".")
    elif past.before:
        st.caption("Undo goes back to the crystal before.")
    if steps:
        frame.folded(
            "The same in Python", lambda: st.code(_python(crystal, steps), language="python"), key="fold_edits"
        )


def _python(crystal: frame.Crystal, steps: Sequence[Step]) -> str:
    functions = sorted({s.function for s in steps} - {"standardise"})
    lines = [f"from sus2.structures.edits import {', '.join(functions)}"] if functions else []
    names = ["sample"] if crystal.is_sample else ["read_structure"]
    names += ["standardise"] if any(s.function == "standardise" for s in steps) else []
    lines.append(f"from sus2.structures import {', '.join(sorted(names))}")
    if crystal.is_sample:
        lines += ["", f'atoms = sample("{crystal.key}").atoms()']
    else:
        name = f"{crystal.file_name}.cif"
        lines = ["from pathlib import Path", "", *lines]
        lines += ["", f'atoms = read_structure("{name}", Path("{name}").read_bytes())']
    return "\n".join([*lines, *(s.python for s in steps)])


def _label(label: str, steps: Sequence[Step]) -> str:
    words = f"{label}, {', '.join(s.words for s in steps)}" if steps else label
    return words if len(words) <= MAX_LABEL else words[: MAX_LABEL - 3] + "..."


# Callbacks --------------------------------------------------------------------------------------------------------


def _use(past: History, steps: list[Step], label: str, atoms: Atoms) -> None:
    key = frame.keep_crystal(label, atoms)
    st.session_state["edits"] = History(key, [], [*past.before, (past.key, list(past.steps))])
    frame.choose_crystal(key)


def _add(past: History, step: Step) -> None:
    past.steps.append(step)


def _undo(past: History) -> None:
    if past.steps:
        past.steps.pop()
    elif past.before:
        *before, (key, steps) = past.before
        st.session_state["edits"] = History(key, steps, before)
        frame.choose_crystal(key)


# One step in the making: None where nothing is changed yet ----------------------------------------------------------


def _supercell(atoms: Atoms, key: str) -> Step | None:
    form = st.segmented_control(
        "Given as", ["repetitions", "3 × 3 matrix"], default="repetitions", required=True, key=f"form_{key}"
    )
    if form == "repetitions":
        columns = st.columns(3)
        n = tuple(
            int(c.number_input(f"along {axis}", 1, 20, 1, key=f"{axis}_{key}"))
            for c, axis in zip(columns, "abc", strict=True)
        )
        return None if n == (1, 1, 1) else Step("supercell", (n,), f"supercell {' × '.join(map(str, n))}")
    st.caption("Each row is a new lattice vector in terms of the old ones.")
    rows = []
    for i, new in enumerate("abc"):
        columns = st.columns(3)
        rows.append(
            tuple(
                int(c.number_input(f"{new}′ along {old}", -20, 20, int(i == j), key=f"m{i}{j}_{key}"))
                for j, (c, old) in enumerate(zip(columns, "abc", strict=True))
            )
        )
    matrix = tuple(rows)
    if matrix == ((1, 0, 0), (0, 1, 0), (0, 0, 1)):
        return None
    return Step("supercell", (matrix,), "supercell " + " / ".join(" ".join(map(str, r)) for r in matrix))


def _strain(atoms: Atoms, key: str) -> Step | None:
    values: dict[str, float] = {}
    for column, names in zip(st.columns(2), (("xx", "yy", "zz"), ("yz", "xz", "xy")), strict=True):
        for name in names:
            symbol = "ε" if name[0] == name[1] else "γ"
            values[name] = column.slider(
                f"{symbol} {name} (%)", -10.0, 10.0, 0.0, 0.1, key=f"{name}_{key}", format="%.1f"
            )
    st.caption("γ is engineering shear, twice the component of the strain tensor.")
    if not any(values.values()):
        return None
    words = ", ".join(f"{n} {v:+g} %" for n, v in values.items() if v).replace("-", "−")
    return Step("strain", (tuple(values.values()),), f"strain {words}")


def _replace(atoms: Atoms, key: str) -> Step | None:
    one, all_of = st.columns(2)
    targets: list[str | int] = [*elements_of(atoms), *range(len(atoms))]
    what = one.selectbox(
        "Replace",
        targets,
        format_func=lambda t: f"every {t}" if isinstance(t, str) else f"atom {_site_name(atoms, t)}",
        key=f"what_{key}",
    )
    new = all_of.selectbox(
        "by", list(chemical_symbols[1:104]), index=None, placeholder="Choose an element", key=f"new_{key}"
    )
    if new is None:
        return None
    if isinstance(what, str):
        return None if new == what else Step("substitute_element", (what, new), f"{new} for {what}")
    if atoms.symbols[what] == new:
        return None
    return Step("substitute_site", (what, new), f"{new} for {_site_name(atoms, what)}")


def _remove(atoms: Atoms, key: str) -> Step | None:
    if len(atoms) == 1:
        st.info("The cell has one atom, and without it nothing is left: make a supercell first.")
        return None
    site = st.selectbox(
        "Atom",
        range(len(atoms)),
        index=None,
        format_func=lambda k: _site_name(atoms, k),
        placeholder="Choose an atom",
        key=f"site_{key}",
    )
    st.caption("A vacancy repeats with the cell: in a small one there are many.")
    return None if site is None else Step("vacancy", (site,), f"without {_site_name(atoms, site)}")


def _symmetrise(atoms: Atoms, key: str) -> Step | None:
    found = edits.symmetry_by_tolerance(atoms, TOLERANCES)
    groups = {t: f"{symbol} ({number})" for t, symbol, number in found}
    chosen = st.select_slider(
        "Tolerance (Å)",
        ["none", *groups],
        "none",
        format_func=lambda t: t if isinstance(t, str) else f"{t:g}",
        key=f"tolerance_{key}",
        help="Atoms that come within this distance of a symmetric place are moved there.",
    )
    frame.table([{"within (Å)": f"{t:g}", "space group": g} for t, g in groups.items()], key=f"groups_{key}")
    if isinstance(chosen, str):
        return None
    return Step("symmetrise", (float(chosen),), f"symmetrised within {chosen:g} Å to {groups[chosen].split(' ')[0]}")


def _standardise(atoms: Atoms, key: str) -> Step | None:
    to = st.segmented_control(
        "Cell", ["as it is", "primitive", "conventional"], default="as it is", required=True, key=f"to_{key}"
    )
    st.caption("Idealised within 0.001 Å, in the standard orientation (spglib).")
    return None if to == "as it is" else Step("standardise", (to,), f"{to} cell")


def _site_name(atoms: Atoms, site: int) -> str:
    return f"{atoms.symbols[site]}{site + 1}"


_MAKERS: dict[str, Callable[[Atoms, str], Step | None]] = {
    "supercell": _supercell,
    "strain": _strain,
    "replace": _replace,
    "remove": _remove,
    "symmetrise": _symmetrise,
    "standardise": _standardise,
}
