"""Downloads of a result: files, figures, one archive of everything, and how to reproduce it."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import plotly.graph_objects as go
import plotly.io
import streamlit as st
from ase import Atoms

from pages._parts.papers import papers
from pages._parts.results import Shown
from pages._parts.selection import Crystal
from pages._parts.widgets import downloads, facts, folded
from sus2.jobs.reproduce import as_command, as_python
from sus2.structures import content_key, write_structure

File = tuple[str, str, str, Callable[[], str]]  # label, name, MIME type, what writes the content
Figures = Mapping[str, tuple[str, go.Figure | Callable[[], go.Figure]]]  # by key: what it shows, and how to draw it

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<body style="font-family:sans-serif;max-width:1000px;margin:2rem auto"><h1>{title}</h1>{body}</body></html>"""


def export(
    shown: Shown,
    crystal: Crystal,
    *,
    stem: str,
    content: Callable[[], Mapping[str, Any]],
    files: Sequence[File] = (),
    relaxed: Atoms | None = None,
    checks: Sequence[Any] = (),
    seen: str = "result",
) -> None:
    """Downloads of a result, and how it was computed.

    stem: how the names of the files begin; content: the numbers, for JSON; files: more files; relaxed: the relaxed
    crystal, if any; checks: of the result; seen: the expression that the Python text prints. Files are written when
    somebody asks for them.
    """

    def text() -> str:
        graded = {"checks": [c.to_dict() for c in checks]} if checks else {}
        return json.dumps({**provenance(shown, crystal), **graded, **content()}, indent=1)

    everything: list[File] = [*files, ("Everything (JSON)", f"{stem}.json", "application/json", text)]
    if relaxed is not None:
        everything += [
            (
                f"Relaxed ({label})",
                f"{crystal.file_name}-relaxed.{ending}",
                mime,
                partial(write_structure, relaxed, fmt),
            )
            for label, ending, mime, fmt in (
                ("CIF", "cif", "chemical/x-cif", "cif-symmetric"),
                ("POSCAR", "vasp", "text/plain", "poscar"),
            )
        ]
    python = as_python(shown.calculation, file=f"{stem}.json", seen=seen)
    command = as_command(shown.calculation, structure=f"{stem}.json")
    figures = st.session_state["figures"]  # not a copy: tabs that are opened later add to it
    downloads(everything, key=stem)
    st.download_button(
        "Everything, with the plots (zip)",
        lambda: archive(everything, python=python, command=command, figures=figures, title=stem),
        f"{stem}.zip",
        "application/zip",
        key=f"zip_{stem}",
        on_click="ignore",
        icon=":material/folder_zip:",
    )

    folded("Figures for papers", partial(papers, figures, crystal.file_name), key=f"fold_paper_{stem}")

    def again() -> None:
        _origin(shown)
        st.markdown("**In Python**")
        st.code(python, language="python")
        if command is not None:
            st.markdown("**On the command line**")
            st.code(command, language="bash", wrap_lines=True)
            if f"{stem}.json" in command:
                st.caption(f"{stem}.json is the file of the button above; it holds the crystal with all digits.")

    folded("How this was computed, and how to reproduce it", again, key=f"fold_{stem}")


def provenance(shown: Shown, crystal: Crystal) -> dict[str, Any]:
    """What a result was computed from and with, for its JSON."""
    calculation, stored = shown.calculation, shown.stored
    return {
        "software": f"SUS2 Explorer {stored.machine.get('sus2', '')}",
        "crystal": {
            "label": crystal.label,
            "formula": crystal.info.formula,
            "notices": list(crystal.atoms.info.get("notices", [])),
            "content_sha256_40": content_key(crystal.atoms),
            "symbols": crystal.atoms.get_chemical_symbols(),
            "cell_a": crystal.atoms.cell.tolist(),
            "positions_a": crystal.atoms.positions.tolist(),
        },
        "models": [
            {"name": r.name, "identity_sha256": r.identity, "precision": r.precision} for r in calculation.references()
        ],
        "function": calculation.function,
        "settings": {k: v for k, v in calculation.arguments.items() if _is_plain(v)},
        "key": stored.key,
        "computed": datetime.fromtimestamp(stored.created, UTC).isoformat(timespec="seconds"),
        "seconds": round(stored.seconds, 3),
        "machine": dict(stored.machine),
    }


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _origin(shown: Shown) -> None:
    stored = shown.stored
    rows = [
        ("result", f"<code>{stored.key[:16]}</code>"),
        ("computed", f"{datetime.fromtimestamp(stored.created, UTC):%Y-%m-%d %H:%M} UTC in {stored.seconds:.2f} s"),
        ("with", ", ".join(f"{k} {plain_html(v)}" for k, v in stored.machine.items())),
    ]
    rows += [
        ("potential", f"{plain_html(r.name)}, <code>{r.identity[:16]}</code>, {r.precision}")
        for r in shown.calculation.references()
    ]
    facts(rows)


def plain_html(text: str) -> str:
    """Text in which nothing is HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def archive(files: Sequence[File], *, python: str, command: str | None, figures: Figures, title: str) -> bytes:
    """A zip of the files, the plots on one page, and the texts that give the result again."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for _, name, _, content in files:
            made.writestr(name, content())
        made.writestr("again.py", python)
        if command is not None:
            made.writestr("again.sh", command + "\n")
        drawn = {key: (alt, figure() if callable(figure) else figure) for key, (alt, figure) in figures.items()}
        if drawn:
            made.writestr("plots.html", plots_page(drawn, title=title))
            for key, (_, figure) in drawn.items():
                made.writestr(f"plots/{key}.json", figure.to_json())
    return out.getvalue()


def plots_page(figures: Mapping[str, tuple[str, go.Figure]], *, title: str) -> str:
    """One HTML page of all figures that needs no network."""
    parts = []
    for k, (alt, figure) in enumerate(figures.values()):
        html = plotly.io.to_html(figure, full_html=False, include_plotlyjs=k == 0)
        parts.append(f"<h2>{plain_html(alt)}</h2>{html}")
    return _PAGE.format(title=plain_html(title), body="".join(parts))


def csv_text(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Comma-separated values, numbers to their last digit."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([repr(float(x)) if isinstance(x, float) else x for x in row] for row in rows)
    return out.getvalue()
