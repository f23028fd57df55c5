"""What every page of a property has, and the page of a property that has no script of its own."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from pages._parts.downloads import export
from pages._parts.header import verdict
from pages._parts.results import Shown, ask
from pages._parts.selection import Crystal, crystal, model, models
from pages._parts.widgets import checks, folded, guard, plain, quantity, table, title
from sus2.checks import Check
from sus2.properties.catalogue import catalogue
from sus2.properties.property import Option, Property, Quantity
from sus2.structures import with_subscripts
from sus2.trust.digits import digits_of, error_text, number_text
from sus2.trust.estimate import HasTrust
from sus2.trust.known_values import known_values
from sus2.trust.sentence import LABELS, Trusted, summary_sentence
from sus2.validation.recommendation import predicted_error

MAX_COLUMNS = 4
# What known values and references are called, besides the quantities of the catalogue.
_WORDS = {
    "a0_a": "Lattice constant a",
    "cohesive_energy_ev_per_atom": "Cohesive energy",
    "gamma_optical_thz": "Optical frequency at Γ",
    "gamma_to_thz": "Transverse optical frequency at Γ",
    "max_frequency_thz": "Highest phonon frequency",
    "linear_expansion_1e6_per_k": "Linear thermal expansion α",
}
_ONE_SIGMA = "One standard deviation of the error of the potential, as in the band of the plot."
_NOT_CALIBRATED = "The error of this quantity is not calibrated."


def heading(entry: Property) -> None:
    """Draw the heading of a property's page."""
    assert entry.page is not None
    title(entry.page.title, entry.page.about)


def compute(
    entry: Property, chosen: Crystal, potential: Any, settings: Mapping[str, Any], *, note: str = "", row: Any = None
) -> Shown | None:
    """Compute a property of the chosen crystal, at once where it is a small sample; row: as settings_row() makes it."""
    assert entry.page is not None
    return ask(
        entry.compute,
        auto=chosen.is_sample and len(chosen.atoms) <= entry.page.max_auto_atoms,
        note=note,
        page=entry.page.title,
        row=row,
        atoms=chosen.atoms,
        potential=potential,
        **settings,
    )


def headline(quantities: Sequence[Quantity], result: Any, *, sigma: Mapping[str, float] | None = None) -> None:
    """Show the most important numbers in frames; sigma: one standard deviation by key, where the result has none."""
    shown = [q for q in quantities if q.headline] or list(quantities)
    for start in range(0, len(shown), MAX_COLUMNS):
        row = shown[start : start + MAX_COLUMNS]
        for column, q in zip(st.columns(len(row)), row, strict=True):
            error = q.error(result) if q.error is not None else None
            estimate = result.trust.estimates.get(q.key) if isinstance(result, HasTrust) else None
            if sigma is not None:
                one = sigma.get(q.key, math.nan)
                reason = _ONE_SIGMA if math.isfinite(one) else _NOT_CALIBRATED
                estimated(column, q.label, q.of(result), q.digits, q.unit, q.meaning, one, reason)
                continue
            if estimate is None:
                quantity(column, q.label, number_text(q.of(result), q.digits, error), q.unit, q.meaning)
                continue
            fit = "" if error is None else f" The error of the fit alone is {error:.1g}."
            reason = f"{estimate.reason}{fit}"
            value, sigma_one, verdict = q.of(result), float(estimate.sigma), str(estimate.verdict)
            estimated(column, q.label, value, q.digits, q.unit, q.meaning, sigma_one, reason, verdict)


def estimated(
    column: Any,
    label: str,
    value: float,
    digits: int,
    unit: str,
    meaning: str,
    sigma: float,
    reason: str,
    verdict: str = "",
) -> None:
    """Show a number in a frame, its error below it; it ends where the error begins."""
    words = f"± {error_text(digits, sigma)}" if math.isfinite(sigma) else "error unknown"
    if verdict and math.isfinite(sigma):
        words += f" · {verdict}"
    text = number_text(value, digits_of(digits, sigma))
    quantity(column, label, text, unit, meaning, (words, reason))


def judge(result: Trusted, found: Sequence[Check] = ()) -> None:
    """Say above the plots, in the header, how far to trust a result, and which checks fail."""
    verdict(str(result.trust.worst([n for n in LABELS if n in result.trust.estimates])), summary_sentence(result))
    for check in found:
        if check.verdict == "fail":
            st.error(plain(f"{check.name}: {check.meaning}"), icon=":material/error:")


def trust(result: Trusted) -> None:
    """Say below the plots how far to trust a result; what is known of the crystal stays folded."""
    known = known_values(result.atoms)

    def show() -> None:
        rows = [
            {
                "quantity": quantity_words(k.quantity),
                "value": f"{k.value:.4g} {k.unit}".strip(),
                "functional": k.functional if k.temperature_k is None else f"{k.functional}, {k.temperature_k:g} K",
                "source": k.source,
            }
            for k in known
        ]
        st.table(rows, hide_index=True, border="horizontal", alt="Known values of this crystal")

    st.markdown(plain(summary_sentence(result)))
    if known:
        folded(f"Known values of this crystal: {len(known)}", show, key="fold_known")
    if any(str(v) != "good" for k, v in result.trust.verdicts.items() if k in LABELS):
        folded("Try other potentials", partial(_others, result), key="fold_others")


