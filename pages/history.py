"""History: what was asked before, to open again, search, delete and take away."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from pages._parts import frame
from pages._parts.downloads import csv_text
from sus2.errors import StoreError, counted
from sus2.jobs.queue import job_queue
from sus2.jobs.store import Entry
from sus2.structures import with_subscripts

FEW = 3  # rows of the table that need little room
COLUMNS = ("at", "page", "label", "formula", "model", "address", "seconds", "key")


def show(entries: Sequence[Entry]) -> list[Entry]:
    """The table of entries; returns the chosen ones."""
    table = pd.DataFrame(
        [
            {
                "when": datetime.fromtimestamp(e.at),
                "page": e.page,
                "crystal": e.label or with_subscripts(e.formula),
                "formula": with_subscripts(e.formula),
                "potential": e.model,
                "open": f"/{e.address.lstrip('/')}",
                "seconds": e.seconds,
            }
            for e in entries
        ]
    )
    event = st.dataframe(
        table,
        hide_index=True,
        key="history_table",
        on_select="rerun",
        selection_mode="multi-row",
        column_config={
            "when": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm"),
            "open": st.column_config.LinkColumn(display_text="open"),
            "seconds": st.column_config.NumberColumn(
                "computed in (s)",
                format="%.2f",
                help="Empty where the result is no longer cached; opening it computes it again.",
            ),
        },
    )
    return [entries[k] for k in event["selection"]["rows"]]


def export(entries: Sequence[Entry]) -> bytes:
    """A zip with a list of the entries and the numbers of each result that is still kept."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("history.csv", csv_text(COLUMNS, [[getattr(e, c) for c in COLUMNS] for e in entries]))
        for e in entries:
            content = numbers(e.key)
            if content is not None:
                archive.writestr(f"{e.formula}-{e.page.lower().replace(' ', '-')}-{e.key[:8]}.json", content)
    return out.getvalue()


def numbers(key: str) -> str | None:
    answer = job_queue().stored(key)
    if answer is None:
        return None
    try:
        result = answer.result([m.reference() for m in frame.models() if m.is_own])
    except StoreError:
        return None
    about = {"key": key, "created": answer.created, "seconds": answer.seconds, "machine": dict(answer.machine)}
    return json.dumps(about | {"result": result.to_dict()}, indent=1) if hasattr(result, "to_dict") else None


def forget(ids: list[int] | None) -> None:
    store = job_queue().store
    if store is None:
        return
    try:
        store.forget(frame.owner(), ids)
    except StoreError as problem:
        st.session_state["history_problem"] = str(problem)


frame.title(
    "History",
    "What was computed in this browser, the latest first. Nobody else sees it. Results are cached on this server; when "
    "the cache is full, the least recently used are removed.",
)
with frame.guard():
    store = job_queue().store
    if "history_problem" in st.session_state:
        frame.error(st.session_state.pop("history_problem"))
    if store is None:
        st.info("This server caches no results on disk, so there is no history.")
    else:
        search = st.text_input("Search", key="history_search", placeholder="page, crystal, formula or potential")
        entries = store.history(frame.owner(), search=search)
        if not entries:
            nothing = "Nothing yet: what a page computes is listed here, with a link to the same view."
            st.info("Nothing matches; try other words." if search else nothing)
            st.page_link("pages/properties/eos.py", label="Compute an equation of state", icon=":material/show_chart:")
        else:
            with frame.room("history", 400 if len(entries) > FEW else 160):
                chosen = show(entries)
            what = f"{len(chosen)} chosen" if chosen else "all"
            with st.container(horizontal=True, vertical_alignment="center"):
                st.download_button(
                    f"Export {what} (zip)",
                    lambda: export(chosen or entries),
                    "history.zip",
                    "application/zip",
                    key="history_export",
                    on_click="ignore",
                    icon=":material/folder_zip:",
                )
                st.button(
                    f"Delete {what}",
                    key="history_delete",
                    icon=":material/delete:",
                    on_click=forget,
                    args=([e.id for e in chosen] if chosen or search else None,),
                    disabled=bool(search) and not chosen,
                )
            n, held = store.size()
            st.caption(
                f"The cache holds {counted(n, 'result')}, {held / 2**20:.1f} of {store.max_bytes / 2**20:.0f} MiB."
            )
