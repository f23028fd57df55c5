"""Energies, forces and stresses of many structures through one call, whatever computes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.stress import full_3x3_to_voigt_6_stress
from numpy.typing import NDArray

from sus2.batch import Neighbours, build_batch, neighbours, pack, type_indices
from sus2.errors import Sus2Error
from sus2.model import Sus2Model, energy_forces_virial
from sus2.mtp import ModelSpec
from sus2.pretrained import Card
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
    """A SUS2 potential ready for use; make one with sus2.load."""

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

    @cached_property
    def model(self) -> Sus2Model:
        """The differentiable torch model with these weights (gradients of the weights are off)."""
        return Sus2Model(self.spec, device=self.device, dtype=self.dtype).requires_grad_(False)

    def evaluate(self, structures: Sequence[Atoms | Structure]) -> list[Evaluation]:
        """Energy, forces and stress of each structure.

        Raises StructureError (bad coordinates, no atoms) and UnknownElementError.
        """
        atoms = [to_atoms(s) for s in structures]
        for a in atoms:
            type_indices(a, self.elements)
        lists = [neighbours(a, self.cutoff) for a in atoms]
        results: list[Evaluation] = []
        for part in pack(lists, MAX_EDGES_PER_CHUNK):
            results += self._evaluate_chunk(atoms[part], lists[part])
        return results

    def _evaluate_chunk(self, atoms: list[Atoms], lists: list[Neighbours]) -> list[Evaluation]:
        batch = build_batch(
            atoms, self.elements, self.cutoff, device=self.device, dtype=self.dtype, lists=lists
        )
        site, forces, virial = energy_forces_virial(self.model, batch)
        stress = (virial / batch.volume.double()[:, None, None]).cpu().numpy()
        site_np, forces_np = site.cpu().numpy(), forces.cpu().numpy()
        ends = np.cumsum(batch.n_atoms)
        return [
            Evaluation(
                energy_ev=float(site_np[end - n : end].sum()),
                energies_ev=site_np[end - n : end],
                forces_ev_per_a=forces_np[end - n : end],
                stress_ev_per_a3=full_3x3_to_voigt_6_stress(sigma),
            )
            for n, end, sigma in zip(batch.n_atoms, ends, stress, strict=True)
        ]

    def calculator(self) -> Calculator:
        """An ASE calculator of this potential."""
        from sus2.calculator import Sus2Calculator

        return Sus2Calculator(self)
