"""What the pages share, in one name: `from pages._parts import frame`."""

from __future__ import annotations

from pages._parts import made
from pages._parts.downloads import export, provenance
from pages._parts.header import verdict
from pages._parts.property_page import compute, export_result, heading, headline, judge, quantity_words, trust
from pages._parts.results import Shown, ask, owner
from pages._parts.selection import (
    Crystal,
    Model,
    add_model,
    choose_crystal,
    contents,
    crystal,
    keep_crystal,
    model,
    models,
)
from pages._parts.sidebar import sidebar
from pages._parts.widgets import (
    Drawing,
    checks,
    downloads,
    drawings,
    error,
    facts,
    folded,
    formula_html,
    guard,
    mode,
    number,
    plain,
    plot,
    plot_of,
    quantity,
    settings_row,
    space_group_html,
    space_groups,
    table,
    tabs,
    title,
)
from sus2.structures import content_key

__all__ = [
    "Crystal",
    "Drawing",
    "Model",
    "Shown",
    "add_model",
    "ask",
    "checks",
    "choose_crystal",
    "compute",
    "content_key",
    "contents",
    "crystal",
    "downloads",
    "drawings",
    "error",
    "export",
    "export_result",
    "facts",
    "folded",
    "formula_html",
    "guard",
    "heading",
    "headline",
    "judge",
    "keep_crystal",
    "made",
    "mode",
    "model",
    "models",
    "number",
    "owner",
    "plain",
    "plot",
    "plot_of",
    "provenance",
    "quantity",
    "quantity_words",
    "settings_row",
    "sidebar",
    "space_group_html",
    "space_groups",
    "table",
    "tabs",
    "title",
    "trust",
    "verdict",
]
