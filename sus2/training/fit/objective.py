"""The training loss of a labelled set and its gradient by the parameters, through the fused kernels.

L = 1/S sum_s w_s [ rho(dE/n / sE) + 1/(3 n) sum_a rho(|dF_a| / sF_a) + 1/6 rho(|dW|/n / sW) ]

with n atoms, energy error dE, force errors dF_a, virial error dW = V d(sigma), and the pseudo-Huber loss
rho(x) = 2 d^2 (sqrt(1 + x^2/d^2) - 1). The scales s are the errors regarded as equally bad; they grow with the
force and virial of the label, because a hundred meV matters at equilibrium and not in a crushed cell:
sF_a^2 = sF^2 + (f |F_a|)^2, sW^2 = sW0^2 + (g |W|/n)^2, sE^2 = sE0^2 + (h (|W|/n + |F|_rms 1 A))^2.

Two structures of one crystal that follow each other and are of a kind `...-pair` (strained or displaced both ways) are
a label of its curvature: their differences of forces and virials enter once more, in the same form, with scales of
their own that are fine enough for second derivatives; what both members miss alike is no part of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from sus2.native.arrays import Edges, ParameterGradient
from sus2.native.build import available
from sus2.native.kernels import Kernel
from sus2.native.neighbours import neighbours
from sus2.potential.mtp import ModelSpec
from sus2.potential.packed import type_indices
from sus2.potential.repulsion import Repulsion
from sus2.training.data.dataset import TrainingSet
from sus2.training.fit.torch_kernel import Block, TorchKernel, device_of, padded
from sus2.units import EV_PER_A3_TO_GPA

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Device = Literal["cpu", "cuda", "torch"]


@dataclass(frozen=True)
class LossWeights:
    """Errors that count as one (smaller is weightier), their relative parts, and d of the robust loss."""

    energy_ev_per_atom: float = 0.005
    energy_relative: float = 0.005
    force_ev_per_a: float = 0.1
    force_relative: float = 0.1
    virial_ev_per_atom: float = 0.03
    virial_relative: float = 0.05
    robust: float = 3.0
    pair: float = 1.0
    pair_force_ev_per_a: float = 0.02
    pair_force_relative: float = 0.08
    pair_virial_ev_per_atom: float = 0.01
    pair_virial_relative: float = 0.06


@dataclass(frozen=True, eq=False)
class Prediction:
    """energy_ev (S,), forces_ev_per_a (N, 3), virial_ev (S, 6) Voigt, V * stress (ASE sign)."""

    energy_ev: Array
    forces_ev_per_a: Array
    virial_ev: Array


@dataclass(frozen=True)
class Errors:
    """Mean absolute and root-mean-square errors; energies over structures, forces over components."""

    energy_mae_mev_per_atom: float
    energy_rmse_mev_per_atom: float
    force_mae_mev_per_a: float
    force_rmse_mev_per_a: float
    stress_mae_gpa: float
    strain_response_percent: float = float("nan")
    """Median error of what a strain changes the virial by, in percent of it, over pairs of strained cells."""
    displacement_response_percent: float = float("nan")
    """Median error of what displacements change the forces by, in percent, over pairs of displaced cells."""

    def line(self) -> str:
        """One line for a progress bar."""
        return (
            f"E {self.energy_mae_mev_per_atom:.2f} meV/atom  F {self.force_mae_mev_per_a:.1f} meV/A  "
            f"stress {self.stress_mae_gpa:.2f} GPa"
        )


class Objective:
    """A labelled set with its neighbours, ready to be evaluated for any parameters of one shape.

    `norm` is the sum of weights that the loss is divided by: that of all parts where the set is split; `linear_map` as
    in sus2.native.kernels.Kernel; `device` is "cpu" (the compiled kernels, torch where they cannot be built), "cuda" or
    "torch" (torch on the CPU). Least squares always take the compiled kernels.
    Raises UnknownElementError for an element outside `elements`, Sus2Error where there is no such device.
    """

    def __init__(
        self,
        data: TrainingSet,
        elements: tuple[str, ...],
        cutoff: float,
        weights: LossWeights | None = None,
        *,
        norm: float | None = None,
        threads: int | None = None,
        single_precision: bool = False,
        repulsion: Repulsion | None = None,
        linear_map: bool = False,
        device: Device = "cpu",
    ) -> None:
        self.norm = norm or float(data.weight.sum())
        self.pulse: Callable[[], None] | None = None
        """Called often during long steps; what it raises ends them."""
        self.weights = weights or LossWeights()
        self.threads = threads
        self.single_precision = single_precision
        self.linear_map = linear_map
        self.sizes = data.sizes.astype(np.float64)
        self.system = data.system
        atoms = [data.to_atoms(k) for k in range(len(data))]
        types = np.concatenate([type_indices(a, elements) for a in atoms])
        lists = [neighbours(a, cutoff) for a in atoms]
        starts = data.offsets[:-1]
        self.edges = Edges.from_lists(
            np.concatenate([n.index_i + s for n, s in zip(lists, starts, strict=True)]),
            np.concatenate([n.index_j + s for n, s in zip(lists, starts, strict=True)]),
            np.concatenate([n.vector for n in lists]),
            types,
        )
        self.table: list[Block] | None = None
        if device != "cpu" or not available():
            self.device = device_of("cuda" if device == "cuda" else "cpu")
            self.table = padded(self.edges, cutoff, self.device)
        # The model learns what the fixed repulsion leaves.
        self.data = data = data if repulsion is None else _without(data, repulsion, self.edges)
        self.counts = np.zeros((len(data), len(elements)))
        np.add.at(self.counts, (self.system, types), 1.0)
        self.virial = data.stress_ev_per_a3 * data.volumes_a3[:, None]
        self.has_virial: NDArray[np.bool_] = np.asarray(np.isfinite(self.virial).all(axis=1))
        w = self.weights
        force = np.linalg.norm(data.forces_ev_per_a, axis=1)
        rms = np.sqrt(np.add.reduceat(force**2, starts) / self.sizes)
        virial = np.linalg.norm(np.nan_to_num(self.virial), axis=1) / self.sizes
        self.force_scale = np.hypot(w.force_ev_per_a, w.force_relative * force)
        self.virial_scale = self.sizes * np.hypot(w.virial_ev_per_atom, w.virial_relative * virial)
        self.energy_scale = self.sizes * np.hypot(w.energy_ev_per_atom, w.energy_relative * (virial + rms))
        self.pairs = _Pairs.of(data, self.virial, w)

    def kernel(self, spec: ModelSpec) -> Kernel:
        """The compiled kernels of these parameters as this objective calls them."""
        return Kernel(spec, threads=self.threads, single_precision=self.single_precision, linear_map=self.linear_map)

    def _torch(self, spec: ModelSpec) -> TorchKernel:
        return TorchKernel(spec, device=self.device, dtype=torch.float32 if self.single_precision else torch.float64)

    def predict(self, spec: ModelSpec) -> Prediction:
        """Energies, forces and virials of every structure of the set."""
        if self.table is None:
            site, forces, virial = self.kernel(spec).evaluate(self.edges)
        else:
            site, forces, virial = self._torch(spec).evaluate(self.table, len(self.edges.types))
        starts = self.data.offsets[:-1]
        return Prediction(np.add.reduceat(site, starts), forces, np.add.reduceat(virial, starts))

    def _reduced(self, p: Prediction) -> tuple[Array, Array, Array]:
        """Residuals over their scales: energies (S,), force vectors (N,), virials (S,)."""
        virial = np.where(self.has_virial[:, None], p.virial_ev - np.nan_to_num(self.virial), 0.0)
        return (
            (p.energy_ev - self.data.energy_ev) / self.energy_scale,
            np.linalg.norm(p.forces_ev_per_a - self.data.forces_ev_per_a, axis=1) / self.force_scale,
            np.linalg.norm(virial, axis=1) / self.virial_scale,
        )

    def _shares(self) -> tuple[Array, Array, Array]:
        """Weight of each energy, force vector and virial in the loss."""
        share = self.data.weight / self.norm
        return share, (share / (3.0 * self.sizes))[self.system], share / 6.0 * self.has_virial

    def residual_scales(self, p: Prediction) -> tuple[Array, Array, Array]:
        """Weights of the squared residuals: energies (S,), force vectors (N,), virials (S,).

        sum of weight * residual^2 is the loss in its reweighted form, with the gradient of the robust loss.
        """
        out = [
            share / scale**2 / np.sqrt(1.0 + (x / self.weights.robust) ** 2)
            for x, share, scale in zip(
                self._reduced(p), self._shares(), (self.energy_scale, self.force_scale, self.virial_scale), strict=True
            )
        ]
        return out[0], out[1], out[2]

    def value_and_gradient(self, spec: ModelSpec) -> tuple[float, ParameterGradient, Array]:
        """The loss, its gradient by the tables of the spec and by the shifts (C,)."""
        p = self.predict(spec)
        energy_weight, force_weight, virial_weight = self.residual_scales(p)
        d_energy = p.energy_ev - self.data.energy_ev
        d_force = p.forces_ev_per_a - self.data.forces_ev_per_a
        d_virial = np.where(self.has_virial[:, None], p.virial_ev - np.nan_to_num(self.virial), 0.0)
        by_energy = 2.0 * energy_weight * d_energy
        by_force = 2.0 * force_weight[:, None] * d_force
        by_virial = 2.0 * virial_weight[:, None] * d_virial
        if len(self.pairs.first):
            self.pairs.add_to(by_force, by_virial, *self.pairs.weighted(p, self.norm))
        by_virial[:, 3:] *= 0.5  # each shear stands for two equal entries of the tensor
        rates = by_energy[self.system], -by_force, by_virial[self.system]
        if self.table is None:
            gradient = self.kernel(spec).differentiate(self.edges, *rates)
        else:
            gradient = self._torch(spec).differentiate(self.table, *rates)
        return self.value(p), gradient, self.counts.T @ by_energy

    def value(self, p: Prediction) -> float:
        """The loss of a prediction."""
        d = self.weights.robust
        terms = list(zip(self._reduced(p), self._shares(), strict=True))
        if len(self.pairs.first):
            terms += zip(self.pairs.reduced(p), self.pairs.shares(self.norm), strict=True)
        return sum(
            float(share @ (2.0 * x**2 / (1.0 + np.sqrt(1.0 + (x / d) ** 2))))  # rho without cancellation
            for x, share in terms
        )

    def miss(self, p: Prediction) -> tuple[Array, Array, Array]:
        """Labels less predictions of energies (S,), forces (N, 3) and virials (S, 6), zero where there is none."""
        virial = np.where(self.has_virial[:, None], np.nan_to_num(self.virial) - p.virial_ev, 0.0)
        return self.data.energy_ev - p.energy_ev, self.data.forces_ev_per_a - p.forces_ev_per_a, virial


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Differences, second member less first, of P pairs of structures with n atoms each.

    first (P,) place of the first member; rows (R,) its atoms, one pair after another, and of (R,) the pair of each;
    size (P,) n; labels and scales of forces (R, 3), (R,) and virials (P, 6), (P,); weight (P,).
    """

    first: Index
    rows: Index
    of_pair: Index
    size: Index
    force: Array
    force_scale: Array
    virial: Array
    virial_scale: Array
    weight: Array
    robust: float

    @classmethod
    def of(cls, data: TrainingSet, virial: Array, w: LossWeights) -> _Pairs:
        """The pairs of a set."""
        kinds, bases, sizes = data.kind.tolist(), data.base.tolist(), data.sizes.tolist()
        found, k = [], 0
        while w.pair > 0.0 and k + 1 < len(data):
            a, b = slice(*data.offsets[k : k + 2]), slice(*data.offsets[k + 1 : k + 3])
            alike = kinds[k].endswith("-pair") and (kinds[k], bases[k], sizes[k]) == (
                kinds[k + 1],
                bases[k + 1],
                sizes[k + 1],
            )
            if alike and np.array_equal(data.numbers[a], data.numbers[b]):
                found.append(k)
            k += 2 if found and found[-1] == k else 1
        first = np.array(found, dtype=np.int64)
        size = data.sizes[first].astype(np.int64)
        rows = np.concatenate([np.arange(0), *(np.arange(*data.offsets[k : k + 2]) for k in found)]).astype(np.int64)
        of_pair = np.repeat(np.arange(len(first)), size)
        force = data.forces_ev_per_a[rows + size[of_pair]] - data.forces_ev_per_a[rows]
        change = np.nan_to_num(virial[first + 1] - virial[first])
        rms = np.sqrt(np.bincount(of_pair, (force**2).sum(1), len(first)) / np.maximum(size, 1))
        return cls(
            first,
            rows,
            of_pair,
            size,
            force,
            np.hypot(w.pair_force_ev_per_a, w.pair_force_relative * rms)[of_pair],
            change,
            size
            * np.hypot(
                w.pair_virial_ev_per_atom, w.pair_virial_relative * np.linalg.norm(change, axis=1) / np.maximum(size, 1)
            ),
            w.pair
            * 0.5
            * (data.weight[first] + data.weight[first + 1])
            * np.isfinite(virial[first] + virial[first + 1]).all(1),
            w.robust,
        )

    def miss(self, p: Prediction) -> tuple[Array, Array]:
        """Predicted differences less labels: forces (R, 3) and virials (P, 6)."""
        force = p.forces_ev_per_a[self.rows + self.size[self.of_pair]] - p.forces_ev_per_a[self.rows]
        return force - self.force, p.virial_ev[self.first + 1] - p.virial_ev[self.first] - self.virial

    def reduced(self, p: Prediction) -> tuple[Array, Array]:
        """Misses over their scales: force vectors (R,), virials (P,)."""
        force, virial = self.miss(p)
        return np.linalg.norm(force, axis=1) / self.force_scale, np.linalg.norm(virial, axis=1) / self.virial_scale

    def shares(self, norm: float) -> tuple[Array, Array]:
        """Weight of each force vector and virial in the loss."""
        share = self.weight / norm
        return (share / (3.0 * self.size))[self.of_pair], share / 6.0

    def residual_scales(self, p: Prediction, norm: float) -> tuple[Array, Array]:
        """Weights of the squared misses, as Objective.residual_scales has them: (R,) and (P,)."""
        out = [
            share / scale**2 / np.sqrt(1.0 + (x / self.robust) ** 2)
            for x, share, scale in zip(
                self.reduced(p), self.shares(norm), (self.force_scale, self.virial_scale), strict=True
            )
        ]
        return out[0], out[1]

    def weighted(self, p: Prediction, norm: float) -> tuple[Array, Array]:
        """Derivatives of the loss by the predicted differences: (R, 3) and (P, 6)."""
        force, virial = self.miss(p)
        by_force, by_virial = self.residual_scales(p, norm)
        return 2.0 * by_force[:, None] * force, 2.0 * by_virial[:, None] * virial

    def add_to(self, by_force: Array, by_virial: Array, force: Array, virial: Array) -> None:
        """Add derivatives by the differences to those by forces (N, 3) and virials (S, 6), in place."""
        by_force[self.rows + self.size[self.of_pair]] += force
        by_force[self.rows] -= force
        by_virial[self.first + 1] += virial
        by_virial[self.first] -= virial


