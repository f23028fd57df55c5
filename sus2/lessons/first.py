"""What the lessons ask when they are opened, so that a server can answer it before a class comes."""

from __future__ import annotations

from typing import Any, Final

from ase import Atoms
from ase.build import bulk

import sus2
from sus2.jobs.calculation import Calculation
from sus2.lessons.curves import energy_curve, fit_ranges
from sus2.lessons.functionals import functional_change, functional_volumes
from sus2.lessons.soft import soft_mode
from sus2.lessons.sound import sound, supercell_study
from sus2.lessons.symmetry import cauchy
from sus2.lessons.trust import grades_when_squeezed, trust_study
from sus2.properties.eos.universal import universal_eos
from sus2.registry.load import models
from sus2.registry.reference import PotentialRef
from sus2.structures.samples import sample

# Lesson 2: how far crystals are stretched, in units of their lengths.
STRETCH: Final = 1.3
UNIVERSAL_MODEL: Final = "sus2-universal-pbe"
# Lesson 3: samples for Cauchy's relation, by the kind of their bonds.
BONDING: Final[dict[str, tuple[str, ...]]] = {
    "metals": ("cu", "al", "ni", "w", "mo", "li"),
    "covalent crystals": ("si", "ge", "gaas", "sic"),
    "ionic crystals": ("mgo", "nacl", "lif", "cscl", "srtio3"),
}
# Lesson 4: supercells of so many primitive cells along each axis.
SIZES: Final = (1, 2, 3, 4)
# Lesson 7: samples with known values, and the volumes that copper is squeezed to.
TRUSTED: Final = ("cu", "al", "w", "si", "gaas", "mgo", "nacl", "lif")
SQUEEZED: Final = tuple(round(0.3 + 0.1 * k, 1) for k in range(14))
# Lesson 6: samples whose volumes change with the functional.
VOLUMES: Final = ("ge", "sic", "gaas", "gan", "al", "cu", "mo", "w", "mgo", "caf2", "srtio3")
PAIR: Final = (UNIVERSAL_MODEL, "sus2-universal-r2scan")


def body_centred_hafnium() -> Atoms:
    """Bcc hafnium, the crystal that lesson 5 opens with.

    Returns
    -------
    Atoms
        Its primitive cell.
    """
    return bulk("Hf", "bcc", a=3.54)


def neighborite() -> Atoms:
    """Cubic NaMgF3, a crystal of lesson 5: Na in the corners, Mg in the centre, F in the faces.

    Returns
    -------
    Atoms
        Five atoms.
    """
    sites = [(0.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, 0.5, 0.0), (0.5, 0.0, 0.5), (0.0, 0.5, 0.5)]
    return Atoms("NaMgF3", scaled_positions=sites, cell=[3.90] * 3, pbc=True)


def cauchy_arguments(model: Any) -> dict[str, Any]:
    """Arguments of cauchy() in lesson 3.

    Parameters
    ----------
    model
        A potential, or what stands for one.

    Returns
    -------
    dict
        By name.
    """
    keys = [k for row in BONDING.values() for k in row]
    return {"crystals": {sample(k).name: sample(k).atoms() for k in keys}, "potential": model}


def volumes_arguments(model: Any) -> dict[str, Any]:
    """Arguments of functional_volumes() in lesson 6.

    Parameters
    ----------
    model
        model(name) gives a potential, or what stands for one.

    Returns
    -------
    dict
        By name.
    """
    return {
        "labels": [sample(k).name for k in VOLUMES],
        "crystals": [sample(k).atoms() for k in VOLUMES],
        "first": [model(PAIR[0])] * len(VOLUMES),
        "second": [model(PAIR[1])] * len(VOLUMES),
    }


def trust_arguments(model: Any) -> dict[str, Any]:
    """Arguments of trust_study() in lesson 7.

    Parameters
    ----------
    model
        model(name) gives a potential, or what stands for one.

    Returns
    -------
    dict
        By name.
    """
    crystals = {sample(k).name: sample(k).atoms() for k in TRUSTED}
    return {"crystals": crystals, "potential": model(UNIVERSAL_MODEL)}


def squeezed_arguments(model: Any) -> dict[str, Any]:
    """Arguments of grades_when_squeezed() in lesson 7.

    Parameters
    ----------
    model
        model(name) gives a potential, or what stands for one.

    Returns
    -------
    dict
        By name.
    """
    return {"atoms": sample("cu").atoms(), "potential": model(UNIVERSAL_MODEL), "ratios": list(SQUEEZED)}


def lesson_calculations() -> list[Calculation]:
    """What the lessons ask at their first view.

    Returns
    -------
    list of Calculation
        Those whose potentials are installed.
    """
    cards = {card.name: card for card in models()}

    def model(name: str) -> PotentialRef:
        return PotentialRef.of(cards[name])

    def atoms(key: str) -> Atoms:
        return sample(key).atoms()

    metals, silicon = UNIVERSAL_MODEL, "si-mlearn-pbe"
    asked: list[tuple[Any, Any]] = [
        (energy_curve, lambda: {"atoms": atoms("cu"), "potential": model(metals)}),
        (fit_ranges, lambda: {"atoms": atoms("cu"), "potential": model(metals)}),
        (universal_eos, lambda: {"potential": model(UNIVERSAL_MODEL), "stretch": STRETCH}),
        (sus2.elastic, lambda: {"atoms": atoms("si"), "potential": model(silicon), "cross_checks": False}),
        (cauchy, lambda: cauchy_arguments(model(UNIVERSAL_MODEL))),
        (sound, lambda: {"atoms": atoms("al"), "potential": model(metals), "direction": [1.0, 0.0, 0.0]}),
        (supercell_study, lambda: {"atoms": atoms("al"), "potential": model(metals), "sizes": list(SIZES)}),
        (soft_mode, lambda: {"atoms": body_centred_hafnium(), "potential": model(UNIVERSAL_MODEL)}),
        (functional_volumes, lambda: volumes_arguments(model)),
        (functional_change, lambda: {"atoms": atoms("gaas"), "potentials": [model(name) for name in PAIR]}),
        (trust_study, lambda: trust_arguments(model)),
        (grades_when_squeezed, lambda: squeezed_arguments(model)),
    ]
    calculations = []
    for function, arguments in asked:
        try:
            calculations.append(Calculation.of(function, **arguments()))
        except KeyError:
            # A card is missing: the lesson itself says so.
            continue
    return calculations
