"""Energies, forces and stresses of many structures through one call, whatever computes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.stress import full_3x3_to_voigt_6_stress
from numpy.typing import NDArray

from sus2 import kernels
from sus2.batch import Neighbours, build_batch, neighbours, pack, type_indices
from sus2.errors import PotentialFileError, Sus2Error
from sus2.model import Sus2Model, energy_forces_virial
from sus2.mtp import ModelSpec
from sus2.pretrained import Card
from sus2.repulsion import Repulsion
from sus2.structures import to_atoms

if TYPE_CHECKING:
    from pymatgen.core import Structure

Array = NDArray[np.float64]
# One edge costs about 5 kB in reverse differentiation (l2k3): 1e5 edges keep a chunk near 0.5 GiB.
MAX_EDGES_PER_CHUNK = 100_000


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Energy and its first derivatives for one structure of N atoms.

    energy_ev: total energy, eV; energies_ev (N,): site energies; forces_ev_per_a (N, 3);
    stress_ev_per_a3 (6,): Voigt xx yy zz yz xz xy, positive in tension (ASE sign), nan without a 3D cell.
    """

    energy_ev: float
    energies_ev: Array
    forces_ev_per_a: Array
    stress_ev_per_a3: Array


@runtime_checkable
class Calculates(Protocol):
    """What every property function needs of a potential; any other calculator can meet it."""

    @property
    def name(self) -> str: ...
    @property
    def functional(self) -> str: ...
    @property
    def elements(self) -> tuple[str, ...]: ...
    def evaluate(self, structures: Sequence[Atoms | Structure]) -> list[Evaluation]: ...
    def calculator(self) -> Calculator: ...


