"""Plain moment tensor potentials of MLIP-2 and MLIP-3: the file, and the model as one of ours with exact derivatives.

Shapeev, Multiscale Model. Simul. 14, 1153 (2016), doi 10.1137/15M1054183; Novikov et al., Mach. Learn.: Sci. Technol.
2, 025002 (2021), doi 10.1088/2632-2153/abc9fe (MLIP-2). The graph of moments is that of SUS2-MLIP
(sus2.potential.model); the radial functions have coefficients of each ordered pair of elements and a linear coordinate,

    R_mu(r; i, j) = scaling (r - rc)^2 sum_n c[Zi, Zj, mu, n] T_n(xi),   xi = (2 r - (rmin + rc)) / (rc - rmin),
    E_i = species[Zi] + sum_s theta_s B_s.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from sus2.errors import PotentialFileError
from sus2.potential.backends.torch_sweep import Sweep
from sus2.potential.model import Sus2Model
from sus2.potential.mtp.lines import Lines, shortened
from sus2.potential.mtp.spec import MAX_COUNT, MAX_SPECIES, ModelSpec, check_graph
from sus2.potential.mtp.spec import ScalingMap as ScalingMap  # the type of an inherited field, looked up by the docs
from sus2.potential.potential import Potential
from sus2.types import Array, Index

MAX_RANK = 20


@dataclass(frozen=True, eq=False)
class MomentTensorSpec(ModelSpec):
    """A plain moment tensor potential.

    What a plain potential does not have (scaling of distances) is None. The energy of an element is shift + species
    with species 1 eV, so that E_i = shift + species (1 + theta . B) holds for both kinds.

    Attributes
    ----------
    pair_weights
        (C, C, M, R) radial coefficients by (centre, neighbour).
    """

    pair_weights: Array | None = None

    @property
    def parameter_count(self) -> int:
        """Number of trainable numbers that enter the energy."""
        assert self.pair_weights is not None
        return int(self.species_count + self.pair_weights.size + len(self.mapping))

    def with_species(self, index: Sequence[int]) -> MomentTensorSpec:
        """The same potential for some of its species alone.

        Parameters
        ----------
        index
            Their types, in the order wanted.

        Returns
        -------
        MomentTensorSpec
            A new one.
        """
        i = np.asarray(index, dtype=np.int64)
        assert self.pair_weights is not None
        assert self.shift_coeffs is not None
        assert self.species_coeffs is not None
        return replace(
            self,
            species_count=len(i),
            pair_weights=self.pair_weights[np.ix_(i, i)],
            shift_coeffs=self.shift_coeffs[i],
            species_coeffs=self.species_coeffs[i],
        )

    def as_scaled(self) -> ModelSpec:
        """The graph and readout with radial functions that vanish, for code that evaluates those by itself.

        Returns
        -------
        ModelSpec
            Of a SUS2 potential.
        """
        blocks, c, m = self.scaling_blocks, self.species_count, self.radial_funcs_count
        values = {f.name: getattr(self, f.name) for f in fields(ModelSpec)}
        values |= {
            "alpha": np.zeros((blocks, c, c)),
            "r0": np.zeros((blocks, c, c)),
            "radial_weights": np.zeros((m, self.radial_basis_size)),
            "radial_species": np.ones((m, c)),
        }
        return ModelSpec(**values)


class MomentTensorModel(Sus2Model):
    """The differentiable model with the radial functions of a MomentTensorSpec.

    Parameters
    ----------
    spec
        The coefficients.
    device
        Where the parameters lie.
    dtype
        Of the parameters.
    """

    def __init__(
        self, spec: MomentTensorSpec, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float64
    ) -> None:
        super().__init__(spec.as_scaled(), device=device, dtype=dtype)
        self.pairs = torch.as_tensor(spec.pair_weights, dtype=dtype, device=device)

    def radial(self, r: Tensor, zi: Tensor, zj: Tensor) -> Tensor:
        """Radial functions R_mu(r).

        Parameters
        ----------
        r
            (E,) distances, angstrom.
        zi
            (E,) types of the central atoms.
        zj
            (E,) types of the neighbours.

        Returns
        -------
        Tensor
            (E, M).
        """
        return self.radial_jet(r, zi, zj)[0].T

    def radial_jet(self, r: Tensor, zi: Tensor, zj: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Radial functions and their first and second derivatives.

        Parameters
        ----------
        r
            (E,) distances, angstrom.
        zi
            (E,) types of the central atoms.
        zj
            (E,) types of the neighbours.

        Returns
        -------
        tuple of Tensor
            Each (M, E); derivatives by the distance in angstrom.
        """
        low, high = self.spec.min_dist, self.spec.max_dist
        slope = 2.0 / (high - low)
        xi = slope * r - (low + high) / (high - low)
        zero, one = torch.zeros_like(xi), torch.ones_like(xi)
        t, dt, ddt = [one, xi], [zero, one], [zero, zero]
        for _ in range(self.spec.radial_basis_size - 2):
            ddt.append(4.0 * dt[-1] + 2.0 * xi * ddt[-1] - ddt[-2])
            dt.append(2.0 * t[-1] + 2.0 * xi * dt[-1] - dt[-2])
            t.append(2.0 * xi * t[-1] - t[-2])
        size = self.spec.radial_basis_size
        basis = torch.stack([torch.stack(x[:size]) for x in (t, dt, ddt)])  # (3, R, E)
        s = torch.einsum("emn,dne->dme", self.pairs[zi, zj], basis)
        ds, dds = slope * s[1], slope * slope * s[2]
        x = r - high
        scale = torch.where(x < 0.0, self.spec.scaling * one, zero)
        return (
            scale * x**2 * s[0],
            scale * (2.0 * x * s[0] + x**2 * ds),
            scale * (2.0 * s[0] + 4.0 * x * ds + x**2 * dds),
        )


