"""Elastic constants: methods against each other, independence of the setting, averages and directions."""

from __future__ import annotations

import builtins
import csv
import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell
from ase.spacegroup import crystal

import sus2
from sus2.derivatives.elastic_tensors import voigt_to_tensor
from sus2.derivatives.second_order import second_derivatives
from sus2.errors import CancelledError, StructureError, Sus2Error
from sus2.properties.elastic.calculate import elastic
from sus2.properties.elastic.checks import _check_bulk_modulus
from sus2.properties.elastic.directions import (
    compliance,
    extremes,
    hill_average,
    kelvin,
    linear_compressibility_per_tpa,
    poissons_ratio,
    reuss_average,
    shear_modulus_gpa,
    voigt_average,
    youngs_modulus_gpa,
)
from sus2.properties.elastic.entry import tensor_csv
from sus2.properties.elastic.ieee_axes import choose_frame, crystal_axes, primitive_cell, rotated, symmetrised
from sus2.properties.elastic.result import ElasticResult
from sus2.properties.elastic.writing import constants_latex, constants_markdown
from sus2.registry.load import load
from tests.helpers_potential import emt
from tests.helpers_spec import random_potential

LOW = {  # crystals of every kind of axes, in no particular potential: name -> (sites, space group, cell)
    "cubic m-3": ([(0.1, 0.2, 0.35), (0, 0, 0)], 200, [5.2, 5.2, 5.2, 90, 90, 90]),
    "hexagonal 6/mmm": ([(0, 0, 0), (1 / 3, 2 / 3, 0.3)], 191, [3.1, 3.1, 4.9, 90, 90, 120]),
    "hexagonal 6/m": ([(0.12, 0.37, 0.1), (0, 0, 0)], 175, [5.6, 5.6, 4.4, 90, 90, 120]),
    "trigonal -3m, rhombohedral": ([(0, 0, 0.35), (0.306, 0, 0.25)], 167, [4.8, 4.8, 13.0, 90, 90, 120]),
    "trigonal -3, rhombohedral": ([(0, 0, 0.13), (0.2, 0.05, 0.08)], 148, [5.2, 5.2, 13.0, 90, 90, 120]),
    "trigonal 32, primitive": ([(0.47, 0, 2 / 3), (0.41, 0.27, 0.786)], 154, [4.9, 4.9, 5.4, 90, 90, 120]),
    "trigonal 31m, primitive": ([(0.3, 0, 0.2), (0, 0, 0)], 162, [4.9, 4.9, 4.2, 90, 90, 120]),
    "trigonal -3, primitive": ([(0.21, 0.07, 0.3), (0, 0, 0)], 147, [5.1, 5.1, 4.4, 90, 90, 120]),
    "tetragonal 4/m, centred": ([(0.1, 0.32, 0.2), (0, 0, 0)], 87, [5.6, 5.6, 5.0, 90, 90, 90]),
    "tetragonal 4/mmm": ([(0.3, 0.3, 0), (0, 0, 0)], 136, [4.6, 4.6, 3.0, 90, 90, 90]),
    "orthorhombic": ([(0.1, 0.22, 0.25), (0.3, 0.4, 0.25)], 62, [5.3, 4.1, 4.7, 90, 90, 90]),
    "monoclinic, centred": ([(0.1, 0, 0.2), (0.3, 0.25, 0.4)], 12, [6.9, 4.4, 5.0, 90, 108, 90]),
    "monoclinic, primitive": ([(0.1, 0.2, 0.2), (0.3, 0.6, 0.4)], 14, [4.4, 5.1, 4.7, 90, 99, 90]),
    "triclinic": ([(0.1, 0.2, 0.2), (0.3, 0.6, 0.45)], 2, [3.9, 4.4, 4.9, 83, 77, 71]),
    "triclinic, obtuse": ([(0.1, 0.2, 0.2), (0.3, 0.6, 0.45)], 2, [3.9, 4.4, 4.9, 103, 97, 91.5]),
}


def build(name: str) -> Atoms:
    sites, group, cell = LOW[name]
    atoms = crystal(("Na", "Cl"), sites, spacegroup=group, cellpar=cell)
    return Atoms(atoms.numbers, cell=atoms.cell, positions=atoms.positions, pbc=True)


