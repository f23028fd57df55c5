"""Parts of the page Many structures: known values beside the table, and the convex hull."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from ase import Atoms

from pages._parts import frame
from sus2.comparison.agreement import agreement
from sus2.comparison.hull import Hull, convex_hull
from sus2.errors import counted
from sus2.figures.properties.table import hull_figure, parity_figure
from sus2.properties.property_table import PropertyTable, columns
from sus2.screening.example import example_card
from sus2.structures import elements_of, with_subscripts
from sus2.trust.digits import digits_of, error_text
from sus2.validation.reference_table import read_reference_columns

MAX_SYSTEM = 5  # elements of one convex hull


def example_model(chosen: frame.Model) -> tuple[frame.Model, str]:
    """The potential of an example, and why it is not the chosen one; "" where it is."""
    card = example_card(chosen.card, [m.card for m in frame.models()])
    if card.name == chosen.name:
        return chosen, ""
    found = next(m for m in frame.models() if m.name == card.name)
    return found, f", since {chosen.name} covers too few"


def written(result: PropertyTable, table: Sequence[Mapping[str, Any]]) -> Any:
    """The table as it is shown: numbers, by which it is sorted, end where their error begins."""
    everything = pd.DataFrame(table)
    shown = everything.style
    for name in result.columns:
        digits = columns()[name][1].digits
        sigmas = [row.sigmas.get(name) for row in result.rows]
        kept = [digits_of(digits, sigma) for sigma in sigmas]
        for n in set(kept):
            these = [k for k, own in enumerate(kept) if own == n]
            shown.format(partial(frame.number, digits=n), subset=(these, [name]), na_rep="")
        if name in result.uncertain:
            shown.format(partial(error_text, digits), subset=[f"{name}_sigma"], na_rep="")
    texts = [c for c in ("formula", "space_group", "relaxed_space_group") if c in everything]
    shown.format(lambda text: with_subscripts(text) if "(" not in text else frame.space_groups(text), subset=texts)
    return shown


def show_parity(result: PropertyTable) -> None:
    """Known values that somebody uploads against those of the table."""
    st.markdown(
        "Upload a table of known values (CSV): a column **name** or **formula**, and columns named as in this table, "
        "such as `b0_gpa` or `B₀ (GPa)`."
    )
    file = st.file_uploader("Known values", key="batch_known", max_upload_size=5)
    if file is None:
        return
    known = read_reference_columns(frame.contents(file), file.name, result)
    rows = []
    for key, values in known.items():
        both = np.isfinite(values) & np.isfinite(result.column(key))
        if both.sum() < 2:
            continue
        found = agreement(values[both], result.column(key)[both])
        rows.append(
            {
                "quantity": columns()[key][1].title,
                "crystals": found.n,
                "mean absolute error": f"{found.mae:.4g}",
                "root mean square error": f"{found.rmse:.4g}",
                "mean error": f"{found.mean_difference:+.4g}".replace("-", "−"),
                "Pearson r": frame.number(found.pearson_r, 4),
            }
        )
    if not rows:
        st.info("At least two crystals need a known and a computed value of the same quantity.")
        return
    frame.table(rows, key="batch_parity_table")
    titles = {columns()[key][1].title: key for key in known}
    chosen = st.selectbox("Quantity", [row["quantity"] for row in rows], key="batch_parity_column")
    key = titles[str(chosen)]
    sigma = [row.sigmas.get(key, np.nan) for row in result.rows]
    frame.plot(
        parity_figure(
            reference=known[key],
            found=result.column(key),
            names=[row.name for row in result.rows],
            sigma=sigma,
            title=str(chosen),
            mode=frame.mode(),
        ),
        key="batch_parity",
        alt=f"{chosen}: computed against known values",
        name="parity",
    )


def show_hull(structures: Mapping[str, Atoms], model: frame.Model) -> None:
    """Formation energies and the convex hull of one chemical system among the crystals."""
    present = sorted({e for atoms in structures.values() for e in elements_of(atoms) if e in model.elements})
    pairs = [set(elements_of(atoms)) for atoms in structures.values()]
    first = max((p for p in pairs if len(p) == 2 and p <= set(present)), key=pairs.count, default=set())
    system = st.multiselect(
        "Chemical system", present, default=sorted(first), max_selections=MAX_SYSTEM, key="batch_system"
    )
    inside = {name: atoms for name, atoms in structures.items() if set(elements_of(atoms)) <= set(system)}
    if len(system) < 2 or len({e for atoms in inside.values() for e in elements_of(atoms)}) < 2:
        st.info("Choose two or more elements of which these structures have a compound.")
        return
    found = frame.ask(
        convex_hull,
        auto=False,
        button="Find the hull",
        note=f"Relaxes {counted(len(inside), 'crystal')} and the elements in {model.name}.",
        structures=inside,
        potential=model,
    )
    if found is not None:
        _hull(found.result)


def _hull(hull: Hull) -> None:
    stable = [with_subscripts(row.formula) for row in hull.rows if row.stable and row.formation_ev_per_atom < 0.0]
    st.markdown(
        "Stable (on the hull) at zero temperature and pressure: "
        f"**{frame.plain(', '.join(dict.fromkeys(stable)) or 'none')}**. "
        "Energies are relative to the elements, each relaxed in the same potential."
    )
    for name, problem in hull.problems.items():
        frame.error(f"{name}: {problem}")
    if len(hull.elements) == 2:
        element = hull.elements[1]
        frame.plot(
            hull_figure(
                share=[row.fractions.get(element, 0.0) for row in hull.rows],
                formation_ev_per_atom=[row.formation_ev_per_atom for row in hull.rows],
                above_ev_per_atom=[row.above_hull_ev_per_atom for row in hull.rows],
                names=[f"{with_subscripts(row.formula)}, {row.name}" for row in hull.rows],
                element=element,
                mode=frame.mode(),
            ),
            key="batch_hull",
            alt=f"Formation energies of {'-'.join(hull.elements)} with their convex hull",
            name="hull",
        )
    frame.table(
        [
            {
                "name": row.name,
                "formula": with_subscripts(row.formula),
                "formation energy (eV/atom)": frame.number(row.formation_ev_per_atom, 4),
                "energy above hull (eV/atom)": frame.number(row.above_hull_ev_per_atom, 4),
            }
            for row in sorted(hull.rows, key=lambda r: (r.above_hull_ev_per_atom, r.formation_ev_per_atom))
        ],
        key="batch_hull_table",
    )
    frame.downloads(
        [
            ("Hull (CSV)", "hull.csv", "text/csv", hull.to_csv),
            ("Hull (JSON)", "hull.json", "application/json", lambda: json.dumps(hull.to_dict(), indent=1)),
        ],
        key="batch_hull",
    )
