"""Potentials that differ from a shipped one in a way whose consequences are known exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

import sus2
from sus2.potential.card import Card
from sus2.potential.potential import Potential


def twin(
    original: Potential,
    *,
    name: str = "twin",
    functional: str = "other",
    strength: float = 1.0,
    stretch: float = 1.0,
    shifts_ev: Mapping[str, float] | None = None,
    card: Mapping[str, object] | None = None,
) -> Potential:
    """E'(r) = strength E(r / stretch) + shifts: force constants, volumes and energies follow by hand."""
    spec = original.spec
    shift = np.array(spec.shift_coeffs) * strength
    for element, value in (shifts_ev or {}).items():
        shift[original.elements.index(element)] += value
    changed = replace(
        spec,
        shift_coeffs=shift,
        species_coeffs=np.array(spec.species_coeffs) * strength,
        alpha=np.array(spec.alpha) / stretch,
        r0=np.array(spec.r0) * stretch,
        min_dist=spec.min_dist * stretch,
        max_dist=spec.max_dist * stretch,
        scaling=spec.scaling / stretch**2,
    )
    return Potential(changed, Card(name=name, functional=functional, elements=original.elements, **(card or {})))


def metals() -> Potential:
    return sus2.load("sus2-universal-pbe")
