"""What the program says of elastic constants."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

import numpy as np

from sus2.properties.property import Category, Download, Option, Page, Property, Quantity, never
from sus2.structures import with_subscripts
from sus2.trust.digits import digits_of, number_text
from sus2.voigt import NAMES

if TYPE_CHECKING:
    from sus2.properties.elastic.result import ElasticResult

# Independent constants by crystal system (Nye, Physical Properties of Crystals); others have all 21.
INDEPENDENT: Final[dict[str, tuple[str, ...]]] = {
    "cubic": ("11", "12", "44"),
    "hexagonal": ("11", "12", "13", "33", "44"),
    "trigonal": ("11", "12", "13", "14", "33", "44"),
    "tetragonal": ("11", "12", "13", "33", "44", "66"),
    "orthorhombic": ("11", "12", "13", "22", "23", "33", "44", "55", "66"),
}


def tensor_csv(result: ElasticResult) -> str:
    """Write elastic tensors as CSV.

    Parameters
    ----------
    result
        The elastic constants.

    Returns
    -------
    str
        The relaxed-ion and the clamped-ion tensor, GPa, and the standard deviations of the first, empty where unknown.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["ions", "row", *NAMES])
    sigma = np.broadcast_to(result.uncertainty["c_gpa"], (6, 6))
    for ions, c in (("relaxed", result.c_gpa), ("clamped", result.clamped_c_gpa), ("relaxed, sigma", sigma)):
        for name, row in zip(NAMES, c, strict=True):
            writer.writerow([ions, name, *("" if np.isnan(x) else repr(float(x)) for x in row)])
    return out.getvalue()


def constants(result: ElasticResult) -> dict[Quantity, float]:
    """Read the independent constants of the crystal system.

    Parameters
    ----------
    result
        The elastic constants.

    Returns
    -------
    dict of Quantity to float
        GPa; all 21 of a crystal system that INDEPENDENT does not have.
    """
    every = tuple(f"{i + 1}{j + 1}" for i in range(6) for j in range(i, 6))
    names = INDEPENDENT.get(result.crystal_system, every)
    return {
        Quantity(f"c{n}_gpa", symbol, symbol, "GPa", 1, "Elastic constant in the IEEE axes."): float(
            result.c_gpa[int(n[0]) - 1, int(n[1]) - 1]
        )
        for n, symbol in ((n, with_subscripts(f"C{n}")) for n in names)
    }


def _stable(result: ElasticResult) -> bool:
    return result.stable


def _cell(value: float, sigma: float) -> str:
    """A constant without digits that its error makes meaningless; a plain zero where symmetry forbids it."""
    return "0" if abs(value) < 0.05 else number_text(value, digits_of(1, sigma))


def _show(result: ElasticResult) -> list[str]:
    lines = [f"{result.space_group}, GPa, xx yy zz yz xz xy"]
    sigma = np.broadcast_to(result.uncertainty["c_gpa"], (6, 6))
    cells = [[_cell(x, s) for x, s in zip(*r, strict=True)] for r in zip(result.c_gpa, sigma, strict=True)]
    lines += ["  " + "".join(f"{cell:>9}" for cell in row) for row in cells]
    moduli = (("K", "k_vrh_gpa"), ("G", "g_vrh_gpa"))
    said = [f"{name} {number_text(getattr(result, key), 1, result.uncertainty[key])}" for name, key in moduli]
    lines.append(f"  {', '.join(said)} GPa (Voigt-Reuss-Hill)")
    return [*lines, f"  {result.stability}"]


ENTRY = Property(
    name="elastic",
    title="elastic constants",
    function="sus2.properties.elastic.calculate:elastic",
    help="Elastic constants (exact, relaxed ions), moduli and stability.",
    quantities=(
        Quantity(
            "k_vrh_gpa",
            "K",
            "Bulk modulus K",
            "GPa",
            2,
            "Resistance of a polycrystal to a change of volume: Hill's mean of the Voigt and Reuss bounds.",
            headline=True,
            compared=_stable,
        ),
        Quantity(
            "g_vrh_gpa",
            "G",
            "Shear modulus G",
            "GPa",
            2,
            "Resistance of a polycrystal to a change of shape: Hill's mean of the Voigt and Reuss bounds.",
            headline=True,
            compared=_stable,
        ),
        Quantity(
            "e_vrh_gpa",
            "E",
            "Young's modulus E",
            "GPa",
            2,
            "Stiffness of a polycrystal under uniaxial tension: 9KG/(3K + G).",
            headline=True,
            compared=_stable,
        ),
        Quantity(
            "nu_vrh",
            "ν",
            "Poisson's ratio ν",
            "",
            3,
            "Lateral contraction over extension of a polycrystal: (3K − 2G)/(6K + 2G).",
            headline=True,
            compared=_stable,
        ),
        Quantity(
            "universal_anisotropy",
            "anisotropy",
            "Universal anisotropy",
            "",
            3,
            "Universal elastic anisotropy index, 0 for an isotropic crystal.",
            compared=_stable,
        ),
        Quantity(
            "smallest_eigenvalue_gpa",
            "smallest eigenvalue",
            "Smallest eigenvalue",
            "GPa",
            2,
            "Of the elastic tensor; negative where the crystal is elastically unstable.",
            lambda c: c.eigenvalues_gpa[0],
            compared=never,
        ),
        Quantity(
            "debye_temperature_k",
            "Debye temperature",
            "Debye temperature",
            "K",
            1,
            "From Christoffel's equation over all directions.",
            tabulated=False,
            compared=_stable,
        ),
        Quantity(
            "debye_temperature_vrh_k",
            "Debye temperature",
            "Debye temperature (isotropic)",
            "K",
            1,
            "From the isotropic moduli.",
            compared=never,
        ),
    ),
    categories=(
        Category("elastically", "elastic stability", lambda c: "stable" if c.stable else "unstable"),
        Category("relaxed_space_group", "space group, relaxed", lambda c: c.space_group),
    ),
    more=constants,
    options=(Option("pressure_gpa", float, 0.0, "Pressure at which the crystal is relaxed, GPa.", "pressure"),),
    settings={"cross_checks": False},
    finite="finite",
    together="sus2.properties.together:elastic_tensors",
    memory={"elastic": ("elastic",), "other_methods": ("elastic",)},
    cost=2.0,
    relaxed=lambda c: c.atoms,
    show=_show,
    downloads=(Download("Tensors (CSV)", "csv", "text/csv", tensor_csv),),
    seen="result.c_gpa, result.k_vrh_gpa, result.g_vrh_gpa",
    page=Page(
        "Elasticity",
        "compress",
        "How stiff the relaxed crystal is in every direction, from exact second derivatives of its energy.",
        "properties/elasticity",
    ),
)
