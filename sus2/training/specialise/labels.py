"""Labels of a teacher for structures, each asked for once and kept in a folder so that a run can be resumed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from ase import Atoms

from sus2.errors import CancelledError, DataError, Sus2Error, UnknownElementError
from sus2.potential.evaluation import Calculates
from sus2.progress import Tick
from sus2.training.data.dataset import TrainingSet, make_set
from sus2.training.data.generate import Made
from sus2.training.specialise.structures import too_close
from sus2.types import Array

_Label = tuple[float, Array, Array]

# Atoms of one batch: small enough that a cancellation is seen soon, large enough to be worth a call.
_BATCH_ATOMS: Final = 48
# Labels with larger forces teach nothing about a crystal near rest.
LARGEST_FORCE_EV_PER_A: Final = 20.0


class Labeller:
    """Labels of one teacher.

    Parameters
    ----------
    teacher
        What labels.
    path
        File that keeps its labels; None: they are not kept.
    tick
        Called with what is done, often; it may raise CancelledError.
    """

    def __init__(self, teacher: Calculates, path: Path | None, tick: Tick) -> None:
        self.teacher = teacher
        self.path = path
        self.tick = tick
        self.asked = 0
        self._kept: dict[str, _Label] = _read(path)

    def label(self, made: Sequence[Made]) -> TrainingSet | None:
        """The structures with their labels; those that the teacher cannot label, or with absurd labels, are left out.

        Parameters
        ----------
        made
            Structures; of a kind "...-pair" two that follow each other are kept or left out together.

        Returns
        -------
        TrainingSet or None
            None where nothing is left.

        Raises
        ------
        UnknownElementError
            The teacher does not cover an element.
        """
        todo = {key(m.atoms): m.atoms for m in made if key(m.atoms) not in self._kept}
        ready = {k: a for k, a in todo.items() if not too_close(a)}
        batch: list[str] = []
        try:
            for k, atoms in ready.items():
                if batch and sum(len(ready[b]) for b in batch) + len(atoms) > _BATCH_ATOMS:
                    self._ask([(b, ready[b]) for b in batch])
                    batch = []
                batch.append(k)
            if batch:
                self._ask([(b, ready[b]) for b in batch])
        finally:
            if todo:
                _write(self.path, self._kept)
        return self._set(made)

    def _ask(self, batch: Sequence[tuple[str, Atoms]]) -> None:
        self.tick(f"{self.asked} labels of {self.teacher.name}")
        structures = [a for _, a in batch]
        try:
            found = self.teacher.evaluate(structures)
        except (CancelledError, UnknownElementError):
            raise
        except Sus2Error:
            if len(batch) == 1:
                return
            # One that fails must not take the others with it.
            for item in batch:
                self._ask([item])
            return
        for (k, _), result in zip(batch, found, strict=True):
            self._kept[k] = (result.energy_ev, np.array(result.forces_ev_per_a), np.array(result.stress_ev_per_a3))
        self.asked += len(batch)

    def _set(self, made: Sequence[Made]) -> TrainingSet | None:
        labels = [self._kept.get(key(m.atoms)) for m in made]
        good = [x is not None and _sound(x) for x in labels]
        for a, b in pairs_of(made):
            good[a] = good[b] = good[a] and good[b]
        chosen = [(m, x) for m, x, g in zip(made, labels, good, strict=True) if g and x is not None]
        if not chosen:
            return None
        return make_set(
            [m.atoms for m, _ in chosen],
            [x[0] for _, x in chosen],
            [x[1] for _, x in chosen],
            [x[2] for _, x in chosen],
            set_name="specialise",
            kind=[m.kind for m, _ in chosen],
            base=[m.base for m, _ in chosen],
            volume_ratio=np.array([m.volume_ratio for m, _ in chosen]),
        )


def pairs_of(made: Sequence[Made]) -> list[tuple[int, int]]:
    """Places of the two of each pair.

    Parameters
    ----------
    made
        Structures, the two of a pair one after the other.

    Returns
    -------
    list of (int, int)
        Of neighbours of one kind `...-pair`, one base and one size.
    """
    found, k = [], 0
    while k + 1 < len(made):
        a, b = made[k], made[k + 1]
        alike = a.kind.endswith("-pair") and (a.kind, a.base, len(a.atoms)) == (b.kind, b.base, len(b.atoms))
        if alike:
            found.append((k, k + 1))
        k += 2 if alike else 1
    return found


def portions(made: Sequence[Made], size: int = 24) -> list[list[Made]]:
    """The structures in small portions, pairs together."""
    second = {b for _, b in pairs_of(made)}
    out: list[list[Made]] = []
    for k, m in enumerate(made):
        if not out or (len(out[-1]) >= size and k not in second):
            out.append([])
        out[-1].append(m)
    return out


def key(atoms: Atoms) -> str:
    """A name for a structure: equal for equal numbers, positions and cells."""
    h = hashlib.sha256(np.ascontiguousarray(atoms.numbers, dtype="<i8").tobytes())
    h.update(np.ascontiguousarray(atoms.positions, dtype="<f8").tobytes())
    h.update(np.ascontiguousarray(atoms.cell.array, dtype="<f8").tobytes())
    return h.hexdigest()[:32]


def _sound(label: _Label) -> bool:
    energy, forces, stress = label
    finite = np.isfinite(energy) and np.isfinite(forces).all() and np.isfinite(stress).all()
    return bool(finite and np.linalg.norm(forces, axis=1).max(initial=0.0) < LARGEST_FORCE_EV_PER_A)


def _read(path: Path | None) -> dict[str, _Label]:
    if path is None or not path.is_file():
        return {}
    try:
        with np.load(path, allow_pickle=False) as z:
            first = np.concatenate([[0], np.cumsum(z["sizes"])])
            forces = z["forces"]
            return {
                str(k): (float(e), forces[a:b], s)
                for k, e, s, a, b in zip(z["keys"], z["energy"], z["stress"], first[:-1], first[1:], strict=True)
            }
    except (OSError, KeyError, ValueError, EOFError):
        raise DataError(f"The labels in {path.name} are damaged; remove the file to make them again.") from None


def _write(path: Path | None, kept: dict[str, _Label]) -> None:
    if path is None or not kept:
        return
    scratch = path.with_suffix(".part")
    with scratch.open("wb") as file:
        np.savez_compressed(
            file,
            keys=np.array(list(kept)),
            energy=np.array([x[0] for x in kept.values()]),
            sizes=np.array([len(x[1]) for x in kept.values()]),
            forces=np.concatenate([x[1] for x in kept.values()]),
            stress=np.array([x[2] for x in kept.values()]),
        )
    os.replace(scratch, path)
