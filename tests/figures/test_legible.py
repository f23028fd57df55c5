"""What keeps figures and tables legible: ticks, letters and digits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from sus2.figures.comparison.compare import bands_overlay
from sus2.figures.drawn import radii_a
from sus2.figures.properties.eos import eos_figure
from sus2.figures.properties.phonons import bands_figure
from sus2.figures.structure import structure_figure
from sus2.figures.theme import step_below
from sus2.properties.eos.equations import fit_eos
from sus2.trust.digits import number_text


@pytest.mark.parametrize(
    ("value", "digits", "sigma", "text"),
    [
        (325.204, 2, 34.72, "325 ± 35"),
        (16.1632, 3, 0.2749, "16.16 ± 0.27"),
        (-12.8997, 4, 1.62, "−12.9 ± 1.6"),
        (0.344, 3, 0.048, "0.344 ± 0.048"),
        (88.3449, 2, 0.0213, "88.34 ± 0.02"),
        (88.3449, 2, 0.0013, "88.34 ± 0.001"),
        (6.69, 2, math.nan, "6.69"),
        (-0.004, 2, math.nan, "0.00"),
        (-0.31, 2, 24.0, "0 ± 24"),
    ],
)
def test_a_number_has_no_digit_that_its_error_makes_meaningless(
    value: float, digits: int, sigma: float, text: str
) -> None:
    assert number_text(value, digits, sigma) == text


@pytest.mark.parametrize("largest", [3e-4, 0.01, 0.0199, 0.2, 0.99, 1.0, 7.3, 5e4])
def test_one_or_two_ticks_stand_on_either_side_of_zero(largest: float) -> None:
    assert 1 <= math.floor(largest / step_below(largest) + 1e-9) <= 2


def test_the_axis_of_residuals_has_numbers_beside_zero() -> None:
    volumes = np.linspace(15.0, 17.0, 11)
    energies = 0.02 * (volumes - 16.0) ** 2 - 0.001 * (volumes - 16.0) ** 3 + 1e-7 * np.sin(9.0 * volumes)
    fits = {name: fit_eos(volumes, energies, name) for name in ("birch-murnaghan", "vinet")}
    for shown in (None, tuple(fits)):
        fig = eos_figure(volumes_a3=volumes, energies_ev=energies, fits=fits, chosen="vinet", n_atoms=1, shown=shown)
        largest = max(float(np.abs(t.y).max()) for t in fig.data if t.yaxis == "y2")
        assert 1 <= largest / fig.layout.yaxis2.dtick < 5


@pytest.mark.parametrize("overlay", [False, True])
def test_the_zero_of_a_density_of_states_has_no_label_where_the_path_ends(overlay: bool) -> None:
    f = np.linspace(0.0, 5.0, 4)
    path = {"distance_per_a": np.arange(4.0), "segments": [slice(0, 4)], "ticks": [(0.0, "Γ"), (3.0, "X")]}
    bands = np.column_stack([f, f])
    fig = (
        bands_overlay(**path, bands_thz={"PBE": bands}, dos={"PBE": (f, f)})
        if overlay
        else bands_figure(
            **path,
            frequencies_thz=bands,
            dos_frequencies_thz=f,
            dos_total_per_thz=f,
            dos_projected_per_thz={},
        )
    )
    assert fig.layout.xaxis2.labelalias == {"0": ""}
    assert fig.layout.xaxis.ticktext == ("Γ", "X")


@pytest.mark.parametrize(
    "atoms",
    [bulk("W", cubic=True), bulk("NaCl", "rocksalt", a=5.64), bulk("Cs"), bulk("Si", cubic=True), bulk("Ti")],
    ids=str,
)
def test_letters_of_the_axes_cover_no_atom_as_the_cell_is_seen_at_first(atoms: Atoms) -> None:
    fig = structure_figure(atoms=atoms)
    letters = next(t for t in fig.data if t.text is not None and "<i>a</i>" in t.text)
    places = np.column_stack([letters.x, letters.y, letters.z])
    eye = np.array([fig.layout.scene.camera.eye[k] for k in "xyz"])
    seen = np.linalg.svd(eye[None])[2][1:].T  # two directions across that of the eye
    corners = np.array(list(np.ndindex(2, 2, 2))) @ np.asarray(atoms.cell)
    apart = np.linalg.norm((places[:, None] - corners[None]) @ seen, axis=2)
    assert (apart > radii_a(atoms.numbers).max() + 0.2).all()
    assert np.linalg.norm(places - np.asarray(atoms.cell), axis=1).max() < 3.0, "each at its own axis"