class MomentTensorSweep(Sweep):
    """The torch path with its reverse sweep for a MomentTensorSpec.

    Parameters
    ----------
    spec
        The coefficients.
    device
        Where it computes.
    dtype
        Of the arithmetic.
    """

    def __init__(
        self, spec: MomentTensorSpec, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float64
    ) -> None:
        super().__init__(spec.as_scaled(), device=device, dtype=dtype)
        self.pairs = torch.as_tensor(spec.pair_weights).to(device=self.device, dtype=dtype)

    def _radial(self, r: Tensor, zi: Tensor, zj: Tensor) -> tuple[Tensor, Tensor]:
        """R_mu and its derivative by r, both (n, M, K)."""
        low, high = self.spec.min_dist, self.spec.max_dist
        slope = 2.0 / (high - low)
        reach = torch.clamp(r - high, max=0.0)
        xi = slope * r - (low + high) / (high - low)
        t, dt = [torch.ones_like(xi), xi], [torch.zeros_like(xi), torch.ones_like(xi)]
        while len(t) < self.spec.radial_basis_size:
            dt.append(2.0 * (t[-1] + xi * dt[-1]) - dt[-2])
            t.append(2.0 * xi * t[-1] - t[-2])
        size = self.spec.radial_basis_size
        table = torch.stack([torch.stack(x[:size], dim=-1) for x in (t, dt)])  # (2, n, K, R)
        value = torch.zeros((2, len(r), self.pairs.shape[2], r.shape[1]), dtype=r.dtype, device=r.device)
        for i in range(self.spec.species_count):
            for j in range(self.spec.species_count):
                at = torch.nonzero((zi[:, None] == i) & (zj == j), as_tuple=True)
                if len(at[0]):
                    found = table[:, at[0], at[1]] @ self.pairs[i, j].T  # (2, e, M)
                    value[:, at[0], :, at[1]] = found.transpose(0, 1)
        f, df = self.spec.scaling * reach * reach, 2.0 * self.spec.scaling * reach
        return f[:, None] * value[0], df[:, None] * value[0] + slope * f[:, None] * value[1]


class MomentTensorPotential(Potential):
    """A plain moment tensor potential; all of sus2 takes it as it takes a SUS2 potential, exact derivatives included.

    torch computes it: the compiled kernels hold the radial functions of SUS2 alone.

    Attributes
    ----------
    spec
        The coefficients.
    """

    spec: MomentTensorSpec

    def model_in(self, dtype: torch.dtype) -> MomentTensorModel:
        """Make the differentiable model in a precision of its own.

        Parameters
        ----------
        dtype
            The precision.

        Returns
        -------
        MomentTensorModel
            On the device of the potential, its parameters fixed.
        """
        return MomentTensorModel(self.spec, device=self.device, dtype=dtype).requires_grad_(False)

    @cached_property
    def sweep(self) -> MomentTensorSweep:
        """The torch path with its reverse sweep."""
        return MomentTensorSweep(self.spec, device=self.device, dtype=self.dtype)

    @cached_property
    def kernel(self) -> None:
        """There are no compiled kernels for these radial functions."""
        return None


