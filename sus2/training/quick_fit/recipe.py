"""How a small potential is fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sus2.training.fit.objective import LossWeights

# Errors that count as equally bad: those of a crystal near rest, finer than for sets of many crystals.
WEIGHTS: Final = LossWeights(
    energy_ev_per_atom=0.001,
    energy_relative=0.01,
    force_ev_per_a=0.03,
    force_relative=0.1,
    virial_ev_per_atom=0.01,
    virial_relative=0.05,
    pair=2.0,
    pair_force_ev_per_a=0.004,
    pair_force_relative=0.03,
    pair_virial_ev_per_atom=0.002,
    pair_virial_relative=0.02,
)


@dataclass(frozen=True)
class Recipe:
    """Form and size of the potential, and how it is found.

    Attributes
    ----------
    graph
        Moment graph.
    cutoff_a
        Cutoff radius.
    radial_basis_size
        Chebyshev polynomials of each radial function.
    starts
        Random starts that are tried.
    search_steps
        Gauss-Newton steps of each start.
    search_share
        Share of the parts of the set that they see.
    steps
        Gauss-Newton steps on the whole set.
    theta_prior
        Pull of the readout to zero.
    start_prior
        Pull of all parameters to where they came from, for a fit that starts from a potential.
    weights
        Of the loss.
    """

    graph: str = "l3k3"
    cutoff_a: float = 6.0
    radial_basis_size: int = 8
    starts: int = 2
    search_steps: int = 6
    search_share: float = 0.4
    steps: int = 10
    theta_prior: float = 1e-8
    start_prior: float = 1e-5
    weights: LossWeights = WEIGHTS
