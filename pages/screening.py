"""Screening: what `sus2 screen` has put into a database, filtered, drawn and listed."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from pages._many import example_model
from pages._parts import frame
from sus2.errors import StoreError, Sus2Error, counted
from sus2.figures.screening import parallel_figure, screening_figure
from sus2.screening.columns import screen_columns, word_titles
from sus2.screening.example import example_screening
from sus2.screening.read import ScreenRow, ScreenTable, as_table, column_of, read_atoms, read_screening, screens
from sus2.settings import settings
from sus2.structures import with_subscripts

UPLOADED = "uploaded file"
MAX_AXES = 8
USUAL = ("v0_a3_per_atom", "b0_gpa", "b0_prime", "k_vrh_gpa", "g_vrh_gpa", "nu_vrh")
GROUPS = {"all alike": "", "by potential": "potential", "by formula": "formula", "by elements": "elements"}


@st.cache_resource(show_spinner="Reading the database", max_entries=4)
def read_file(path: str, stamp: tuple[float, ...]) -> ScreenTable:
    """The results in a file of the server's folder; stamp: of the file and its log, so that new results are seen."""
    return read_screening(Path(path))


@st.cache_resource(show_spinner="Reading the database", max_entries=4)
def read_bytes(digest: str, _data: bytes) -> ScreenTable:
    return read_screening(_data)


def stamp_of(path: Path) -> tuple[float, ...]:
    parts = [p.stat() for p in (path, Path(f"{path}-wal")) if p.exists()]
    return tuple(x for s in parts for x in (s.st_mtime, float(s.st_size)))


def chosen() -> tuple[ScreenTable, Path | bytes] | None:
    """The database that is chosen, and where a structure is read from; None before."""
    files = screens()
    limit = settings().max_archive_mb
    left, right = st.columns(2) if files else (None, st)
    # The names are what the server found in its own folder: a browser cannot name another file.
    name = left.selectbox("Database of this server", list(files), key="screen_file") if left else None
    uploaded = right.file_uploader(
        "Or a database of your own" if files else "A database of your own",
        type=["db", "sqlite"],
        key="screen_upload",
        max_upload_size=limit,
        help=f"The file that sus2 screen --out has written, at most {limit} MiB. It is read in memory and not kept.",
    )
    if uploaded is not None:
        data = frame.contents(uploaded)
        if len(data) > limit * 2**20:
            raise StoreError(f"The file has {len(data) / 2**20:.1f} MiB; at most {limit} MiB are allowed.")
        return read_bytes(hashlib.sha256(data).hexdigest(), data), data
    if name is None:
        return None
    path = files[name]
    return read_file(str(path), stamp_of(path)), path


def example() -> tuple[ScreenTable, bytes] | None:
    """A small screening of the sample crystals, on request."""
    model = next((m for m in frame.models() if m.name == st.session_state.get("model_name")), None)
    if model is None:
        return None
    model, why = example_model(model)
    made = frame.ask(
        example_screening,
        auto=False,
        button="Show an example",
        note=f"Screens the smallest sample crystals that {model.name} covers{why}.",
        potential=model,
    )
    if made is None:
        return None
    data = bytes(made.result)
    frame.downloads([("The example's database", "example.db", "application/vnd.sqlite3", lambda: data)], key="screen")
    return read_bytes(hashlib.sha256(data).hexdigest(), data), data


def filtered(table: ScreenTable) -> list[ScreenRow]:
    """The rows that the filters let through."""
    rows = list(table.rows)
    with st.expander("Filter"):
        first, second, third = st.columns(3)
        words = first.text_input("Name or formula", key="screen_search", placeholder="all of these words").split()
        elements = second.multiselect(
            "Elements, all of", sorted({e for row in rows for e in row.elements}), key="screen_elements"
        )
        potentials = list(table.potentials)
        potential = third.multiselect("Potential", potentials, key="screen_potentials") if len(potentials) > 1 else []
        rows = [
            row
            for row in rows
            if all(w.lower() in f"{row.name} {row.formula}".lower() for w in words)
            and set(elements) <= set(row.elements)
            and (not potential or row.potential in potential)
        ]
        places = st.columns(max(1, len(table.word_columns)))
        for place, column in zip(places, table.word_columns, strict=False):
            kinds = [k for k, _ in Counter(row.words.get(column, "") for row in table.rows).most_common() if k]
            picked = place.multiselect(word_titles().get(column, column), kinds, key=f"screen_word_{column}")
            if picked:
                rows = [row for row in rows if row.words.get(column) in picked]
        limited = st.multiselect(
            "Limits",
            list(table.columns),
            format_func=lambda c: screen_columns()[c].title,
            key="screen_limited",
            placeholder="numbers to set limits for",
        )
        for column in limited:
            rows = within(rows, column, column_of(table.rows, column))
    return rows


