"""What an `.mtp` file says, as a frozen ModelSpec, and the check of its moment graph; numpy only.

Version 1.1.0 is the form of SUS2-MLIP. Version 2.0.0 is this package's: it may also hold an envelope (r - rc)^3
(``envelope_power``), an amplitude of each radial function and neighbour's element (``neighbour_coeffs``) and a readout
of each element (``element_moment_coeffs``, C x S, in place of ``moment_coeffs``). A spec without these is written as
version 1.1.0, so that SUS2-MLIP reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from sus2.errors import PotentialFileError
from sus2.types import Array, Index

ScalingMap = Literal["K", "L", "LK"]
PUBLISHED_VERSION: Final = "1.1.0"
EXTENDED_VERSION: Final = "2.0.0"
ENVELOPE_POWERS: Final = (2, 3)
RADIAL_TYPES: Final = ("RBChebyshev_sss", "RBChebyshev_sss_lmp")
MAX_FILE_BYTES: Final = 256 * 1024 * 1024
# Far above any published potential; it keeps a hostile header from asking for terabytes.
MAX_COUNT: Final = 1_000_000
MAX_SPECIES: Final = 1024


@dataclass(frozen=True, eq=False)
class ModelSpec:
    """Everything that an `.mtp` file says; coefficients are None in an untrained file.

    Sizes below: C species, R Chebyshev polynomials, M = (max_rank + 1) K radial functions, kappa scaling blocks,
    nb basic moments, nt products, S scalars.

    Attributes
    ----------
    potential_name
        As the file names it.
    scaling
        Factor on the radial functions.
    max_rank
        Largest rank L of a moment tensor.
    scaling_map
        Which radial functions share a scaling block.
    species_count
        C.
    potential_tag
        As the file has it.
    radial_basis_type
        One of RADIAL_TYPES.
    min_dist
        Shortest distance of the training data, angstrom.
    max_dist
        Cutoff radius, angstrom.
    radial_basis_size
        R.
    radial_funcs_count
        M.
    e0
        As the file has it.
    moments_count
        Number of moments.
    basic
        (nb, 4) rows mu, a, b, c.
    times
        (nt, 4) rows p, q, multiplier, target.
    mapping
        (S,) the moment of each scalar.
    shift_coeffs
        (C,) eV.
    alpha
        (kappa, C, C) 1/angstrom; a row is a central species.
    r0
        (kappa, C, C) angstrom.
    radial_weights
        (M, R).
    radial_species
        (M, C); only row 0 enters the model.
    species_coeffs
        (C,) eV.
    moment_coeffs
        theta: (S,) of all elements, or (C, S) of each.
    envelope_power
        p of (r - rc)^p; 2 in published files.
    neighbour_coeffs
        (M, C) amplitude of each radial function by the neighbour; None: all one.
    """

    potential_name: str
    scaling: float
    max_rank: int
    scaling_map: ScalingMap
    species_count: int
    potential_tag: str
    radial_basis_type: str
    min_dist: float
    max_dist: float
    radial_basis_size: int
    radial_funcs_count: int
    e0: float | None
    moments_count: int
    basic: Index  # (nb, 4): mu, a, b, c
    times: Index  # (nt, 4): p, q, multiplier, target
    mapping: Index  # (S,)
    shift_coeffs: Array | None = None  # (C,) eV
    alpha: Array | None = None  # (kappa, C, C) 1/A, row = central species
    r0: Array | None = None  # (kappa, C, C) A
    radial_weights: Array | None = None  # (M, R)
    radial_species: Array | None = None  # (M, C); only row 0 enters the model
    species_coeffs: Array | None = None  # (C,) eV
    moment_coeffs: Array | None = None  # theta: (S,) of all elements, or (C, S) of each
    envelope_power: int = 2  # p of (r - rc)^p; 2 in published files
    neighbour_coeffs: Array | None = None  # (M, C): amplitude of each radial function by the neighbour; None: all one

    @property
    def trained(self) -> bool:
        """True where the file carries coefficients."""
        return self.moment_coeffs is not None

    @property
    def extended(self) -> bool:
        """True where the published form cannot hold the model."""
        return self.own_readout or self.neighbour_coeffs is not None or self.envelope_power != 2

    @property
    def own_readout(self) -> bool:
        """True where each element has a theta of its own."""
        return self.moment_coeffs is not None and self.moment_coeffs.ndim == 2

    @property
    def readout(self) -> Array:
        """Theta of each element, shape (C, S), whether the elements share it or not.

        Raises
        ------
        PotentialFileError
            The file is untrained.
        """
        if self.moment_coeffs is None:
            raise PotentialFileError(f"{self.potential_name or 'potential'}: an untrained file has no readout.")
        return np.broadcast_to(self.moment_coeffs, (self.species_count, len(self.mapping)))

    @property
    def scaling_blocks(self) -> int:
        """Number of (alpha, r0) tables: kappa(mu) runs below it."""
        return scaling_block(self.scaling_map, self.max_rank, np.arange(self.radial_funcs_count)).max() + 1

    @property
    def scaling_index(self) -> Index:
        """kappa for each radial function mu, shape (M,)."""
        return scaling_block(self.scaling_map, self.max_rank, np.arange(self.radial_funcs_count))

    @property
    def parameter_count(self) -> int:
        """Number of trainable numbers that enter the energy (unused rows are not counted)."""
        c = self.species_count
        return int(
            3 * c
            + 2 * self.scaling_blocks * c * c
            + self.radial_funcs_count * self.radial_basis_size
            + (len(self.mapping) if self.moment_coeffs is None else self.moment_coeffs.size)
            + (0 if self.neighbour_coeffs is None else self.neighbour_coeffs.size)
        )

    def with_species(self, index: Sequence[int]) -> ModelSpec:
        """The same potential for some of its species alone.

        Parameters
        ----------
        index
            Their types, in the order wanted.

        Returns
        -------
        ModelSpec
            A new one.
        """
        if any(a is None for a in (self.shift_coeffs, self.alpha, self.r0, self.radial_species, self.species_coeffs)):
            return replace(self, species_count=len(index))
        i = np.asarray(index, dtype=np.int64)
        pairs = np.ix_(np.arange(self.scaling_blocks), i, i)
        assert self.shift_coeffs is not None
        assert self.alpha is not None
        assert self.r0 is not None
        assert self.radial_species is not None
        assert self.species_coeffs is not None
        assert self.moment_coeffs is not None
        return replace(
            self,
            species_count=len(i),
            shift_coeffs=self.shift_coeffs[i],
            alpha=self.alpha[pairs],
            r0=self.r0[pairs],
            radial_species=self.radial_species[:, i],
            species_coeffs=self.species_coeffs[i],
            moment_coeffs=self.moment_coeffs[i] if self.moment_coeffs.ndim == 2 else self.moment_coeffs,
            neighbour_coeffs=None if self.neighbour_coeffs is None else self.neighbour_coeffs[:, i],
        )


def scaling_block(scaling_map: ScalingMap, max_rank: int, mu: Index) -> Index:
    """Scaling block kappa of each radial function mu = k * (max_rank + 1) + l.

    Parameters
    ----------
    scaling_map
        "K", "L" or "LK": one block for each channel k, each rank l, or each radial function.
    max_rank
        Largest rank.
    mu
        Radial functions.

    Returns
    -------
    ndarray
        Shape of `mu`.
    """
    if scaling_map == "K":
        return mu // (max_rank + 1)
    if scaling_map == "L":
        return mu % (max_rank + 1)
    return mu


def check_graph(spec: ModelSpec, source: str = "potential") -> None:
    """Check every index of the moment graph.

    Parameters
    ----------
    spec
        With the graph.
    source
        What errors call it.

    Raises
    ------
    PotentialFileError
        An index out of range; the sentence names key and row.
    """

    def fail(key: str, row: int, why: str) -> PotentialFileError:
        return PotentialFileError(f"{source}: '{key}' row {row + 1} {why}.")

    for n, (mu, *powers) in enumerate(spec.basic):
        if not 0 <= mu < spec.radial_funcs_count:
            last = spec.radial_funcs_count - 1
            raise fail("alpha_index_basic", n, f"uses radial function {mu}, out of range 0..{last}")
        if min(powers) < 0 or sum(powers) > spec.max_rank:
            raise fail("alpha_index_basic", n, f"has powers {powers} outside tensor rank 0..{spec.max_rank}")
    nb = len(spec.basic)
    if nb > spec.moments_count:
        raise PotentialFileError(f"{source}: 'alpha_index_basic_count' {nb} exceeds 'alpha_moments_count'.")
    known = np.zeros(spec.moments_count, dtype=bool)
    known[:nb] = True
    used_as_factor = np.zeros(spec.moments_count, dtype=bool)
    for n, (p, q, _, t) in enumerate(spec.times):
        for index in (p, q, t):
            if not 0 <= index < spec.moments_count:
                raise fail("alpha_index_times", n, f"uses moment {index}, out of range 0..{spec.moments_count - 1}")
        if not (known[p] and known[q]):
            raise fail("alpha_index_times", n, "uses a moment before it is computed")
        if t < nb:
            raise fail("alpha_index_times", n, f"overwrites basic moment {t}")
        used_as_factor[[p, q]] = True
        if used_as_factor[t]:
            raise fail("alpha_index_times", n, f"changes moment {t} after its use")
        known[t] = True
    for n, m in enumerate(spec.mapping):
        if not 0 <= m < spec.moments_count:
            raise fail("alpha_moment_mapping", n, f"names moment {m}, out of range 0..{spec.moments_count - 1}")
        if not known[m]:
            raise fail("alpha_moment_mapping", n, f"names moment {m}, which nothing computes")
