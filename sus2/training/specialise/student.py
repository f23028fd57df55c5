"""One functional of a run of sus2.specialise: the teacher's crystal, the fit, and the loop."""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from ase import Atoms

from sus2.errors import CancelledError, ConvergenceError, Sus2Error
from sus2.potential.card import Card
from sus2.potential.mtp import ModelSpec, format_mtp
from sus2.progress import Parity, Stage, Tick
from sus2.relaxation.relax import relax
from sus2.structures.formula import formula_units
from sus2.training.data.dataset import TrainingSet
from sus2.training.data.generate import Made
from sus2.training.fit.information import summarise
from sus2.training.fit.least_squares import Damped
from sus2.training.fit.objective import Errors
from sus2.training.quick_fit.committee import members_spread
from sus2.training.quick_fit.fit import Fit, Recipe
from sus2.training.specialise.beside import Axes, beside, frequencies_off, shortfalls, spread_percent, worst
from sus2.training.specialise.labels import Labeller, portions
from sus2.training.specialise.response import Measured, at_rest_under_strain, measured, unknown
from sus2.training.specialise.result import Round, Student
from sus2.training.specialise.structures import Response, around, plain, response_structures, rivals
from sus2.training.specialise.teachers import Teachers
from sus2.training.specialise.trial import Trial, doubtful, properties, tried

MEMBERS: Final = 4
_NEW_LABELS: Final = 16
_STEPS_FROM_UNIVERSAL: Final = 1
# Second derivatives of the crystal itself are what is asked for; they are few among the structures.
_RESPONSE_WEIGHT: Final = 4.0
# Where the frequencies remain wrong (soft modes are small differences of large force constants), displacements weigh
# so much more, once: at the cost of forces far from rest.
_MORE_DISPLACED: Final = 4.0
# Shares of the time of one functional: labels, and the first fit.
_LABEL_SHARE: Final = 0.4
_FIT_SHARE: Final = 0.7
# Every so many single structures one is held out: no divisor of the seven kinds that follow each other.
_HELD_OUT: Final = 8


@dataclass(frozen=True)
class Wanted:
    """What one functional should be like.

    Attributes
    ----------
    functional
        The teacher's.
    spread_percent
        Of the committee.
    rounds
        Most passes.
    start
        "auto", "universal" or "random".
    rivals
        Whether rivals are labelled too.
    seed
        Of everything random.
    until
        Reading of time.monotonic() at which it should end.
    started
        That at which the run began.
    labels
        File that keeps labels; None: none.
    """

    functional: str
    spread_percent: float
    rounds: int
    start: str
    rivals: bool
    seed: int
    until: float
    started: float
    labels: Path | None


