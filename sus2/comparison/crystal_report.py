"""Everything about one crystal in one potential: what the app's first page and `sus2 report` show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from ase import Atoms

from sus2.comparison.compare import compare, pair_of_functionals
from sus2.comparison.differences import Difference
from sus2.comparison.result import Comparison
from sus2.errors import CancelledError, Sus2Error
from sus2.potential.evaluation import Calculates
from sus2.potential.potential import Potential
from sus2.progress import Progress, part_of, silent
from sus2.properties.catalogue import catalogue
from sus2.registry.external import require_potential
from sus2.registry.load import load, models
from sus2.structures import CrystalInfo, describe, elements_of, to_atoms
from sus2.trust.estimate import WORST_FIRST, Trust, Word
from sus2.trust.sentence import summary_sentence

if TYPE_CHECKING:
    from pymatgen.core import Structure

PROPERTIES: Final = ("eos", "elastic", "phonons")
"""Properties of a report, by their names in the catalogue."""

# Numbers of a report by property, and what the estimates of their errors are called where the name differs.
_NUMBERS: Final[dict[str, tuple[str, ...]]] = {
    "eos": ("v0_a3_per_atom", "b0_gpa", "b0_prime"),
    "elastic": ("k_vrh_gpa", "g_vrh_gpa", "e_vrh_gpa", "nu_vrh"),
    "phonons": ("highest_frequency_thz", "lowest_frequency_thz", "cv_300k_j_per_k_mol_atoms"),
}
_CHANGES: Final = frozenset(
    {
        "volume_a3_per_atom",
        "k_vrh_gpa",
        "g_vrh_gpa",
        "b0_prime",
        "debye_temperature_k",
        "mean_frequency_thz",
        "highest_frequency_thz",
        "zero_point_ev_per_atom",
        "entropy_300k_j_per_k_mol_atoms",
        "cv_300k_j_per_k_mol_atoms",
        "formation_energy_ev_per_atom",
    }
)
_ESTIMATES: Final = {"highest_frequency_thz": "max_frequency_thz"}


@dataclass(frozen=True)
class KeyNumber:
    """One number of a report and how far to trust it.

    Attributes
    ----------
    property : str
        Name of its property in the catalogue.
    key : str
        Name of the number, with its unit at the end.
    label : str
        Name in words.
    value : float
        The number.
    sigma : float
        One standard deviation; nan where unknown.
    unit : str
        Unit of both.
    digits : int
        Digits after the decimal point.
    verdict : str
        "good", "rough", "not to be trusted" or "unknown".
    reason : str
        Where the verdict comes from, in one sentence.
    meaning : str
        What the number is, in one sentence.
    """

    property: str
    key: str
    label: str
    value: float
    sigma: float
    unit: str
    digits: int
    verdict: Word
    reason: str
    meaning: str

    def to_dict(self) -> dict[str, Any]:
        """Convert to numbers and texts for JSON; None where nothing is known."""
        return {
            "property": self.property,
            "key": self.key,
            "label": self.label,
            "value": self.value,
            "sigma": self.sigma if math.isfinite(self.sigma) else None,
            "unit": self.unit,
            "verdict": self.verdict,
            "reason": self.reason,
        }


@dataclass(frozen=True, eq=False)
class CrystalReport:
    """One crystal in one potential: its results, what another functional changes, and what could not be computed.

    Attributes
    ----------
    atoms : Atoms
        The crystal as given.
    potential : Calculates
        The potential.
    results : mapping
        Result of each property by its name in the catalogue; what could not be computed is missing.
    comparison : Comparison or None
        The crystal in two functionals; None where no pair of potentials covers its elements.
    problems : tuple of str
        What could not be computed, one sentence each.
    label : str
        Name of the crystal for people, such as that of its file.
    """

    atoms: Atoms
    potential: Calculates
    results: Mapping[str, Any]
    comparison: Comparison | None = None
    problems: tuple[str, ...] = ()
    label: str = ""

    @cached_property
    def info(self) -> CrystalInfo:
        """Formula and symmetry of the crystal as given."""
        return describe(self.atoms)

    @cached_property
    def numbers(self) -> tuple[KeyNumber, ...]:
        """The key numbers, property by property."""
        return tuple(n for name, result in self.results.items() for n in key_numbers(name, result))

    @cached_property
    def verdict(self) -> Word:
        """The worst verdict on a key number; "unknown" where there is none."""
        return worst([n.verdict for n in self.numbers])

    @cached_property
    def sentences(self) -> tuple[str, ...]:
        """How far to trust each result, one sentence each."""
        return tuple(summary_sentence(trusted(r)) for name, r in self.results.items() if name in _NUMBERS)

    @property
    def stability(self) -> tuple[str, ...]:
        """Whether the crystal is mechanically and dynamically stable, one sentence each."""
        found = []
        if "elastic" in self.results:
            found.append(str(self.results["elastic"].stability))
        if "phonons" in self.results:
            found.append(str(self.results["phonons"].phonons.stability))
        return tuple(found)

    @property
    def changes(self) -> tuple[Difference, ...]:
        """What the other functional changes most, the largest change in percent first."""
        return largest_changes(self.comparison) if self.comparison is not None else ()

    def to_dict(self) -> dict[str, Any]:
        """Convert to numbers, lists and texts for JSON, with units in the names; None where a number is not finite."""
        i = self.info
        card = getattr(self.potential, "card", None)
        return {
            "crystal": {
                "label": self.label,
                "formula": i.formula,
                "space_group": i.space_group_symbol,
                "space_group_number": i.space_group_number,
                "symbols": self.atoms.get_chemical_symbols(),
                "cell_a": self.atoms.cell.tolist(),
                "positions_a": self.atoms.positions.tolist(),
                "notices": list(self.atoms.info.get("notices", [])),
            },
            "potential": {
                "name": self.potential.name,
                "functional": self.potential.functional,
                "identity_sha256": getattr(card, "identity", ""),
            },
            "verdict": self.verdict,
            "numbers": [_finite(n.to_dict()) for n in self.numbers],
            "stability": list(self.stability),
            "results": {name: _finite(r.to_dict()) for name, r in self.results.items()},
            "comparison": None if self.comparison is None else _finite(self.comparison.to_dict()),
            "problems": list(self.problems),
        }


def report(
    atoms: Atoms | Structure,
    potential: Calculates,
    *,
    others: Sequence[Calculates] | None = None,
    label: str = "",
    progress: Progress | None = None,
) -> CrystalReport:
    """Compute everything that is usually asked of a crystal: equation of state, elasticity, phonons, two functionals.

    What fails is left out with a sentence in `problems`.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.
    others
        Two or more potentials to compare, the first is the reference; by default a shipped pair of functionals that
        covers all elements, and none if the sequence is empty.
    label
        Name of the crystal for people.
    progress
        Called with a stage and the fraction done; may raise CancelledError.

    Returns
    -------
    CrystalReport
        The results; `sus2.figures.report.report_html` makes a page of it.

    Raises
    ------
    StructureError
        If `atoms` is no crystal that can be used.
    """
    require_potential(potential)
    start = to_atoms(atoms)
    describe(start)
    exact = isinstance(potential, Potential)
    pair = compared_pair(start, potential) if others is None else list(others)
    results: dict[str, Any] = {}
    problems: list[str] = []
    parts = len(PROPERTIES) + (2 if pair else 0)  # a comparison takes the time of about two properties

    def within(first: int, size: int) -> Progress:
        return part_of(progress or silent, "", first / parts, size / parts)

    for k, name in enumerate(PROPERTIES):
        entry = catalogue()[name]
        try:
            method = {"method": "exact" if exact else entry.finite} if entry.finite else {}
            results[name] = entry.compute(start, potential, progress=within(k, 1), **method)
        except CancelledError:
            raise
        except Sus2Error as error:
            problems.append(f"{entry.title[0].upper()}{entry.title[1:]}: {error}")
    comparison = None
    if pair:
        try:
            comparison = compare(start, pair, progress=within(len(PROPERTIES), 2))
            problems += comparison.problems
        except CancelledError:
            raise
        except Sus2Error as error:
            problems.append(f"Comparison: {error}")
    return CrystalReport(start, potential, results, comparison, tuple(problems), label)


def compared_pair(atoms: Atoms, potential: Calculates) -> list[Calculates]:
    """Load the two functionals that a report compares: with the potential itself where a twin of it is shipped.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential of the report.

    Returns
    -------
    list
        Two potentials, or none where no pair covers the elements.
    """
    cards = pair_of_functionals(models(), elements_of(atoms), potential.name)
    return [] if cards is None else [load(card.name) for card in cards]


def trusted(result: Any) -> Any:
    """Return the result that carries an estimate of trust.

    Parameters
    ----------
    result
        Of a property.

    Returns
    -------
    Any
        The phonons of a report on them; any other result itself.
    """
    return getattr(result, "phonons", result)


def key_numbers(name: str, result: Any) -> tuple[KeyNumber, ...]:
    """List the key numbers of a result.

    Parameters
    ----------
    name
        Name of the property.
    result
        Its result.

    Returns
    -------
    tuple of KeyNumber
        Those that are finite; elastic moduli only of a stable crystal, and the lowest frequency only where a mode is
        imaginary.
    """
    trust = getattr(trusted(result), "trust", Trust())
    found = []
    for q in catalogue()[name].quantities:
        if q.key not in _NUMBERS.get(name, ()) or not q.compared(result):
            continue
        value = q.of(result)
        if not math.isfinite(value):
            continue
        estimate = trust.estimates.get(_ESTIMATES.get(q.key, q.key))
        sigma, word, reason = math.nan, "unknown", " ".join(trust.limits) or "No error is calibrated for this number."
        if estimate is not None:
            sigma, word, reason = float(estimate.sigma), str(estimate.verdict), estimate.reason
        verdict: Word = next(w for w in WORST_FIRST if w == word)
        found.append(KeyNumber(name, q.key, q.label, value, sigma, q.unit, q.digits, verdict, reason, q.meaning))
    return tuple(found)


def worst(verdicts: Sequence[Word]) -> Word:
    """Return the worst of some verdicts.

    Parameters
    ----------
    verdicts
        Any number of them.

    Returns
    -------
    str
        "unknown" where there is none.
    """
    return min(verdicts, key=WORST_FIRST.index, default="unknown")


def largest_changes(comparison: Comparison, most: int = 8) -> tuple[Difference, ...]:
    """List what the second potential of a comparison changes most against the first.

    Parameters
    ----------
    comparison
        Of two potentials or more.
    most
        Rows at most.

    Returns
    -------
    tuple of Difference
        By the size of the change in percent; of several names of the same thing, one.
    """
    rows = next(iter(comparison.differences.values()), ())
    kept = [d for d in rows if d.percent is not None and d.key in _CHANGES]
    return tuple(sorted(kept, key=lambda d: -abs(d.percent or 0.0))[:most])


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