def copies(atoms: Atoms) -> dict[str, Atoms]:
    """The same crystal, given otherwise."""
    turned = atoms.copy()
    turned.rotate(37.0, (1, -2, 3), rotate_cell=True)
    permuted = Atoms(atoms.numbers, cell=np.asarray(atoms.cell)[[2, 0, 1]], positions=atoms.positions + 0.123, pbc=True)
    left = Atoms(atoms.numbers, cell=np.asarray(atoms.cell)[[1, 0, 2]], positions=atoms.positions, pbc=True)
    opposite = Atoms(
        atoms.numbers, cell=-np.asarray(atoms.cell) * [[1], [1], [-1]], positions=atoms.positions, pbc=True
    )
    upside = atoms.copy()
    upside.rotate(180.0, (1, 0, 0), rotate_cell=True)
    sheared = make_supercell(turned, [[1, 1, 0], [0, 1, 0], [1, 0, 1]])
    return {
        "rotated": turned,
        "axes permuted": permuted,
        "left-handed": left,
        "axes reversed": opposite,
        "upside down": upside,
        "other lattice vectors, rotated": sheared,
        "supercell": make_supercell(permuted, np.diag([1, 2, 1])),
    }


def ieee_tensor(atoms: Atoms, potential) -> tuple[np.ndarray, float]:
    """Clamped-ion tensor in the IEEE setting and what symmetrisation removed."""
    cell = primitive_cell(atoms, 1e-3)
    axes = crystal_axes(cell, 1e-3)
    raw = second_derivatives(cell, potential).clamped_elastic.energy_gpa
    mean = symmetrised(raw, axes.rotations)
    return rotated(mean, choose_frame(mean, axes.frames)), float(np.abs(raw - mean).max())


@pytest.mark.parametrize("name", list(LOW))
def test_tensor_does_not_depend_on_how_the_crystal_is_given(name):
    potential = random_potential(cutoff=3.6)
    atoms = build(name)
    expected, removed = ieee_tensor(atoms, potential)
    scale = np.abs(expected).max()
    assert removed < 1e-9 * scale
    for what, copy in copies(atoms).items():
        found, removed = ieee_tensor(copy, potential)
        np.testing.assert_allclose(found, expected, atol=1e-7 * scale, err_msg=f"{name}: {what}")
        assert removed < 1e-9 * scale


@pytest.mark.parametrize(
    ("name", "zero", "positive"),
    [
        ("trigonal 32, primitive", [(0, 4), (0, 5), (2, 3)], [(0, 3)]),
        ("trigonal 31m, primitive", [(0, 4), (0, 5), (2, 3)], [(0, 3)]),
        ("trigonal -3m, rhombohedral", [(0, 4), (0, 5), (2, 3)], []),
        ("hexagonal 6/m", [(0, 3), (0, 4), (0, 5)], []),
        ("tetragonal 4/m, centred", [(0, 3), (0, 4)], [(0, 5)]),
        ("monoclinic, centred", [(0, 3), (0, 5), (3, 4)], []),
        ("orthorhombic", [(0, 3), (0, 4), (0, 5), (3, 4)], []),
    ],
)
def test_axes_give_the_form_that_symmetry_asks_for(name, zero, positive):
    c, _ = ieee_tensor(build(name), random_potential(cutoff=3.6))
    for i, j in zero:
        assert abs(c[i, j]) < 1e-9 * np.abs(c).max()
    for i, j in positive:
        assert c[i, j] > 1e-4 * np.abs(c).max()
    if name.startswith("trigonal"):
        np.testing.assert_allclose([c[1, 3], c[4, 5]], [-c[0, 3], c[0, 3]], atol=1e-9 * np.abs(c).max())


def test_c14_of_a_rhombohedral_crystal_follows_the_obverse_setting():
    """The sign of C14 is that of a frame with x1 along a and x3 along c of the obverse hexagonal cell."""
    potential = random_potential(cutoff=3.6)
    atoms = build("trigonal -3m, rhombohedral")  # ase.spacegroup uses the obverse setting, a along x
    expected, _ = ieee_tensor(atoms, potential)
    found = second_derivatives(atoms, potential).clamped_elastic.energy_gpa
    np.testing.assert_allclose(found, expected, atol=1e-7 * np.abs(expected).max())
    assert abs(expected[0, 3]) > 1e-4 * np.abs(expected).max()


def test_orthorhombic_axes_are_sorted_and_monoclinic_ones_obtuse():
    atoms = Atoms("NaCl", scaled_positions=[(0, 0, 0), (0.5, 0.5, 0.5)], cell=[5.3, 4.1, 4.7], pbc=True)
    axes = crystal_axes(atoms, 1e-3)
    along = np.abs(axes.frames[0] @ np.asarray(atoms.cell).T)
    np.testing.assert_allclose([along[2, 1], along[0, 2], along[1, 0]], [4.1, 4.7, 5.3])  # c < a < b
    cell = build("monoclinic, primitive")
    x1, x2, x3 = crystal_axes(cell, 1e-3).frames[0]
    np.testing.assert_allclose(abs(x2 @ np.asarray(cell.cell)[1]), 5.1)
    np.testing.assert_allclose(abs(x3 @ np.asarray(cell.cell)[0]), 4.4)  # the shortest in the plane
    assert np.linalg.det([x1, x2, x3]) == pytest.approx(1.0)


