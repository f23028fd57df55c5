"""The words of the app: one meaning each, for hover texts and for the list on the page Learn."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from sus2.properties.catalogue import catalogue

TERMS: Final[Mapping[str, str]] = {
    "acoustic mode": "Vibration in which neighbouring atoms move together; its frequency goes to zero at Γ.",
    "calibration": "What turns the disagreement of a committee into an error, learned from crystals with known values.",
    "card": "What a potential says of itself: its data, its measured errors, its elements and where not to use it.",
    "clamped ions": "Atoms carried along with the strained cell. Relaxed ions move to rest in it, as in experiments.",
    "committee": "Several fits to the same data; where they disagree, the data did not say enough.",
    "convex hull": "Lowest energies of mixtures of known phases; a crystal above it gains energy by decomposing.",
    "dispersion": "How the frequency of a vibration depends on its wave vector; drawn as phonon bands.",
    "dynamically unstable": "With an imaginary mode: at rest by symmetry, but not at a minimum of the energy.",
    "elastic constants": "C_ij: the stress (GPa) that a small strain of 1 brings about, in the axes of the crystal.",
    "equation of state": "Energy, or pressure, of a crystal against its volume.",
    "error band": "One standard deviation of the potential's own error, up and down, where it is calibrated.",
    "extrapolation grade": "How far surroundings of atoms are from the training data: inside up to 1, unknown above 3.",
    "finite displacements": "Force constants from forces on displaced atoms in a supercell, as in DFT calculations.",
    "formation energy": "Energy of a compound less that of its elements, each at rest in the same potential.",
    "functional": "The approximation to exchange and correlation in DFT, such as PBE or r2SCAN.",
    "Grüneisen parameter": "How fast frequencies fall with volume, −d ln ω/d ln V; it drives thermal expansion.",
    "held out": "Kept away from training, so that an error measured on it is not flattered.",
    "imaginary mode": "Vibration along which the energy falls (ω² < 0), drawn below zero; it leads to another phase.",
    "irreducible representation": "How a mode transforms under the crystal's symmetry; it decides IR and Raman.",
    "LO-TO splitting": "Gap between longitudinal and transverse optical modes of polar crystals at Γ. It needs Born "
    "charges, which an energy alone does not give: give a BORN file.",
    "mesh": "Grid of wave vectors over which vibrations are averaged; it stands for a periodic box of that length.",
    "optical mode": "Vibration in which neighbouring atoms move against each other.",
    "PBE": "Functional of Perdew, Burke and Ernzerhof (1996); lattice constants come out about 1 % too long.",
    "phonon": "A quantum of a vibration of the crystal lattice.",
    "potential": "A function that gives energy and forces of atoms from their places, fitted to DFT.",
    "primitive cell": "The smallest cell that builds the crystal by translations alone.",
    "quasi-harmonic approximation": "Harmonic vibrations at several volumes; their free energy chooses the volume at "
    "each temperature.",
    "r2SCAN": "Meta-GGA functional (2020), mostly nearer to experiment than PBE.",
    "relaxation": "Moving atoms and cell downhill in energy until forces and stress vanish.",
    "σ": "One standard deviation of the error that a potential is expected to make; 68 of 100 errors are smaller.",
    "special point": "A wave vector of high symmetry with a name of its own, such as Γ, X, M or R.",
    "supercell": "Several primitive cells taken as one.",
    "teacher": "A larger potential whose energies and forces another potential is trained on.",
    "verdict": "Good, rough or not to be trusted, from the calibrated error; unknown where nothing is calibrated.",
    "Voigt-Reuss-Hill": "Mean of the bounds for a polycrystal: the same strain (Voigt) or stress (Reuss) everywhere.",
    "wave vector": "q: direction and inverse length of a wave in the crystal, in units of the reciprocal lattice.",
    "Wyckoff position": "Places that the symmetry of a space group makes equivalent, named by a letter.",
}
"""Words that are no quantity of a result, each with a sentence or two."""


@lru_cache(maxsize=1)
def glossary() -> Mapping[str, str]:
    """List all terms with their meanings, in the order of the alphabet.

    Returns
    -------
    Mapping[str, str]
        TERMS, and every quantity of the catalogue with the meaning that its number has as hover text.
    """
    quantities = {q.label: q.meaning for entry in catalogue().values() for q in entry.quantities if q.meaning}
    found = {**quantities, **TERMS}
    return {term: found[term] for term in sorted(found, key=lambda t: t.casefold().replace("σ", "sigma"))}
