"""Elastic constants as text for papers and notes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sus2.properties.elastic.entry import constants
from sus2.trust.digits import digits_of, error_text, number_text

if TYPE_CHECKING:
    from sus2.properties.elastic.result import ElasticResult


def constants_markdown(result: ElasticResult) -> str:
    """Write the independent constants and the moduli as a table in Markdown.

    Parameters
    ----------
    result
        Elastic constants.

    Returns
    -------
    str
        One line for each: name, value and standard deviation in GPa (a dash where unknown).
    """
    lines = [f"| {name} | {value} | {sigma} |" for name, value, sigma in _rows(result, "C{}", dash="–")]
    return "\n".join(["| constant | value (GPa) | σ (GPa) |", "|---|--:|--:|", *lines]) + "\n"


def constants_latex(result: ElasticResult) -> str:
    """Write the independent constants and the moduli as a table in LaTeX.

    Parameters
    ----------
    result
        Elastic constants.

    Returns
    -------
    str
        A tabular environment without packages; values and standard deviations in GPa.
    """
    lines = [f"${name}$ & {value} & {sigma} \\\\" for name, value, sigma in _rows(result, "C_{{{}}}", dash="--")]
    head = r"constant & value (GPa) & $\sigma$ (GPa) \\ \hline"
    return "\n".join([r"\begin{tabular}{lrr}", head, *lines, r"\end{tabular}"]) + "\n"


def _rows(result: ElasticResult, form: str, *, dash: str) -> list[tuple[str, str, str]]:
    """Name, value and standard deviation of each; form: how a constant with its indices is written."""
    found = {form.format(q.key[1:3]): (q.key, value) for q, value in constants(result).items()}
    if result.stable:
        found |= {"K": ("k_vrh_gpa", result.k_vrh_gpa), "G": ("g_vrh_gpa", result.g_vrh_gpa)}
    rows = []
    for name, (key, value) in found.items():
        sigma = float(result.uncertainty[key])
        known = math.isfinite(sigma)
        rows.append((name, number_text(value, digits_of(1, sigma)), error_text(1, sigma) if known else dash))
    return rows