# ---- whole results


@pytest.fixture(scope="module")
def silicon():
    return load("si-mlearn-pbe")


@pytest.fixture(scope="module")
def result(silicon) -> ElasticResult:
    return elastic(bulk("Si", cubic=True), silicon)


def test_silicon(result):
    """Near PBE (Materials Project mp-149: 153, 57, 74 GPa); the training data of this potential are PBE."""
    c = result.c_gpa
    np.testing.assert_allclose([c[0, 0], c[0, 1], c[3, 3]], [153, 57, 74], rtol=0.06)
    assert result.clamped_c_gpa[3, 3] > c[3, 3] + 10
    assert result.stable
    assert result.crystal_system == "cubic"
    assert len(result.atoms) == 2
    assert result.symmetrisation_removed_gpa < 1e-8
    assert 590 < result.debye_temperature_k < 680  # 645 K by experiment (Kittel)
    assert result.debye_temperature_k == pytest.approx(result.debye_temperature_vrh_k, rel=0.02)
    assert {check.verdict for check in result.checks} == {"pass"}
    names = [check.name for check in result.checks]
    for name in ("Cᵢⱼ − Cⱼᵢ", "Removed by symmetrisation", "Bulk modulus from P(V) and from the tensor"):
        assert name in names
    assert json.loads(json.dumps(result.to_dict()))["c_gpa"][0][0] == c[0, 0]


def test_constants_to_copy(result):
    c = result.c_gpa
    markdown, latex = constants_markdown(result), constants_latex(result)
    for k, (i, j) in {"11": (0, 0), "12": (0, 1), "44": (3, 3)}.items():
        sigma = result.uncertainty[f"c{k}_gpa"]
        assert f"| C{k} | {c[i, j]:.1f} | {sigma:.1f} |" in markdown
        assert f"$C_{{{k}}}$ & {c[i, j]:.1f} & {sigma:.1f} \\\\" in latex
    unknown = constants_markdown(replace(result, pressure_gpa=1.0))  # errors are calibrated at zero pressure alone
    assert f"| C11 | {c[0, 0]:.1f} | – |" in unknown
    assert f"| K | {result.k_vrh_gpa:.1f} |" in markdown
    assert len(markdown.splitlines()) == 2 + 5
    rows = list(csv.DictReader(io.StringIO(tensor_csv(result))))
    assert [float(rows[0][n]) for n in ("xx", "yy")] == [c[0, 0], c[0, 1]]
    assert {r["ions"] for r in rows} == {"relaxed", "clamped", "relaxed, sigma"}
    # Of equal constants one is known by name, the others by symmetry.
    assert float(rows[-1]["xy"]) == result.uncertainty["c44_gpa"]


def test_bulk_modulus_from_pressures_of_a_crystal_whose_shape_relaxes():
    potential = load("sus2-universal-pbe")
    result = elastic(bulk("GaN", "wurtzite", a=3.2, c=5.2), potential)
    (check,) = [c for c in result.checks if c.name.startswith("Bulk modulus from P(V)")]
    assert check.verdict == "pass"
    assert check.value < 0.2
    wrong = replace(result, c_gpa=1.03 * result.c_gpa)
    assert _check_bulk_modulus(wrong, potential, None).verdict == "warn"


@pytest.mark.parametrize("method", ["finite", "pymatgen", "elastic-package"])
def test_finite_strains_agree_with_exact_derivatives(silicon, result, method):
    if method == "elastic-package":
        pytest.importorskip("elastic", reason="the optional package elastic is not installed")
    other = elastic(bulk("Si"), silicon, method=method, cross_checks=False)
    limit = {"finite": 5e-4, "pymatgen": 0.5, "elastic-package": 0.5}[method]
    assert result.difference_gpa(other) < limit
    np.testing.assert_allclose(other.clamped_c_gpa, result.clamped_c_gpa, atol=limit)
    assert result.check_against(other).verdict == "pass"


