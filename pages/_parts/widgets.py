"""Small widgets that the pages share."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from sus2.errors import Sus2Error, counted
from sus2.figures.theme import Mode, enlarged
from sus2.structures import SUBSCRIPTS, CrystalInfo

_APART_S = 0.03  # thrice the time for which streamlit's front end collects what it draws at once
_START_S = 0.6  # from the first plot's arrival until a browser that has just started shows it


def title(text: str, about: str) -> None:
    """Heading of a page and one sentence on what it is for; every page calls it first."""
    if "crystal_key" not in st.session_state:
        # Before a new server has run app.py once, streamlit takes pages/ for its older kind of multipage app and
        # runs a linked page without the router. Calling st.navigation ends that for good; then begin again.
        st.navigation([st.Page("pages/start.py")], position="hidden")
        st.rerun()
    st.session_state["figures"] = {}
    st.session_state["started"] = "plots" in st.session_state
    st.session_state["plots"] = 0
    st.title(text)
    if not st.session_state.get("present"):  # who presents says it, and the plot moves up
        st.markdown(about)


def mode() -> Mode:
    """Whether the page is light or dark."""
    return "dark" if st.context.theme.type == "dark" else "light"


def plain(text: str) -> str:
    """Text for Markdown in which nothing is markup."""
    text = "".join(c for c in text if c.isprintable())
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|~$:])", r"\\\1", text)


def error(text: str) -> None:
    """One sentence in red."""
    st.error(plain(text), icon=":material/error:")


@contextmanager
def guard() -> Iterator[None]:
    """Turn an error of ours into its sentence."""
    try:
        yield
    except Sus2Error as problem:
        error(str(problem))


def formula_html(formula: str) -> str:
    """SrTiO3 with subscripts."""
    return re.sub(r"(\d+)", r"<sub>\1</sub>", formula)


def space_group_html(info: CrystalInfo) -> str:
    """Fd-3m with an overline and its number; screw axes as subscripts."""
    symbol = re.sub(r"-(\d)", r"<span style='text-decoration:overline'>\1</span>", info.space_group_symbol)
    symbol = re.sub(r"_(\d)", r"<sub>\1</sub>", symbol)
    return f"<i>{symbol}</i> ({info.space_group_number})"


def point_group_html(info: CrystalInfo) -> str:
    """m-3m with an overline."""
    return "<i>" + re.sub(r"-(\d)", r"<span style='text-decoration:overline'>\1</span>", info.point_group) + "</i>"


_SYMBOL = re.compile(r"\b[PABCFIR][-_/abcdemn\d]*\d*[-_/abcdemn\d]* \(\d{1,3}\)")


def space_groups(text: str) -> str:
    """Text in which space groups that have their number beside them are typeset: Fd-3m (227) as Fd3̅m (227)."""

    def typeset(found: re.Match[str]) -> str:
        symbol, number = found[0].rsplit(" ", 1)
        symbol = re.sub(r"_(\d)", lambda m: m[1].translate(SUBSCRIPTS), symbol)
        return re.sub(r"-(\d)", "\\1\N{COMBINING OVERLINE}", symbol) + f" {number}"

    return _SYMBOL.sub(typeset, text)


def signed(value: float, digits: int) -> str:
    """Write a number with its sign and a true minus."""
    rounded = round(value, digits)
    return f"{rounded:+.{digits}f}".replace("-", "−") if rounded else f"{0:.{digits}f}"


def quantity(
    column: Any, label: str, value: str, unit: str, meaning: str, judged: tuple[str, str] | None = None
) -> None:
    """A number with its standard error (as of number_text()) and unit in a frame, with its meaning as help.

    judged: what stands below it instead of the standard error, and its help.
    """
    main, _, spread = value.partition(" ± ")
    with column.container(border=True):
        st.markdown(label, help=meaning)
        st.markdown(
            f"<span style='font-size:1.55rem;font-weight:600;white-space:nowrap'>{main}"
            f"<span style='font-size:1rem;font-weight:400'> {unit}</span></span>",
            unsafe_allow_html=True,
        )
        if judged is not None:
            st.caption(plain(judged[0]), help=plain(judged[1]))
            return
        st.caption(f"± {spread}" if spread else "&nbsp;", help="Standard error of the fit." if spread else None)


@dataclass(frozen=True)
class Drawing:
    """A plot that is drawn when it is needed. alt: what it shows, for screen readers; name: of its file;
    panels: as of plot()."""

    draw: Callable[[], Any]
    alt: str
    name: str
    panels: int = 1


def drawings(made: Mapping[str, Drawing]) -> Mapping[str, Drawing]:
    """Announce the plots of a result by key, so that its archive holds also those of tabs that nobody has opened."""
    st.session_state.setdefault("figures", {}).update({key: (d.alt, d.draw) for key, d in made.items()})
    return made


def tabs(parts: Mapping[str, Callable[[], None]], *, key: str, keep: Sequence[str] = ()) -> None:
    """Parts of a page under tabs; only the open one is drawn, and it alone is drawn again as its widgets change.

    key: of the open tab, which the address carries; keep: keys of widgets in parts, which stay as they are while
    their tab is closed.
    """
    for one in keep:
        if one in st.session_state:
            # Streamlit forgets a widget that a run does not draw, unless its value is set by hand.
            st.session_state[one] = st.session_state[one]

    @st.fragment
    def draw() -> None:
        for tab, part in zip(
            st.tabs(list(parts), key=key, on_change="rerun", bind="query-params"), parts.values(), strict=True
        ):
            if tab.open:
                with tab, guard():
                    part()

    draw()


def folded(label: str, part: Callable[[], None], *, key: str, opened: bool = False) -> None:
    """A part of a page that is drawn once it is unfolded: what it needs in the browser is fetched then, not before."""

    @st.fragment
    def draw() -> None:
        box = st.expander(label, expanded=opened, key=key, on_change="rerun")
        if box.open:
            with box, guard():
                part()

    draw()


def room(key: str, height: int) -> Any:
    """A container that is as high as what comes into it later, so that what is below it does not move then.

    height: one for which the front page has a rule; a style that comes with the container would come too late.
    """
    box = st.container(key=f"room_{height}_{key}", gap=None)
    box.html("<i></i>")  # the front end draws no container that is empty
    return box


def settings_row() -> tuple[Any, Any]:
    """Settings behind a button, and the row of that button, which ask() puts its own button into."""
    row = st.container(horizontal=True, vertical_alignment="center")
    return row.popover("Settings", icon=":material/tune:"), row


def plot_of(made: Mapping[str, Drawing], key: str, *, pick: bool = False) -> list[int] | None:
    """Show one of the drawings of a page, as plot() does."""
    d = made[key]
    return plot(d.draw(), key=key, alt=d.alt, name=d.name, pick=pick, panels=d.panels)


def _apart() -> None:
    """Keep the first plot of a page apart from what is above it and from the plots below.

    A browser is busy for a fifth of a second with each plot, and shows nothing that came together with it until then.
    On the first page of a visit it has yet to start: what arrives in the meantime is drawn in one go.
    """
    plots = st.session_state["plots"] = st.session_state.get("plots", 2) + 1
    if plots == 2 and not st.session_state.get("started"):
        time.sleep(_START_S)
    elif plots <= 2:
        time.sleep(_APART_S)


def plot(figure: Any, *, key: str, alt: str, name: str, pick: bool = False, panels: int = 1) -> list[int] | None:
    """Show a figure; its tool bar saves it as SVG or PNG under that name. alt: what it shows, for screen readers.

    With `pick`: the customdata of the point that was clicked, None before a click. panels: those beside each other,
    for which a phone is too narrow: there the figure keeps its width and is moved to the side.
    """
    st.session_state.setdefault("figures", {})[key] = (alt, figure)
    config = {
        "displaylogo": False,
        "toImageButtonOptions": {
            "format": st.session_state.get("plot_format") or "svg",
            "filename": name,
            "scale": 2,
        },
        "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d", "tableRotation"],
    }
    if st.session_state.get("present"):
        figure = enlarged(figure)
    _apart()
    if not pick:
        place = st if panels == 1 else st.container(key=f"wide_{min(panels, 3)}_{key}")
        place.plotly_chart(figure, key=key, theme=None, config=config, alt=alt)
        return None
    event = st.plotly_chart(
        figure, key=key, theme=None, config=config, alt=alt, on_select="rerun", selection_mode="points"
    )
    points = event["selection"]["points"]
    return [int(v) for v in points[0]["customdata"]] if points and points[0].get("customdata") else None


def downloads(files: Sequence[tuple[str, str, str, Callable[[], str | bytes]]], *, key: str) -> None:
    """A row of download buttons; each file is (label, name, MIME type, what writes it once it is asked for)."""
    with st.container(horizontal=True):
        for label, name, mime, write in files:
            st.download_button(
                label,
                write,
                file_name=name,
                mime=mime,
                key=f"{key}_{name}",
                on_click="ignore",
                icon=":material/download:",
            )


def facts(rows: Sequence[tuple[str, str]]) -> None:
    """Names and values in two columns; values may hold markup of our own, never of a file's."""
    cells = "".join(
        f"<tr><td style='opacity:0.7;padding:0.22rem 1rem 0.22rem 0;white-space:nowrap;vertical-align:top'>{name}</td>"
        f"<td style='padding:0.22rem 0'>{value}</td></tr>"
        for name, value in rows
    )
    st.html(f"<table style='border-collapse:collapse;width:100%'>{cells}</table>")


