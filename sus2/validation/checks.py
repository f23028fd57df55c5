"""What may be wrong with a result: each check is one number, a verdict and one sentence.

A result passes, asks for a look, or fails. The functions take results that are already there and cost next to
nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from ase import Atoms

from sus2.potential.batch import neighbours
from sus2.potential.mtp import ModelSpec
from sus2.properties.eos.calculate import EosResult, eos
from sus2.relaxation.relax import Progress, RelaxResult
from sus2.structures import elements_of, to_atoms
from sus2.structures.shells import pair_distances, trained_distances

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from sus2.potential.potential import Calculates
    from sus2.properties.phonons.calculate import BandStructure, PhononResult
    from sus2.registry.load import Card

Verdict = Literal["pass", "look", "fail"]

SHELL_WIDTH_A: Final = 0.05
UPHILL_MEV_PER_ATOM: Final = 1e-3  # more than rounding, less than any difference of crystals
_ORDER: Final[dict[Verdict, int]] = {"pass": 0, "look": 1, "fail": 2}


@dataclass(frozen=True)
class Check:
    """One check: value in unit (empty for a plain number), its verdict and one sentence of meaning.

    pass_limit, look_limit: up to which the value passes and up to which it asks for a look; None where the verdict
    does not come from two upper limits.
    """

    name: str
    value: float
    unit: str
    verdict: Verdict
    meaning: str
    pass_limit: float | None = None
    look_limit: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON; a value that is not finite becomes None."""
        return {**asdict(self), "value": self.value if math.isfinite(self.value) else None}


def graded(name: str, value: float, unit: str, *, pass_limit: float, look_limit: float, meaning: str) -> Check:
    """A check that passes up to pass_limit, asks for a look up to look_limit and fails above or for nan."""
    verdict: Verdict = "pass" if value <= pass_limit else "look" if value <= look_limit else "fail"
    return Check(name, float(value), unit, verdict, meaning, pass_limit, look_limit)


def worst(checks: Iterable[Check]) -> Verdict:
    """The worst verdict of all; "pass" where there is none."""
    return max((c.verdict for c in checks), key=_ORDER.__getitem__, default="pass")


def check(
    potential: Calculates, atoms: Atoms | Structure, *, relaxed: bool = False, progress: Progress | None = None
) -> tuple[Check, ...]:
    """Is this potential to be trusted for this crystal? Relaxes it, takes its E(V) and looks at both.

    relaxed: take atoms as it is. Raises what relax and eos raise.
    """
    start = to_atoms(atoms)
    covered = check_elements(start, potential.elements)
    if covered.verdict == "fail":
        return (covered,)
    result = eos(start, potential, relaxed=relaxed, progress=progress)
    relaxation = () if result.relaxation is None else check_relaxation(result.relaxation)
    return check_applicability(result.atoms, potential) + relaxation + check_eos(result)


def check_relaxation(result: RelaxResult) -> tuple[Check, ...]:
    """Residual force and stress (where they were to vanish), whether it went downhill, symmetry, change of volume."""
    checks = []
    if result.positions_free:
        limit = result.force_tolerance_ev_per_a
        checks.append(
            graded(
                "Residual force",
                result.max_force_ev_per_a,
                "eV/Å",
                pass_limit=limit,
                look_limit=10 * limit,
                meaning="Forces left on the atoms make phonons and elastic constants wrong.",
            )
        )
    if result.cell_free:
        limit = result.stress_tolerance_gpa
        checks.append(
            graded(
                "Residual stress",
                result.max_stress_gpa,
                "GPa",
                pass_limit=limit,
                look_limit=10 * limit,
                meaning=f"Deviation of the stress from that of the target pressure of {result.pressure_gpa:g} GPa.",
            )
        )
    checks.append(
        graded(
            "Above the start",
            max(0.0, 1e3 * result.enthalpy_change_ev_per_atom),
            "meV/atom",
            pass_limit=UPHILL_MEV_PER_ATOM,
            look_limit=UPHILL_MEV_PER_ATOM,
            meaning="The crystal that was given lies lower than where it came to rest: the way led over into another "
            "basin, so this is another crystal; start from another structure.",
        )
    )
    kept = result.symmetry_kept
    checks.append(
        Check(
            "Symmetry kept",
            float(kept),
            "",
            "pass" if kept else "look",
            f"The space group is {result.spacegroup_after}, as at the start."
            if kept
            else f"The space group went from {result.spacegroup_before} to {result.spacegroup_after}: see whether "
            "this is the crystal you mean.",
        )
    )
    if result.cell_free:
        checks.append(
            graded(
                "Change of volume",
                abs(result.volume_change_percent),
                "%",
                pass_limit=5.0,
                look_limit=15.0,
                meaning="A large change from the structure that was given means another pressure, another functional "
                "or a potential that does not know this crystal.",
            )
        )
    return tuple(checks)


