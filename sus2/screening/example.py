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
    from sus2.potential.evaluation import Calculates

MAX_CRYSTALS: Final = 16
MAX_ATOMS: Final = 8


def example_screening(potential: Calculates, *, progress: Progress | None = None) -> bytes:
    """Screen the smallest sample crystals that a potential knows: equation of state and elastic constants.

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
        The potential knows no sample.
    """
    known = {s.name: s.atoms() for s in samples() if set(s.elements) <= set(potential.elements)}
    small = {name: atoms for name, atoms in known.items() if len(atoms) <= MAX_ATOMS}
    chosen = dict(sorted(small.items(), key=lambda item: len(item[1]))[:MAX_CRYSTALS])
    if not chosen:
        raise Sus2Error(f"{potential.name} knows none of the small sample crystals; choose another potential.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "example.db"
        # Threads: this may itself run in a worker process, which makes none of its own.
        screen(chosen, potential, out=path, executor=lambda: ThreadPoolExecutor(1), workers=1, progress=progress)
        return path.read_bytes()