def test_copies_and_supercells_have_the_same_relaxed_tensor(silicon, result):
    other = bulk("Si")
    other.rotate(21.0, (3, 1, -2), rotate_cell=True)
    other = make_supercell(other, [[1, 1, 0], [0, 1, 0], [0, 0, 1]])
    # Both relaxations stop at a stress of 1e-3 GPa.
    assert elastic(other, silicon, cross_checks=False).c_gpa == pytest.approx(result.c_gpa, abs=0.02)


def test_pressure(silicon):
    squeezed = elastic(bulk("Si"), silicon, pressure_gpa=3.0)
    assert squeezed.stress_gpa == pytest.approx([-3, -3, -3, 0, 0, 0], abs=2e-3)
    assert "Birch" in squeezed.stability
    other = elastic(squeezed.atoms, silicon, relaxed=True, method="finite", pressure_gpa=3.0)
    assert squeezed.difference_gpa(other) < 1e-3
    # The bulk modulus of the Birch coefficients is -V dP/dV.
    volumes, pressures = [], []
    for scale in (0.999, 1.001):
        cell = squeezed.atoms.copy()
        cell.set_cell(cell.cell * scale, scale_atoms=True)
        volumes.append(cell.cell.volume)
        pressures.append(-np.mean(silicon.evaluate([cell])[0].stress_ev_per_a3[:3]) * 160.21766208)
    slope = -squeezed.atoms.cell.volume * (pressures[1] - pressures[0]) / (volumes[1] - volumes[0])
    assert squeezed.voigt.k_gpa == pytest.approx(slope, rel=1e-4)
    slopes = next(c for c in squeezed.checks if c.name.startswith("Speeds of sound"))
    assert slopes.value < 0.01


def test_published_alloy_potential_by_all_methods(shared):
    """Cells in which the elastic package goes wrong unless it gets the standard conventional one."""
    models = shared / "reference" / "models"
    listed = json.loads((shared / "reference" / "models.json").read_text())["alloy"]
    potential = load(models / "alloy.mtp", elements=listed["elements"])
    tetragonal = Atoms("CuAu", scaled_positions=[(0, 0, 0), (0.5, 0.5, 0.5)], cell=[3.7, 2.85, 2.85], pbc=True)
    exact = elastic(tetragonal, potential, cross_checks=False)
    assert exact.crystal_system == "tetragonal"
    assert exact.c_gpa[3, 3] > 20
    for method in ("finite", "pymatgen"):
        other = elastic(exact.atoms, potential, relaxed=True, method=method, cross_checks=False)
        assert exact.check_against(other).value < 1.0, method
    # That package leaves C44 of tetragonal crystals out; what it does give agrees, and its result says so.
    pytest.importorskip("elastic", reason="the optional package elastic is not installed")
    package = elastic(exact.atoms, potential, relaxed=True, method="elastic-package", cross_checks=False)
    for i, j in ((0, 0), (2, 2), (0, 1), (0, 2), (5, 5)):
        assert package.c_gpa[i, j] == pytest.approx(exact.c_gpa[i, j], rel=0.02)
    assert exact.check_against(package).verdict == "fail"
    assert next(c for c in package.checks if c.name == "Scope of the elastic package").verdict == "warn"


def test_any_calculator_by_finite_strains():
    """Effective-medium copper has published constants: 173.8, 115.4, 90.9 GPa within a few percent."""
    found = elastic(bulk("Cu", cubic=True), emt(), method="finite", cross_checks=False)
    np.testing.assert_allclose([found.c_gpa[0, 0], found.c_gpa[0, 1], found.c_gpa[3, 3]], [173, 115, 90], rtol=0.03)
    if pytest.importorskip("elastic"):
        package = elastic(bulk("Cu"), emt(), method="elastic-package", cross_checks=False)
        np.testing.assert_allclose(package.c_gpa, found.c_gpa, atol=3.0)


def test_refusals(silicon, monkeypatch):
    with pytest.raises(Sus2Error, match="method must be one of"):
        elastic(bulk("Si"), silicon, method="magic")
    with pytest.raises(Sus2Error, match="method='finite'"):
        elastic(bulk("Cu"), emt(), method="exact")
    with pytest.raises(Sus2Error, match="finite number"):
        elastic(bulk("Si"), silicon, pressure_gpa=math.nan)
    with pytest.raises(StructureError):
        elastic(Atoms("Si"), silicon)

    def stop(stage: str, fraction: float) -> None:
        raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        elastic(bulk("Si"), silicon, progress=stop)
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "elastic":
            raise ModuleNotFoundError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(Sus2Error, match="not installed"):
        elastic(bulk("Si"), silicon, method="elastic-package", relaxed=True)


def test_public_name():
    assert sus2.elastic is elastic


# ---- averages and directions

