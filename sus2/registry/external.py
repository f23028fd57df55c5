"""Other potentials behind the interface of ours: any ASE calculator, CHGNet and MatPES TensorNet by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, CalculatorError, PropertyNotImplementedError
from ase.data import atomic_numbers, chemical_symbols

from sus2.errors import Sus2Error, UnknownElementError
from sus2.potential.card import Card
from sus2.potential.evaluation import Evaluation
from sus2.structures import elements_of, to_atoms

if TYPE_CHECKING:
    from pymatgen.core import Structure

__all__ = ["EXTERNAL", "ExternalModel", "WrappedCalculator", "installed", "load_external", "wrap_calculator"]


@dataclass(frozen=True)
class ExternalModel:
    """A model of others: what installs it, what it was fitted to and where it is described."""

    name: str
    functional: str
    package: str
    versions: tuple[str, ...]
    extra: str
    citation: str


_CHGNET = "Deng et al., Nat. Mach. Intell. 5, 1031 (2023)"
_MATPES = "Kaplan et al., arXiv:2503.04070 (2025)"
EXTERNAL: Final[dict[str, ExternalModel]] = {
    m.name: m
    for m in (
        ExternalModel("chgnet-pbe", "PBE", "chgnet", (), "chgnet", _CHGNET),
        ExternalModel("chgnet-r2scan", "r2SCAN", "chgnet", (), "chgnet", _CHGNET),
        # matgl 4 loads these files without an error and gives wrong energies.
        ExternalModel("tensornet-matpes-pbe", "PBE", "matgl", ("2.0.4",), "matgl", _MATPES),
        ExternalModel("tensornet-matpes-r2scan", "r2SCAN", "matgl", ("2.0.4",), "matgl", _MATPES),
    )
}
_FILES = {
    "chgnet-pbe": "0.3.0",
    "chgnet-r2scan": "r2scan",
    "tensornet-matpes-pbe": "TensorNet-MatPES-PBE-v2025.1-PES",
    "tensornet-matpes-r2scan": "TensorNet-MatPES-r2SCAN-v2025.1-PES",
}
# Elements of the training data of both, MPtrj and MatPES: 1..94 without those that have no crystal there.
_ELEMENTS = tuple(s for s in chemical_symbols[1:95] if s not in ("Po", "At", "Rn", "Fr", "Ra"))


@dataclass(frozen=True, eq=False)
class WrappedCalculator:
    """An ASE calculator that meets sus2.potential.potential.Calculates; make one with wrap_calculator or load_external.

    card: errors and reference energies of the model, where somebody states them.
    """

    name: str
    functional: str
    elements: tuple[str, ...]
    ase: Calculator
    card: Card | None = None

    def __repr__(self) -> str:
        return f"WrappedCalculator({self.name!r}, {len(self.elements)} elements, {self.functional})"

    def calculator(self) -> Calculator:
        """The calculator itself."""
        return self.ase

    def evaluate(self, structures: Sequence[Atoms | Structure]) -> list[Evaluation]:
        """Energy, forces and stress of each structure, one after the other.

        Site energies are the calculator's, or equal shares of the energy where it has none; the stress is nan without
        a three-dimensional cell. Raises StructureError, UnknownElementError and Sus2Error (the calculator failed).
        """
        return [self._one(to_atoms(s)) for s in structures]

    def _one(self, atoms: Atoms) -> Evaluation:
        missing = sorted(set(elements_of(atoms)) - set(self.elements))
        if missing:
            raise UnknownElementError(f"{self.name} does not know {', '.join(missing)}; choose another potential.")
        atoms.calc = self.ase
        try:
            energy = float(atoms.get_potential_energy())
            forces = np.array(atoms.get_forces(), dtype=np.float64)
            stress = np.array(atoms.get_stress(), dtype=np.float64) if atoms.cell.rank == 3 else np.full(6, np.nan)
        except (CalculatorError, PropertyNotImplementedError, RuntimeError, ValueError) as error:
            text = " ".join(str(error).split())[:200] or type(error).__name__
            raise Sus2Error(f"{self.name} cannot compute {atoms.get_chemical_formula('metal')}: {text}.") from None
        # Some calculators announce site energies and compute none, so only those in their results count.
        found = self.ase.results.get("energies")
        sites = np.full(len(atoms), energy / len(atoms)) if found is None else np.array(found, dtype=np.float64)
        if not (np.isfinite(energy) and np.isfinite(forces).all()):
            raise Sus2Error(f"{self.name} gives energies or forces that are not finite for this structure.")
        return Evaluation(energy, sites, forces, stress)


def wrap_calculator(
    calculator: Calculator | Callable[[], Calculator],
    *,
    name: str,
    elements: Sequence[str],
    functional: str = "not stated",
    card: Card | None = None,
) -> WrappedCalculator:
    """Any ASE calculator (or a function that makes one) as a potential for every property and comparison.

    elements: symbols that it knows. Elastic constants and phonons then take method="finite", which compare chooses.
    Raises Sus2Error where the elements are none or unknown, or where no calculator was given.
    """
    made: Any = calculator if isinstance(calculator, Calculator) else calculator()
    if not hasattr(made, "get_potential_energy") or not hasattr(made, "implemented_properties"):
        raise Sus2Error(f"{name}: {type(made).__name__} is not an ASE calculator.")
    unknown = [e for e in elements if atomic_numbers.get(e, 0) < 1]
    if unknown or not elements:
        raise Sus2Error(f"{name}: name the chemical elements that it knows, not {', '.join(unknown) or 'none'}.")
    return WrappedCalculator(name, functional, tuple(elements), made, card)


def installed() -> list[Card]:
    """Cards of the models of EXTERNAL whose packages are installed in a version that gives right numbers."""
    out = []
    for model in EXTERNAL.values():
        try:
            found = version(model.package)
        except PackageNotFoundError:
            continue
        if not model.versions or found in model.versions:
            summary = f"{model.package} {found}; {model.citation}"
            out.append(Card(name=model.name, functional=model.functional, elements=_ELEMENTS, summary=summary))
    return out


def load_external(name: str, *, path: str | None = None) -> WrappedCalculator:
    """CHGNet or MatPES TensorNet by name (a key of EXTERNAL), in double precision on the CPU where they allow it.

    path: a folder with the files of a TensorNet, which matgl otherwise fetches. Raises Sus2Error with one sentence
    where the name is unknown, or the package is missing or in a version that gives wrong numbers.
    """
    model = EXTERNAL.get(name)
    if model is None:
        raise Sus2Error(f"There is no external model '{name[:40]}'; there are: {', '.join(EXTERNAL)}.")
    try:
        installed = version(model.package)
        module = import_module(model.package)
    except (PackageNotFoundError, ImportError):
        raise Sus2Error(
            f"{name} needs the package {model.package}, which is not installed: pip install 'sus2[{model.extra}]'."
        ) from None
    if model.versions and installed not in model.versions:
        raise Sus2Error(
            f"{name} needs {model.package} {' or '.join(model.versions)}; version {installed} gives wrong energies."
        )
    if model.package == "chgnet":
        return _chgnet(model)
    return _tensornet(model, module, path)


def _chgnet(model: ExternalModel) -> WrappedCalculator:
    dynamics = import_module("chgnet.model.dynamics")
    network = import_module("chgnet.model.model").CHGNet.load(
        model_name=_FILES[model.name], use_device="cpu", verbose=False
    )
    calculator = dynamics.CHGNetCalculator(network, use_device="cpu", on_isolated_atoms="ignore")
    return WrappedCalculator(model.name, model.functional, _ELEMENTS, calculator)


def _tensornet(model: ExternalModel, matgl: Any, path: str | None) -> WrappedCalculator:
    try:
        potential = matgl.load_model(path or _FILES[model.name])
    except (OSError, ValueError, RuntimeError) as error:
        text = " ".join(str(error).split())[:150]
        raise Sus2Error(f"{model.name}: its files cannot be loaded ({text}); give their folder as path.") from None
    ase = import_module("matgl.ext.ase")
    elements = tuple(potential.model.element_types)
    return WrappedCalculator(
        model.name, model.functional, elements, ase.PESCalculator(potential, stress_unit="eV/A3", use_voigt=True)
    )
