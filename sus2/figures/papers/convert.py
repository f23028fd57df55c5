"""From the app's figures to figures for papers: files of matplotlib, and the script that draws them."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any, Final, Literal

import numpy as np
import plotly.graph_objects as go

from sus2.errors import Sus2Error
from sus2.figures.theme import PALETTE, as_light
from sus2.types import Array

Format = Literal["pdf", "svg", "png"]
_KINDS: Final = frozenset({"scatter", "scattergl", "bar", "heatmap", "scatterpolar"})
_LEFT, _BOTTOM, _WIDTH, _HEIGHT = 0.13, 0.15, 0.85, 0.83
_LETTERS: Final = {"sub": "_", "sup": "^"}


@dataclass(frozen=True)
class PaperStyle:
    """How figures for papers look.

    Attributes
    ----------
    width_cm
        Of the figure: 8.6 for one column of most journals, 17.8 for two.
    font
        "sans-serif" or "serif".
    font_pt
        Size of all text.
    line_pt
        Width of the curves.
    dpi
        Of PNG files.
    """

    width_cm: float = 8.6
    font: str = "sans-serif"
    font_pt: float = 8.0
    line_pt: float = 1.0
    dpi: int = 600


def drawable(figure: go.Figure) -> bool:
    """Whether a figure can be drawn for a paper: all but those in three dimensions.

    Parameters
    ----------
    figure
        The figure.

    Returns
    -------
    bool
        True where it can.
    """
    return {trace.get("type", "scatter") for trace in figure.to_dict()["data"]} <= _KINDS


def paper_file(figure: go.Figure, style: PaperStyle, fmt: Format) -> bytes:
    """A figure as a file for a paper.

    Parameters
    ----------
    figure
        Of the app.
    style
        Its look.
    fmt
        "pdf", "svg" or "png".

    Returns
    -------
    bytes
        The file. The legend stands above the axes, whole; footnotes are left to the caption.

    Raises
    ------
    Sus2Error
        The figure is in three dimensions.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from sus2.figures.papers.drawing import draw

    out = io.BytesIO()
    # Text stays text: fonttype 42 in PDF, no outlines in SVG.
    with rc_context({"pdf.fonttype": 42, "svg.fonttype": "none", "mathtext.fontset": _maths(style)}):
        made = draw(describe(figure), asdict(style))
        FigureCanvasAgg(made)
        date = {"Date": None} if fmt == "svg" else {"CreationDate": None} if fmt == "pdf" else {}
        made.savefig(out, format=fmt, dpi=style.dpi, bbox_inches="tight", pad_inches=0.05, metadata=date)
    return out.getvalue()


def paper_script(figure: go.Figure, style: PaperStyle, name: str) -> str:
    """A Python script that draws a figure with matplotlib and nothing else of ours.

    Parameters
    ----------
    figure
        Of the app.
    style
        Its look, for a start.
    name
        Of the files that the script writes, without ending.

    Returns
    -------
    str
        The script: style, data and drawing.

    Raises
    ------
    Sus2Error
        The figure is in three dimensions.
    """
    source = files("sus2.figures.papers").joinpath("drawing.py").read_text(encoding="utf-8")
    head, _, body = source.partition("from __future__ import annotations\n")
    data = json.dumps(describe(figure), ensure_ascii=True)
    return (
        f"{head}from __future__ import annotations\n\nimport json\n{body}\n\n"
        f"STYLE = {asdict(style)!r}\nFIGURE = json.loads(\n    {data!r}\n)\n\n"
        'if __name__ == "__main__":\n    import matplotlib\n\n'
        f'    matplotlib.rcParams["mathtext.fontset"] = {_maths(style)!r}\n'
        "    made = draw(FIGURE, STYLE)\n"
        f'    for ending in ("pdf", "svg", "png"):\n        made.savefig(f"{_plain_name(name)}.{{ending}}", '
        'dpi=STYLE["dpi"], bbox_inches="tight")\n'
    )


def _maths(style: PaperStyle) -> str:
    return "dejavuserif" if style.font == "serif" else "dejavusans"


def _plain_name(name: str) -> str:
    return re.sub(r"[^\w.-]", "-", name)


