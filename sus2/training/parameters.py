"""The trainable numbers of a SUS2 model as one flat vector, in two forms of its element space.

`table`: alpha and r0 for each directed pair of elements, as the `.mtp` file has them.
`factorised`: a few numbers for each element, from which the pair's scaling follows,

    r0[kappa, i, j]    = d_kappa + g_kappa (l_i + m_j)
    alpha[kappa, i, j] = a_kappa exp(h_kappa (s_i + t_j)),

after the universal equation of state, which has one length and one energy for each material: l, m are
lengths and s, t logarithmic stiffnesses of an element as centre and as neighbour. A factorised model is
expanded to the full table when its `.mtp` is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from sus2.kernels import ParameterGradient
from sus2.mtp import ModelSpec

Array = NDArray[np.float64]
ElementSpace = Literal["table", "factorised"]

# One unit of the optimiser's step in each block, so that blocks of different units change alike.
STEP: Final[Mapping[str, float]] = {
    "alpha": 0.3, "r0": 0.3, "weights": 1.0, "pair": 0.3, "species": 0.3, "theta": 1.0, "shift": 1.0,
    "base_r0": 0.3, "gain_r0": 0.3, "length_centre": 0.3, "length_neighbour": 0.3,
    "base_alpha": 0.3, "gain_alpha": 0.3, "stiff_centre": 0.3, "stiff_neighbour": 0.3,
}  # fmt: skip


@dataclass(frozen=True)
class ParameterSpace:
    """Names, places and shapes of the blocks of the flat vector, and the maps to and from a ModelSpec."""

    spec: ModelSpec
    element_space: ElementSpace = "table"

    def shapes(self) -> dict[str, tuple[int, ...]]:
        s = self.spec
        c, k = s.species_count, s.scaling_blocks
        if self.element_space == "table":
            space: dict[str, tuple[int, ...]] = {"alpha": (k, c, c), "r0": (k, c, c)}
        else:
            space = {
                "base_r0": (k,), "gain_r0": (k,), "length_centre": (c,), "length_neighbour": (c,),
                "base_alpha": (k,), "gain_alpha": (k,), "stiff_centre": (c,), "stiff_neighbour": (c,),
            }  # fmt: skip
        return space | {
            "weights": (s.radial_funcs_count, s.radial_basis_size), "pair": (c,), "species": (c,),
            "theta": (len(s.mapping),), "shift": (c,),
        }  # fmt: skip

    def slices(self) -> dict[str, slice]:
        out, at = {}, 0
        for name, shape in self.shapes().items():
            size = int(np.prod(shape))
            out[name] = slice(at, at + size)
            at += size
        return out

    @property
    def size(self) -> int:
        return sum(int(np.prod(shape)) for shape in self.shapes().values())

    @property
    def steps(self) -> Array:
        """Typical change of each parameter, shape (size,)."""
        return np.concatenate([np.full(int(np.prod(s)), STEP[n]) for n, s in self.shapes().items()])

    def blocks(self, x: Array) -> dict[str, Array]:
        """Views of the flat vector by name."""
        return {n: x[part].reshape(self.shapes()[n]) for n, part in self.slices().items()}

    def pack(self, spec: ModelSpec) -> Array:
        """Flat vector of a spec of the same shape. A factorised space takes the best fit of its tables."""
        assert spec.alpha is not None
        assert spec.r0 is not None
        assert spec.radial_species is not None
        if self.element_space == "table":
            parts = [spec.alpha, spec.r0]
        else:
            base_r0, lengths = _two_way(spec.r0)
            base_alpha, stiffness = _two_way(np.log(np.clip(spec.alpha, 1e-3, None)))
            ones = np.ones(len(base_r0))
            parts = [base_r0, ones, *lengths, np.exp(base_alpha), ones, *stiffness]
        rest = [
            spec.radial_weights, spec.radial_species[0], spec.species_coeffs, spec.moment_coeffs, spec.shift_coeffs
        ]  # fmt: skip
        return np.concatenate([np.asarray(p, dtype=np.float64).ravel() for p in [*parts, *rest]])

    def unpack(self, x: Array) -> ModelSpec:
        """The spec of a flat vector; a factorised space is expanded to the tables of pairs."""
        b = self.blocks(np.array(x))
        if self.element_space == "table":
            alpha, r0 = b["alpha"], b["r0"]
        else:
            r0 = b["base_r0"][:, None, None] + b["gain_r0"][:, None, None] * _sum(b, "length")
            alpha = b["base_alpha"][:, None, None] * np.exp(b["gain_alpha"][:, None, None] * _sum(b, "stiff"))
        assert self.spec.radial_species is not None
        species = self.spec.radial_species.copy()
        species[0] = b["pair"]
        return replace(
            self.spec, alpha=alpha.copy(), r0=r0.copy(), radial_weights=b["weights"].copy(), radial_species=species,
            species_coeffs=b["species"].copy(), moment_coeffs=b["theta"].copy(), shift_coeffs=b["shift"].copy(),
        )  # fmt: skip

    def gradient(self, x: Array, g: ParameterGradient, shift: Array) -> Array:
        """Flat gradient from the kernel's gradient by tables (chain rule for the factorised space)."""
        if self.element_space == "table":
            parts = [g.alpha, g.r0]
        else:
            b = self.blocks(x)
            length, stiff = _sum(b, "length"), _sum(b, "stiff")
            gain, rise = b["gain_r0"][:, None, None], b["gain_alpha"][:, None, None]
            growth = np.exp(rise * stiff)
            to_log = g.alpha * b["base_alpha"][:, None, None] * growth
            parts = [
                g.r0.sum((1, 2)), (g.r0 * length).sum((1, 2)), (g.r0 * gain).sum((0, 2)), (g.r0 * gain).sum((0, 1)),
                (g.alpha * growth).sum((1, 2)), (to_log * stiff).sum((1, 2)), (to_log * rise).sum((0, 2)),
                (to_log * rise).sum((0, 1)),
            ]  # fmt: skip
        return np.concatenate([p.ravel() for p in [*parts, g.weights, g.pair, g.species, g.theta, shift]])


def _sum(b: dict[str, Array], name: str) -> Array:
    out: Array = b[f"{name}_centre"][:, None] + b[f"{name}_neighbour"][None, :]
    return out


def _two_way(table: Array) -> tuple[Array, tuple[Array, Array]]:
    """Least-squares row and column effects of (kappa, C, C) tables, common to all kappa: base, (rows, columns)."""
    base = table.mean((1, 2))
    rest = (table - base[:, None, None]).mean(0)
    return base, (rest.mean(1), rest.mean(0))