QUARTZ = np.array(  # GPa, McSkimin et al. 1965
    [
        [86.8, 7.0, 11.9, -18.0, 0, 0],
        [7.0, 86.8, 11.9, 18.0, 0, 0],
        [11.9, 11.9, 105.8, 0, 0, 0],
        [-18.0, 18.0, 0, 58.2, 0, 0],
        [0, 0, 0, 0, 58.2, -18.0],
        [0, 0, 0, 0, -18.0, 39.9],
    ]
)


def test_isotropic_solid():
    k, g = 70.0, 30.0
    c = np.zeros((6, 6))
    c[:3, :3] = k - 2 * g / 3
    c[np.arange(6), np.arange(6)] = [k + 4 * g / 3] * 3 + [g] * 3
    n = np.array([[1.0, 2.0, -3.0], [0.0, 0.0, 1.0]])
    for average in (voigt_average(c), reuss_average(c), hill_average(c)):
        assert (average.k_gpa, average.g_gpa) == pytest.approx((k, g))
        np.testing.assert_allclose(youngs_modulus_gpa(c, n), average.e_gpa)
        np.testing.assert_allclose(poissons_ratio(c, n), average.nu)
    np.testing.assert_allclose(shear_modulus_gpa(c, n), g)
    np.testing.assert_allclose(linear_compressibility_per_tpa(c, n), 1e3 / (3 * k))


def test_transverse_extremes_are_those_of_a_scan():
    s = compliance(QUARTZ)
    for n in np.array([[0.3, -0.5, 0.8], [1.0, 0.0, 0.0], [0.0, 0.6, 0.8]]):
        n = n / np.linalg.norm(n)
        p = np.cross(n, [0.1, 0.9, -0.3])
        p /= np.linalg.norm(p)
        angle = np.linspace(0, np.pi, 3601)
        m = np.cos(angle)[:, None] * p + np.sin(angle)[:, None] * np.cross(n, p)
        g = 0.25 / np.einsum("ijkl,i,aj,k,al->a", s, n, m, n, m)
        nu = -np.einsum("ijkl,i,j,ak,al->a", s, n, n, m, m) / np.einsum("ijkl,i,j,k,l", s, n, n, n, n)
        np.testing.assert_allclose(shear_modulus_gpa(QUARTZ, n)[0], [g.min(), g.max()], rtol=1e-5)
        np.testing.assert_allclose(poissons_ratio(QUARTZ, n)[0], [nu.min(), nu.max()], atol=1e-5)


def test_extremes_over_the_sphere():
    """Cubic crystals have theirs along <100> and <111>: E = 1/(S11 - 2 J (S11 - S12 - S44/2)), J = 0 and 1/3."""
    c = np.zeros((6, 6))
    c[:3, :3] = 64.0
    c[np.arange(6), np.arange(6)] = [166.0] * 3 + [80.0] * 3
    s = np.linalg.inv(c)
    found = extremes(lambda n: youngs_modulus_gpa(c, n))
    assert found.minimum == pytest.approx(1 / s[0, 0], rel=1e-8)
    assert found.maximum == pytest.approx(1 / (s[0, 0] - 2 / 3 * (s[0, 0] - s[0, 1] - s[3, 3] / 2)), rel=1e-8)
    np.testing.assert_allclose(np.abs(found.at_maximum), 3**-0.5, atol=1e-4)


def test_kelvin_eigenvalues_do_not_depend_on_the_axes():
    frame, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))
    np.testing.assert_allclose(
        np.linalg.eigvalsh(kelvin(rotated(QUARTZ, frame))), np.linalg.eigvalsh(kelvin(QUARTZ)), rtol=1e-12
    )
    np.testing.assert_allclose(
        voigt_to_tensor(rotated(QUARTZ, frame)),
        np.einsum("ai,bj,ck,dl,ijkl->abcd", *[frame] * 4, voigt_to_tensor(QUARTZ), optimize=True),
        atol=1e-10,
    )


def test_singular_tensor_has_no_compliance():
    with pytest.raises(Sus2Error, match="singular"):
        compliance(np.diag([1.0, 1, 1, 1, 1, 0]))


def test_an_unstable_crystal_says_so(silicon):
    """Face-centred silicon: its record has no number that is not one."""
    found = elastic(bulk("Si", "fcc", a=3.87), silicon)
    assert not found.stable
    assert "unstable" in found.stability
    assert next(c for c in found.checks if c.name == "Elastic stability").verdict == "fail"
    json.dumps(found.to_dict(), allow_nan=False)
    assert found.to_dict()["debye_temperature_k"] is None
