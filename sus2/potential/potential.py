"""Energies, forces and stresses of many structures through one call, whatever computes them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from sus2.errors import PotentialFileError, Sus2Error
from sus2.native import kernels
from sus2.native.arrays import CloseEdges, EdgeList, Edges, Structures
from sus2.native.build import available
from sus2.potential.calculator import Sus2Calculator
from sus2.potential.card import Card, OfCard
from sus2.potential.evaluation import Evaluation, split
from sus2.potential.mtp import ModelSpec
from sus2.potential.packed import pack_structures
from sus2.potential.repulsion import Repulsion
from sus2.types import Array

# torch takes seconds to import and the compiled kernels do without it: it is imported where it computes.
if TYPE_CHECKING:
    import torch
    from pymatgen.core import Structure

    from sus2.potential.backends.torch_sweep import Sweep
    from sus2.potential.model import Sus2Model

# One edge costs about 1 kB in the reverse sweep (l2k3): 1e5 edges keep a chunk near 0.1 GiB.
MAX_EDGES_PER_CHUNK = 100_000


class Potential(OfCard):
    """A SUS2 potential ready for use; make one with sus2.load.

    On a CPU the fused kernels compute energies and first derivatives; elsewhere, and where no compiler is found,
    a reverse sweep in torch does (sus2.potential.backends.torch_sweep). `backend` says which: "kernels" or "torch".

    Parameters
    ----------
    spec
        The trained coefficients.
    card
        Its name, functional, elements and what else is known.
    device
        Where it computes: "cpu" (also None) or "cuda".
    dtype
        torch.float64 (also None) or torch.float32.

    Raises
    ------
    Sus2Error
        A dtype or device that cannot be used.
    PotentialFileError
        The file has a basis but no coefficients.
    """

    def __init__(
        self,
        spec: ModelSpec,
        card: Card,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | str | None = None,
    ) -> None:
        self.spec = spec
        self.card = card
        self._device = str(device or "cpu")
        self._precision = str(dtype or "float64").removeprefix("torch.")
        if self._precision not in ("float32", "float64"):
            raise Sus2Error(f"dtype must be torch.float64 or torch.float32, not {dtype}.")
        if self._device != "cpu":
            _check_device(self._device)
        if not spec.trained:
            raise PotentialFileError(f"{card.name}: an untrained file, a basis without coefficients; train it first.")

    def __reduce__(self) -> tuple[Any, ...]:
        # Compiled kernels do not travel between processes: they are bound again where they arrive.
        return _rebuild, (type(self), self.spec, self.card, self._device, self._precision)

    @property
    def cutoff(self) -> float:
        """Cutoff radius, angstrom."""
        return self.spec.max_dist

    @property
    def precision(self) -> str:
        """Either "float64" or "float32"."""
        return self._precision

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        import torch

        return torch.device(self._device)

    @property
    def dtype(self) -> torch.dtype:
        """The precision as a type of torch."""
        import torch

        return torch.float32 if self._precision == "float32" else torch.float64

    @cached_property
    def model(self) -> Sus2Model:
        """The differentiable torch model with these weights (gradients of the weights are off)."""
        return self.model_in(self.dtype)

    def model_in(self, dtype: torch.dtype) -> Sus2Model:
        """Make the differentiable model in a precision of its own.

        Parameters
        ----------
        dtype
            The precision.

        Returns
        -------
        Sus2Model
            On the device of the potential, its parameters fixed.
        """
        from sus2.potential.model import Sus2Model

        return Sus2Model(self.spec, device=self.device, dtype=dtype).requires_grad_(False)

    @cached_property
    def sweep(self) -> Sweep:
        """The torch path with its reverse sweep: for a GPU, and where there is no compiler.

        With SUS2_TRITON=1 in the environment a GPU takes the kernels of sus2.potential.backends.triton_kernels instead.
        """
        if self._device.startswith("cuda") and os.environ.get("SUS2_TRITON") == "1":
            from sus2.potential.backends.triton_kernels import TritonSweep

            return TritonSweep(self.spec, device=self.device, dtype=self.dtype)
        from sus2.potential.backends.torch_sweep import Sweep

        return Sweep(self.spec, device=self.device, dtype=self.dtype)

    @cached_property
    def kernel(self) -> kernels.Kernel | None:
        """The compiled kernels with these weights; None on another device or without a compiler."""
        if self._device.partition(":")[0] != "cpu" or not available():
            return None
        return kernels.Kernel(self.spec, single_precision=self._precision == "float32")

    @cached_property
    def repulsion(self) -> Repulsion | None:
        """The fixed short-range term that the card asks for, if any."""
        card = self.card
        if card.repulsion is None:
            return None
        return Repulsion(self.elements, *card.repulsion, card.repulsion_strength, card.shortest_distances_a)

    @property
    def backend(self) -> str:
        """What computes energies and first derivatives: "kernels" or "torch"."""
        return "torch" if self.kernel is None else "kernels"

    def evaluate(
        self, structures: Sequence[Atoms | Structure], *, max_edges: int = MAX_EDGES_PER_CHUNK
    ) -> list[Evaluation]:
        """Energy, forces and stress of each structure, all in one call of the kernels.

        Parameters
        ----------
        structures
            Any number.
        max_edges
            Most edges held at a time (at least those of one structure) where torch computes; the fused kernels hold
            those of a few atoms only. The result does not depend on it.

        Returns
        -------
        list of Evaluation
            In their order.

        Raises
        ------
        StructureError
            Bad coordinates, or no atoms.
        UnknownElementError
            An element that the potential does not cover.
        """
        packed = pack_structures(structures, self.elements)
        return split(packed, *self.compute(packed, max_edges=max_edges))

    def compute(
        self, packed: Structures, *, edges: EdgeList | None = None, max_edges: int = MAX_EDGES_PER_CHUNK
    ) -> tuple[Array, Array, Array]:
        """Site energies, forces and virials of arrays.

        Parameters
        ----------
        packed
            S structures of N atoms in all.
        edges
            A list found with a longer cutoff that still holds every edge within the cutoff (see verlet_list).
        max_edges
            As in evaluate.

        Returns
        -------
        tuple of ndarray
            (N,) eV, (N, 3) eV/angstrom and (S, 6) eV, Voigt xx yy zz yz xz xy.
        """
        if not len(packed.types):
            return np.zeros(0), np.zeros((0, 3)), np.zeros((0, 6))
        kernel = self.kernel
        if kernel is None:
            return self._by_torch(packed, max_edges)
        reach = None if self.repulsion is None else self.repulsion.reach_a
        site, forces, virial, close = kernel.evaluate_structures(packed, edges=edges, short_reach=reach)
        total = np.add.reduceat(virial, packed.first[:-1])
        if self.repulsion is not None and close is not None:
            _add_repulsion(self.repulsion, packed, close, site, forces, total)
        return site, forces, total

    def _by_torch(self, packed: Structures, max_edges: int) -> tuple[Array, Array, Array]:
        from sus2.native.neighbours import neighbours_of
        from sus2.potential.batch import pack

        site, forces = np.zeros(len(packed.types)), np.zeros((len(packed.types), 3))
        virial = np.zeros((len(packed.cells), 6))
        lists = (neighbours_of(packed, k, self.cutoff) for k in range(len(packed.cells)))
        for part, chunk in pack(lists, max_edges):
            low, high = packed.first[part.start], packed.first[part.stop]
            starts = packed.first[part] - low
            edges = Edges.from_lists(
                np.concatenate([n.index_i + s for n, s in zip(chunk, starts, strict=True)]),
                np.concatenate([n.index_j + s for n, s in zip(chunk, starts, strict=True)]),
                np.concatenate([n.vector for n in chunk]),
                packed.types[low:high],
            )
            site[low:high], forces[low:high], atoms = self.sweep.evaluate(edges, max_edges=max_edges)
            virial[part] = np.add.reduceat(atoms, starts)
            if self.repulsion is not None:
                i = np.repeat(np.arange(low, high), np.diff(edges.first))
                close = CloseEdges(i, edges.j + low, edges.vectors)
                _add_repulsion(self.repulsion, packed, close, site, forces, virial)
        return site, forces, virial

    def calculator(self) -> Calculator:
        """Make an ASE calculator of this potential.

        Returns
        -------
        Calculator
            With energy, forces, stress and site energies.
        """
        return Sus2Calculator(self)


def _add_repulsion(
    repulsion: Repulsion,
    packed: Structures,
    close: CloseEdges,
    site: Array,
    forces: Array,
    virial: Array,
) -> None:
    """Add the short-range term to site energies (N,), forces (N, 3) and virials (S, 6) in place."""
    found = repulsion.terms(close.vectors, packed.types[close.i], packed.types[close.j])
    if not len(found.edge):
        return
    i, j, v = close.i[found.edge], close.j[found.edge], close.vectors[found.edge]
    g = found.gradient()
    np.add.at(site, i, found.energy_ev)
    np.add.at(forces, i, g)
    np.subtract.at(forces, j, g)
    outer = v[:, [0, 1, 2, 1, 0, 0]] * g[:, [0, 1, 2, 2, 2, 1]] + v[:, [0, 1, 2, 2, 2, 1]] * g[:, [0, 1, 2, 1, 0, 0]]
    np.add.at(virial, np.searchsorted(packed.first, i, side="right") - 1, 0.5 * outer)


def _check_device(device: str) -> None:
    """Raises Sus2Error for a device that torch does not support or this machine does not have."""
    import torch

    try:
        kind = torch.device(device).type
    except RuntimeError:
        raise Sus2Error(f"torch has no device '{device}'; use 'cpu' or 'cuda'.") from None
    if kind == "cuda" and not torch.cuda.is_available():
        raise Sus2Error("This torch build finds no CUDA device; use device='cpu' or install a CUDA build.")


def _rebuild(kind: type[Potential], spec: ModelSpec, card: Card, device: str, dtype: str) -> Potential:
    return kind(spec, card, device=device, dtype=dtype)
