"""A comparison in words: every sentence is chosen and filled by the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from sus2.structures import with_subscripts
from sus2.trust.digits import digits_of, error_text

if TYPE_CHECKING:
    from sus2.comparison.differences import BandAgreement, Difference

Mode = Literal["own", "fixed"]
# Below these a change is called none: percent of a volume or lattice, of a modulus, of the frequencies.
NO_VOLUME_PERCENT = 0.1
NO_STIFFNESS_PERCENT = 1.0
NO_FREQUENCY_PERCENT = 0.5
# Large in percent only because they may be near zero.
_NEAR_ZERO = frozenset(
    ("lowest_frequency_thz", "pressure_gpa", "universal_anisotropy", "helmholtz_300k_kj_per_mol_atoms", "b0_prime")
)


def summary_of(
    *,
    formula: str,
    functionals: tuple[str, str],
    rows: Sequence[Difference],
    bands: Mapping[Mode, BandAgreement],
    lowest_thz: tuple[float | None, float | None] = (None, None),
) -> str:
    """One paragraph on what changes from the first to the second of two scales.

    Parameters
    ----------
    formula
        Of the crystal.
    functionals
        What the two are called: names of functionals or potentials.
    rows
        Differences of the second from the first.
    bands
        Agreement of the frequencies, by cell.
    lowest_thz
        The strongest imaginary frequency of each (negative), None where all are real.

    Returns
    -------
    str
        Several sentences.
    """
    by_key = {d.key: d for d in rows}
    parts = [
        _volume(formula, functionals, by_key.get("volume_a3_per_atom")),
        _stiffness(by_key.get("k_vrh_gpa"), by_key.get("g_vrh_gpa")),
        _phonons(functionals, bands, lowest_thz),
        _energies(by_key.get("formation_energy_ev_per_atom"), by_key.get("cohesive_energy_ev_per_atom")),
        _largest(rows),
        _errors(rows),
    ]
    return " ".join(p for p in parts if p)


def number(value: float, digits: int, *, sign: bool = False) -> str:
    """A number with a true minus sign.

    Parameters
    ----------
    value
        The number.
    digits
        Digits after the decimal point.
    sign
        Whether a positive number has a plus sign.

    Returns
    -------
    str
        The number as text.
    """
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    return text.replace("-", "−")


def _percent(value: float) -> str:
    return f"{number(value, 1, sign=True)} %"


def _volume(formula: str, names: tuple[str, str], d: Difference | None) -> str:
    if d is None or d.percent is None:
        return ""
    start = f"From {names[0]} to {names[1]}, {with_subscripts(formula)}"
    digits = digits_of(2, d.error)
    ends = f"{number(d.reference, digits)} to {number(d.value, digits)} Å³/atom"
    if abs(d.percent) < NO_VOLUME_PERCENT:
        return f"{start} keeps its volume within {NO_VOLUME_PERCENT:g} % ({ends})."
    what = "expands" if d.percent > 0 else "shrinks"
    return f"{start} {what}: its volume goes from {ends} ({_percent(d.percent)}){_against(d)}."


def _against(d: Difference) -> str:
    if d.error is None:
        return ", a change whose error is unknown"
    size = "less" if d.below_error else "more"
    return f", {size} than the error of ±{error_text(d.digits, d.error)} {d.unit}".rstrip()


def _stiffness(k: Difference | None, g: Difference | None) -> str:
    moduli = [(name, d) for name, d in (("bulk", k), ("shear", g)) if d is not None and d.percent is not None]
    if not moduli:
        return ""
    words = []
    for name, d in moduli:
        percent = d.percent or 0.0
        if abs(percent) < NO_STIFFNESS_PERCENT:
            words.append(f"keeps its {name} modulus ({number(d.value, 1)} GPa)")
        else:
            verb = "gains" if percent > 0 else "loses"
            size = f"{number(abs(d.own), 1)} GPa ({_percent(percent)})"
            words.append(f"{verb} {size} in its {name} modulus{', less than its error,' if d.below_error else ''}")
    text = f"It {' and '.join(words)}".rstrip(",") + "."
    name, d = moduli[0]
    if d.fixed is not None and d.volume_effect is not None and abs(d.percent or 0.0) >= NO_STIFFNESS_PERCENT:
        text += (
            f" In one fixed cell the {name} modulus differs by {number(d.fixed, 1, sign=True)} GPa, so the change of "
            f"the cell accounts for {number(d.volume_effect, 1, sign=True)} GPa."
        )
    return text


def imaginary_words(names: tuple[str, str], lowest_thz: tuple[float | None, float | None]) -> str:
    """Say which of two has imaginary modes.

    Parameters
    ----------
    names
        What the two are called.
    lowest_thz
        The strongest imaginary frequency of each (negative), None where all are real.

    Returns
    -------
    str
        One sentence; empty where neither has.
    """
    first, second = lowest_thz
    if first is not None and second is not None:
        return (
            f"Both have imaginary modes, down to {number(first, 2)} and {number(second, 2)} THz, so neither holds this "
            "crystal as it is."
        )
    if first is not None or second is not None:
        bad, good = names if first is not None else names[::-1]
        depth = number(first if first is not None else second or 0.0, 2)
        return (
            f"They disagree on whether the crystal is stable: {bad} has imaginary modes down to {depth} THz, {good} "
            "has none."
        )
    return ""


def effects_of(rows: Sequence[Difference], stability: str = "", *, most: int = 6) -> list[str]:
    """One line for each of the largest relative differences, the largest first.

    Quantities that may be near zero are left out, as are those of which a similar one is in the list: V0 beside V,
    B0 beside K, and each lattice constant.

    Parameters
    ----------
    rows
        Of one potential against the first.
    stability
        A sentence that goes before all others.
    most
        Lines at most, that sentence with them.

    Returns
    -------
    list of str
        One sentence that nothing changes, where nothing does.
    """
    left_out = _NEAR_ZERO | {"v0_a3_per_atom", "b0_gpa", "a_a", "b_a", "c_a", "debye_temperature_vrh_k"}
    judged = [(abs(d.percent), d) for d in rows if d.percent is not None and d.key not in left_out]
    judged.sort(key=lambda pair: -pair[0])
    lines = [stability] if stability else []
    for size, d in judged[: most - len(lines)]:
        if size < NO_VOLUME_PERCENT:
            break
        digits = digits_of(d.digits, d.error)
        ends = f"{number(d.reference, digits)} to {number(d.value, digits)} {d.unit}".rstrip()
        against = ", error unknown" if d.error is None else _against(d)
        lines.append(f"{d.label}: {_percent(d.percent or 0.0)} ({ends}){_cause(d)}{against}.")
    return lines or [f"Nothing changes by more than {NO_VOLUME_PERCENT:g} %."]


def _cause(d: Difference) -> str:
    """Where most of a difference comes from, where the fixed cell says so."""
    if d.fixed is None or d.volume_effect is None:
        return ""
    if abs(d.volume_effect) > 2.0 * abs(d.fixed):
        return ", mostly from the change of the cell"
    return ", mostly from the force constants" if abs(d.fixed) > 2.0 * abs(d.volume_effect) else ""


def _phonons(
    names: tuple[str, str], bands: Mapping[Mode, BandAgreement], lowest: tuple[float | None, float | None]
) -> str:
    own, fixed = bands.get("own"), bands.get("fixed")
    imaginary = imaginary_words(names, lowest)
    if imaginary:
        return imaginary
    if own is None:
        return ""
    change = 100.0 * (own.slope - 1.0)
    rms = f"rms difference {number(own.rms_thz, 2)} THz"
    if abs(change) < NO_FREQUENCY_PERCENT:
        text = f"Phonon frequencies stay within {NO_FREQUENCY_PERCENT:g} % on average ({rms})"
    else:
        text = f"Phonon frequencies {'rise' if change > 0 else 'fall'} by {number(abs(change), 1)} % ({rms})"
    if fixed is None:
        return text + "."
    forces = 100.0 * (fixed.slope - 1.0)
    cell = change - forces
    if abs(forces) < NO_FREQUENCY_PERCENT and abs(cell) < NO_FREQUENCY_PERCENT:
        return f"{text}, in one fixed cell too."
    text += f"; in one fixed cell they change by {_percent(forces)}, the rest, {_percent(cell)}, comes with the cell: "
    if forces * cell < 0 and min(abs(forces), abs(cell)) > 0.25 * max(abs(forces), abs(cell)):
        return f"{text}the change of the cell and that of the force constants work against each other."
    main, other = (
        ("the cell", "the force constants") if abs(cell) > abs(forces) else ("the force constants", "the cell")
    )
    return f"{text}{main} matter more than {other}."


def _energies(formation: Difference | None, cohesive: Difference | None) -> str:
    words = []
    for name, d in (("formation", formation), ("cohesive", cohesive)):
        if d is not None:
            ends = f"{number(d.reference, 3)} to {number(d.value, 3)} eV/atom"
            words.append(f"the {name} energy goes from {ends}{_against(d)}")
    if not words:
        return ""
    text = "; ".join(words)
    return f"{text[0].upper()}{text[1:]}."


def _largest(rows: Sequence[Difference]) -> str:
    # Told already, or large in percent only because it is near zero.
    told = {"volume_a3_per_atom", "v0_a3_per_atom", "k_vrh_gpa", "g_vrh_gpa", "formation_energy_ev_per_atom"}
    told |= {"cohesive_energy_ev_per_atom", *_NEAR_ZERO}
    judged = [d for d in rows if d.percent is not None and d.key not in told and not d.below_error]
    ranked = sorted(judged, key=lambda d: -abs(d.percent or 0))
    if not ranked or abs(ranked[0].percent or 0.0) < NO_STIFFNESS_PERCENT:
        return ""
    d = ranked[0]
    digits = digits_of(d.digits, d.error)
    ends = f"{number(d.reference, digits)} to {number(d.value, digits)} {d.unit}".rstrip()
    change = _percent(d.percent or 0.0)
    return f"Of the other quantities {_inside(d.label)} changes most, from {ends} ({change})."


def _errors(rows: Sequence[Difference]) -> str:
    judged = [d for d in rows if d.error is not None]
    if not judged:
        return "The error of none of these differences is known, so their size cannot be judged."
    small = [d for d in judged if d.below_error]
    silent = len(rows) - len(judged)
    if not small:
        text = f"All {len(judged)} differences with a known error are larger than it"
    elif len(small) == len(judged):
        text = f"All {len(judged)} differences with a known error are smaller than it: do not read them"
    else:
        large = [d for d in judged if not d.below_error]
        shorter, size = (small, "Smaller") if len(small) <= len(large) else (large, "Larger")
        listed = ", ".join(_inside(d.label) for d in shorter)
        text = f"{size} than their error: {listed} ({len(shorter)} of {len(judged)} that have one)"
    return f"{text}; for {silent} quantities it is unknown." if silent else f"{text}."


def _inside(label: str) -> str:
    """A label within a sentence: the first letter small, unless it is a symbol."""
    second = label[1:2]
    return label if second.isdigit() or second.isupper() else label[0].lower() + label[1:]