class Run:
    """The run of one functional; `before` is that of another, whose structures and radial functions it takes over."""

    def __init__(
        self, crystal: Atoms, teachers: Teachers, recipe: Recipe, wanted: Wanted, tick: Tick, before: Run | None
    ) -> None:
        self.crystal = crystal
        self.teachers = teachers
        self.teacher = teachers.by_functional[wanted.functional]
        self.recipe = recipe
        self.wanted = wanted
        self.tick = tick
        self.before = before
        self.notices: list[str] = []
        self.words = ""
        self.numbers: dict[str, float] = {}
        self.parity: Parity = {}
        self.emphasised = False
        self.labeller = Labeller(self.teacher, wanted.labels, self._tick)
        self.made: list[Made] = []
        self.elements = tuple(dict.fromkeys(crystal.get_chemical_symbols()))

    def _tick(self, words: str) -> None:
        self.tick(Stage(f"{self.wanted.functional}: {words}{self.words}", self.numbers, self.parity) if words else "")
        if words:
            self.parity = {}

    # ---- the teacher's crystal

    def rest(self) -> Atoms:
        """The crystal at the teacher's rest; as it was given, with a notice, where the teacher finds none near."""
        self._tick("the teacher relaxes the crystal")
        start = self.crystal if self.before is None else self.before.response.atoms
        try:
            found = relax(
                start,
                self.teacher,
                fmax=3e-3,
                stress_gpa=0.03,
                max_steps=80,
                progress=lambda stage, f: self._tick(stage),
            )
            change = found.volume_a3 / abs(float(self.crystal.cell.volume)) - 1.0
            if abs(change) > 0.4:
                raise ConvergenceError(f"its volume changes by {100.0 * change:.0f} %")
            if not found.converged:
                self.notices.append(
                    f"The teacher ({self.wanted.functional}) had not quite relaxed the crystal after "
                    f"{found.steps} steps."
                )
            return plain(found.atoms)
        except CancelledError:
            raise
        except ConvergenceError as error:
            self.notices.append(
                f"The teacher ({self.wanted.functional}) has no rest near this crystal "
                f"({str(error).rstrip('.')}), so the potential is made around the crystal as it was given."
            )
            return plain(start)

    def labelled(self) -> tuple[TrainingSet, TrainingSet | None]:
        """The response structures and others around the crystal, labelled; what is held out."""
        name = formula_units(self.crystal).formula
        self.response = response_structures(self.rest(), name)
        found = self.labeller.label(self.response.made)
        if found is None:
            raise Sus2Error(
                f"The teacher {self.teacher.name} could not label this crystal; see whether its atoms are too close, "
                "or choose another teacher."
            )
        raw = measured(self.response, found)
        self.axes = Axes.of(self.response.atoms, raw.c_gpa)
        self.reference = self.axes.turned(raw)
        bent = self.labeller.label(at_rest_under_strain(self.response, raw, name))
        if bent is not None:
            found = TrainingSet.concatenate([found, bent])
        found = found.with_weights(_RESPONSE_WEIGHT * found.weight)
        if self.before is not None:
            self.made = list(self.before.made)
        else:
            n = len(self.response.atoms)
            self.made = around(
                self.response.atoms, name, self.wanted.seed, atoms_wanted=1000 if n <= 2 else 1600 if n <= 8 else 2200
            )
            if self.wanted.rivals:
                self.made += self._rivals()
        now = time.monotonic()
        end = now + _LABEL_SHARE * max(0.0, self.wanted.until - now)
        parts: list[TrainingSet] = []
        for chunk in portions(self.made):
            label = self.labeller.label(chunk)
            if label is not None:
                parts.append(label)
            if time.monotonic() > end:
                self.notices.append(
                    f"The budget allowed {sum(len(p) for p in parts)} of {len(self.made)} structures for "
                    f"{self.wanted.functional}: more seconds give more of them."
                )
                break
        rest = TrainingSet.concatenate(parts) if parts else None
        if rest is None or len(rest) < 2 * _HELD_OUT:
            return TrainingSet.concatenate([found, *([rest] if rest is not None else [])]), None
        single = ~np.char.endswith(rest.kind, "-pair")
        held = single & (np.cumsum(single) % _HELD_OUT == 0)
        return TrainingSet.concatenate([found, rest.subset(~held)]), rest.subset(held) if held.any() else None

    def _rivals(self) -> list[Made]:
        made: list[Made] = []
        for name, cell in rivals(self.crystal):
            self._tick(f"the teacher relaxes {name}")
            try:
                rest = relax(
                    cell, self.teacher, fmax=0.02, stress_gpa=0.2, max_steps=60, progress=lambda s, f: self._tick("")
                )
            except CancelledError:
                raise
            except Sus2Error:
                continue
            made += [Made(plain(rest.atoms), "relaxed", name, 1.0)]
            made += around(rest.atoms, name, self.wanted.seed, atoms_wanted=60)
        return made

    # ---- the student

    def done(self, name: str) -> tuple[Student, list[Round]]:
        """Fit, try and label until it is good or the time is over."""
        train, held = self.labelled()
        # A potential to start from makes the run's form; one functional goes on from the other.
        source = self.before.fit.spec if self.before is not None else self._origin()
        self.fit = Fit(self.elements, self.recipe, self.wanted.seed, self._tick, source)
        self.fit.add(train)
        if held is not None:
            self.fit.add(held, held_out=True)
        self.fit.begin()
        now = time.monotonic()
        # A universal potential has so many scalars that a new readout does nearly all, and a step costs far more.
        self.steps = _STEPS_FROM_UNIVERSAL if self.wanted.start == "universal" else self.recipe.steps
        self.fit.improve(self.steps, now + _FIT_SHARE * max(0.0, self.wanted.until - now), self._report)
        rounds: list[Round] = []
        spread = unknown(self.reference)
        trial: Trial | None = None
        tries: list[tuple[tuple[bool, float], Trial | None, Measured, Damped | None, int]] = []
        card = Card(name=name, functional=self.wanted.functional, elements=self.elements)
        while True:
            trial, spread = self._try(card, len(rounds), spread)
            rounds.append(self._round(trial, spread))
            fresh = [] if trial is None else doubtful(trial.candidates, _NEW_LABELS)
            # The last is not always the best; one that leads to doubtful structures is worse than any that does not.
            doubts = bool(fresh) or trial is None or bool(trial.problems)
            key = (doubts, worst(self.reference, None if trial is None else trial.measured))
            tries.append((key, trial, spread, self.fit.state, len(self.fit.parts)))
            over = time.monotonic() > self.wanted.until or len(rounds) >= self.wanted.rounds
            if over or (not fresh and not self._short(trial, spread)):
                break
            if not self._learn(fresh, trial):
                break
        _, trial, spread, self.fit.state, parts = min(reversed(tries), key=lambda one: one[0])
        del self.fit.parts[parts:]
        return self._student(name, trial, spread), rounds

    def _origin(self) -> ModelSpec | None:
        if self.wanted.start != "universal":
            return None
        found = self.teachers.start_for(self.wanted.functional, self.elements)
        if found is None:
            self.notices.append(
                "There is no other universal potential of these elements to start from; starts are random."
            )
            return None
        return found.spec.with_species([found.elements.index(e) for e in self.elements])

    def _report(self, found: Errors) -> None:
        self.numbers = {
            "seconds": time.monotonic() - self.wanted.started,
            "energy_mev_per_atom": found.energy_mae_mev_per_atom,
            "force_mev_per_a": found.force_mae_mev_per_a,
        }
        self.parity = self.fit.parity()
        self.words = f" · {found.energy_mae_mev_per_atom:.1f} meV/atom, {found.force_mae_mev_per_a:.0f} meV/Å held out"

    def _try(self, card: Card, k: int, before: Measured) -> tuple[Trial | None, Measured]:
        """The student on its crystal, and the spread of what its committee finds."""
        potential = self.fit.potential(card)
        q = self.reference.q
        self._tick("how far is far")
        known = summarise(potential, self.fit.training_set, self.wanted.seed)
        trial = tried(
            self.response.atoms,
            potential,
            known,
            q,
            formula_units(self.crystal).formula,
            seed=self.wanted.seed + k,
            dynamics=True,
            tick=self._tick,
        )
        if trial.measured is not None:
            trial = replace(trial, measured=self.axes.turned(trial.measured))
        found = []
        for spec in self.fit.committee(MEMBERS):
            self._tick("committee")
            try:
                member = properties(trial.atoms or self.response.atoms, self.fit.potential(card, spec), q)[1]
                found.append(self.axes.turned(member))
            except CancelledError:
                raise
            except Sus2Error:
                continue
        if len(found) < 2:
            return trial, unknown(self.reference)
        return trial, Measured(
            v0_a3=float(members_spread([np.array(m.v0_a3) for m in found])),
            energy_ev=float("nan"),
            c_gpa=members_spread([m.c_gpa for m in found]),
            q=q,
            frequencies_thz=members_spread([m.frequencies_thz for m in found]),
        )

    def _learn(self, fresh: list[Made], trial: Trial | None) -> bool:
        """More labels and more steps; False where neither could change anything."""
        ours = None if trial is None else trial.measured
        if not self.emphasised and frequencies_off(self.reference, ours):
            self.fit.emphasise("displaced-pair", _MORE_DISPLACED)
            self.emphasised = True
        before = self.fit.state
        label = self.labeller.label(fresh) if fresh else None
        if label is not None:
            self.made += fresh
            self.fit.add(label)
        # A few labels more move the radial functions little.
        self.fit.improve(self.steps if label is None else max(1, self.steps // 3), self.wanted.until, self._report)
        return label is not None or (
            before is not None and self.fit.state is not None and self.fit.state.loss < before.loss
        )

    # ---- what came out

    def _short(self, trial: Trial | None, spread: Measured) -> tuple[str, ...]:
        """What was asked for and is not there, one sentence each."""
        ours = None if trial is None else trial.measured
        return shortfalls(
            self.reference, ours, spread, self.wanted.spread_percent, () if trial is None else trial.problems
        )

    def _round(self, trial: Trial | None, spread: Measured) -> Round:
        errors = self.fit.errors(held_out=bool(self.fit.held))
        return Round(
            seconds=time.monotonic() - self.wanted.started,
            structures=self.fit.structures,
            energy_mev_per_atom=errors.energy_mae_mev_per_atom,
            force_mev_per_a=errors.force_mae_mev_per_a,
            spread_percent=spread_percent(self.reference, spread),
            grade=trial.largest_grade if trial is not None else float("nan"),
            problems=trial.problems if trial is not None else (),
        )

    def _student(self, name: str, trial: Trial | None, spread: Measured) -> Student:
        text = format_mtp(self.fit.spec)
        table = beside(self.reference, None if trial is None else trial.measured, spread)
        found = {f"train_{k}": v for k, v in asdict(self.fit.errors(held_out=False)).items()}
        if self.fit.held:
            found |= {f"held_out_{k}": v for k, v in asdict(self.fit.errors()).items()}
        errors = {k: round(float(v), 4) for k, v in found.items() if np.isfinite(v)}
        formula = formula_units(self.crystal).formula
        shown: dict[str, float] = {}
        for line in table:
            unit = {"Å³": "a3", "GPa": "gpa", "THz": "thz"}[line.unit]
            label = line.quantity.replace(", ", "_").replace(" ", "_").lower()
            for who, value in ((f"{label}_{unit}", line.student), (f"teacher_{label}_{unit}", line.teacher)):
                if np.isfinite(value):
                    shown[who] = round(float(value), 4)
        known = self.teachers.known_errors
        ours = trial.measured if trial is not None else None
        card = Card(
            name=name,
            functional=self.wanted.functional,
            elements=self.elements,
            summary=f"Made for {formula} alone.",
            data=f"{self.fit.structures} structures made around {formula}, labelled by {self.teacher.name}.",
            data_sha256=self.fit.training_set.hash,
            teacher=self.teacher.name,
            errors=errors,
            properties={formula: shown},
            limits=f"Only for {formula}, near its own structure (volumes of 0.8 to 1.25 of that at rest): surfaces, "
            f"defects, melts and other structures are extrapolation. It has its teacher's errors besides its own."
            + (f" Known of the teacher: {known}" if known else ""),
            command=f"sus2 specialise --teacher {self.teacher.name}",
            licence=self.teachers.licence or "not stated",
            sha256=hashlib.sha256(text.encode()).hexdigest(),
            version="1",
        )
        card = self.fit.potential(card).card
        n = self.reference.frequencies_thz.shape
        return Student(
            functional=self.wanted.functional,
            text=text,
            card_json=card.model_dump_json(),
            atoms=plain(trial.atoms) if trial is not None and trial.atoms is not None else plain(self.response.atoms),
            table=table,
            frequencies_thz=np.full(n, np.nan) if ours is None else ours.frequencies_thz,
            teacher_frequencies_thz=self.reference.frequencies_thz,
            q=self.reference.q,
            errors=errors,
            structures=self.fit.structures,
            shortfalls=self._short(trial, spread),
        )

    response: Response
    axes: Axes
    reference: Measured
    fit: Fit
    steps: int
