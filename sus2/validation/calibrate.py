"""Calibrate a potential: compute crystals with known values, fit the noise model, write it beside the weights."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from ase import Atoms

from sus2.potential.potential import Potential
from sus2.progress import Report
from sus2.registry.load import load_moments, models
from sus2.structures import elements_of
from sus2.trust.calibration import Calibration, calibration_path
from sus2.trust.known_values import known_crystals
from sus2.trust.members import members_of
from sus2.validation.differences import Changes, fit_differences, with_changes
from sus2.validation.fit_calibration import Coverage, fit_calibration
from sus2.validation.records import Record, read_records, record_of, write_records
from sus2.validation.teacher_frequencies import teacher_frequencies

Binary = tuple[str, Atoms, float, float]
"""Name, crystal at its PBE volume, K and G of the Materials Project in GPa."""

MAX_ATOMS: Final = 12


def textbook_records(potential: Potential, report: Report = print) -> list[Record]:
    """Records of the textbook crystals that a potential covers the elements of.

    Parameters
    ----------
    potential
        The potential.
    report
        Told how far it is.

    Returns
    -------
    list of Record
        In the order of known_crystals.
    """
    out = []
    of_metals = teacher_frequencies()
    for name, atoms in known_crystals().items():
        if set(elements_of(atoms)) <= set(potential.elements):
            out.append(record_of(name, atoms, potential, extra=of_metals.get(name)))
            if len(out) % 25 == 0:
                report(f"{len(out)} textbook crystals")
    return out


def binary_records(
    potential: Potential, binaries: Sequence[Binary], count: int, report: Report = print
) -> list[Record]:
    """Records of Materials Project binaries, which come with PBE volumes and moduli.

    Parameters
    ----------
    potential
        The potential.
    binaries
        See sus2.training.data.reference_sets.binary_crystals.
    count
        How many of those with up to twelve atoms, the first ones.
    report
        Told how far it is.

    Returns
    -------
    list of Record
        Without equations of state: the bulk modulus stands for B0.
    """
    known = set(potential.elements)
    fitting = [b for b in binaries if len(b[1]) <= MAX_ATOMS and set(b[1].get_chemical_symbols()) <= known]
    out = []
    for name, atoms, bulk, shear in fitting[:count]:
        extra = {
            "v0_a3_per_atom": (atoms.get_volume() / len(atoms), "PBE"),
            "k_vrh_gpa": (bulk, "PBE"),
            "g_vrh_gpa": (shear, "PBE"),
        }
        out.append(record_of(name, atoms, potential, extra=extra, with_eos=False))
        if len(out) % 50 == 0:
            report(f"{len(out)} binaries")
    return out


@dataclass(frozen=True)
class Calibrated:
    """A calibration and how often known values lie within its sigma.

    Attributes
    ----------
    calibration
        As it was written.
    coverage
        Of numbers.
    of_differences
        Of differences from the potential whose members are in pairs with these; empty without one.
    """

    calibration: Calibration
    coverage: list[Coverage]
    of_differences: list[Coverage]


def calibrate(
    name: str,
    binaries: Sequence[Binary],
    *,
    count: int = 300,
    records: Path | None = None,
    changes: Changes | None = None,
    held_out: Collection[str] = (),
    of_differences: Sequence[tuple[str, Atoms]] = (),
    report: Report = print,
) -> Calibrated:
    """Calibrate a potential that is found by name and write the calibration beside its weights.

    Parameters
    ----------
    name
        The potential; its members must have been drawn.
    binaries
        Crystals with volumes and moduli, those first that matter most; may be empty.
    count
        How many of them.
    records
        Folder of records, NAME.jsonl: read where they are there and of these weights, else written; the coverage is
        written beside them, NAME.coverage.json.
    changes
        For another functional than PBE: how its values differ from those of PBE.
    held_out
        Names of crystals that were not trained on, by which differences of functionals are judged.
    of_differences
        More crystals, by name, that judge differences alone.
    report
        Told how far it is.

    Returns
    -------
    Calibrated
        The calibration, and its coverage.

    Raises
    ------
    Sus2Error
        The potential cannot be loaded.
    """

    def computed(potential: Potential) -> list[Record]:
        path = None if records is None else records / f"{potential.name}.jsonl"
        found: list[Record] = []
        if path is not None and path.is_file():
            found = read_records(path)
            if any(r.weights_sha256 != potential.card.sha256 for r in found):
                report(f"{path.name} is of other weights and is made anew.")
                found = []
        known, done = set(potential.elements), {r.name for r in found}
        if not found:
            found = textbook_records(potential, report) + binary_records(potential, binaries, count, report)
        more = [(n, a) for n, a in of_differences if n not in done and set(a.symbols) <= known]
        found += [record_of(n, a, potential, with_eos=False) for n, a in more]
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_records(path, found)
        return found

    potential = load_moments(name)
    found = computed(potential)
    judged = found if potential.functional == "PBE" else with_changes(found, changes or {})
    calibration, coverage = fit_calibration(potential.card.sha256, judged)
    of_changes: list[Coverage] = []
    first = paired_potential(potential)
    if first is not None and first.functional == "PBE" and changes:
        differences, of_changes = fit_differences(
            computed(first), found, changes, held_out, paired=in_pairs(first, potential)
        )
        calibration = calibration.model_copy(
            update={"differences": differences, "against_sha256": first.card.sha256 if differences else ""}
        )
    calibration_path(name).write_text(calibration.model_dump_json(indent=1) + "\n", encoding="utf-8")
    if records is not None:
        parts = {"numbers": coverage, "differences": of_changes}
        content = {part: [asdict(c) for c in rows] for part, rows in parts.items()}
        (records / f"{name}.coverage.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return Calibrated(calibration, coverage, of_changes)


def read_coverage(path: Path) -> dict[str, list[Coverage]]:
    """The coverage that calibrate left in its folder of records.

    Parameters
    ----------
    path
        NAME.coverage.json.

    Returns
    -------
    dict
        "numbers" and "differences" -> coverage.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    return {part: [Coverage(**{**c, "curve": tuple(c["curve"])}) for c in rows] for part, rows in content.items()}


def paired_potential(potential: Potential) -> Potential | None:
    """The potential of another functional with whose members those of a potential are in pairs.

    Parameters
    ----------
    potential
        The second of the two.

    Returns
    -------
    Potential or None
        None where its members belong to no pair, or the other's weights are not found by name.
    """
    members = members_of(potential)
    if members is None or not members.pair_sha256:
        return None
    return next((load_moments(c.name) for c in models() if c.sha256 == members.pair_sha256), None)


def in_pairs(first: Potential, second: Potential) -> bool:
    """Whether the members of two potentials are in pairs.

    Parameters
    ----------
    first
        A potential.
    second
        Another.

    Returns
    -------
    bool
        Whether member m of one belongs to member m of the other.
    """
    one, other = members_of(first), members_of(second)
    return one is not None and other is not None and one.in_pairs_with(other)
