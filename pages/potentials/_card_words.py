"""A card's keys as the words and units of tables, and its sentences with the signs of print."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sus2.structures import with_subscripts

SETS = {
    "train": "training",
    "validation": "validation",
    "test": "test",
    "test_near_equilibrium": "test, near equilibrium",
    "held_out": "held out",
    "seen_crystals": "crystals, trained on",
    "unseen_crystals": "crystals, held out",
}
_WORDS = {
    "energy": "Energy",
    "force": "Forces",
    "stress": "Stress",
    "strain_response": "Response to strain",
    "displacement_response": "Response to displacements",
    "a0": "Lattice constant a",
    "v0": "Volume V₀",
    "b0": "Bulk modulus B₀",
    "b0_prime": "B₀′",
    "c": "Elastic constants",
    "k": "Bulk modulus",
    "g": "Shear modulus",
    "gamma": "Frequencies at Γ",
}
_MEASURES = {"mae": "mean absolute error", "rmse": "root mean square error"}
_UNIT = re.compile(r"_(ev|mev|gpa|a3|a|thz|percent)(?:_per_([a-z0-9]+))?$")
_UNITS = {"ev": "eV", "mev": "meV", "gpa": "GPa", "a": "Å", "a3": "Å³", "thz": "THz", "percent": "%", "atom": "atom"}
_REFERENCES = ("reference_", "teacher_")


def quantity(key: str) -> tuple[str, str]:
    """Words and unit of a key: 'force_mae_mev_per_a' is 'Forces, mean absolute error' in meV/Å."""
    match = _UNIT.search(key)
    name, unit = key, ""
    if match is not None:
        name, unit = key[: match.start()], _UNITS[match[1]]
        if match[2]:
            unit += f"/{_UNITS.get(match[2], match[2])}"
    stem, _, last = name.rpartition("_")
    if last in _MEASURES:
        return f"{_word(stem)}, {_MEASURES[last]}", unit
    return _word(name), unit


def _word(name: str) -> str:
    constant = re.fullmatch(r"c([1-6]{2})", name)
    if constant:
        return with_subscripts(f"Elastic constant C{constant[1]}")
    words = _WORDS.get(name) or name.replace("_", " ")
    return words[:1].upper() + words[1:]


def error_rows(errors: Mapping[str, float]) -> list[dict[str, str]]:
    """The errors of a card by quantity, with a column for each set of structures."""
    rows: dict[str, dict[str, str]] = {}
    found: set[str] = set()
    for key, value in errors.items():
        part = max((s for s in SETS if key.startswith(f"{s}_")), key=len, default="")
        words, unit = quantity(key[len(part) + 1 :] if part else key)
        column = SETS.get(part, "error")
        found.add(column)
        rows.setdefault(f"{words}|{unit}", {})[column] = f"{value:.3g}" if value < 1000 else f"{value:.0f}"
    columns = [c for c in (*SETS.values(), "error") if c in found]
    return [
        {"quantity": name.split("|")[0], "unit": name.split("|")[1], **{c: row.get(c, "") for c in columns}}
        for name, row in rows.items()
    ]


def property_rows(properties: Mapping[str, Mapping[str, float]]) -> list[dict[str, str]]:
    """What a card says of crystals: a row for each quantity, with what it is compared with beside it."""
    rows = []
    beside = any(k.startswith(_REFERENCES) for entries in properties.values() for k in entries)
    for crystal, entries in properties.items():
        for key, value in entries.items():
            if key.startswith(_REFERENCES):
                continue
            words, unit = quantity(key)
            row = {"crystal": crystal, "quantity": words, "unit": unit, "potential": f"{value:.4g}"}
            if beside:
                reference = next((entries[p + key] for p in _REFERENCES if p + key in entries), None)
                row["reference"] = "" if reference is None else f"{reference:.4g}"
            rows.append(row)
    return rows


def typeset(text: str) -> str:
    """A card's sentence, which is kept in plain letters, with Å, exponents and the indices of elastic constants."""
    text = re.sub(r"(?<=eV/)A\b|(?<=\d )A\b(?=\^|[ ,.;:)]|$)|\bA(?=\^[23])", "Å", text)
    text = text.replace("Å^3", "Å³").replace("Å^2", "Å²")
    return re.sub(r"\bC([1-6]{2})\b", lambda m: with_subscripts(m[0]), text)
