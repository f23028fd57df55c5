"""Curves of a training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots


def training_curves(*, history: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Loss and validation errors against the step.

    Parameters
    ----------
    history
        One row for each step of a run.

    Returns
    -------
    Figure
        Ready to be drawn.
    """
    figure = make_subplots(rows=1, cols=2, subplot_titles=("Loss", "Validation errors"))
    step = [row["step"] for row in history]
    stage = [row["stage"] for row in history]
    for key, name in (("loss", "training"), ("validation_loss", "validation")):
        values = [row[key] for row in history]
        figure.add_scatter(x=step, y=values, name=name, text=stage, mode="lines+markers", row=1, col=1)
    for key, name in (
        ("validation_energy_mae_mev_per_atom", "energy MAE (meV/atom)"),
        ("validation_force_mae_mev_per_a", "force MAE (meV/Å)"),
    ):
        if history and key in history[0]:
            values = [row.get(key) for row in history]  # none once the held-out compositions are trained on
            figure.add_scatter(x=step, y=values, name=name, text=stage, mode="lines+markers", row=1, col=2)
    figure.update_xaxes(title_text="Step")
    figure.update_yaxes(type="log")
    return figure