def quantity_words(key: str) -> str:
    """Name a quantity by its key: words of the catalogue, or an elastic constant with its indices.

    Parameters
    ----------
    key
        As in results, with the unit at its end.

    Returns
    -------
    str
        The words; the key itself where it has none.
    """
    constant = re.fullmatch(r"c(\d\d)_gpa", key)
    if constant:
        return with_subscripts(f"Elastic constant C{constant[1]}")
    found = (q for entry in catalogue().values() for q in entry.quantities if q.key == key)
    return _WORDS.get(key) or next((q.label for q in found), key.replace("_", " "))


def _others(result: Trusted) -> None:
    """List the other potentials that know the crystal, with the error that is to be expected of each."""
    now = result.potential.name if result.potential is not None else ""
    others = [m for m in models() if m.name != now and not m.missing(result.atoms)]
    if not others:
        st.markdown("No other potential covers all elements of this crystal.")
        return
    errors = {m.name: predicted_error(result.atoms, m.card) for m in others if not m.is_own}
    st.caption(
        "Predicted error: mean of the relative errors of volume (three times), bulk and shear modulus; from known "
        "values of this crystal where there are any, else from the calibration."
    )
    for m in sorted(others, key=lambda m: (math.isnan(errors.get(m.name, math.nan)), errors.get(m.name, math.nan))):
        error = errors.get(m.name, math.nan)
        name, button = st.columns([5, 1], vertical_alignment="center")
        expected = f"{100.0 * error:.0f} % predicted error" if math.isfinite(error) else "error unknown"
        name.markdown(f"**{plain(m.name)}** · {plain(str(m.card.functional))} · {expected}")
        if button.button("Use", key=f"use_{m.name}", width="stretch"):
            st.session_state["wanted_model"] = m.name
            st.rerun()


def export_result(
    entry: Property,
    shown: Shown,
    chosen: Crystal,
    *,
    content: Callable[[], Mapping[str, Any]] | None = None,
    found: Sequence[Check] = (),
    seen: str = "",
) -> None:
    """Offer the downloads of a property and the texts that reproduce the result."""
    result = shown.result
    stem = f"{chosen.file_name}-{entry.name}"
    export(
        shown,
        chosen,
        stem=stem,
        content=content or (lambda: {"result": result.to_dict()}),
        files=[(d.label, f"{stem}.{d.ending}", d.mime, _writer(d.write, result)) for d in entry.downloads],
        relaxed=entry.relaxed(result) if entry.relaxed is not None else None,
        checks=found,
        seen=seen or entry.seen,
    )


def _writer(write: Callable[[Any], str], result: Any) -> Callable[[], str]:
    return lambda: write(result)


def show(entry: Property) -> None:
    """Draw the page of a property from its entry in the catalogue alone."""
    heading(entry)
    with guard():
        chosen = crystal()
        potential = model(chosen.atoms)
        settings = {o.name: _setting(entry, o) for o in entry.options if not o.shown}
        shown = compute(entry, chosen, potential, settings)
        if shown is None:
            return
        headline(entry.quantities, shown.result)
        more = {} if entry.more is None else entry.more(shown.result)
        rows = [{"quantity": q.label, "value": number_text(v, q.digits), "unit": q.unit} for q, v in more.items()]
        rows += [
            {"quantity": c.title, "value": word, "unit": ""}
            for c, word in zip(entry.categories, entry.words(shown.result).values(), strict=True)
        ]
        if rows:
            table(rows, key=f"{entry.name}_more")
        found: Sequence[Check] = getattr(shown.result, "checks", ())
        if found:
            checks(found, key=f"{entry.name}_checks")
        export_result(entry, shown, chosen, found=found)


def _setting(entry: Property, option: Option) -> Any:
    key = f"{entry.name}_{option.name}"
    label = option.help.rstrip(".")
    if option.kind is bool:
        return st.checkbox(label, option.default, key=key, bind="query-params")
    if option.kind in (int, float):
        return option.kind(st.number_input(label, value=option.default, key=key, bind="query-params"))
    return st.text_input(label, option.default, key=key, bind="query-params")


def navigation() -> list[StreamlitPage]:
    """List the pages of the properties, in the order of their catalogue."""
    made = []
    for entry in catalogue().values():
        if entry.page is not None:
            draw = f"pages/{entry.page.script}.py" if entry.page.script else partial(show, entry)
            path = entry.page.script.rpartition("/")[2] or entry.name
            icon = f":material/{entry.page.icon}:"
            made.append(st.Page(draw, title=entry.page.title, icon=icon, url_path=path))
    return made
