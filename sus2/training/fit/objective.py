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
from dataclasses import replace
from typing import Literal

import numpy as np
import torch

from sus2.native.arrays import Edges, ParameterGradient
from sus2.native.build import available
from sus2.native.kernels import Kernel
from sus2.native.neighbours import neighbours
from sus2.potential.mtp import ModelSpec
from sus2.potential.packed import type_indices
from sus2.potential.repulsion import Repulsion
from sus2.training.data.dataset import TrainingSet
from sus2.training.fit.loss import Errors, LossWeights, Pairs, Prediction
from sus2.training.fit.torch_kernel import Block, TorchKernel, device_of, padded
from sus2.types import Array, Index, Mask
from sus2.units import EV_PER_A3_TO_GPA

Device = Literal["cpu", "cuda", "torch"]


class Objective:
    """A labelled set with its neighbours, ready to be evaluated for any parameters of one shape.

    Least squares always take the compiled kernels.

    Parameters
    ----------
    data
        The set.
    elements
        Chemical symbols in type order.
    cutoff
        Angstrom.
    weights
        Of the loss.
    norm
        Sum of weights that the loss is divided by: that of all parts where the set is split.
    threads
        Of the kernels; by default sus2.native.build.default_threads.
    single_precision
        Whether the arithmetic is in float32.
    repulsion
        A fixed part of the potential, which is taken from the labels.
    linear_map
        As in sus2.native.kernels.Kernel.
    device
        "cpu" (the compiled kernels, torch where they cannot be built), "cuda" or "torch" (torch on the CPU).

    Raises
    ------
    UnknownElementError
        An element outside `elements`.
    Sus2Error
        There is no such device.
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
        self.given = data
        """The labels as they were given."""
        # The model learns what the fixed repulsion leaves.
        data = data if repulsion is None else _without(data, repulsion, self.edges)
        self.counts = np.zeros((len(data), len(elements)))
        np.add.at(self.counts, (self.system, types), 1.0)
        self._label(data)

    def _label(self, data: TrainingSet) -> None:
        """Take these labels, which the fixed repulsion is no part of, and the scales of their errors."""
        self.data = data
        starts = data.offsets[:-1]
        self.virial = data.stress_ev_per_a3 * data.volumes_a3[:, None]
        self.has_virial: Mask = np.asarray(np.isfinite(self.virial).all(axis=1))
        w = self.weights
        force = np.linalg.norm(data.forces_ev_per_a, axis=1)
        rms = np.sqrt(np.add.reduceat(force**2, starts) / self.sizes)
        virial = np.linalg.norm(np.nan_to_num(self.virial), axis=1) / self.sizes
        self.force_scale = np.hypot(w.force_ev_per_a, w.force_relative * force)
        self.virial_scale = self.sizes * np.hypot(w.virial_ev_per_atom, w.virial_relative * virial)
        self.energy_scale = self.sizes * np.hypot(w.energy_ev_per_atom, w.energy_relative * (virial + rms))
        self.pairs = Pairs.of(data, self.virial, w)

    def learn_change(self, spec: ModelSpec, other: TrainingSet) -> None:
        """Take as labels what a model gives, and the change from other labels to those of this objective.

        What the model misses of the other labels then counts for nothing: fitted from it, a second model has the
        same errors, which cancel in differences of the two.

        Parameters
        ----------
        spec
            The model.
        other
            The same structures with the labels that it was fitted to.
        """
        p, given = self.predict(spec), self.given
        stress = p.virial_ev / given.volumes_a3[:, None] + given.stress_ev_per_a3 - other.stress_ev_per_a3
        changed = replace(
            self.data,
            energy_ev=p.energy_ev + given.energy_ev - other.energy_ev,
            forces_ev_per_a=p.forces_ev_per_a + given.forces_ev_per_a - other.forces_ev_per_a,
            stress_ev_per_a3=stress,
        )
        self._label(changed)

    def kernel(self, spec: ModelSpec) -> Kernel:
        """Make the compiled kernels of these parameters as this objective calls them.

        Parameters
        ----------
        spec
            The parameters.

        Returns
        -------
        Kernel
            Raises Sus2Error where the kernels are not available.
        """
        return Kernel(spec, threads=self.threads, single_precision=self.single_precision, linear_map=self.linear_map)

    def _torch(self, spec: ModelSpec) -> TorchKernel:
        return TorchKernel(spec, device=self.device, dtype=torch.float32 if self.single_precision else torch.float64)

    def predict(self, spec: ModelSpec) -> Prediction:
        """Energies, forces and virials of every structure of the set.

        Parameters
        ----------
        spec
            The parameters.

        Returns
        -------
        Prediction
            In the order of the set.
        """
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
        """Weights of the squared residuals.

        The sum of weight * residual^2 is the loss in its reweighted form, with the gradient of the robust loss.

        Parameters
        ----------
        p
            Where the weights are taken.

        Returns
        -------
        tuple of ndarray
            For energies (S,), 1/eV^2; force vectors (N,), A^2/eV^2; virials (S,), 1/eV^2.
        """
        out = [
            share / scale**2 / np.sqrt(1.0 + (x / self.weights.robust) ** 2)
            for x, share, scale in zip(
                self._reduced(p), self._shares(), (self.energy_scale, self.force_scale, self.virial_scale), strict=True
            )
        ]
        return out[0], out[1], out[2]

    def value_and_gradient(self, spec: ModelSpec) -> tuple[float, ParameterGradient, Array]:
        """The loss and its gradient.

        Parameters
        ----------
        spec
            The parameters.

        Returns
        -------
        tuple of float, ParameterGradient and ndarray
            The loss, its gradient by the tables of the spec, and that by the shifts (C,), 1/eV.
        """
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
        """The loss of a prediction, with rho(x) = 2 d^2 [sqrt(1 + (x/d)^2) - 1] of each reduced residual x.

        Parameters
        ----------
        p
            The prediction.

        Returns
        -------
        float
            Without unit.
        """
        d = self.weights.robust
        terms = list(zip(self._reduced(p), self._shares(), strict=True))
        if len(self.pairs.first):
            terms += zip(self.pairs.reduced(p), self.pairs.shares(self.norm), strict=True)
        return sum(
            float(share @ (2.0 * x**2 / (1.0 + np.sqrt(1.0 + (x / d) ** 2))))  # rho without cancellation
            for x, share in terms
        )

    def miss(self, p: Prediction) -> tuple[Array, Array, Array]:
        """Labels less predictions, zero where there is no label.

        Parameters
        ----------
        p
            The prediction.

        Returns
        -------
        tuple of ndarray
            Energies (S,) eV, forces (N, 3) eV/A and virials (S, 6) eV.
        """
        virial = np.where(self.has_virial[:, None], np.nan_to_num(self.virial) - p.virial_ev, 0.0)
        return self.data.energy_ev - p.energy_ev, self.data.forces_ev_per_a - p.forces_ev_per_a, virial


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
    """Unweighted errors of a model on all parts of a set.

    Parameters
    ----------
    parts
        The set, in parts.
    spec
        The model.

    Returns
    -------
    Errors
        Stresses over the structures that have one; nan where there is none, or no pair.
    """
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