def within(rows: list[ScreenRow], column: str, every: Any) -> list[ScreenRow]:
    low, high = float(np.nanmin(every)), float(np.nanmax(every))
    left, right = st.columns(2)
    title = screen_columns()[column].title
    least = left.number_input(f"{title}, at least", value=low, key=f"screen_low_{column}", format="%.5g")
    most = right.number_input(f"{title}, at most", value=high, key=f"screen_high_{column}", format="%.5g")
    # What is shown has fewer digits than what is kept.
    slack = 1e-5 * max(abs(least), abs(most))
    return [row for row in rows if least - slack <= row.numbers.get(column, np.nan) <= most + slack]


def axis_of(place: Any, label: str, columns: tuple[str, ...], wanted: tuple[str, ...], key: str) -> str:
    first = next((columns.index(c) for c in wanted if c in columns), 0)
    return str(
        place.selectbox(label, columns, first, format_func=lambda c: screen_columns()[c].title, key=f"screen_{key}")
    )


def show_scatter(rows: list[ScreenRow], table: ScreenTable) -> ScreenRow | None:
    """One number against another; returns the structure that was clicked."""
    left, right, third = st.columns(3)
    columns = table.columns
    x = axis_of(left, "Across", columns, ("v0_a3_per_atom", "relaxed_volume_a3_per_atom"), "x")
    y = axis_of(right, "Up", columns, ("k_vrh_gpa", "b0_gpa", "lowest_frequency_thz"), "y")
    by = GROUPS[
        third.selectbox(
            "Colours", list(GROUPS), key="screen_groups", help="The largest groups have a colour of their own."
        )
    ]
    a, b = column_of(rows, x), column_of(rows, y)
    count = int((np.isfinite(a) & np.isfinite(b)).sum())
    if not count:
        st.info("No structure has both numbers.")
        return None
    kinds = [" ".join(row.elements) if by == "elements" else str(getattr(row, by)) for row in rows] if by else None
    figure = screening_figure(
        x=a,
        y=b,
        names=[f"{with_subscripts(row.formula)} {row.name}" for row in rows],
        groups=kinds,
        x_title=screen_columns()[x].title,
        y_title=screen_columns()[y].title,
        mode=frame.mode(),
    )
    picked = frame.plot(
        figure,
        key="screen_scatter",
        name="screening",
        pick=True,
        alt=f"{screen_columns()[y].title} against {screen_columns()[x].title} of {counted(count, 'structure')}",
    )
    st.caption(f"{counted(count, 'structure')}. Click a point to open its structure.")
    return rows[picked[0]] if picked and picked[0] < len(rows) else None


def show_parallel(rows: list[ScreenRow], table: ScreenTable) -> None:
    usual: list[str] = [
        c for c in ("v0_a3_per_atom", "b0_gpa", "b0_prime", "k_vrh_gpa", "g_vrh_gpa", "nu_vrh") if c in table.columns
    ]
    axes = st.multiselect(
        "Axes",
        list(table.columns),
        usual or list(table.columns[:MAX_AXES]),
        format_func=lambda c: screen_columns()[c].title,
        key="screen_axes",
        max_selections=MAX_AXES,
    )
    if len(axes) < 2:
        st.info("Choose at least two axes.")
        return
    numbers = {screen_columns()[c].title: column_of(rows, c) for c in axes}
    whole = int(np.all([np.isfinite(v) for v in numbers.values()], axis=0).sum())
    if not whole:
        st.info("No structure has all of these numbers.")
        return
    frame.plot(
        parallel_figure(columns=numbers, mode=frame.mode()),
        key="screen_parallel",
        name="screening-axes",
        alt=f"Parallel axes of {', '.join(numbers)}: a line for each of {counted(whole, 'structure')}",
    )
    st.caption(
        f"{counted(whole, 'structure')} with all of these numbers. Drag along an axis to select, drag a title to move."
    )


def show_table(rows: list[ScreenRow], table: ScreenTable) -> ScreenRow | None:
    """All rows; returns the one that is selected."""
    content = as_table(rows, table.columns, table.word_columns)
    columns: dict[str, Any] = {
        "name": st.column_config.TextColumn("name", pinned=True),
        "n_atoms": st.column_config.NumberColumn("atoms"),
        **{c: st.column_config.TextColumn(word_titles().get(c, c)) for c in table.word_columns},
    }
    for c in table.columns:
        about = screen_columns()[c]
        columns[c] = st.column_config.NumberColumn(about.title, help=about.meaning, format=f"%.{about.digits}f")
    event = st.dataframe(
        pd.DataFrame(content),
        hide_index=True,
        key="screen_table",
        column_config=columns,
        on_select="rerun",
        selection_mode="single-row",
    )
    st.download_button(
        "Table (CSV)",
        lambda: csv_of(content),
        "screening.csv",
        "text/csv",
        key="screen_csv",
        on_click="ignore",
        icon=":material/download:",
    )
    st.caption("Select a row to open its structure.")
    picked = event["selection"]["rows"]
    return rows[picked[0]] if picked and picked[0] < len(rows) else None