def check_eos(result: EosResult) -> tuple[Check, ...]:
    """Of an equation of state: range, residuals, agreement of the models and of stress and energy."""
    v = result.volumes_a3
    middle, half = 0.5 * (v.max() + v.min()), 0.5 * float(np.ptp(v))
    pressures = result.fit.pressure_gpa(v)
    checks = [
        graded(
            "V0 within the range",
            100.0 * abs(result.v0_a3 - middle) / half,
            "% of the half range",
            pass_limit=50.0,
            look_limit=100.0,
            meaning="The equilibrium volume should lie well inside the computed volumes, or the fit extrapolates.",
        ),
        graded(
            "Fit residual",
            result.rms_residual_mev_per_atom,
            "meV/atom",
            pass_limit=0.1,
            look_limit=1.0,
            meaning="Root mean square distance of the points from the fitted curve: a phase change or a kink of the "
            "potential shows here.",
        ),
        graded(
            "Standard error of B0",
            100.0 * result.b0_gpa_error / result.b0_gpa,
            "%",
            pass_limit=1.0,
            look_limit=5.0,
            meaning="How well the points determine the bulk modulus.",
        ),
        graded(
            "B0 of the four models",
            result.b0_spread_percent if len(result.fits) > 1 else math.nan,
            "%",
            pass_limit=2.0,
            look_limit=10.0,
            meaning="Largest difference of the bulk modulus between the equations of state: large where the range of "
            "volumes is too wide or the points are not smooth.",
        ),
        graded(
            "Pressure from stress and from energy",
            100.0 * result.pressure_deviation_gpa / float(np.abs(pressures).max()),
            "% of the largest pressure",
            pass_limit=2.0,
            look_limit=10.0,
            meaning="The stress of the potential against -dE/dV of the fit, two independent ways to the pressure.",
        ),
        _check_b0_prime(result.b0_prime),
    ]
    if result.relaxation is not None:
        checks.append(
            graded(
                "V0 against the relaxed volume",
                100.0 * abs(result.v0_a3 / result.relaxation.volume_a3 - 1.0),
                "%",
                pass_limit=0.1,
                look_limit=0.5,
                meaning="The minimum of the fit against the volume at which the stress vanishes.",
            )
        )
    return tuple(checks)


