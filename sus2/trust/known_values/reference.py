"""One value of each quantity to go by, from all that is known of a crystal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from ase import Atoms

from sus2.trust.known_values.lookup import KnownValue
from sus2.trust.known_values.structure_type import structure_type

# Measured constants are at room temperature, and PBE itself is off by several percent: so far they are no error.
_ALLOWANCE: Final[dict[str, float]] = {"experiment": 0.10, "PW91": 0.03}
_VOLUME_ALLOWANCE: Final = 0.03
_OTHER_FUNCTIONAL: Final = 0.10
_FIRST_CUBIC: Final = 195
_FACE_CENTRED: Final = frozenset({196, 202, 203, 209, 210, 216, 219, *range(225, 229)})
_BODY_CENTRED: Final = frozenset({197, 199, 204, 206, 211, 214, 217, 220, 229, 230})


@dataclass(frozen=True)
class Reference:
    """What a quantity should be.

    Attributes
    ----------
    value : float
        The mean of the known values of one functional.
    functional : str
        Theirs, or "experiment".
    allowance : float
        Relative difference that is no error of a potential: of measurement, temperature and functional.
    source : str
        Of the first of them.
    """

    value: float
    functional: str
    allowance: float
    source: str


def references(known: Iterable[KnownValue], functional: str, atoms: Atoms) -> dict[str, Reference]:
    """One reference for each quantity, of the functional itself where there is one.

    Parameters
    ----------
    known
        What is known of the crystal.
    functional
        Of the potential that is to be judged; then PBE, PW91 and measured values are taken.
    atoms
        The crystal, for the volume that belongs to a lattice constant.

    Returns
    -------
    dict
        Quantity -> Reference. Bulk and shear moduli follow from elastic constants where they are not known themselves
        (Voigt and Reuss of cubic crystals, Voigt of hexagonal ones), volumes of cubic crystals from lattice constants.
    """
    found: dict[str, dict[str, list[KnownValue]]] = {}
    for k in known:
        found.setdefault(k.quantity, {}).setdefault(k.functional, []).append(k)
    out: dict[str, Reference] = {}
    for quantity, by in found.items():
        chosen = next((f for f in (functional, "PBE", "PW91", "experiment") if f in by), None)
        if chosen is not None:
            value = float(np.mean([k.value for k in by[chosen]]))
            out[quantity] = Reference(value, chosen, _allowance(quantity, chosen, functional), by[chosen][0].source)
    if "gamma_to_thz" not in out and "gamma_optical_thz" in out:
        out["gamma_to_thz"] = out["gamma_optical_thz"]
    count = _conventional_atoms(structure_type(atoms)) if "a0_a" in out else 0
    if count:
        a0 = out["a0_a"]
        volume = a0.value**3 / count
        made = Reference(volume, a0.functional, _allowance("v0_a3_per_atom", a0.functional, functional), a0.source)
        # A lattice constant of the functional itself goes before a volume of another one.
        if "v0_a3_per_atom" not in out or (a0.functional == functional != out["v0_a3_per_atom"].functional):
            out["v0_a3_per_atom"] = made
    moduli = _moduli({q: r.value for q, r in out.items()})
    tensor = out.get("c11_gpa")
    for quantity, value in moduli.items():
        if tensor is not None:
            out.setdefault(quantity, Reference(value, tensor.functional, tensor.allowance, tensor.source))
    for one, other in (("k_vrh_gpa", "b0_gpa"), ("b0_gpa", "k_vrh_gpa")):
        if other in out:
            out.setdefault(one, out[other])
    return out


def _allowance(quantity: str, chosen: str, functional: str) -> float:
    if quantity in ("v0_a3_per_atom", "a0_a"):
        return 0.0 if chosen == functional else _VOLUME_ALLOWANCE
    return _ALLOWANCE.get(chosen, 0.0 if chosen == functional else _OTHER_FUNCTIONAL)


def _conventional_atoms(kind: str) -> int:
    """Atoms in the conventional cell of a cubic structure type; 0 for one that is not cubic."""
    number, *parts = kind.split() or ["0"]
    if int(number) < _FIRST_CUBIC:
        return 0
    primitive = sum(int(site.split("x")[0]) for part in parts for site in part.split(":")[1].split(","))
    return primitive * (4 if int(number) in _FACE_CENTRED else 2 if int(number) in _BODY_CENTRED else 1)


def _moduli(c: Mapping[str, float]) -> dict[str, float]:
    """Bulk and shear modulus of cubic and hexagonal elastic constants."""
    try:
        c11, c12, c44 = c["c11_gpa"], c["c12_gpa"], c["c44_gpa"]
    except KeyError:
        return {}
    if "c13_gpa" not in c or "c33_gpa" not in c:
        voigt = (c11 - c12 + 3.0 * c44) / 5.0
        reuss = 5.0 * (c11 - c12) * c44 / (4.0 * c44 + 3.0 * (c11 - c12))
        return {"k_vrh_gpa": (c11 + 2.0 * c12) / 3.0, "g_vrh_gpa": 0.5 * (voigt + reuss)}
    c13, c33 = c["c13_gpa"], c["c33_gpa"]
    c66 = c.get("c66_gpa", 0.5 * (c11 - c12))
    k = (2.0 * c11 + c33 + 2.0 * (c12 + 2.0 * c13)) / 9.0
    g = (2.0 * c11 + c33 - c12 - 2.0 * c13 + 3.0 * (2.0 * c44 + c66)) / 15.0
    return {"k_vrh_gpa": k, "g_vrh_gpa": g}