def csv_of(content: list[dict[str, Any]]) -> str:
    table = pd.DataFrame(content)
    for column in table.select_dtypes(include=["object", "string"]):
        # A spreadsheet takes text that begins so for a formula.
        table[column] = [f"'{v}" if isinstance(v, str) and v[:1] in "=+-@" and v else v for v in table[column]]
    out = io.StringIO()
    table.to_csv(out, index=False)
    return out.getvalue()


def show_failures(rows: list[ScreenRow], table: ScreenTable) -> None:
    failed = [
        {"name": row.name, "formula": row.formula, "potential": row.potential, "property": prop, "reason": why}
        for row in rows
        for prop, why in row.problems.items()
    ]
    unread = [{"name": name, "reason": why} for name, why in table.unreadable.items()]
    if failed:
        st.dataframe(pd.DataFrame(failed), hide_index=True, key="screen_failed")
    if unread:
        st.markdown("Structures that could not be read:")
        st.dataframe(pd.DataFrame(unread), hide_index=True, key="screen_unread")
    if not failed and not unread:
        st.info("Nothing failed.")


def remember(picked: ScreenRow | None, where: str) -> None:
    """Note what was picked there, where that is news: the selection of a plot stays when a table's changes."""
    now = None if picked is None else (picked.structure, picked.potential)
    if now != st.session_state.get(f"screen_last_{where}"):
        st.session_state[f"screen_last_{where}"] = now
        if now is not None:
            st.session_state["screen_picked"] = now


def open_crystal(row: ScreenRow, source: Path | bytes) -> None:
    """Make a structure the chosen crystal (for callbacks)."""
    st.session_state.pop("screen_problem", None)
    try:
        atoms = read_atoms(source, row.structure)
        frame.choose_crystal(frame.keep_crystal(row.name or row.formula, atoms))
        if row.potential in {m.name for m in frame.models()}:
            st.session_state["model_name"] = row.potential
    except Sus2Error as error:
        st.session_state["screen_problem"] = str(error)


def show_chosen(row: ScreenRow, source: Path | bytes) -> None:
    """One structure: its numbers, and the way to the other pages."""
    with st.container(border=True):
        st.markdown(f"**{frame.plain(row.formula)}** {frame.plain(row.name)}, {frame.plain(row.potential)}")
        about = [screen_columns()[c] for c in row.numbers]
        values = [frame.number(v, a.digits) for v, a in zip(row.numbers.values(), about, strict=True)]
        st.markdown(
            ", ".join(
                f"{frame.plain(a.label)} {v} {frame.plain(a.unit)}".strip() for v, a in zip(values, about, strict=True)
            )
        )
        for why in dict.fromkeys(row.problems.values()):
            st.caption(frame.plain(why))
        st.button(
            "Take this structure",
            key="screen_open",
            on_click=open_crystal,
            args=(row, source),
            icon=":material/deployed_code:",
            help="Make it the chosen crystal of all pages.",
        )
        if "screen_problem" in st.session_state:
            frame.error(st.session_state["screen_problem"])
        elif st.session_state.get("crystal_key") == row.structure:
            links()


def links() -> None:
    """Where to go with the crystal that was taken; the address of each page carries its key."""
    query = {"crystal": st.session_state["crystal_key"]}
    with st.container(horizontal=True):
        for page, label, icon in (
            ("pages/structure.py", "Structure", ":material/deployed_code:"),
            ("pages/properties/eos.py", "Equation of state", ":material/show_chart:"),
            ("pages/properties/elasticity.py", "Elasticity", ":material/compress:"),
            ("pages/properties/phonons.py", "Phonons", ":material/waves:"),
        ):
            st.page_link(page, label=label, icon=icon, query_params=query)


frame.title(
    "Screening",
    "Results of `sus2 screen` for thousands of structures: filter them, compare them, and open any of them.",
)
with frame.guard():
    found = chosen()
    if found is None:
        st.info(
            "Compute many structures on the command line, `sus2 screen FILES --out results.db`, and load results.db "
            "here. A server also shows the databases of the folder that the variable SUS2_SCREENS names."
        )
        found = example()
    if found is not None:
        table, source = found
        if table.cut:
            st.warning("The database is very large: only a part of it is shown.")
        rows = filtered(table)
        failures = sum(len(row.problems) for row in table.rows)
        st.markdown(
            f"{len(rows):,} of {counted(len(table.rows), 'structure')}; {counted(failures, 'result')} failed, "
            f"{counted(len(table.unreadable), 'structure')} could not be read."
        )
        if not rows:
            st.info("No structure passes these filters.")
        scatter, parallel, listed, failed = st.tabs(["Plot", "Parallel axes", "Table", "Failures"])
        if rows and table.columns:
            with scatter:
                remember(show_scatter(rows, table), "plot")
            with parallel:
                show_parallel(rows, table)
        with listed:
            if rows:
                remember(show_table(rows, table), "table")
        with failed:
            show_failures(rows, table)
        wanted = st.session_state.get("screen_picked")
        picked = next((row for row in table.rows if (row.structure, row.potential) == wanted), None)
        if picked is not None:
            show_chosen(picked, source)