def check_phonons(
    result: PhononResult, finite: PhononResult | None = None, *, bands: BandStructure | None = None
) -> tuple[Check, ...]:
    """Checks of a phonon calculation; `finite` is the same crystal by finite displacements, where it was computed.

    Both are compared at the special points of the band path, in THz. bands: those of the result, where they are known.
    """
    out = list(check_relaxation(result.relaxation)) if result.relaxation is not None else []
    if result.second is not None:
        hessian = result.second.gamma_hessian_ev_per_a2
        n = len(result.atoms)
        # One atom in the cell has no internal forces at all, so the scale is that of the single force constants.
        largest = np.abs(result.second.force_constants_ev_per_a2).max()
        residue = np.abs(hessian.reshape(n, 3, n, 3).sum(axis=2)).max() / largest
        out.append(
            graded(
                "Acoustic sum rule",
                float(residue),
                "",
                pass_limit=1e-10,
                look_limit=1e-6,
                meaning="Moving the whole crystal costs no energy: each row of the force constants sums to zero.",
            )
        )
    bands = result.band_structure() if bands is None else bands
    lowest_on_mesh = float(result.mesh_frequencies_thz.min())
    for name, lowest in (("path", float(bands.frequencies_thz.min())), ("mesh", lowest_on_mesh)):
        out.append(
            graded(
                f"Imaginary modes on the {name}",
                max(0.0, -lowest),
                "THz",
                pass_limit=0.05,
                look_limit=0.3,
                meaning="An imaginary frequency means that the energy falls along this mode: another phase is lower, "
                "or the potential is wrong here.",
            )
        )
    if finite is not None:
        path = bands.path
        ends = sorted({k for part in path.segments for k in (part.start, part.stop - 1)})
        q = path.q_fractional[ends]
        gap = np.abs(result.frequencies_thz(q) - finite.frequencies_thz(q)).max()
        out.append(
            graded(
                "Exact against finite displacements",
                float(gap),
                "THz",
                pass_limit=0.03,
                look_limit=0.2,
                meaning="Two independent ways to the same frequencies; they differ by the anharmonicity that a finite "
                "displacement picks up, and near special points by too small a supercell.",
            )
        )
    return tuple(out)


def check_applicability(atoms: Atoms, potential: Calculates) -> tuple[Check, ...]:
    """Elements, pairs of elements and distances of a crystal against what the potential was trained on.

    What the potential does not tell (a calculator without parameters or card) is not checked.
    """
    checks = [check_elements(atoms, potential.elements)]
    if checks[0].verdict == "fail":
        return tuple(checks)
    spec: ModelSpec | None = getattr(potential, "spec", None)
    card: Card | None = getattr(potential, "card", None)
    if spec is not None:
        checks.append(check_pairs(atoms, spec, potential.elements))
        checks.append(check_shells(atoms, spec.max_dist))
    if card is not None:
        checks.append(check_distances(atoms, card))
    return tuple(checks)


def check_elements(atoms: Atoms, elements: Iterable[str]) -> Check:
    """Number of elements of the crystal that the potential does not know."""
    missing = sorted(set(elements_of(atoms)) - set(elements))
    return Check(
        "Elements covered",
        float(len(missing)),
        "missing",
        "fail" if missing else "pass",
        f"The potential does not know {', '.join(missing)}; choose another."
        if missing
        else f"The potential knows {', '.join(elements_of(atoms))}.",
    )