def _without(data: TrainingSet, repulsion: Repulsion, edges: Edges) -> TrainingSet:
    """The set with labels less the repulsion."""
    centre = np.repeat(np.arange(len(edges.types)), np.diff(edges.first))
    near = repulsion.terms(edges.vectors, edges.types[centre], edges.types[edges.j])
    i, j, g = centre[near.edge], edges.j[near.edge], near.gradient()
    energy, forces, stress = data.energy_ev.copy(), data.forces_ev_per_a.copy(), data.stress_ev_per_a3.copy()
    np.subtract.at(energy, data.system[i], near.energy_ev)
    np.subtract.at(forces, i, g)
    np.add.at(forces, j, g)
    v = edges.vectors[near.edge]
    virial = np.stack([v[:, a] * g[:, b] for a, b in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))], axis=1)
    np.subtract.at(stress, data.system[i], virial / data.volumes_a3[data.system[i], None])
    return replace(data, energy_ev=energy, forces_ev_per_a=forces, stress_ev_per_a3=stress)


def errors(parts: Sequence[Objective], spec: ModelSpec) -> Errors:
    """Unweighted errors of a model on all parts of a set."""
    energy, force, stress = [], [], []
    response: dict[str, list[Array]] = {"strain": [np.zeros(0)], "displaced": [np.zeros(0)]}
    for part in parts:
        p = part.predict(spec)
        energy.append(1e3 * (p.energy_ev - part.data.energy_ev) / part.sizes)
        force.append(1e3 * (p.forces_ev_per_a - part.data.forces_ev_per_a).ravel())
        use = part.has_virial
        stress.append(((p.virial_ev - part.virial)[use] / part.data.volumes_a3[use, None]).ravel())
        pairs = part.pairs
        by_force, by_virial = pairs.miss(p)
        strained = np.char.startswith(part.data.kind[pairs.first], "strain")

        def norms(x: Array, count: int = len(pairs.first), at: Index = pairs.of_pair) -> Array:
            return np.sqrt(np.bincount(at, (x**2).sum(1), count))

        response["strain"].append(
            (np.linalg.norm(by_virial, axis=1) / np.maximum(np.linalg.norm(pairs.virial, axis=1), 1e-9))[strained]
        )
        response["displaced"].append((norms(by_force) / np.maximum(norms(pairs.force), 1e-9))[~strained])
    e, f, s = (np.concatenate(x) for x in (energy, force, stress))
    return Errors(
        energy_mae_mev_per_atom=float(np.abs(e).mean()),
        energy_rmse_mev_per_atom=float(np.sqrt((e**2).mean())),
        force_mae_mev_per_a=float(np.abs(f).mean()),
        force_rmse_mev_per_a=float(np.sqrt((f**2).mean())),
        stress_mae_gpa=float(np.abs(s).mean() * EV_PER_A3_TO_GPA) if len(s) else float("nan"),
        strain_response_percent=_median_percent(response["strain"]),
        displacement_response_percent=_median_percent(response["displaced"]),
    )


def _median_percent(parts: Sequence[Array]) -> float:
    x = np.concatenate(parts)
    return 100.0 * float(np.median(x)) if len(x) else float("nan")
