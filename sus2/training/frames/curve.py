"""Errors of a fit as it goes on or as frames are added, and what they say about more data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Point:
    """Errors on held-out frames at one moment of a fit, or from one share of the frames.

    Attributes
    ----------
    seconds
        Since the beginning.
    frames
        That it was trained on.
    energy_mev_per_atom
        Mean absolute error.
    force_mev_per_a
        Mean absolute error of components.
    stress_gpa
        Mean absolute error of components; nan without stresses.
    """

    seconds: float
    frames: int
    energy_mev_per_atom: float
    force_mev_per_a: float
    stress_gpa: float


def how_much_data(learning: Sequence[Point]) -> str:
    """What a learning curve says about more data, one sentence.

    Parameters
    ----------
    learning
        Points of growing numbers of frames.

    Returns
    -------
    str
        The power of the number of frames by which the error of forces falls, and what it takes to halve it.
    """
    points = [p for p in learning if np.isfinite(p.force_mev_per_a) and p.force_mev_per_a > 0]
    if len(points) < 3:
        return "There are too few frames for a learning curve."
    x = np.log([p.frames for p in points])
    slope = float(np.polyfit(x, np.log([p.force_mev_per_a for p in points]), 1)[0])
    last = points[-1]
    now = f"With {last.frames:,} frames the error of forces is {last.force_mev_per_a:.0f} meV/Å"
    if slope > -0.1:
        return (
            f"{now} and hardly falls with more of them: more frames of this kind would not help, a larger graph might."
        )
    needed = last.frames * 2.0 ** (-1.0 / slope)
    return (
        f"{now} and falls as the power {slope:.2f} of their number: about {needed:,.0f} frames would halve it, "
        f"if the curve "
        "goes on."
    )
