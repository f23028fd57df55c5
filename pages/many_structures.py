"""Many structures: files or an archive of them, one run over all, a table and a plot."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from ase import Atoms

from pages._many import example_model, show_hull, show_parity, written
from pages._parts import frame
from sus2.errors import Sus2Error, counted
from sus2.figures.properties.table import MARKERS, many_figure
from sus2.jobs.reproduce import as_python
from sus2.properties.property_table import PropertyRow, PropertyTable, columns, evaluate_many, properties
from sus2.registry.load import recommend
from sus2.screening.columns import word_titles
from sus2.settings import settings
from sus2.structures import (
    FORMATS,
    CrystalInfo,
    content_key,
    describe,
    elements_of,
    samples,
    with_subscripts,
    write_structure,
)
from sus2.structures.archives import StructureFiles, read_structures
from sus2.validation.many import evaluate_recommended

AUTO_STRUCTURES = 60  # so many are computed without waiting for the button, where only energies are asked for
MAX_PYTHON = 30  # with more the text is longer than anyone reads
MAX_WRAPPED = 12
EACH = {"one": "one for all", "best": "the best for each crystal"}
GROUPS: dict[str, Callable[[PropertyRow], str]] = {
    "all alike": lambda row: "",
    "by space group": lambda row: row.space_group,
    "by elements": lambda row: " ".join(elements_of(row.atoms)) if row.atoms is not None else "",
}


@st.cache_data(show_spinner=False, max_entries=2000)
def info_of(key: str, _atoms: Atoms) -> CrystalInfo:
    return describe(_atoms)


@st.cache_data(show_spinner=False)
def examples(elements: tuple[str, ...]) -> dict[str, Atoms]:
    """The sample crystals of these elements, by name."""
    return {s.name: s.atoms() for s in samples() if set(s.elements) <= set(elements)}


def chosen_model() -> frame.Model:
    """The model of the panel at the left; which crystal is chosen there does not matter here."""
    found = next((m for m in frame.models() if m.name == st.session_state.get("model_name")), None)
    if found is None:
        raise Sus2Error("No potential is installed: load your own on the page Models.")
    return found


def files_chosen(box: str) -> None:
    """Read the files of the upload box (for its callback)."""
    uploaded = st.session_state[box]
    if not uploaded:
        st.session_state.pop("batch_files", None)
        return
    st.session_state.pop("batch_refused", None)
    try:
        st.session_state["batch_files"] = read_structures([(f.name, frame.contents(f)) for f in uploaded])
    except Sus2Error as problem:
        st.session_state["batch_refused"] = str(problem)


def forget() -> None:
    st.session_state.pop("batch_files", None)
    # A new key empties the upload box.
    st.session_state["batch_box"] = st.session_state.get("batch_box", 0) + 1


def upload() -> StructureFiles | None:
    """The upload box; what was read, None before."""
    limits = settings()
    box = f"batch_upload_{st.session_state.get('batch_box', 0)}"
    st.file_uploader(
        "Structures: many files, or a zip archive of them",
        accept_multiple_files=True,
        key=box,
        on_change=files_chosen,
        args=(box,),
        max_upload_size=max(limits.max_archive_mb, limits.max_upload_mb),
        help=f"{', '.join(FORMATS)}; recognised by content. Every frame of an extended XYZ file counts. At most "
        f"{limits.max_structures} crystals, {limits.max_upload_mb} MiB for each file. They stay on this server, in "
        "memory.",
    )
    if "batch_refused" in st.session_state:
        frame.error(st.session_state["batch_refused"])
    found: StructureFiles | None = st.session_state.get("batch_files")
    if found is not None:
        st.button("Forget these files", key="batch_forget", on_click=forget, icon=":material/close:")
    return found


def show_reasons(reasons: Mapping[str, str]) -> None:
    """Names and sentences, whole where there is room for them."""
    rows = [{"name": frame.plain(name), "problem": frame.plain(why)} for name, why in reasons.items()]
    if len(rows) <= MAX_WRAPPED:
        st.table(rows, hide_index=True, border="horizontal", alt="What is missing, and why")
    else:
        frame.table([{"name": name, "problem": why} for name, why in reasons.items()], key="batch_problems")


def show_read(structures: Mapping[str, Atoms], problems: Mapping[str, str], *, opened: bool) -> None:
    """What was read: each file that is no crystal, and the crystals."""
    if problems:
        files = "file holds" if len(problems) == 1 else "files hold"
        st.warning(f"{len(problems)} {files} no crystal that can be used.")
        show_reasons(problems)
    if not structures:
        return
    rows: list[dict[str, Any]] = []
    for name, atoms in structures.items():
        try:
            info = info_of(content_key(atoms), atoms)
        except Sus2Error as error:
            rows.append({"name": name, "formula": "", "space group": str(error), "atoms": len(atoms)})
            continue
        group = frame.space_groups(f"{info.space_group_symbol} ({info.space_group_number})")
        rows.append(
            {"name": name, "formula": with_subscripts(info.formula), "space group": group, "atoms": info.n_atoms}
        )
    with st.expander(f"{len(rows)} crystal{'s' * (len(rows) != 1)}", expanded=opened):
        st.dataframe(pd.DataFrame(rows), hide_index=True, key="batch_read")


def suggest(structures: Mapping[str, Atoms], model: frame.Model) -> None:
    """Name a model that covers all elements, where the chosen one does not."""
    elements = sorted({e for atoms in structures.values() for e in elements_of(atoms)})
    if set(elements) <= set(model.elements):
        return
    best = recommend(elements, [m.card for m in frame.models()])
    words = (
        f"{best.card.name} covers all of them: choose it in the panel on the left."
        if best
        else "No potential here covers them all."
    )
    st.info(f"{frame.plain(model.name)} does not cover all elements of these crystals. {frame.plain(words)}")


def show_table(result: PropertyTable) -> None:
    table = result.table()
    configs: dict[str, Any] = {
        "name": st.column_config.TextColumn("name", pinned=True),
        "space_group": st.column_config.TextColumn("space group"),
        "n_atoms": st.column_config.NumberColumn("atoms"),
        "why_this_potential": st.column_config.TextColumn("why this potential"),
        **{key: st.column_config.TextColumn(words) for key, words in word_titles().items()},
    }
    for name in result.columns:
        _, c = columns()[name]
        configs[name] = st.column_config.NumberColumn(c.title, help=c.meaning)
        configs[f"{name}_sigma"] = st.column_config.NumberColumn(f"± {c.symbol}", help="One standard deviation.")
        configs[f"{name}_verdict"] = st.column_config.TextColumn(f"{c.symbol} is", help="How far to trust it.")
    # What was asked for comes before what the files say themselves.
    texts = [c for c in table[0] if c not in configs and c not in ("problems", "potential", "why_this_potential")]
    numbers = [
        part
        for c in sorted(result.columns, key=lambda c: columns()[c][0] == "structure")
        for part in (c, f"{c}_sigma", f"{c}_verdict")
    ]
    order = ["name", "formula", *numbers, *(c for c in texts if c != "formula")]
    order += ["n_atoms", "space_group", "relaxed_space_group"]
    if "why_this_potential" in table[0]:
        order[2:2] = ["potential"]
        order.append("why_this_potential")
    if any(row["problems"] for row in table):
        order.append("problems")
    st.dataframe(
        written(result, table),
        hide_index=True,
        key="batch_table",
        column_config=configs,
        column_order=[c for c in order if c in table[0]],
    )


def show_scatter(result: PropertyTable) -> None:
    names = list(result.columns)
    if len(names) < 2:
        return
    first = "volume_a3_per_atom"
    second = next((c for c in ("b0_gpa", "k_vrh_gpa", "volume_change_percent", "pressure_gpa") if c in names), first)
    left, right, third = st.columns(3)
    # The choice stays only while there is such a column.
    kind = "_".join(result.properties)
    x = left.selectbox(
        "Across", names, names.index(first), format_func=lambda c: columns()[c][1].title, key=f"batch_x_{kind}"
    )
    y = right.selectbox(
        "Up", names, names.index(second), format_func=lambda c: columns()[c][1].title, key=f"batch_y_{kind}"
    )
    by = third.selectbox(
        "Colours",
        list(GROUPS),
        key="batch_groups",
        help=f"The {len(MARKERS) - 1} largest groups have a colour of their own.",
    )
    a, b = result.column(x), result.column(y)
    shown = int((np.isfinite(a) & np.isfinite(b)).sum())
    if not shown:
        st.info("No crystal has both numbers.")
        return
    frame.plot(
        many_figure(
            x=a,
            y=b,
            names=[row.name for row in result.rows],
            groups=[GROUPS[by](row) for row in result.rows],
            x_title=columns()[x][1].title,
            y_title=columns()[y][1].title,
            mode=frame.mode(),
        ),
        key="batch_scatter",
        alt=f"{columns()[y][1].title} against {columns()[x][1].title} of {counted(shown, 'crystal')}",
        name="many",
    )


def lacking(row: PropertyRow) -> str:
    """What a crystal lacks and why, each reason once."""
    words: dict[str, list[str]] = {}
    for name, why in row.problems.items():
        words.setdefault(why, []).append(properties().get(name, "all of it"))
    return " ".join(why if "all of it" in what else f"No {', no '.join(what)}: {why}" for why, what in words.items())


def show(shown: frame.Shown, structures: Mapping[str, Atoms], problems: Mapping[str, str], model: frame.Model) -> None:
    result: PropertyTable = shown.result
    failed = [row for row in result.rows if not row.complete]
    if failed:
        with st.expander(
            f"{len(failed)} of {counted(len(result.rows), 'crystal')} with missing values", expanded=len(failed) <= 5
        ):
            show_reasons({row.name: lacking(row) for row in failed})
    frame.tabs(
        {
            "Table": lambda: show_table(result),
            "Plot": lambda: show_scatter(result),
            "Known values": lambda: show_parity(result),
            "Convex hull": lambda: show_hull(structures, model),
        },
        key="batch_tab",
    )

    def document() -> str:
        told = {
            **result.to_dict(),
            "not_read": dict(problems),
            "key": shown.stored.key,
            "seconds": round(shown.seconds, 3),
            "machine": dict(shown.stored.machine),
            "models": [{"name": r.name, "identity_sha256": r.identity} for r in shown.calculation.references()],
            "content_sha256_40": {name: content_key(atoms) for name, atoms in structures.items()},
        }
        return json.dumps(told, indent=1)

    files = [
        ("Table (CSV)", "many.csv", "text/csv", result.to_csv),
        ("Everything (JSON)", "many.json", "application/json", document),
    ]
    relaxed = {row.name: row.relaxed for row in result.rows if row.relaxed is not None}
    if relaxed:
        files.append(
            (
                "Relaxed crystals (extended XYZ)",
                "many-relaxed.xyz",
                "chemical/x-xyz",
                lambda: "".join(named_xyz(name, atoms) for name, atoms in relaxed.items()),
            )
        )
    frame.downloads(files, key="batch")
    if len(structures) <= MAX_PYTHON:
        text = as_python(shown.calculation, file="many.json", seen="result.to_csv()")
        frame.folded("The same in Python", lambda: st.code(text, language="python"), key="fold_many")


def named_xyz(name: str, atoms: Atoms) -> str:
    """A frame of extended XYZ that carries the name of the crystal."""
    count, header, *rows = write_structure(atoms, "extxyz").splitlines()
    name = name.replace("\\", "/").replace('"', "'")
    return "\n".join([count, f'{header} name="{name}"', *rows, ""])


frame.title(
    "Many structures",
    "The same properties of many crystals in one run. Upload files or a zip archive and choose what to compute; a "
    "structure that fails is listed with its reason, and the others go on.",
)
with frame.guard():
    model = chosen_model()
    found = upload()
    if found is None:
        model, why = example_model(model)
        structures, problems = examples(model.elements), {}
        st.caption(f"Until you upload files: the sample crystals that {frame.plain(f'{model.name} covers{why}')}.")
    else:
        structures, problems = found.structures, found.problems
    show_read(structures, problems, opened=found is not None and not problems)
    if structures:
        suggest(structures, model)
        chosen = st.pills(
            "Compute",
            list(properties()),
            selection_mode="multi",
            default=["energy"],
            format_func=properties().get,
            key="batch_properties",
            bind="query-params",
        )
        each = st.segmented_control(
            "Potential",
            list(EACH),
            default="one",
            required=True,
            format_func=EACH.__getitem__,
            key="batch_potential",
            bind="query-params",
        )
        wanted = [p for p in properties() if p in chosen]
        if not wanted:
            st.info("Choose at least one property.")
        else:
            if each == "best":
                answer = frame.ask(
                    evaluate_recommended,
                    auto=False,
                    note="Choosing takes about a second for each crystal and potential.",
                    page="Many structures",
                    structures=dict(structures),
                    functional=str(model.card.functional),
                    properties=wanted,
                )
            else:
                answer = frame.ask(
                    evaluate_many,
                    auto=wanted == ["energy"] and len(structures) <= AUTO_STRUCTURES,
                    page="Many structures",
                    structures=dict(structures),
                    potential=model,
                    properties=wanted,
                )
            if answer is not None:
                show(answer, structures, problems, model)
    elif found is not None:
        st.info("None of these files holds a crystal; choose others.")
