"""Model check: is this potential sane for this crystal? And how does it do against the user's own reference?"""

from __future__ import annotations

import json

import streamlit as st

import sus2
from pages._parts import frame
from pages.potentials._textbook import show_textbook
from sus2.figures.check import report_figures, report_html, score_figure
from sus2.validation.reference_data import SCORE_WORDS, read_reference, score
from sus2.validation.result import ModelCheck

AUTO_ATOMS = 8  # samples up to this size are checked without waiting for the button
MAX_SCORES = 8


def show_report(shown: frame.Shown, crystal: frame.Crystal) -> None:
    report: ModelCheck = shown.result
    {"pass": st.success, "warn": st.info, "fail": st.warning}[report.verdict](frame.plain(report.summary))
    frame.checks(report.checks, key="check_checks")
    for k, (title, figure) in enumerate(report_figures(report=report, mode=frame.mode()).items()):
        st.header(title)
        alt = f"{title} of {crystal.info.formula}"
        frame.plot(figure, key=f"check_{k}", alt=alt, name=f"{crystal.file_name}-check")
    stem = f"{crystal.file_name}-check"
    frame.export(
        shown,
        crystal,
        stem=stem,
        content=report.to_dict,
        files=[("One page to print (HTML)", f"{stem}.html", "text/html", lambda: report_html(report=report))],
        seen="result.summary",
    )


def show_reference(crystal: frame.Crystal, model: frame.Model, report: ModelCheck | None) -> None:
    st.markdown(
        "Drop what DFT gave you for this crystal: a **band.yaml** of phonopy, a table of **volumes and energies** "
        "(Å³ and eV of one cell), a **6 × 6 matrix** of elastic constants (GPa) or a **relaxed structure**. It is "
        "recognised by its content and stays on this server, in memory."
    )
    file = st.file_uploader("Reference", key="reference_file", label_visibility="collapsed")
    if file is None:
        return
    reference = read_reference(frame.contents(file), file.name)
    potentials = [m for m in frame.models() if not m.missing(reference.atoms or crystal.atoms)][:MAX_SCORES]
    names = [m.name for m in potentials]
    first = [model.name] if model.name in names else names[:1]
    chosen = st.multiselect("Potentials", names, first, key="reference_models")
    found = [score(reference, m.load(), crystal.atoms) for m in potentials if m.name in chosen]
    if not found:
        st.info("Choose a potential to score.")
        return
    words = {key: SCORE_WORDS[key] for key in found[0].quantities}
    frame.table(
        [
            {"quantity": label, **{s.potential: f"{s.quantities[key]:.4g}" for s in found}, "unit": unit}
            for key, (label, unit) in words.items()
        ],
        key="reference_scores",
    )
    st.caption(found[0].note)
    for s in found:
        figure = score_figure(
            kind=s.kind, x=s.x, reference=s.reference, found=s.found, potential=s.potential, mode=frame.mode()
        )
        if figure is not None:
            frame.plot(figure, key=f"score_{s.potential}", alt=f"{s.potential} against {file.name}", name="reference")
    files = [
        ("Scores (JSON)", "scores.json", "application/json", lambda: json.dumps([s.to_dict() for s in found], indent=1))
    ]
    own = next((s for s in found if report is not None and s.potential == report.potential), None)
    if own is not None and report is not None:
        name = f"{crystal.file_name}-check-reference.html"
        files.append(
            ("Report with this reference (HTML)", name, "text/html", lambda: report_html(report=report, score=own))
        )
    frame.downloads(files, key="scores")


frame.title(
    "Model check",
    "Can this potential be trusted for this crystal? Every test has a verdict and says what it means.",
)
with frame.guard():
    crystal = frame.crystal()
    model = frame.model(crystal.atoms)
    report_tab, reference_tab, textbook_tab = st.tabs(["Report", "Against your reference", "Textbook"])
    with report_tab:
        box, row = frame.settings_row()
        with box:
            length = st.select_slider(
                "Length of the dynamics (ps)",
                [0.0, 0.5, 1.0, 2.0, 5.0],
                2.0,
                key="check_ps",
                bind="query-params",
            )
        values = {"dynamics_ps": length}
        found = frame.ask(
            sus2.check,
            auto=crystal.is_sample and len(crystal.atoms) <= AUTO_ATOMS,
            page="Model check",
            row=row,
            potential=model,
            atoms=crystal.atoms,
            **values,
        )
        if found is not None:
            show_report(found, crystal)
    with reference_tab, frame.guard():
        show_reference(crystal, model, None if found is None else found.result)
    with textbook_tab, frame.guard():
        show_textbook(model)
