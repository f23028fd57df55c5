"""The periodic table of what a potential covers."""

from __future__ import annotations

from collections.abc import Collection

import plotly.graph_objects as go
from ase.data import atomic_names, atomic_numbers

from sus2.figures.plain import Figure, scatter
from sus2.figures.theme import BLUE, FONT, ORANGE, SKY, Mode, grid, ink

_ROWS = (
    "H . . . . . . . . . . . . . . . . He",
    "Li Be . . . . . . . . . . B C N O F Ne",
    "Na Mg . . . . . . . . . . Al Si P S Cl Ar",
    "K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr",
    "Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe",
    "Cs Ba . Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn",
    "Fr Ra . Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og",
    ". . . . . . . . . . . . . . . . . .",
    ". . La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu .",
    ". . Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr .",
)


def elements_figure(
    *,
    covered: Collection[str],
    highlighted: Collection[str] = (),
    mode: Mode = "light",
    height: int = 380,
) -> go.Figure:
    """A periodic table with the covered elements filled and the highlighted ones (those of a crystal) framed.

    Parameters
    ----------
    covered
        Chemical symbols.
    highlighted
        Chemical symbols.
    mode
        Colours for a light or a dark page.
    height
        Pixels.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    known = SKY if mode == "dark" else BLUE
    fig = Figure()
    for row, text in enumerate(_ROWS):
        for column, symbol in enumerate(text.split()):
            if symbol == ".":
                continue
            inside, framed = symbol in covered, symbol in highlighted
            fig.add_shape(
                type="rect",
                x0=column + 0.05,
                x1=column + 0.95,
                y0=-row - 0.95,
                y1=-row - 0.05,
                line={"color": ORANGE if framed else grid(mode), "width": 4 if framed else 1},
                fillcolor=known if inside else "rgba(0,0,0,0)",
                layer="below",
            )
    places = [
        (column + 0.5, -row - 0.5, symbol)
        for row, text in enumerate(_ROWS)
        for column, symbol in enumerate(text.split())
        if symbol != "."
    ]
    on = {"light": "#FFFFFF", "dark": "#0B1015"}[mode]
    fig.add_trace(
        scatter(
            x=[p[0] for p in places],
            y=[p[1] for p in places],
            mode="text",
            text=[p[2] for p in places],
            textfont={"size": 14, "color": [on if p[2] in covered else ink(mode) for p in places]},
            customdata=[
                f"{atomic_names[atomic_numbers[symbol]]}: {'covered' if symbol in covered else 'not covered'}"
                for _, _, symbol in places
            ],
            hovertemplate="%{customdata}<extra></extra>",
            showlegend=False,
        )
    )
    fig.update_xaxes(visible=False, range=[0, 18], fixedrange=True)
    fig.update_yaxes(visible=False, range=[-10, 0], fixedrange=True, scaleanchor="x")
    fig.update_layout(
        height=height,
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": ink(mode), "family": FONT},
        dragmode=False,
    )
    return fig
