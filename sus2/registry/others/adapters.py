"""Calculators of known models of others, made the way their packages want it. Nothing here is imported before its use.

Each takes `weights`, the path of a checkpoint, and `device`; what else it takes goes on to the package.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import numpy as np
from ase import Atoms

from sus2.errors import Sus2Error

__all__ = ["chgnet", "grace", "mace", "mattersim", "nequix", "orb", "sevennet", "tensornet"]


def chgnet(model: str = "0.3.0", weights: str = "", device: str = "cpu") -> Any:
    """CHGNet: the weights of its wheel by version ("0.3.0" is of PBE, "r2scan" of r2SCAN), or a file of one's own.

    Parameters
    ----------
    model
        Version of the weights in the wheel.
    weights
        Path of a file, in place of those.
    device
        "cpu" or "cuda".

    Returns
    -------
    ase.calculators.calculator.Calculator
        The calculator.
    """
    network = import_module("chgnet.model.model").CHGNet
    loaded = network.from_file(weights) if weights else network.load(model_name=model, use_device=device, verbose=False)
    made = _in_boxes(import_module("chgnet.model.dynamics").CHGNetCalculator)
    return made(loaded, use_device=device, on_isolated_atoms="ignore")


_ROOM_A: Final = 12.0
"""Of vacuum around what has no cell: twice the reach of CHGNet."""


def _in_boxes(calculator: type[Any]) -> type[Any]:
    """The same class of calculator, which also computes what has no cell: CHGNet itself takes crystals alone."""

    class Boxed(calculator):
        def calculate(self, atoms: Any = None, *args: Any, **options: Any) -> None:
            super().calculate(_boxed(atoms), *args, **options)
            # What was asked for: ASE compares the next structure with it.
            self.atoms = atoms.copy()

    return Boxed


def _boxed(atoms: Atoms) -> Atoms:
    """Atoms in a cell with vacuum along each direction in which they have none."""
    missing = ~atoms.cell.any(1)
    if not missing.any():
        return atoms
    boxed = atoms.copy()
    cell = np.array(atoms.cell.complete())
    # Unit vectors at right angles to the others.
    cell[missing] *= [[np.ptp(atoms.positions @ v) + _ROOM_A] for v in cell[missing]]
    boxed.set_cell(cell)
    boxed.pbc = True
    return boxed


def sevennet(model: str = "7net-0", weights: str = "", device: str = "cpu", **options: Any) -> Any:
    """SevenNet: a checkpoint of its wheel by name, or a file of one's own; `modal` chooses the functional of 7net-mf-0.

    Parameters
    ----------
    model
        Name of a checkpoint.
    weights
        Path of a file, in place of the name.
    device
        "cpu" or "cuda".
    **options
        Other arguments of sevenn.calculator.SevenNetCalculator.

    Returns
    -------
    ase.calculators.calculator.Calculator
        The calculator.
    """
    import warnings

    with warnings.catch_warnings():
        # It says at every start that a faster library is missing.
        warnings.simplefilter("ignore")
        made = import_module("sevenn.calculator").SevenNetCalculator
        return made(model=weights or model, device=device, **options)


def mace(weights: str, device: str = "cpu", default_dtype: str = "float64", **options: Any) -> Any:
    """MACE: a checkpoint file.

    Parameters
    ----------
    weights
        Path of the file.
    device
        "cpu" or "cuda".
    default_dtype
        Its arithmetic; second derivatives want double precision.
    **options
        Other arguments of mace.calculators.MACECalculator, such as `head`.

    Returns
    -------
    ase.calculators.calculator.Calculator
        The calculator.
    """
    made = import_module("mace.calculators").MACECalculator
    return made(model_paths=weights, device=device, default_dtype=default_dtype, **options)


def mattersim(weights: str, device: str = "cpu", **options: Any) -> Any:
    """MatterSim: a checkpoint file.

    Parameters
    ----------
    weights
        Path of the file.
    device
        "cpu" or "cuda".
    **options
        Other arguments of mattersim.forcefield.MatterSimCalculator.

    Returns
    -------
    ase.calculators.calculator.Calculator
        The calculator.
    """
    return import_module("mattersim.forcefield").MatterSimCalculator(load_path=weights, device=device, **options)


def orb(
    weights: str, model: str = "orb_v3_conservative_inf_omat", device: str = "cpu", precision: str = "float64"
) -> Any:
    """Orb: a checkpoint file of one of its architectures.

    Parameters
    ----------
    weights
        Path of the file.
    model
        The architecture, a function of orb_models.forcefield.pretrained; only conservative ones have forces that are
        slopes of the energy.
    device
        "cpu" or "cuda".
    precision
        "float64", "float32-high" or "float32-highest".

    Returns
    -------
    ase.calculators.calculator.Calculator
        The calculator.
    """
    pretrained = import_module("orb_models.forcefield.pretrained")
    architecture = getattr(pretrained, model, None)
    if architecture is None:
        raise Sus2Error(f"orb_models has no architecture '{model}'.")
    made = architecture(weights_path=weights, device=device, precision=precision)
    calculator = _orb_calculator()
    # Newer versions give the model and the adapter that makes its graphs.
    if isinstance(made, tuple):
        return calculator(made[0], atoms_adapter=made[1], device=device)
    return calculator(made, device=device)


def _orb_calculator() -> Any:
    try:
        return import_module("orb_models.forcefield.inference.calculator").ORBCalculator
    except ImportError:
        return import_module("orb_models.forcefield.calculator").ORBCalculator


def grace(weights: str, device: str = "", **options: Any) -> Any:
    """GRACE: the folder of a saved model.

    Parameters
    ----------
    weights
        Path of the folder.
    device
        Not used: TensorFlow takes the GPU that it sees.
    **options
        Other arguments of tensorpotential.calculator.TPCalculator.

    Returns
    -------
    ase.calculators.calculator.Calculator
        The calculator.
    """
    return import_module("tensorpotential.calculator").TPCalculator(model=weights, **options)


def tensornet(model: str = "", weights: str = "", device: str = "") -> Any:
    """TensorNet-MatPES through matgl 2.0.4; matgl 4 loads its files without an error and gives wrong energies.

    Parameters
    ----------
    model
        Name of a model that matgl fetches, where no folder is given.
    weights
        Path of the folder with its files.
    device
        Not used: matgl computes where torch's default device is.

    Returns
    -------
    ase.calculators.calculator.Calculator
        The calculator.
    """
    from importlib.metadata import version

    number = version("matgl")
    if number != "2.0.4":
        raise Sus2Error(f"TensorNet-MatPES needs matgl 2.0.4; version {number} gives wrong energies.")
    potential = import_module("matgl").load_model(weights or model)
    return import_module("matgl.ext.ase").PESCalculator(potential, stress_unit="eV/A3", use_voigt=True)


def nequix(weights: str, device: str = "", backend: str = "jax", **options: Any) -> Any:
    """Nequix: a checkpoint file.

    Parameters
    ----------
    weights
        Path of the file.
    device
        Not used: JAX takes the GPU that it sees.
    backend
        "jax" or "torch".
    **options
        Other arguments of nequix.calculator.NequixCalculator.

    Returns
    -------
    ase.calculators.calculator.Calculator
        The calculator.
    """
    made = import_module("nequix.calculator").NequixCalculator
    return made(model_path=weights, backend=backend, **options)
