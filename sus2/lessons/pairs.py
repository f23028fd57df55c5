"""What the scaled radial argument of SUS2 does for pairs of atoms, and what is lost without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms

from sus2.errors import Sus2Error
from sus2.potential.potential import Potential
from sus2.relaxation.relax import relax
from sus2.types import Array


@dataclass(frozen=True, eq=False)
class PairScaling:
    """One radial function for p directed pairs of a potential.

    The sum over Chebyshev polynomials is one function of xi = tanh(alpha (r - r0)/2) for all pairs; what differs from
    pair to pair is where on that line a distance lies.

    Attributes
    ----------
    potential_name
        Of the potential.
    pairs
        Such as "Al-Cu", central atom first.
    function
        Number of the radial function.
    cutoff_a
        Cutoff radius, angstrom.
    alpha_per_a
        (p,) 1/angstrom.
    r0_a
        (p,) angstrom.
    r_a
        (n,) distances up to the cutoff, angstrom.
    xi
        (p, n) the argument.
    values
        (p, n) the sum over Chebyshev polynomials there.
    line_xi
        (m,) arguments of the common line.
    line_values
        (m,) its values.
    numbers_scaled
        How many numbers the model keeps for all its pairs.
    numbers_table
        How many a separate radial function for each pair would take.
    """

    potential_name: str
    pairs: tuple[str, ...]
    function: int
    cutoff_a: float
    alpha_per_a: Array
    r0_a: Array
    r_a: Array
    xi: Array
    values: Array
    line_xi: Array
    line_values: Array
    numbers_scaled: int
    numbers_table: int

    def spread_percent(self, *, scaled: bool) -> float:
        """How far the pairs' curves lie apart.

        Parameters
        ----------
        scaled
            Whether at equal xi; else at equal distance.

        Returns
        -------
        float
            Their standard deviation, rms, in percent of the range of the values.
        """
        if scaled:
            # Where fewer than two pairs reach there is nothing to compare.
            grid = np.linspace(self.xi.min(), self.xi.max(), 201)
            rows = np.array(
                [
                    np.interp(grid, x[order], y[order], left=np.nan, right=np.nan)
                    for x, y in zip(self.xi, self.values, strict=True)
                    for order in [np.argsort(x)]
                ]
            )
            rows = rows[:, np.isfinite(rows).sum(axis=0) >= 2]
        else:
            rows = self.values
        return float(100.0 * np.sqrt(np.mean(np.nanstd(rows, axis=0) ** 2)) / np.ptp(self.values))


@dataclass(frozen=True, eq=False)
class SharedScaling:
    """E(V) of a crystal with each pair's own scaling, and with a share of it replaced by the mean of all pairs.

    Attributes
    ----------
    share
        From 0 to 1.
    volumes_a3
        (n,) angstrom^3/atom.
    own_ev
        (n,) eV/atom above the lowest of the curve.
    shared_ev
        (n,) likewise, with the shared scaling.
    own_minimum_a3
        Volume of the lowest point, nan where that is an end of the range.
    shared_minimum_a3
        Likewise, with the shared scaling.
    """

    share: float
    volumes_a3: Array
    own_ev: Array
    shared_ev: Array
    own_minimum_a3: float
    shared_minimum_a3: float

    @property
    def volume_error_percent(self) -> float:
        """Change of the volume at rest; nan where there is no minimum left."""
        return 100.0 * (self.shared_minimum_a3 / self.own_minimum_a3 - 1.0)

    @property
    def rms_error_ev(self) -> float:
        """Root mean square of the change of the curve, eV per atom."""
        return float(np.sqrt(np.mean((self.shared_ev - self.own_ev) ** 2)))


def pair_scaling(potential: Potential, pairs: Sequence[str], *, function: int = 0, n_points: int = 161) -> PairScaling:
    """One radial function for some pairs.

    Parameters
    ----------
    potential
        The potential.
    pairs
        Such as "Al-Cu", central atom first.
    function
        Number of the radial function, from 0.
    n_points
        Number of distances.

    Returns
    -------
    PairScaling
        In the order of the pairs.

    Raises
    ------
    Sus2Error
        An element or a function that the potential does not have, or no pair.
    """
    spec = potential.spec
    if spec.alpha is None or spec.r0 is None or spec.radial_weights is None:
        raise Sus2Error(f"{potential.name} has no trained radial functions.")
    if not 0 <= function < spec.radial_funcs_count:
        raise Sus2Error(f"There is no radial function {function}: there are 0 to {spec.radial_funcs_count - 1}.")
    if not pairs:
        raise Sus2Error("Give at least one pair, such as 'Al-Cu'.")
    i, j = np.array([_types(potential, p) for p in pairs]).T
    columns = spec.max_rank + 1
    kappa = {"K": function // columns, "L": function % columns, "LK": function}[spec.scaling_map]
    alpha, r0 = spec.alpha[kappa, i, j], spec.r0[kappa, i, j]
    r = np.linspace(0.35 * spec.max_dist, spec.max_dist, n_points)
    xi = np.tanh(0.5 * alpha[:, None] * (r[None] - r0[:, None]))
    weights = spec.radial_weights[function]
    line = np.linspace(-1.0, 1.0, 401)
    species = spec.species_count
    amplitudes = 0 if spec.neighbour_coeffs is None else spec.neighbour_coeffs.size
    return PairScaling(
        potential_name=potential.name,
        pairs=tuple(pairs),
        function=function,
        cutoff_a=spec.max_dist,
        alpha_per_a=alpha,
        r0_a=r0,
        r_a=r,
        xi=xi,
        values=np.polynomial.chebyshev.chebval(xi, weights),
        line_xi=line,
        line_values=np.polynomial.chebyshev.chebval(line, weights),
        numbers_scaled=int(spec.alpha.size + spec.r0.size + spec.radial_weights.size + species + amplitudes),
        numbers_table=int(species**2 * spec.radial_weights.size),
    )


def shared_scaling(atoms: Atoms, potential: Potential, *, share: float = 1.0, n_points: int = 41) -> SharedScaling:
    """Replace a share of every pair's alpha and r0 by their mean over pairs and compute E(V) again.

    The other weights stay, so this shows what the scaling carries, not how well a model without it could be trained.

    Parameters
    ----------
    atoms
        The crystal.
    potential
        The potential.
    share
        From 0 to 1.
    n_points
        Number of volumes.

    Returns
    -------
    SharedScaling
        Both curves.

    Raises
    ------
    StructureError
        The crystal cannot be used.
    UnknownElementError
        An element that the potential does not cover.
    ConvergenceError
        The relaxation did not converge.
    Sus2Error
        A share out of range, or a potential without trained radial functions.
    """
    if not 0.0 <= share <= 1.0:
        raise Sus2Error(f"The share is {share:g}; give a number from 0 to 1.")
    spec = potential.spec
    if spec.alpha is None or spec.r0 is None:
        raise Sus2Error(f"{potential.name} has no trained radial functions.")

    def mixed(values: Array) -> Array:
        mean = values.mean(axis=(1, 2), keepdims=True)
        return np.asarray((1.0 - share) * values + share * mean, dtype=np.float64)

    other = Potential(
        replace(spec, alpha=mixed(spec.alpha), r0=mixed(spec.r0)),
        potential.card,
        device=potential.device,
        dtype=potential.dtype,
    )
    rest = relax(atoms, potential).require_converged().atoms
    factors = np.linspace(0.75, 1.4, n_points)
    structures = []
    for f in factors:
        scaled = rest.copy()
        scaled.set_cell(rest.cell.array * f ** (1.0 / 3.0), scale_atoms=True)
        structures.append(scaled)
    n = len(rest)
    volumes = factors * abs(float(rest.cell.volume)) / n
    curves = [np.array([r.energy_ev for r in p.evaluate(structures)]) / n for p in (potential, other)]
    own, changed = (c - c.min() for c in curves)
    return SharedScaling(share, volumes, own, changed, _lowest(volumes, own), _lowest(volumes, changed))


def _types(potential: Potential, pair: str) -> tuple[int, int]:
    names = pair.split("-")
    if len(names) != 2 or not set(names) <= set(potential.elements):
        raise Sus2Error(f"'{pair[:20]}' is no pair of {potential.name}; write two of its elements, such as 'Al-Cu'.")
    return potential.elements.index(names[0]), potential.elements.index(names[1])


def _lowest(volumes: Array, energies: Array) -> float:
    """Volume at the minimum, by the parabola through the lowest point and its neighbours; nan at an end."""
    k = int(energies.argmin())
    if k in (0, len(energies) - 1):
        return float("nan")
    a, b = np.polyfit(volumes[k - 1 : k + 2], energies[k - 1 : k + 2], 2)[:2]
    return float(-b / (2.0 * a))
