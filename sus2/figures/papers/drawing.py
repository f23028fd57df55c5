"""Draw a figure that is described by plain data; the scripts that the app offers hold this text as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

CM_PER_INCH = 2.54
DASHES = {
    "solid": "-",
    "dash": (0, (5, 2)),
    "dot": (0, (1, 1.5)),
    "dashdot": (0, (5, 1.5, 1, 1.5)),
    "longdash": (0, (9, 2)),
    "longdashdot": (0, (9, 2, 1, 2)),
}
MARKERS = {
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "triangle-up": "^",
    "triangle-down": "v",
    "x": "x",
    "star": "*",
    "cross": "P",
}


def draw(figure: dict[str, Any], style: dict[str, Any]) -> Figure:
    """Draw panels with their lines, bands, bars and maps.

    Parameters
    ----------
    figure
        ``panels``, each with ``box`` (left, bottom, width, height in shares of the figure), labels, limits, ticks and
        ``items``; ``aspect``, height over width.
    style
        ``width_cm``, ``font`` ("sans-serif" or "serif"), ``font_pt``, ``line_pt``.

    Returns
    -------
    Figure
        Of matplotlib; save it with ``bbox_inches="tight"``, which keeps the legend whole.
    """
    width = style["width_cm"] / CM_PER_INCH
    size = style["font_pt"]
    made = Figure(figsize=(width, width * figure["aspect"]))
    text = {"fontsize": size, "fontfamily": style["font"]}
    handles: dict[str, Any] = {}
    axes: list[Any] = []
    for panel in figure["panels"]:
        shared = {f"share{k}": axes[panel[f"share{k}"]] for k in "xy" if panel.get(f"share{k}") is not None}
        polar = {"projection": "polar"} if panel.get("polar") else {}
        ax = made.add_axes(panel["box"], **shared, **polar)
        axes.append(ax)
        bars = [item for item in panel["items"] if item["kind"] == "bar"]
        for item in panel["items"]:
            _draw_item(ax, item, style, handles, bars)
        ax.set_xlabel(panel.get("xlabel", ""), **text)
        ax.set_ylabel(panel.get("ylabel", ""), **text)
        ax.tick_params(labelsize=size, width=0.8 * style["line_pt"], direction="in", top=not polar, right=not polar)
        for label in (*ax.get_xticklabels(), *ax.get_yticklabels()):
            label.set_fontfamily(style["font"])
        for spine in ax.spines.values():
            spine.set_linewidth(0.8 * style["line_pt"])
        for which in ("x", "y"):
            if panel.get(f"{which}ticks") is not None:
                places, names = panel[f"{which}ticks"]
                getattr(ax, f"set_{which}ticks")(places, names, fontfamily=style["font"])
            if panel.get(f"{which}lim") is not None and not polar:
                getattr(ax, f"set_{which}lim")(*panel[f"{which}lim"])
            if panel.get(f"hide_{which}"):
                ax.tick_params(axis=which, labelbottom=which != "x", labelleft=which != "y")
    if handles:
        made.legend(
            handles.values(),
            handles.keys(),
            loc="lower center",
            bbox_to_anchor=(0.5, max(p["box"][1] + p["box"][3] for p in figure["panels"])),
            ncol=min(3, len(handles)),
            frameon=False,
            prop={"size": size, "family": style["font"]},
        )
    return made


def _draw_item(ax: Any, item: dict[str, Any], style: dict[str, Any], handles: dict[str, Any], bars: list[Any]) -> None:
    kind, width = item["kind"], style["line_pt"]
    if kind == "band":
        shape = ax.fill(item["x"], item["y"], color=item["color"], alpha=item["alpha"], linewidth=0)[0]
        if item.get("legend"):
            handles.setdefault(item["legend"], shape)
        return
    if kind == "vline":
        ax.axvline(item["at"], color=item["color"], linewidth=0.7 * width, linestyle=DASHES[item["dash"]], zorder=0)
        return
    if kind == "hline":
        ax.axhline(item["at"], color=item["color"], linewidth=0.7 * width, linestyle=DASHES[item["dash"]], zorder=0)
        return
    if kind == "text":
        ax.annotate(
            item["text"],
            (item["x"], item["y"]),
            fontsize=style["font_pt"],
            fontfamily=style["font"],
            xytext=(3, 3),
            textcoords="offset points",
        )
        return
    if kind == "bar":
        k, each = bars.index(item), 0.8 / len(bars)
        places = np.arange(len(item["names"])) + (k - 0.5 * (len(bars) - 1)) * each
        shape = ax.bar(places, item["y"], each, color=item["color"], edgecolor="black", linewidth=0.5 * width)
        ax.set_xticks(np.arange(len(item["names"])), item["names"])
        handles.setdefault(item["legend"], shape)
        return
    if kind == "map":
        z = np.array(item["z"], dtype=float)
        ax.imshow(z, cmap="RdBu", vmin=-item["reach"], vmax=item["reach"], aspect="equal")
        for (i, j), word in np.ndenumerate(np.array(item["words"])):
            # The ends of the colours are too dark for black letters.
            colour = "white" if abs(z[i, j]) > 0.6 * item["reach"] else "black"
            font = {"fontsize": 0.8 * style["font_pt"], "fontfamily": style["font"]}
            ax.text(j, i, word, ha="center", va="center", color=colour, **font)
        ax.set_xticks(np.arange(z.shape[1]), item["names"])
        ax.set_yticks(np.arange(z.shape[0]), item["names"])
        return
    (line,) = ax.plot(
        np.array(item["x"], dtype=float),
        np.array(item["y"], dtype=float),
        color=item["color"],
        linewidth=width if item["line"] else 0.0,
        linestyle=DASHES[item["dash"]] if item["line"] else "none",
        marker=MARKERS.get(item["marker"], "o") if item["marker"] else "none",
        markersize=3.5 * width,
        markerfacecolor=item["face"],
        markeredgecolor=item["edge"],
        markeredgewidth=0.7 * width,
    )
    if item.get("legend"):
        handles.setdefault(item["legend"], line)