def table(rows: Sequence[dict[str, Any]], *, key: str) -> None:
    """A small table of ready text."""
    st.dataframe(pd.DataFrame(rows), hide_index=True, key=key)


_MARKS = {"fail": "✗ fail", "warn": "△ warn", "pass": "✓ pass"}


def checks_line(found: Sequence[Any]) -> str:
    """How many of the checks pass, warn and fail, in few words."""
    failed, warned = (sum(c.verdict == v for c in found) for v in ("fail", "warn"))
    parts = [f"{failed} of {len(found)} fail{'s' * (failed == 1)}"] if failed else []
    if warned:
        parts.append(f"{warned}{'' if parts else f' of {len(found)}'} warn{'s' * (warned == 1)}")
    return ", ".join(parts) or f"all {len(found)} pass"


def check_rows(found: Sequence[Any]) -> list[dict[str, str]]:
    """A row for each check, the worst first: verdict, name and meaning, number, limit; text for Markdown."""
    return [
        {
            "verdict": _MARKS[c.verdict].replace(" ", "\N{NO-BREAK SPACE}"),
            "check": f"**{plain(c.name)}** \N{EN DASH} {plain(c.meaning)}",
            "value": plain(f"{c.value:.3g} {c.unit}".strip()) if math.isfinite(c.value) else "",
            "passes up to": "" if c.pass_limit is None else plain(f"{c.pass_limit:.3g} {c.unit}".strip()),
        }
        for c in sorted(found, key=lambda c: list(_MARKS).index(c.verdict))
    ]


def checks(found: Sequence[Any], *, key: str) -> None:
    """A result's own checks, folded to one line; where one fails, those that do not pass stand above that line."""

    def show(rows: Sequence[Any], alt: str) -> None:
        # Not a grid: sentences break into lines, and a screen reader reads them.
        st.table(check_rows(rows), hide_index=True, border="horizontal", alt=alt)

    line = f"Checks: {checks_line(found)}"
    if all(c.verdict != "fail" for c in found):
        folded(line, lambda: show(found, "Checks of this result"), key=f"fold_{key}")
        return
    passed = [c for c in found if c.verdict == "pass"]
    st.markdown(f"**{line}**")
    show([c for c in found if c.verdict != "pass"], "Checks of this result that do not pass")
    if passed:
        label = f"{counted(len(passed), 'check')} that {'pass' if len(passed) > 1 else 'passes'}"
        folded(label, lambda: show(passed, "Checks of this result that pass"), key=f"fold_{key}_passed")
