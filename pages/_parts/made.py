"""Potentials that were made in the app: kept for their session, found by a link, first for the crystal they are for.

Whoever has the address of a page with such a potential has the key of its calculation and gets the potential from the
server's store; nobody else sees it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from pages._parts.results import Shown
from pages._parts.selection import Crystal, Model, Origin, keep_crystal, models
from sus2.errors import StoreError
from sus2.jobs.queue import job_queue
from sus2.structures import content_key, formula_units
from sus2.training.frames.fit import FramesFit
from sus2.training.specialise.result import Specialised
from sus2.validation.recommendation import Choice

KEY = re.compile(r"[0-9a-f]{64}")


def keep(shown: Shown) -> bool:
    """Keep the potentials of a result for this session; whether there were new ones."""
    return _keep(shown.result, shown.stored.key)


def from_link(key: str, crystal: str) -> None:
    """Keep the potentials that a link names by the key of their calculation, and the crystal where it is the link's."""
    if not KEY.fullmatch(key):
        return
    stored = job_queue().stored(key)
    if stored is None:
        return
    try:
        found = stored.result()
    except StoreError:
        return
    _keep(found, key)
    if isinstance(found, Specialised) and content_key(found.atoms) == crystal:
        keep_crystal(formula_units(found.atoms).formula, found.atoms)


def address(name: str, key: str) -> str:
    """A link that opens E(V) of the crystal as it is chosen with a potential of that calculation."""
    return f"eos?{urlencode({'crystal': st.session_state['crystal_key'], 'model': name, 'made': key})}"


def best(crystal: Crystal, covering: Sequence[Model]) -> Choice | None:
    """The potential that was made for this very crystal, with the reason; None where there is none."""
    key = content_key(crystal.atoms)
    for model in covering:
        if model.origin is not None and model.origin.reason and model.origin.crystal == key:
            return Choice(model.card, model.origin.reason, float("nan"))
    return None


def name_of(card: Any) -> str:
    """The name under which a potential that was made is kept: not that of a shipped one."""
    shipped = {m.name for m in models() if not m.is_own}
    return f"{card.name} (own)" if card.name in shipped else str(card.name)


def _keep(result: Any, key: str) -> bool:
    """Add the potentials of a result to those of the session."""
    found: list[Model] = []
    if isinstance(result, Specialised):
        at = content_key(result.atoms)
        found = [Model(s.card, s.text.encode(), Origin(key, at, s.reason)) for s in result.students]
    elif isinstance(result, FramesFit):
        found = [Model(result.card, result.text.encode(), Origin(key))]
    own = st.session_state.setdefault("own_models", {})
    new = False
    for made in found:
        name = name_of(made.card)
        if name != made.name:
            made = Model(made.card.model_copy(update={"name": name}), made.raw, made.origin)
        known = own.get(name)
        new |= known is None or known.identity != made.identity
        own[name] = made
    return new