def describe(figure: go.Figure) -> dict[str, Any]:
    """A figure as the plain data that `drawing.draw` takes.

    Parameters
    ----------
    figure
        The figure.

    Returns
    -------
    dict
        In the colours of the light theme.

    Raises
    ------
    Sus2Error
        A figure in three dimensions.
    """
    if not drawable(figure):
        raise Sus2Error("Only flat figures can be drawn for a paper; save this one as a picture.")
    content: dict[str, Any] = as_light(figure.to_dict())
    layout = content["layout"]
    panels: dict[str, dict[str, Any]] = {}
    for k, trace in enumerate(content["data"]):
        name = trace.get("subplot", "polar") if trace["type"] == "scatterpolar" else trace.get("xaxis", "x")
        panel = panels.setdefault(name, _panel(trace, layout, list(panels)))
        panel["items"] += _items(trace, PALETTE[k % len(PALETTE)])
    for shape in layout.get("shapes") or ():
        _add_line(panels, shape)
    for note in layout.get("annotations") or ():
        _add_note(panels, note)
    square = any(item["kind"] == "map" for panel in panels.values() for item in panel["items"])
    return {"panels": list(panels.values()), "aspect": 1.0 if square else _aspect(layout, len(panels))}


def _aspect(layout: Mapping[str, Any], panels: int) -> float:
    """Height over width: near that on the screen, where figures are about 900 pixels wide."""
    return float(np.clip(layout.get("height", 480) / (620.0 if panels < 3 else 900.0), 0.35, 1.0))


def _panel(trace: Mapping[str, Any], layout: Mapping[str, Any], before: list[str]) -> dict[str, Any]:
    if trace["type"] == "scatterpolar":
        domain = layout.get(trace.get("subplot", "polar"), {}).get("domain", {})
        return {"box": _box(domain.get("x", (0, 1)), domain.get("y", (0, 1))), "polar": True, "items": []}
    x, y = (layout.get(_long(trace.get(f"{k}axis", k)), {}) for k in "xy")
    panel: dict[str, Any] = {"box": _box(x.get("domain", (0, 1)), y.get("domain", (0, 1))), "items": []}
    for k, axis in (("x", x), ("y", y)):
        panel[f"{k}label"] = _words((axis.get("title") or {}).get("text", ""))
        if axis.get("tickvals") is not None:
            panel[f"{k}ticks"] = [_numbers(axis["tickvals"]), [_words(t) for t in axis["ticktext"]]]
        if axis.get("range") is not None:
            panel[f"{k}lim"] = [float(v) for v in axis["range"]]
        if axis.get("showticklabels") is False:
            panel[f"hide_{k}"] = True
        if axis.get("matches"):
            # Axes of one range: those of the first panel that has it.
            names = [n for n in before if n == axis["matches"] or f"{k}{n[1:]}" == axis["matches"]]
            panel[f"share{k}"] = before.index(names[0]) if names else None
    return panel


def _long(axis: str) -> str:
    return f"{axis[0]}axis{axis[1:]}"


def _box(x: Any, y: Any) -> list[float]:
    return [_LEFT + _WIDTH * x[0], _BOTTOM + _HEIGHT * y[0], _WIDTH * (x[1] - x[0]), _HEIGHT * (y[1] - y[0])]


