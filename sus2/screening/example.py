"""A small screening that shows what the page of screenings is for."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sus2.errors import Sus2Error
from sus2.progress import Progress
from sus2.screening.start import screen
from sus2.structures.samples import samples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sus2.potential.card import Card
    from sus2.potential.evaluation import Calculates

MAX_CRYSTALS: Final = 16
MAX_ATOMS: Final = 8
MIN_CRYSTALS: Final = 3
"""An example of fewer crystals shows nothing: another potential takes its place."""


def example_card(chosen: Card, cards: Sequence[Card]) -> Card:
    """The potential of an example of many crystals.

    Parameters
    ----------
    chosen
        The potential that the user has chosen.
    cards
        All potentials.

    Returns
    -------
    Card
        The chosen one where it covers MIN_CRYSTALS samples; else the one that covers most of them, of the same
        functional where there is one.
    """

    def covered(card: Card) -> int:
        return sum(set(s.elements) <= set(card.elements) for s in samples())

    if covered(chosen) >= MIN_CRYSTALS:
        return chosen
    others = [card for card in cards if covered(card) >= MIN_CRYSTALS]
    return max(others, key=lambda card: (card.functional == chosen.functional, covered(card)), default=chosen)


def example_screening(potential: Calculates, *, progress: Progress | None = None) -> bytes:
    """Screen the smallest sample crystals that a potential covers: equation of state and elastic constants.

    Parameters
    ----------
    potential
        A potential.
    progress
        Called with a stage and the fraction done; may raise CancelledError.

    Returns
    -------
    bytes
        The database, as `sus2 screen` writes it.

    Raises
    ------
    Sus2Error
        The potential covers no sample.
    """
    known = {s.name: s.atoms() for s in samples() if set(s.elements) <= set(potential.elements)}
    small = {name: atoms for name, atoms in known.items() if len(atoms) <= MAX_ATOMS}
    chosen = dict(sorted(small.items(), key=lambda item: len(item[1]))[:MAX_CRYSTALS])
    if not chosen:
        raise Sus2Error(f"{potential.name} covers none of the small sample crystals; choose another potential.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "example.db"
        # Threads: this may itself run in a worker process, which makes none of its own.
        screen(chosen, potential, out=path, executor=lambda: ThreadPoolExecutor(1), workers=1, progress=progress)
        return path.read_bytes()
