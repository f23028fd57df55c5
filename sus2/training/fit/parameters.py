"""The trainable numbers of a SUS2 model as one flat vector, in two forms of its element space.

`table`: alpha and r0 for each directed pair of elements, as the `.mtp` file has them.
`factorised`: a few numbers for each element and scaling block kappa, from which the pair's scaling follows,

    r0[kappa, i, j]    = d[kappa] + l[kappa, i] + m[kappa, j] + sum_q u[kappa, q, i] v[kappa, q, j]
    alpha[kappa, i, j] = a[kappa] exp(s[kappa, i] + t[kappa, j] + sum_q x[kappa, q, i] y[kappa, q, j]),

after the universal equation of state, which has one length and one energy for each material: l, m are
lengths and s, t logarithmic stiffnesses of an element as centre and as neighbour; the products (`rank` of them,
none by default) say what is particular to a pair. A factorised model is expanded to the full table when its
`.mtp` is written, so it also has a scaling for pairs that it was never trained on.

A readout of each element is a common one, a few mixtures of it and what is particular to the element,

    theta[Z, s] = theta0[s] + sum_q U[Z, q] V[q, s] + delta[Z, s]:

the mixtures (`readout_rank` of them) say how elements are alike, and a prior on delta shrinks elements with few data to
what they have in common with others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from scipy.sparse import csr_matrix

from sus2.native.arrays import ParameterGradient
from sus2.potential.mtp import ModelSpec
from sus2.types import Array, Index

ElementSpace = Literal["table", "factorised"]

# One unit of the optimiser's step in each block, so that blocks of different units change alike.
STEP: Final[Mapping[str, float]] = {
    "alpha": 0.3,
    "r0": 0.3,
    "weights": 1.0,
    "pair": 0.3,
    "species": 0.3,
    "theta": 1.0,
    "shift": 1.0,
    "neighbour": 0.3,
    "theta_element": 1.0,
    "theta_left": 0.3,
    "theta_right": 1.0,
    "r0_base": 0.3,
    "r0_centre": 0.3,
    "r0_neighbour": 0.3,
    "r0_left": 0.3,
    "r0_right": 0.3,
    "alpha_base": 0.3,
    "alpha_centre": 0.3,
    "alpha_neighbour": 0.3,
    "alpha_left": 0.3,
    "alpha_right": 0.3,
}
# Blocks of a readout that elements have in common.
COMMON: Final = frozenset({"theta", "theta_left", "theta_right"})
# Blocks of the factorised space whose products say what is particular to a pair.
PRODUCTS: Final = frozenset({"r0_left", "r0_right", "alpha_left", "alpha_right"})


@dataclass(frozen=True)
class ParameterSpace:
    """Names, places and shapes of the blocks of the flat vector, and the maps to and from a ModelSpec."""

    spec: ModelSpec
    element_space: ElementSpace = "table"
    rank: int = 0
    readout_rank: int = 0
    readout_full: bool = True
    """Whether delta is there; without it a readout is of the low rank alone."""

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the blocks by name, in the order of the flat vector."""
        s = self.spec
        c, k = s.species_count, s.scaling_blocks
        if self.element_space == "table":
            space: dict[str, tuple[int, ...]] = {"alpha": (k, c, c), "r0": (k, c, c)}
        else:
            space = {}
            for name in ("r0", "alpha"):
                space |= {f"{name}_base": (k,), f"{name}_centre": (k, c), f"{name}_neighbour": (k, c)}
                if self.rank:
                    space |= {f"{name}_left": (k, self.rank, c), f"{name}_right": (k, self.rank, c)}
        space |= {"weights": (s.radial_funcs_count, s.radial_basis_size), "pair": (c,)}
        if s.neighbour_coeffs is not None:
            space["neighbour"] = (s.radial_funcs_count, c)
        space |= {"species": (c,), "theta": (len(s.mapping),)}
        if self.own_readout and self.readout_rank:
            space |= {"theta_left": (c, self.readout_rank), "theta_right": (self.readout_rank, len(s.mapping))}
        if self.own_readout and self.readout_full:
            space["theta_element"] = (c, len(s.mapping))
        return space | {"shift": (c,)}

    @property
    def own_readout(self) -> bool:
        """Whether each element has a readout of its own."""
        return self.spec.own_readout

    def slices(self) -> dict[str, slice]:
        """Places of the blocks in the flat vector, by name."""
        out, at = {}, 0
        for name, shape in self.shapes().items():
            size = int(np.prod(shape))
            out[name] = slice(at, at + size)
            at += size
        return out

    @property
    def size(self) -> int:
        """Length of the flat vector."""
        return sum(int(np.prod(shape)) for shape in self.shapes().values())

    @property
    def steps(self) -> Array:
        """Typical change of each parameter, shape (size,)."""
        return self.scaled_steps({})

    def scaled_steps(self, factors: Mapping[str, float]) -> Array:
        """Typical changes of the parameters (size,), times a factor for each block that is named."""
        sizes = {n: int(np.prod(s)) for n, s in self.shapes().items()}
        return np.concatenate([np.full(size, STEP[n] * factors.get(n, 1.0)) for n, size in sizes.items()])

    def blocks(self, x: Array) -> dict[str, Array]:
        """Views of the flat vector (size,) by name, each in the shape of its block."""
        return {n: x[part].reshape(self.shapes()[n]) for n, part in self.slices().items()}

    def pack(self, spec: ModelSpec) -> Array:
        """Flat vector of a spec of the same shape.

        A factorised space takes the best fit of its tables of r0 and log alpha, which is exact where they came from
        such a space of no higher rank.

        Parameters
        ----------
        spec
            The spec.

        Returns
        -------
        ndarray
            (size,).
        """
        assert spec.alpha is not None
        assert spec.r0 is not None
        assert spec.radial_species is not None
        if self.element_space == "table":
            parts = [spec.alpha, spec.r0]
        else:
            log_alpha = np.log(np.clip(spec.alpha, 1e-3, None))
            parts = [*self._factors(spec.r0, np.asarray), *self._factors(log_alpha, np.exp)]
        amplitudes = [] if self.spec.neighbour_coeffs is None else [_amplitudes(spec)]
        readout = [spec.moment_coeffs]
        if self.own_readout:
            common = spec.readout.mean(0)
            readout = [common, *self._mixtures(spec.readout - common)]
        rest = [
            spec.radial_weights,
            spec.radial_species[0],
            *amplitudes,
            spec.species_coeffs,
            *readout,
            spec.shift_coeffs,
        ]
        return np.concatenate([np.asarray(p, dtype=np.float64).ravel() for p in [*parts, *rest]])

    def unpack(self, x: Array) -> ModelSpec:
        """The spec of a flat vector; a factorised space is expanded to the tables of pairs.

        Parameters
        ----------
        x
            (size,).

        Returns
        -------
        ModelSpec
            Trained.
        """
        b = self.blocks(np.array(x))
        if self.element_space == "table":
            alpha, r0 = b["alpha"], b["r0"]
        else:
            r0 = b["r0_base"][:, None, None] + _pairs(b, "r0")
            alpha = b["alpha_base"][:, None, None] * np.exp(_pairs(b, "alpha"))
        assert self.spec.radial_species is not None
        species = self.spec.radial_species.copy()
        species[0] = b["pair"]
        return replace(
            self.spec,
            alpha=alpha.copy(),
            r0=r0.copy(),
            radial_weights=b["weights"].copy(),
            radial_species=species,
            species_coeffs=b["species"].copy(),
            shift_coeffs=b["shift"].copy(),
            moment_coeffs=self._readout(b) if self.own_readout else b["theta"].copy(),
            neighbour_coeffs=b["neighbour"].copy() if "neighbour" in b else None,
        )

    def gradient(self, x: Array, g: ParameterGradient, shift: Array) -> Array:
        """Flat gradient from the kernel's gradient by tables (chain rule for the factorised space).

        Parameters
        ----------
        x
            (size,).
        g
            Gradient by tables.
        shift
            (C,) gradient by shifts.

        Returns
        -------
        ndarray
            (size,).
        """
        if self.element_space == "table":
            parts = [g.alpha, g.r0]
        else:
            b = self.blocks(x)
            growth = np.exp(_pairs(b, "alpha"))
            to_log = g.alpha * b["alpha_base"][:, None, None] * growth
            parts = [g.r0.sum((1, 2)), *_by_factors(b, "r0", g.r0)]
            parts += [(g.alpha * growth).sum((1, 2)), *_by_factors(b, "alpha", to_log)]
        parts += [g.weights, g.pair, *([] if g.neighbour is None else [g.neighbour]), g.species]
        if self.own_readout:
            b = self.blocks(x)
            parts.append(g.theta.sum(0))
            if self.readout_rank:
                parts += [g.theta @ b["theta_right"].T, b["theta_left"].T @ g.theta]
            if self.readout_full:
                parts.append(g.theta)
        else:
            parts.append(g.theta)
        return np.concatenate([p.ravel() for p in [*parts, shift]])

    def jacobian(self, x: Array) -> csr_matrix | None:
        """Derivatives of the tables (columns of Kernel.jacobian, then the shifts) by the flat vector, (P + C, size).

        None for the table of pairs with a common readout, whose vector is these columns.
        """
        if self.element_space == "table" and not self.own_readout:
            return None
        s, b, slices = self.spec, self.blocks(x), self.slices()
        c, k = s.species_count, s.scaling_blocks
        table = k * c * c
        rows, columns, values = list[Index](), list[Index](), list[Array]()

        def add(row: Index, name: str, place: Index, value: Array) -> None:
            rows.append(row)
            columns.append(slices[name].start + place)
            values.append(value)

        if self.element_space == "table":
            everywhere = np.arange(2 * table)
            add(everywhere, "alpha", everywhere, np.ones(2 * table))
        else:
            self._factor_rates(b, add)
        at = 2 * table
        for name in ("weights", "pair", "neighbour", "species", "theta", "shift"):
            if name not in slices:
                continue
            size = int(np.prod(self.shapes()[name]))
            if name == "theta" and self.own_readout:
                self._readout_rates(b, at, add)
                at += c * size
                continue
            add(at + np.arange(size), name, np.arange(size), np.ones(size))
            at += size
        entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
        return csr_matrix(entries, shape=(at, self.size))

    def _readout_rates(self, b: dict[str, Array], at: int, add: Callable[[Index, str, Index, Array], None]) -> None:
        """Adds the derivatives of theta (C, S), whose rows begin at `at`, by its parts."""
        c, scalars, r = self.spec.species_count, len(self.spec.mapping), self.readout_rank
        z, s = (index.ravel() for index in np.indices((c, scalars)))
        row = at + np.arange(c * scalars)
        add(row, "theta", s, np.ones(len(row)))
        for q in range(r):
            add(row, "theta_left", z * r + q, b["theta_right"][q, s])
            add(row, "theta_right", q * scalars + s, b["theta_left"][z, q])
        if self.readout_full:
            add(row, "theta_element", np.arange(c * scalars), np.ones(len(row)))

    def _factor_rates(self, b: dict[str, Array], add: Callable[[Index, str, Index, Array], None]) -> None:
        """Adds the derivatives of the tables of alpha and r0 by their factors."""
        s = self.spec
        c, k = s.species_count, s.scaling_blocks
        table = k * c * c
        block, i, j = (index.ravel() for index in np.indices((k, c, c)))
        alpha = (b["alpha_base"][:, None, None] * np.exp(_pairs(b, "alpha"))).ravel()

        everywhere = np.arange(table)
        for name, at, rate in (("alpha", 0, alpha), ("r0", table, np.ones(table))):
            row = at + everywhere
            add(row, f"{name}_base", block, alpha / b["alpha_base"][block] if name == "alpha" else rate)
            add(row, f"{name}_centre", block * c + i, rate)
            add(row, f"{name}_neighbour", block * c + j, rate)
            for q in range(self.rank):
                left, right = b[f"{name}_left"][block, q, i], b[f"{name}_right"][block, q, j]
                add(row, f"{name}_left", (block * self.rank + q) * c + i, rate * right)
                add(row, f"{name}_right", (block * self.rank + q) * c + j, rate * left)

    def _readout(self, b: dict[str, Array]) -> Array:
        """theta (C, S) from its parts."""
        c = self.spec.species_count
        out = np.broadcast_to(b["theta"], (c, len(b["theta"]))).copy()
        if self.readout_rank:
            out += b["theta_left"] @ b["theta_right"]
        if self.readout_full:
            out += b["theta_element"]
        return out

    def _mixtures(self, rest: Array) -> list[Array]:
        """U, V and delta of what is particular to the elements (C, S): the nearest products, and what they leave.

        Products that are not needed are zero, with left factors at fixed random numbers, so that they grow. Without
        delta what the products leave is lost.
        """
        out, r = list[Array](), self.readout_rank
        if r:
            left = np.random.default_rng(r).normal(size=(len(rest), r))
            right = np.zeros((r, rest.shape[1]))
            if not self.readout_full and rest.any():
                u, size, v = np.linalg.svd(rest, full_matrices=False)
                n = min(r, int((size > 1e-9 * size[0]).sum()))
                scale = np.sqrt(len(rest))  # left factors of order one
                left[:, :n], right[:n] = scale * u[:, :n], size[:n, None] * v[:n] / scale
            rest = rest - left @ right
            out += [left, right]
        return [*out, rest] if self.readout_full else out

    def _factors(self, table: Array, base_map: Callable[[Array], Array]) -> list[Array]:
        """Base, row and column effects of a (kappa, C, C) table by least squares, and the products nearest to the rest.

        Products that the table does not need are zero, with left factors at fixed random numbers, so that they grow.
        """
        k, c = len(table), self.spec.species_count
        base = table.mean((1, 2))
        rest = table - base[:, None, None]
        rows, columns = rest.mean(2), rest.mean(1)
        out = [base_map(base), rows, columns]
        if self.rank:
            left = 0.1 * np.random.default_rng(self.rank).normal(size=(k, self.rank, c))
            right = np.zeros((k, self.rank, c))
            u, size, v = np.linalg.svd(rest - rows[:, :, None] - columns[:, None, :])
            needed = size[:, : self.rank] > 1e-9 * max(1.0, float(np.abs(table).max()))
            share = np.sqrt(size[:, : self.rank])[needed][:, None]
            n = needed.shape[1]
            left[:, :n][needed] = share * u.swapaxes(1, 2)[:, :n][needed]
            right[:, :n][needed] = share * v[:, :n][needed]
            out += [left, right]
        return out


def _amplitudes(spec: ModelSpec) -> Array:
    """Amplitudes by the neighbour's element (M, C), ones where a model has none."""
    if spec.neighbour_coeffs is not None:
        return spec.neighbour_coeffs
    return np.ones((spec.radial_funcs_count, spec.species_count))


def _pairs(b: dict[str, Array], name: str) -> Array:
    """Sum of the factors over all pairs, shape (kappa, C, C)."""
    out: Array = b[f"{name}_centre"][:, :, None] + b[f"{name}_neighbour"][:, None, :]
    if f"{name}_left" in b:
        out = out + np.einsum("kqi,kqj->kij", b[f"{name}_left"], b[f"{name}_right"])
    return out


def _by_factors(b: dict[str, Array], name: str, g: Array) -> list[Array]:
    """Gradient by the factors from the gradient by the pairs (kappa, C, C)."""
    out = [g.sum(2), g.sum(1)]
    if f"{name}_left" in b:
        out.append(np.einsum("kij,kqj->kqi", g, b[f"{name}_right"]))
        out.append(np.einsum("kij,kqi->kqj", g, b[f"{name}_left"]))
    return out
