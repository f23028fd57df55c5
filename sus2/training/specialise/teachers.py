"""Who labels: a potential by name, a teacher in a process of its own, a calculator, or one for each functional."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ase.calculators.calculator import Calculator

from sus2.errors import Sus2Error, UnknownElementError, printable
from sus2.potential.evaluation import Calculates
from sus2.potential.potential import Potential
from sus2.registry.external import wrap_calculator
from sus2.registry.load import load, models
from sus2.training.teachers.remote import TEACHERS, RemoteTeacher, remote_teacher

if TYPE_CHECKING:
    from ase import Atoms

DEFAULT: Final = "sus2-universal-pbe"


@dataclass(frozen=True, eq=False)
class Teachers:
    """The teachers of one run.

    Attributes
    ----------
    name
        For the card.
    by_functional
        One for each functional that is both wanted and there.
    licence
        Of the labels; empty where nobody says.
    known_errors
        One sentence for the card; empty where nothing is known.
    notices
        What is not there.
    """

    name: str
    by_functional: Mapping[str, Calculates]
    licence: str
    known_errors: str
    notices: tuple[str, ...]

    def close(self) -> None:
        """End processes."""
        for teacher in self.by_functional.values():
            if isinstance(teacher, RemoteTeacher):
                teacher.close()

    def start_for(self, functional: str, elements: Sequence[str]) -> Potential | None:
        """A SUS2 potential of many elements that is not the teacher itself, to start from.

        Parameters
        ----------
        functional
            One of the teacher's.
        elements
            That it has to cover.

        Returns
        -------
        Potential or None
            None where there is none.
        """
        teacher = self.by_functional[functional]
        name = "sus2-universal-r2scan" if functional == "r2SCAN" else DEFAULT
        if teacher.name == name:
            return None
        with suppress(Sus2Error):
            found = load(name)
            if isinstance(found, Potential) and set(elements) <= set(found.elements):
                return found
        return None


@dataclass(frozen=True)
class Offer:
    """A teacher by name.

    Attributes
    ----------
    name
        What `specialise` takes.
    functionals
        What it has.
    missing
        Why it cannot be used here, one sentence; empty where it can.
    licence
        Of its weights.
    errors
        What is known to be wrong with it.
    """

    name: str
    functionals: tuple[str, ...]
    missing: str
    licence: str
    errors: str


def offers() -> list[Offer]:
    """All teachers by name: the shipped pair, those with a process of their own, and plug-ins."""
    cards = {c.name: c for c in models()}
    found = []
    if DEFAULT in cards:
        card = cards[DEFAULT]
        pair = tuple(cards[n].functional for n in (DEFAULT, twin(DEFAULT, "r2SCAN")) if n in cards)
        found.append(Offer(DEFAULT, pair, "", card.licence, card.limits))
    found += [Offer(t.name, t.functionals, t.missing(), t.licence, t.errors) for t in TEACHERS.values()]
    found += [Offer(c.name, (c.functional,), "", c.licence, c.limits) for c in cards.values() if c.plugin]
    return found


def twin(name: str, functional: str) -> str:
    """Name of the potential of another functional, as the shipped pairs are named."""
    for known in ("-pbe", "-r2scan"):
        if name.endswith(known):
            return name.removesuffix(known) + f"-{functional.lower()}"
    return name


def teachers_of(teacher: Any, functionals: Sequence[str], atoms: Atoms) -> Teachers:
    """The teachers that were asked for.

    Parameters
    ----------
    teacher
        A name (a potential, a plug-in, or one of sus2.training.teachers.remote.TEACHERS), a potential, an ASE
        calculator, or a mapping from functionals to any of these.
    functionals
        Those that are wanted, the first being the one that structures are made with.
    atoms
        The crystal.

    Returns
    -------
    Teachers
        With at least one functional.

    Raises
    ------
    Sus2Error
        There is no such teacher, or none of the functionals.
    UnknownElementError
        It does not cover an element of the crystal.
    """
    if not functionals:
        raise Sus2Error("Name at least one functional, such as PBE.")
    found: dict[str, Calculates] = {}
    licence = errors = ""
    if isinstance(teacher, Mapping):
        found = {f: next(iter(_by_functional(t, atoms, f).values())) for f, t in teacher.items()}
        name = " and ".join(dict.fromkeys(t.name for t in found.values()))
    elif isinstance(teacher, str) and teacher in TEACHERS:
        known = TEACHERS[teacher]
        name, licence, errors = known.name, known.licence, known.errors
        found = dict(remote_teacher(teacher))
    else:
        found = _by_functional(teacher, atoms, functionals[0])
        if isinstance(teacher, str):
            for f in functionals:
                other = twin(teacher, f)
                if f not in found and other != teacher:
                    with suppress(Sus2Error):
                        second = load(other)
                        if second.functional == f:
                            found[f] = second
        name = next(iter(found.values())).name
    card = getattr(next(iter(found.values())), "card", None)
    if card is not None:
        licence, errors = licence or card.licence, errors or card.limits
    chosen = {f: found[f] for f in functionals if f in found}
    missing = [f for f in functionals if f not in found]
    notices = tuple(f"The teacher {name} does not give {f}, so there is no potential for it." for f in missing)
    made = Teachers(name, chosen, licence, errors, notices)
    if not chosen:
        Teachers(name, found, "", "", ()).close()
        raise Sus2Error(
            f"The teacher {name} gives {' and '.join(found)}, not {' or '.join(map(printable, functionals))}; "
            f"choose one "
            "of its functionals or another teacher."
        )
    for t in chosen.values():
        unknown = sorted(set(atoms.get_chemical_symbols()) - set(t.elements))
        if unknown:
            made.close()
            raise UnknownElementError(
                f"The teacher {t.name} does not cover {', '.join(unknown)}; choose another teacher."
            )
    return made


def _by_functional(teacher: Any, atoms: Atoms, wanted: str) -> dict[str, Calculates]:
    """One teacher with its functional; `wanted` where it does not say which it has."""
    if isinstance(teacher, str):
        if teacher in TEACHERS:
            by = remote_teacher(teacher)
            if wanted in by:
                return {wanted: by[wanted]}
            next(iter(by.values())).close()
            raise Sus2Error(f"The teacher {teacher} gives {' and '.join(by)}, not {printable(wanted)}.")
        try:
            made = load(teacher)
        except Sus2Error as error:
            raise Sus2Error(f"{error} Teachers with a process of their own: {', '.join(TEACHERS)}.") from None
        return {_functional(made, wanted): made}
    if isinstance(teacher, Calculator):
        wrapped = wrap_calculator(
            teacher, name=type(teacher).__name__, elements=sorted(set(atoms.get_chemical_symbols())), functional=wanted
        )
        return {wanted: wrapped}
    if isinstance(teacher, Calculates):
        return {_functional(teacher, wanted): teacher}
    raise Sus2Error(
        f"A {type(teacher).__name__} cannot be a teacher; give the name of one, a potential or an ASE calculator."
    )


def _functional(teacher: Calculates, wanted: str) -> str:
    return wanted if teacher.functional in ("", "not stated") else teacher.functional