class Potential:
    """A SUS2 potential ready for use; make one with sus2.load.

    On a CPU the fused kernels compute energies and first derivatives; elsewhere, and where no compiler is found,
    the torch model does. `backend` says which one ("kernels" or "torch").
    """

    def __init__(
        self,
        spec: ModelSpec,
        card: Card,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.spec = spec
        self.card = card
        self.device = torch.device(device or "cpu")
        self.dtype = dtype or torch.float64
        if self.dtype not in (torch.float32, torch.float64):
            raise Sus2Error(f"dtype must be torch.float64 or torch.float32, not {self.dtype}.")
        if self.device.type == "cuda" and not torch.cuda.is_available():
            raise Sus2Error("This torch build finds no CUDA device; use device='cpu' or install a CUDA build.")
        if not spec.trained:
            raise PotentialFileError(f"{card.name}: an untrained file, a basis without coefficients; train it first.")

    def __reduce__(self) -> tuple[Any, ...]:
        # Compiled kernels do not travel between processes: they are bound again where they arrive.
        return _rebuild, (self.spec, self.card, str(self.device), self.dtype)

    def __repr__(self) -> str:
        return f"Potential({self.name!r}, {len(self.elements)} elements, {self.functional})"

    @property
    def name(self) -> str:
        return self.card.name

    @property
    def functional(self) -> str:
        """The density functional whose energies it was fitted to."""
        return self.card.functional

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols in type order."""
        return self.card.elements

    @property
    def cutoff(self) -> float:
        """Cutoff radius, angstrom."""
        return self.spec.max_dist

    @property
    def precision(self) -> str:
        """"float64" or "float32"."""
        return "float32" if self.dtype == torch.float32 else "float64"

    @cached_property
    def model(self) -> Sus2Model:
        """The differentiable torch model with these weights (gradients of the weights are off)."""
        return Sus2Model(self.spec, device=self.device, dtype=self.dtype).requires_grad_(False)

    @cached_property
    def kernel(self) -> kernels.Kernel | None:
        """The compiled kernels with these weights; None on another device or without a compiler."""
        if self.device.type != "cpu" or not kernels.available():
            return None
        return kernels.Kernel(self.spec, single_precision=self.dtype == torch.float32)

    @cached_property
    def repulsion(self) -> Repulsion | None:
        """The fixed short-range term that the card asks for, if any."""
        if self.card.repulsion is None:
            return None
        return Repulsion(self.elements, *self.card.repulsion, self.card.repulsion_strength)

    @property
    def backend(self) -> str:
        """What computes energies and first derivatives: "kernels" or "torch"."""
        return "torch" if self.kernel is None else "kernels"

    def evaluate(self, structures: Sequence[Atoms | Structure]) -> list[Evaluation]:
        """Energy, forces and stress of each structure.

        Raises StructureError (bad coordinates, no atoms) and UnknownElementError.
        """
        atoms = [to_atoms(s) for s in structures]
        types = [type_indices(a, self.elements) for a in atoms]
        results: list[Evaluation] = []
        lists = (neighbours(a, self.cutoff) for a in atoms)
        for part, chunk in pack(lists, MAX_EDGES_PER_CHUNK):
            if self.kernel is not None:
                site, forces, virial = _by_kernel(self.kernel, types[part], chunk)
            else:
                site, forces, virial = self._by_torch(atoms[part], chunk)
            if self.repulsion is not None:
                _add_repulsion(self.repulsion, types[part], chunk, site, forces, virial)
            results += _split(atoms[part], site, forces, virial)
        return results

    def _by_torch(self, atoms: list[Atoms], lists: list[Neighbours]) -> tuple[Array, Array, Array]:
        batch = build_batch(
            atoms, self.elements, self.cutoff, device=self.device, dtype=self.dtype, lists=lists
        )
        site, forces, virial = energy_forces_virial(self.model, batch)
        voigt = np.array([full_3x3_to_voigt_6_stress(v) for v in virial.cpu().numpy()])
        return site.cpu().numpy(), forces.cpu().numpy(), voigt

    def calculator(self) -> Calculator:
        """An ASE calculator of this potential."""
        from sus2.calculator import Sus2Calculator

        return Sus2Calculator(self)


def _by_kernel(
    kernel: kernels.Kernel, types: list[NDArray[np.int64]], lists: list[Neighbours]
) -> tuple[Array, Array, Array]:
    """Site energies (N,), forces (N, 3) and virials (S, 6) of a chunk of structures."""
    starts = np.concatenate([[0], np.cumsum([len(t) for t in types])[:-1]])
    edges = kernels.Edges.from_lists(
        np.concatenate([n.index_i + s for n, s in zip(lists, starts, strict=True)]),
        np.concatenate([n.index_j + s for n, s in zip(lists, starts, strict=True)]),
        np.concatenate([n.vector for n in lists]),
        np.concatenate(types),
    )
    site, forces, virial = kernel.evaluate(edges)
    return site, forces, np.add.reduceat(virial, starts)


def _add_repulsion(
    repulsion: Repulsion,
    types: list[NDArray[np.int64]],
    lists: list[Neighbours],
    site: Array,
    forces: Array,
    virial: Array,
) -> None:
    """Add the short-range term to site energies (N,), forces (N, 3) and virials (S, 6) in place."""
    start = 0
    for k, (z, n) in enumerate(zip(types, lists, strict=True)):
        found = repulsion.terms(n.vector, z[n.index_i], z[n.index_j])
        if len(found.edge):
            i, j = n.index_i[found.edge] + start, n.index_j[found.edge] + start
            g = found.gradient()
            np.add.at(site, i, found.energy_ev)
            np.add.at(forces, i, g)
            np.subtract.at(forces, j, g)
            virial[k] += full_3x3_to_voigt_6_stress(n.vector[found.edge].T @ g)
        start += len(z)


def _split(atoms: list[Atoms], site: Array, forces: Array, virial: Array) -> list[Evaluation]:
    ends = np.cumsum([len(a) for a in atoms])
    out = []
    for a, end, w in zip(atoms, ends, virial, strict=True):
        part = slice(end - len(a), end)
        volume = abs(float(np.linalg.det(a.cell.array)))
        stress = w / volume if volume > 1e-9 else np.full(6, np.nan)
        out.append(Evaluation(float(site[part].sum()), site[part], forces[part], stress))
    return out


def _rebuild(spec: ModelSpec, card: Card, device: str, dtype: torch.dtype) -> Potential:
    return Potential(spec, card, device=device, dtype=dtype)