def _items(trace: Mapping[str, Any], colour: str) -> list[dict[str, Any]]:
    name = _words(trace.get("name", "")) if trace.get("showlegend", True) is not False else ""
    if trace["type"] == "heatmap":
        z = _array(trace["z"])
        return [
            {
                "kind": "map",
                "z": z.tolist(),
                "words": [[_words(w) for w in row] for row in trace["text"]],
                "names": list(trace["x"]),
                "reach": float(np.abs(z).max()),
            }
        ]
    marker, line = trace.get("marker", {}), trace.get("line", {})
    if trace["type"] == "bar":
        return [
            {
                "kind": "bar",
                "names": [_words(str(n)) for n in trace["x"]],
                "y": _numbers(trace["y"]),
                "color": marker.get("color", colour),
                "legend": name,
            }
        ]
    if marker.get("opacity") == 0.0:
        return []  # what is there only to be clicked
    polar = trace["type"] == "scatterpolar"
    x = np.radians(_array(trace["theta"])) if polar else _array(trace["x"])
    y = _array(trace["r"] if polar else trace["y"])
    if trace.get("fill") == "toself":
        return _bands(x, y, trace.get("fillcolor", ""), name)
    mode = trace.get("mode", "lines")
    edge = marker.get("line", {}).get("color", marker.get("color", colour))
    one = marker.get("color", line.get("color", colour))
    return [
        {
            "kind": "line",
            "x": _listed(x),
            "y": _listed(y),
            "line": "lines" in mode,
            "color": line.get("color", one if isinstance(one, str) else colour),
            "dash": line.get("dash", "solid"),
            "marker": marker.get("symbol", "circle") if "markers" in mode else "",
            "face": one if isinstance(one, str) else colour,
            "edge": edge if isinstance(edge, str) else colour,
            "legend": name,
        }
    ]


def _bands(x: Array, y: Array, fill: str, name: str) -> list[dict[str, Any]]:
    """Each closed outline apart; the first has the name."""
    found = re.fullmatch(r"rgba\((\d+),(\d+),(\d+),([\d.]+)\)", fill)
    r, g, b, alpha = (float(v) for v in found.groups()) if found else (0.0, 0.0, 0.0, 0.2)
    out: list[dict[str, Any]] = []
    for part in np.split(np.column_stack([x, y]), np.flatnonzero(np.isnan(x))):
        ring = part[~np.isnan(part).any(axis=1)]
        if len(ring) > 2:
            shape = {"kind": "band", "x": ring[:, 0].tolist(), "y": ring[:, 1].tolist()}
            out.append({**shape, "color": [r / 255, g / 255, b / 255], "alpha": alpha, "legend": "" if out else name})
    return out


def _add_line(panels: dict[str, dict[str, Any]], shape: Mapping[str, Any]) -> None:
    """Straight lines through a panel."""
    if shape.get("type") != "line":
        return
    line = shape.get("line", {})
    look = {"color": line.get("color", "black"), "dash": line.get("dash", "solid")}
    name = str(shape.get("xref", "x")).split()[0]
    panel = panels.get(name)
    if panel is None:
        return
    if shape["x0"] == shape["x1"] and "domain" in str(shape.get("yref", "")):
        panel["items"].append({"kind": "vline", "at": float(shape["x0"]), **look})
    elif shape["y0"] == shape["y1"] and "domain" in str(shape.get("xref", "")):
        panel["items"].append({"kind": "hline", "at": float(shape["y0"]), **look})


def _add_note(panels: dict[str, dict[str, Any]], note: Mapping[str, Any]) -> None:
    """Labels at a point of the axes; what stands on the paper is a footnote, and is left out."""
    panel = panels.get(str(note.get("xref", "x")))
    places = (note.get("x"), note.get("y"))
    if panel is not None and str(note.get("yref", "y")).isalnum() and all(isinstance(v, int | float) for v in places):
        panel["items"].append({"kind": "text", "text": _words(note["text"]), "x": places[0], "y": places[1]})


def _array(values: Any) -> Array:
    """Numbers of a list or of one of plotly's typed arrays."""
    if isinstance(values, Mapping):
        found = np.frombuffer(base64.b64decode(values["bdata"]), dtype=values["dtype"])
        shape = values.get("shape")
        return found.reshape([int(n) for n in str(shape).split(",")] if shape else -1).astype(float)
    return np.array(values, dtype=float)


def _numbers(values: Any) -> list[float]:
    return [float(v) for v in _array(values)]


def _listed(values: Array) -> list[float | None]:
    """For JSON, which has no nan."""
    return [float(v) if np.isfinite(v) else None for v in values]


def _words(text: Any) -> str:
    """Text with indices as matplotlib writes them, without other marks."""
    out = re.sub(r"<br */?>", " ", str(text))
    for mark, sign in _LETTERS.items():
        out = re.sub(rf"<{mark}>(.*?)</{mark}>", rf"$\\mathregular{{{sign}{{\1}}}}$", out)
    return re.sub(r"</?[a-z]+[^>]*>", "", out)
