"""sus2.specialise: structures of one crystal labelled by a teacher, fitted, tried, labelled again where it guesses."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from ase import Atoms

from sus2.errors import CancelledError, DataError, StoreError, StructureError, Sus2Error
from sus2.jobs import archive
from sus2.native.build import available
from sus2.progress import Progress
from sus2.properties.elastic.ieee_axes import primitive_cell
from sus2.structures import check_crystal, content_key, to_atoms
from sus2.structures.formula import formula_units
from sus2.training.quick_fit.fit import Recipe
from sus2.training.specialise.result import Round, Specialised, Student
from sus2.training.specialise.structures import dimensions
from sus2.training.specialise.student import Run, Wanted
from sus2.training.specialise.teachers import DEFAULT, Teachers, teachers_of

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator
    from pymatgen.core import Structure

    from sus2.potential.evaluation import Calculates

Start = Literal["auto", "universal", "random"]
STARTS: Final = ("auto", "universal", "random")
MAX_ATOMS: Final = 60
_SYMPREC_A: Final = 1e-3
_RESULT: Final = "result.sus2"


@dataclass
class _Clock:
    """Reports how far a run is, and ends it where that is wanted."""

    budget_s: float
    progress: Progress | None
    cancel: Callable[[], bool] | None
    started: float
    words: str = "begin"

    def tick(self, words: str) -> None:
        """Say what is done now; raises CancelledError."""
        if self.cancel is not None and self.cancel():
            raise CancelledError("The potential was cancelled.")
        self.words = words or self.words
        if self.progress is not None:
            self.progress(self.words, min(0.99, (time.monotonic() - self.started) / self.budget_s))


def specialise(
    atoms: Atoms | Structure,
    teacher: str | Calculates | Calculator | Mapping[str, Any] = DEFAULT,
    *,
    functionals: Sequence[str] = ("PBE", "r2SCAN"),
    budget_s: float = 60.0,
    spread_percent: float = 4.0,
    rounds: int = 6,
    start: Start = "auto",
    graph: str = "l3k3",
    rivals: bool = False,
    seed: int = 0,
    folder: str | Path | None = None,
    progress: Progress | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Specialised:
    """Make a potential for one crystal from a teacher's labels, one for each functional.

    Structures are made around the crystal (volumes of 0.80 to 1.25, strains, rattles, displacements in supercells),
    labelled and fitted. Then the student relaxes the crystal, from elsewhere too, and runs E(V), second derivatives and
    short dynamics; structures that this leads to and that are far from all labels go back to the teacher, and the fit
    goes on, until the committee of readouts agrees and nothing doubtful is left, or the budget ends.

    Parameters
    ----------
    atoms
        The crystal; its primitive cell is taken.
    teacher
        Name of a potential, of a plug-in or of a teacher in a process of its own (sus2.training.teachers.remote); a
        potential; an ASE calculator; or a mapping from functionals to these.
    functionals
        Potentials that are wanted; those that the teacher does not have are left out, with a notice.
    budget_s
        Seconds for everything. A first fit is made in any case.
    spread_percent
        Relative spread of B0 and the elastic constants over the committee that is good enough, percent.
    rounds
        Most passes of the loop for each functional.
    start
        "universal": radial functions and readout of the universal potential; "random"; "auto": random.
    graph
        Moment graph of a potential with a random start.
    rivals
        Also ground states of the elements and other prototypes of the composition.
    seed
        Of everything random. With one seed and the same number of rounds the result is the same; only the clock decides
        how many rounds there are.
    folder
        Keeps labels and the result, so that a run that was stopped goes on, and one that is finished is not repeated.
    progress
        Called with the stage (with the errors so far) and the fraction of the budget that is used.
    cancel
        Asked often; True ends the run with CancelledError.

    Returns
    -------
    Specialised
        Potentials, cards, and the teacher's crystal beside each potential's.

    Raises
    ------
    StructureError
        No crystal, or one with a vacuum.
    UnknownElementError
        The teacher does not cover an element.
    DataError
        The teacher's environment or weights are not there, or the folder is that of another run.
    CancelledError
        It was cancelled.
    Sus2Error
        Another argument makes no sense, there is no C++ compiler, or the teacher fails.
    """
    started = time.monotonic()
    given = to_atoms(atoms)
    check_crystal(given)
    _check(given, budget_s, spread_percent, rounds, start)
    crystal = primitive_cell(given, _SYMPREC_A)
    clock = _Clock(budget_s, progress, cancel, started)
    recipe = Recipe(graph=graph)
    settings = {
        "crystal": content_key(given),
        "functionals": list(functionals),
        "budget_s": budget_s,
        "rounds": rounds,
        "spread_percent": spread_percent,
        "start": start,
        "graph": graph,
        "rivals": rivals,
        "seed": seed,
        "teacher": _named(teacher),
    }
    place = None if folder is None else Path(folder)
    if place is not None:
        _claim(place, settings)
        if (done := _finished(place)) is not None:
            return done
    clock.tick("the teacher starts")
    teachers = teachers_of(teacher, functionals, crystal)
    students: list[Student] = []
    passes: list[Round] = []
    notices = list(teachers.notices)
    try:
        before: Run | None = None
        names = list(teachers.by_functional)
        for k, functional in enumerate(names):
            # What is left is shared evenly.
            until = time.monotonic() + (started + budget_s - time.monotonic()) / (len(names) - k)
            wanted = Wanted(
                functional=functional,
                spread_percent=spread_percent,
                rounds=rounds,
                start=start,
                rivals=rivals,
                seed=seed,
                until=until,
                started=started,
                labels=None if place is None else place / f"labels-{functional}.npz",
            )
            run = Run(crystal, teachers, recipe, wanted, clock.tick, before)
            student, more = run.done(_name(crystal, teachers, functional, settings))
            students.append(student)
            passes += more
            notices += run.notices
            before = run
    finally:
        teachers.close()
    result = Specialised(
        atoms=given,
        teacher=teachers.name,
        students=tuple(students),
        rounds=tuple(passes),
        seconds=time.monotonic() - started,
        reached=not any(s.shortfalls for s in students),
        notices=tuple(dict.fromkeys(notices)),
    )
    if place is not None:
        (place / _RESULT).write_bytes(archive.pack(result))
        result.write(place)
    return result


def _check(atoms: Atoms, budget_s: float, spread_percent: float, rounds: int, start: str) -> None:
    if not available():
        raise Sus2Error(
            "Fitting a potential needs the compiled kernels, and there is no C++ compiler here; install one, "
            "such as g++."
        )
    if not (budget_s > 0 and spread_percent > 0) or rounds < 1:
        raise Sus2Error(
            f"The budget ({budget_s} s), the spread ({spread_percent} %) and the rounds ({rounds}) must be positive."
        )
    if start not in STARTS:
        raise Sus2Error(f"start must be one of {', '.join(STARTS)}, not '{start}'.")
    if len(atoms) > MAX_ATOMS:
        raise Sus2Error(
            f"The crystal has {len(atoms)} atoms; potentials are made for cells of up to {MAX_ATOMS}: give its "
            f"primitive "
            "cell, or train on your own frames with sus2.fit_frames."
        )
    reach = Recipe().cutoff_a
    if (count := dimensions(atoms, reach)) < 3:
        what = ("a molecule", "a chain", "a sheet")[count]
        raise StructureError(
            f"This is {what} with empty space around it (nothing within {reach:g} Å); potentials are made for "
            "crystals: give one without a vacuum, or train on your own frames with sus2.fit_frames."
        )


def _named(teacher: Any) -> Any:
    if isinstance(teacher, str):
        return teacher
    if isinstance(teacher, Mapping):
        return {f: _named(t) for f, t in teacher.items()}
    card = getattr(teacher, "card", None)
    return card.identity if card is not None else str(getattr(teacher, "name", type(teacher).__name__))


def _name(crystal: Atoms, teachers: Teachers, functional: str, settings: Mapping[str, Any]) -> str:
    """Formula, functional, teacher, and a few digits that tell runs apart."""
    digits = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:4]
    teacher = teachers.name.removesuffix("-pbe").removesuffix("-r2scan")
    safe = "".join(c if c.isalnum() or c in "._-" else "-" for c in teacher)[:40]
    return f"{formula_units(crystal).formula}-{functional.lower()}-from-{safe}-{digits}"


def _claim(folder: Path, settings: Mapping[str, Any]) -> None:
    """Refuse the folder of another run; write what this one is."""
    text = json.dumps(settings, sort_keys=True, indent=1)
    path = folder / "specialise.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.read_text(encoding="utf-8") != text:
            raise DataError(
                f"The folder {folder.name} belongs to another crystal, teacher or settings; choose another folder."
            )
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"The folder {folder} cannot be used ({error.strerror}).") from None


def _finished(folder: Path) -> Specialised | None:
    """The result of a run that has ended; None where there is none, or only a damaged one."""
    path = folder / _RESULT
    if not path.is_file():
        return None
    with suppress(StoreError, OSError):
        found = archive.unpack(path.read_bytes(), lambda wanted: None)
        if isinstance(found, Specialised):
            return found
    return None