def untrained_pairs(spec: ModelSpec, elements: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Ordered pairs (central, neighbour) whose universal scaling still has its initial values.

    Training starts from alpha = 6.6/(rc - rmin) and r0 = (rc + rmin)/2 for every pair (SUS2-MLIP), so a pair that
    has exactly these was in no training structure.
    """
    if spec.alpha is None or spec.r0 is None:
        return ()
    symbols = tuple(elements)
    alpha = 6.6 / (spec.max_dist - spec.min_dist)
    r0 = 0.5 * (spec.max_dist + spec.min_dist)
    same = np.isclose(spec.alpha, alpha, rtol=1e-9, atol=0) & np.isclose(spec.r0, r0, rtol=1e-9, atol=0)
    return tuple((symbols[i], symbols[j]) for i, j in np.argwhere(same.all(axis=0)))


def check_pairs(atoms: Atoms, spec: ModelSpec, elements: Iterable[str]) -> Check:
    """Number of ordered pairs of elements, neighbours in this crystal, that were never trained."""
    found = neighbours(atoms, spec.max_dist)
    symbols = np.array(atoms.get_chemical_symbols())
    present = set(zip(symbols[found.index_i].tolist(), symbols[found.index_j].tolist(), strict=True))
    missing = sorted(present & set(untrained_pairs(spec, elements)))
    names = ", ".join(f"{a}-{b}" for a, b in missing[:6]) + (", ..." if len(missing) > 6 else "")
    return Check(
        "Pairs of elements trained",
        float(len(missing)),
        "untrained",
        "fail" if missing else "pass",
        f"The potential has never seen {names} as central atom and neighbour, so its result is a guess."
        if missing
        else "Every pair of neighbouring elements was in the training data.",
    )


def shells_near_cutoff(
    atoms: Atoms, cutoff: float, *, width: float = SHELL_WIDTH_A
) -> tuple[tuple[str, str, float], ...]:
    """Distances within width of the cutoff, as (element, element, angstrom), each shell once.

    Distances that differ by less than 1e-3 A count as one shell; elements in alphabetical order.
    """
    found = neighbours(atoms, cutoff + width)
    distance = np.linalg.norm(found.vector, axis=1)
    near = np.flatnonzero(distance >= cutoff - width)
    symbols = atoms.get_chemical_symbols()
    last: dict[tuple[str, str], float] = {}
    shells: list[tuple[str, str, float]] = []
    for k in near[np.argsort(distance[near])]:
        a, b = sorted((symbols[found.index_i[k]], symbols[found.index_j[k]]))
        d = float(distance[k])
        if d - last.get((a, b), 0.0) > 1e-3:
            shells.append((a, b, d))
        last[a, b] = d
    return tuple(shells)


def check_shells(atoms: Atoms, cutoff: float) -> Check:
    """Number of neighbour shells within SHELL_WIDTH_A of the cutoff."""
    shells = shells_near_cutoff(atoms, cutoff)
    listed = ", ".join(f"{a}-{b} at {d:.3f} Å" for a, b, d in shells[:4]) + (", ..." if len(shells) > 4 else "")
    return Check(
        "Shells near the cutoff",
        float(len(shells)),
        f"within {SHELL_WIDTH_A:g} Å of {cutoff:g} Å",
        "look" if shells else "pass",
        f"Second derivatives of the model jump where a shell crosses the cutoff: {listed}; elastic constants and "
        "phonons by finite steps may differ from the exact ones."
        if shells
        else "No shell of neighbours sits where the second derivatives of the model jump.",
    )


def check_distances(atoms: Atoms, card: Card) -> Check:
    """Smallest ratio of a distance in the crystal to the shortest one of that pair in the training data."""
    name, unit = "Shortest distance", "of the shortest in training"
    known = trained_distances(card)
    if not known:
        return Check(name, math.nan, unit, "look", "The card of the potential does not say how close its data go.")
    found = pair_distances(atoms, card)
    unknown = sorted(p.name for p in found if p.trained_a is None)
    trained = [p for p in found if p.trained_a is not None]
    if not trained:
        what = f"The training data have no {', '.join(unknown)} distances." if unknown else "No two atoms are near."
        return Check(name, math.nan, unit, "look", what)
    closest = min(trained, key=lambda p: p.ratio)
    meaning = (
        f"{closest.name} atoms are {closest.shortest_a:.3f} Å apart; the training data go down to "
        f"{closest.trained_a:.3f} Å."
    )
    return Check(name, closest.ratio, unit, closest.verdict, meaning)


def _check_b0_prime(b0_prime: float) -> Check:
    verdict: Verdict = "pass" if 2.5 <= b0_prime <= 7.0 else "look" if 0.0 < b0_prime <= 10.0 else "fail"
    return Check(
        "B0' plausible",
        b0_prime,
        "",
        verdict,
        "Most crystals have dB/dP between 3 and 6; one outside 2.5 to 7 points at a kink or a well that is not real.",
    )