def parse_moment_tensor(text: str, *, source: str = "potential") -> MomentTensorSpec:
    """The numbers of a trained moment tensor file of MLIP-2 or MLIP-3.

    Parameters
    ----------
    text
        The content of the file, without the binary state of active learning that may follow it.
    source
        Name of the file in errors.

    Returns
    -------
    MomentTensorSpec
        Its numbers and graph.

    Raises
    ------
    PotentialFileError
        One sentence that names the line: a magnetic potential, another radial basis, an untrained, cut or damaged file.
    """
    r = Lines(text, source)
    line, first = r.peek()
    if first != "MTP":
        raise r.fail("the first line must be 'MTP'; this is not a moment tensor potential.", line or 1)
    r.at += 1
    if any(words.startswith(("magnetic_basis", "mag_basis")) for _, words in r.lines):
        raise r.fail("this is a magnetic moment tensor potential, which has moments that are not read here.", line)
    line, version = r.take("version")
    if version not in ("1.1.0", "1.1.1"):
        raise r.fail(f"version {shortened(version)} is not supported; MLIP-2 and MLIP-3 write version 1.1.0.", line)
    name = r.optional("potential_name")
    scaling = r.optional("scaling")
    factor = r.convert(scaling[0], "scaling", scaling[1], float, "a number") if scaling else 1.0
    species = r.count("species_count", 1, MAX_SPECIES)
    tag = r.optional("potential_tag")
    line, kind = r.take("radial_basis_type")
    if kind != "RBChebyshev":
        raise r.fail(f"radial_basis_type '{shortened(kind)}' is not read here; RBChebyshev is.", line)
    low_line = r.peek()[0]
    low = r.scalar(_of(r, "min_dist", "min_val", "min"), float, "a number")
    high = r.scalar(_of(r, "max_dist", "max_val", "max"), float, "a number")
    if not 0.0 <= low < high <= 100.0:
        raise r.fail("'min_dist' must lie between 0 and 'max_dist', and that below 100 angstrom.", low_line)
    size = r.count(_of(r, "radial_basis_size", "basis_size", "size"), 1, 1000)
    funcs = r.count("radial_funcs_count", 1, 10000)
    if r.key() == "alpha_moments_count":
        raise r.fail("an untrained file, a basis without coefficients; train it first.", r.peek()[0])
    weights = _radial_blocks(r, species, funcs, size)
    moments, basic, times, mapping = _graph(r)
    if r.key() != "species_coeffs":
        raise r.fail("'species_coeffs' is missing: an untrained or a cut file.", r.peek()[0])
    line, value = r.take("species_coeffs")
    energies = r.floats("species_coeffs", value, species, line)
    line, value = r.take("moment_coeffs")
    theta = r.floats("moment_coeffs", value, len(mapping), line)
    line, extra = r.peek()
    if extra:
        raise r.fail(f"unexpected text after the last key: '{shortened(extra)}'.", line)
    rank = int(basic[:, 1:].sum(axis=1).max())
    if not 0 <= rank <= MAX_RANK:
        raise PotentialFileError(f"{source}: a moment of rank {rank} is out of range 0..{MAX_RANK}.")
    spec = MomentTensorSpec(
        potential_name=name[1] if name else "",
        scaling=factor,
        max_rank=rank,
        scaling_map="K",
        species_count=species,
        potential_tag=tag[1] if tag else "",
        radial_basis_type=kind,
        min_dist=low,
        max_dist=high,
        radial_basis_size=size,
        radial_funcs_count=funcs,
        e0=None,
        moments_count=moments,
        basic=basic,
        times=times,
        mapping=mapping,
        shift_coeffs=energies - 1.0,
        species_coeffs=np.ones(species),
        moment_coeffs=theta,
        pair_weights=weights,
    )
    check_graph(spec, source)
    return spec


def _of(r: Lines, *names: str) -> str:
    """The name of a key that the versions of the program call differently."""
    return r.key() if r.key() in names else names[0]


def _radial_blocks(r: Lines, species: int, funcs: int, size: int) -> Array:
    line, text = r.peek()
    if text != "radial_coeffs":
        raise r.fail(f"expected 'radial_coeffs', found '{shortened(text) or 'the end of the file'}'.", line)
    r.at += 1
    rows: dict[tuple[int, int], list[Array]] = {}
    while (match := re.fullmatch(r"(\d{1,4})-(\d{1,4})", r.peek()[1])) is not None:
        line = r.peek()[0]
        pair = (int(match[1]), int(match[2]))
        if max(pair) >= species or pair in rows:
            raise r.fail(f"'radial_coeffs' has the block {match[0]} twice, or it is of no species.", line)
        r.at += 1
        rows[pair] = []
        for mu in range(funcs):
            line, text = r.peek()
            if not text.startswith("{"):
                raise r.fail(
                    f"block {match[0]} must have {funcs} rows, as 'radial_funcs_count' says, found {mu}.", line
                )
            rows[pair].append(r.floats(f"radial_coeffs {match[0]} row {mu + 1}", text, size, line))
            r.at += 1
    if len(rows) != species * species:
        raise r.fail(
            f"'radial_coeffs' must have {species * species} blocks, one of each pair of species, found {len(rows)}.",
            r.peek()[0],
        )
    return np.array([[rows[i, j] for j in range(species)] for i in range(species)])


def _graph(r: Lines) -> tuple[int, Index, Index, Index]:
    moments = r.count("alpha_moments_count", 1, MAX_COUNT)
    basic = r.rows("alpha_index_basic", r.count("alpha_index_basic_count", 1, moments))
    times = r.rows("alpha_index_times", r.count("alpha_index_times_count", 0, MAX_COUNT))
    scalars = r.count("alpha_scalar_moments", 1, moments)
    line, value = r.take("alpha_moment_mapping")
    mapping = r.floats("alpha_moment_mapping", value, scalars, line)
    if np.any(mapping != np.round(mapping)):
        raise r.fail("'alpha_moment_mapping' must be whole numbers.", line)
    return moments, basic, times, mapping.astype(np.int64)
