"""Checks of phonons."""

from __future__ import annotations

import numpy as np

from sus2.checks import Check, graded
from sus2.properties.phonons.result import BandStructure, PhononResult
from sus2.relaxation.checks import check_relaxation


def check_phonons(
    result: PhononResult, finite: PhononResult | None = None, *, bands: BandStructure | None = None
) -> tuple[Check, ...]:
    """Check a phonon calculation.

    Parameters
    ----------
    result
        The phonons.
    finite
        The same crystal by finite displacements, where it was computed; both are compared at the special points of the
        band path, in THz.
    bands
        The bands of the result, where they are known.

    Returns
    -------
    tuple of Check
        Relaxation, acoustic sum rule, imaginary modes on path and mesh, the two methods.
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
                warn_limit=1e-6,
                meaning="Moving the whole crystal costs no energy: each row of the force constants sums to zero.",
            )
        )
    decay = result.decay_at_supercell_edge
    if np.isfinite(decay):
        out.append(
            graded(
                "Force constants at the edge of the supercell",
                100.0 * decay,
                "%",
                pass_limit=1.0,
                warn_limit=5.0,
                meaning="What atoms as far apart as the supercell allows feel of each other, of the largest force "
                "constant: where it is not small, a larger supercell changes the frequencies.",
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
                warn_limit=0.3,
                meaning="An imaginary frequency means that the energy falls along this mode: another phase is more "
                "stable, or the potential is wrong here.",
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
                warn_limit=0.2,
                meaning="Two independent ways to the same frequencies; they differ by the anharmonicity that a finite "
                "displacement picks up, and near special points by too small a supercell.",
            )
        )
    return tuple(out)
