"""Figures for papers: one choice of width, font and lines for all of them, as files and as scripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from pages._parts.widgets import downloads
from sus2.figures.papers.convert import PaperStyle, drawable, paper_file, paper_script

Figures = Mapping[str, tuple[str, go.Figure | Callable[[], go.Figure]]]
WIDTHS = {"one column, 8.6 cm": 8.6, "one and a half, 12 cm": 12.0, "two columns, 17.8 cm": 17.8}
FONTS = {"sans serif": "sans-serif", "serif": "serif"}
PREVIEW_DPI = 110
FILES = (("PDF", "pdf", "application/pdf"), ("SVG", "svg", "image/svg+xml"), ("PNG", "png", "image/png"))


def papers(figures: Figures, stem: str) -> None:
    """Show a figure of the page as it would stand in a paper, and offer its files.

    Parameters
    ----------
    figures
        Of the page by key: what each shows, and how to draw it.
    stem
        How the names of the files begin.
    """
    made = {key: (alt, figure() if callable(figure) else figure) for key, (alt, figure) in figures.items()}
    flat = {key: pair for key, pair in made.items() if drawable(pair[1])}
    if not flat:
        st.info("The pictures of this page are in three dimensions: the camera above each saves it as PNG.")
        return
    chosen = st.selectbox("Figure", list(flat), format_func=lambda key: flat[key][0], key=f"paper_figure_{stem}")
    style = _style(stem)
    figure = flat[chosen][1]
    st.image(
        paper_file(figure, PaperStyle(**{**vars(style), "dpi": PREVIEW_DPI}), "png"), caption="As it would be printed."
    )
    name = f"{stem}-{chosen.replace('_', '-')}"
    offered: list[tuple[str, str, str, Callable[[], str | bytes]]] = [
        (label, f"{name}.{fmt}", mime, partial(paper_file, figure, style, fmt))  # type: ignore[arg-type]
        for label, fmt, mime in FILES
    ]
    offered.append(("matplotlib script", f"{name}.py", "text/x-python", partial(paper_script, figure, style, name)))
    downloads(offered, key=f"paper_{stem}")


def _style(stem: str) -> PaperStyle:
    """Width, font and lines; what was chosen on one page is the default of the next."""
    kept: dict[str, Any] = st.session_state.setdefault("paper_style", {})
    row = st.columns(4)
    width = row[0].selectbox(
        "Width", list(WIDTHS), list(WIDTHS).index(kept.get("width", next(iter(WIDTHS)))), key=f"paper_width_{stem}"
    )
    font = row[1].selectbox(
        "Font", list(FONTS), list(FONTS).index(kept.get("font", next(iter(FONTS)))), key=f"paper_font_{stem}"
    )
    size = row[2].number_input("Size of text (pt)", 5.0, 14.0, kept.get("size", 8.0), 0.5, key=f"paper_size_{stem}")
    line = row[3].number_input("Lines (pt)", 0.25, 3.0, kept.get("line", 1.0), 0.25, key=f"paper_line_{stem}")
    kept.update(width=width, font=font, size=size, line=line)
    return PaperStyle(width_cm=WIDTHS[width], font=FONTS[font], font_pt=float(size), line_pt=float(line))
