"""What the training loss is made of: weights, predictions, errors, and the differences within pairs of structures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from sus2.training.data.dataset import TrainingSet
from sus2.types import Array, Index

# Rows: pressure; then an orthonormal basis of the deviator, in which each shear stands for two equal entries.
_APART: Final = np.array(
    [
        np.array([1, 1, 1, 0, 0, 0]) / np.sqrt(3),
        np.array([1, -1, 0, 0, 0, 0]) / np.sqrt(2),
        np.array([1, 1, -2, 0, 0, 0]) / np.sqrt(6),
        *np.sqrt(2) * np.eye(6)[3:],
    ]
)


def _lengths(components: Array, part: Index) -> Array:
    """Lengths (P, G) of the parts of vectors (P, 6)."""
    return np.sqrt(components**2 @ np.eye(part.max() + 1)[part])


def _parts(change: Array, w: LossWeights) -> tuple[Array, Index, Array]:
    """Of changes of virials (P, 6): turns (P, 6, 6), the part of each row (6,), and the yardsticks of parts (P, G)."""
    count = len(change)
    if not w.pair_apart:
        return np.tile(np.eye(6), (count, 1, 1)), np.zeros(6, dtype=np.int64), np.linalg.norm(change, axis=1)[:, None]
    deviator = change @ _APART[1:].T
    pressure, length = np.abs(change @ _APART[0]), np.linalg.norm(deviator, axis=1)
    if w.pair_along == 1.0:
        part = np.array([0, 1, 1, 1, 1, 1])
        return np.tile(_APART, (count, 1, 1)), part, np.stack([pressure, length], axis=1)
    # A reflection that takes the label's own direction to the first axis of the deviator (Householder).
    mirror = np.eye(5)[0] - deviator / np.maximum(length, 1e-300)[:, None]
    norm = np.maximum((mirror**2).sum(axis=1), 1e-300)[:, None, None]
    turned = np.eye(5) - 2.0 * mirror[:, :, None] * mirror[:, None, :] / norm
    turn = np.concatenate([np.tile(_APART[:1], (count, 1, 1)), turned @ _APART[1:]], axis=1)
    return turn, np.array([0, 1, 2, 2, 2, 2]), np.stack([pressure, length, length], axis=1)


@dataclass(frozen=True)
class LossWeights:
    """Errors that count as one (smaller is weightier), their relative parts, and d of the robust loss.

    A residual is divided by the hypotenuse of its absolute and its relative scale.

    Attributes
    ----------
    energy_ev_per_atom
        Of the energy, eV/atom.
    energy_relative
        Share of the virial and of the root-mean-square force that is added to it.
    force_ev_per_a
        Of a force vector, eV/A.
    force_relative
        Share of the length of the force.
    virial_ev_per_atom
        Of the virial, eV/atom.
    virial_relative
        Share of the virial.
    robust
        Reduced residuals beyond this count linearly.
    pair
        Weight of the differences within pairs of strained and of displaced cells beside that of each member.
    pair_force_ev_per_a
        Of a difference of forces, eV/A.
    pair_force_relative
        Share of that difference.
    pair_virial_ev_per_atom
        Of a difference of virials, eV/atom.
    pair_virial_relative
        Share of that difference.
    pair_apart
        Whether the pressure and the deviator of a difference of virials have errors and scales of their own, so that
        shear counts beside a larger bulk modulus.
    pair_along
        With pair_apart: below one the part of the deviator along the label's own, which is how stiff the crystal is,
        has an error of its own, whose scale is this share of the other one's.
    """

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
    pair_apart: bool = False
    pair_along: float = 1.0


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model gives for a set of S structures with N atoms.

    Attributes
    ----------
    energy_ev
        (S,), eV.
    forces_ev_per_a
        (N, 3), eV/A.
    virial_ev
        (S, 6) Voigt, volume times stress (ASE sign), eV.
    """

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


@dataclass(frozen=True, eq=False)
class Pairs:
    """Differences, second member less first, of P pairs of structures with n atoms each.

    first (P,) place of the first member; rows (R,) its atoms, one pair after another, and of (R,) the pair of each;
    size (P,) n; labels and scales of forces (R, 3), (R,) and virials (P, 6), (P, G); weight (P,). A virial v has G
    parts whose errors are judged by themselves: lengths of components of `turn` v, (P, 6, 6) times (P, 6), which belong
    to `part` (6,).
    """

    first: Index
    rows: Index
    of_pair: Index
    size: Index
    force: Array
    force_scale: Array
    virial: Array
    virial_scale: Array
    turn: Array
    part: Index
    weight: Array
    robust: float

    @classmethod
    def of(cls, data: TrainingSet, virial: Array, w: LossWeights) -> Pairs:
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
        turn, part, lengths = _parts(change, w)
        atoms = size[:, None].astype(np.float64)
        scale = atoms * np.hypot(w.pair_virial_ev_per_atom, w.pair_virial_relative * lengths / np.maximum(atoms, 1))
        if w.pair_along != 1.0 and w.pair_apart:
            scale[:, 1] *= w.pair_along
        return cls(
            first,
            rows,
            of_pair,
            size,
            force,
            np.hypot(w.pair_force_ev_per_a, w.pair_force_relative * rms)[of_pair],
            change,
            scale,
            turn,
            part,
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
        """Misses over their scales: force vectors (R,), parts of virials (P G,)."""
        force, virial = self.miss(p)
        lengths = _lengths(self.turned(virial), self.part)
        return np.linalg.norm(force, axis=1) / self.force_scale, (lengths / self.virial_scale).ravel()

    def shares(self, norm: float) -> tuple[Array, Array]:
        """Weight of each force vector and part of a virial in the loss."""
        share = self.weight / norm
        return (share / (3.0 * self.size))[self.of_pair], np.repeat(share / 6.0, self.virial_scale.shape[1])

    def residual_scales(self, p: Prediction, norm: float) -> tuple[Array, Array]:
        """Weights of the squared misses, as Objective.residual_scales has them: (R,), and (P, 6) of turned virials."""
        force, virial = (
            share / scale**2 / np.sqrt(1.0 + (x / self.robust) ** 2)
            for x, share, scale in zip(
                self.reduced(p), self.shares(norm), (self.force_scale, self.virial_scale.ravel()), strict=True
            )
        )
        return force, virial.reshape(self.virial_scale.shape)[:, self.part]

    def turned(self, virial: Array) -> Array:
        """Virials (P, 6) in the components that are judged."""
        out: Array = np.einsum("pij,pj->pi", self.turn, virial)
        return out

    def turned_back(self, weight: Array, virial: Array) -> Array:
        """turn^T (weight (P, 6) times turn virial (P, 6))."""
        out: Array = np.einsum("pij,pi->pj", self.turn, weight * self.turned(virial))
        return out

    def weighted(self, p: Prediction, norm: float) -> tuple[Array, Array]:
        """Derivatives of the loss by the predicted differences: (R, 3) and (P, 6)."""
        force, virial = self.miss(p)
        by_force, by_virial = self.residual_scales(p, norm)
        return 2.0 * by_force[:, None] * force, 2.0 * self.turned_back(by_virial, virial)

    def add_to(self, by_force: Array, by_virial: Array, force: Array, virial: Array) -> None:
        """Add derivatives by the differences to those by forces (N, 3) and virials (S, 6), in place."""
        by_force[self.rows + self.size[self.of_pair]] += force
        by_force[self.rows] -= force
        by_virial[self.first + 1] += virial
        by_virial[self.first] -= virial
