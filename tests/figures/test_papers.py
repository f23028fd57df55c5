"""Figures for papers: the same data as on the screen, whole files, and scripts that need nothing of ours."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sus2.errors import Sus2Error
from sus2.figures.papers.convert import PaperStyle, describe, drawable, paper_file, paper_script
from sus2.figures.properties.elastic import bars_figure, cuts_figure, surface_figure, tensor_figure
from sus2.figures.properties.phonons import bands_figure
from sus2.figures.properties.thermal import temperature_figure
from sus2.figures.theme import ink

C = np.diag([200.0, 200, 200, 80, 80, 80]) + np.pad(np.full((3, 3), 100.0) - 100 * np.eye(3), (0, 3))


def bands(mode="light"):
    f = np.linspace(-0.5, 5.0, 6)
    return bands_figure(
        distance_per_a=np.array([0.0, 0.1, 0.2, 0.2, 0.3, 0.4]),
        segments=[slice(0, 3), slice(3, 6)],
        ticks=[(0.0, "Γ"), (0.2, "X|K"), (0.4, "Γ")],
        frequencies_thz=np.column_stack([f, f + 1]),
        dos_frequencies_thz=f,
        dos_total_per_thz=f**2,
        dos_projected_per_thz={"Na": f, "Cl": f},
        sigma_thz=np.full((6, 2), 0.2),
        pick=True,
        mode=mode,
    )


def test_the_data_are_those_of_the_screen() -> None:
    found = describe(bands())
    left, right = found["panels"]
    assert left["xticks"] == [[0.0, 0.2, 0.4], ["Γ", "X|K", "Γ"]]
    assert left["ylabel"] == "Frequency (THz)"
    line = next(i for i in left["items"] if i["kind"] == "line")
    assert line["y"][:3] == pytest.approx([-0.5, 0.6, 1.7])
    assert line["y"][3] is None
    assert len([i for i in left["items"] if i["kind"] == "band"]) == 4
    assert [i["legend"] for i in left["items"] if i["kind"] == "band"].count("± 1 σ") == 1
    assert len([i for i in left["items"] if i["kind"] == "line"]) == 1  # the points to click are left out
    assert [i["legend"] for i in right["items"] if i["kind"] == "line"] == ["all atoms", "Na", "Cl"]
    assert right["sharey"] == 0
    assert right["box"][0] >= left["box"][0] + left["box"][2]


def test_the_dark_page_gives_the_light_figure() -> None:
    assert describe(bands("dark")) == describe(bands())
    assert ink("dark") not in str(describe(bands("dark")))


def test_indices_are_written_as_matplotlib_does() -> None:
    figure = temperature_figure(
        temperatures_k=[0, 1], curves={"C<sub>p</sub>": [1, 2]}, label="E<sub>0</sub>", unit="J"
    )
    (panel,) = describe(figure)["panels"]
    assert panel["ylabel"] == "E$\\mathregular{_{0}}$ (J)"


@pytest.mark.parametrize(
    "figure",
    [
        bands(),
        tensor_figure(c_gpa=C),
        cuts_figure(c_gpa=C, quantity="poissons_ratio", points=31),
        bars_figure(groups={"a": {"C11": 1.0, "C12": 2.0}, "b": {"C11": 1.5, "C12": 2.5}}),
    ],
    ids=["bands", "tensor", "cuts", "bars"],
)
def test_every_flat_figure_becomes_a_file_as_wide_as_asked(figure) -> None:
    style = PaperStyle(width_cm=8.6, dpi=100)
    with Image.open(io.BytesIO(paper_file(figure, style, "png"))) as image:
        pixels = np.asarray(image.convert("L"))
    assert 0.75 < pixels.shape[1] / (8.6 / 2.54 * 100) < 1.15
    # Nothing touches the edge, so nothing was cut off.
    assert min(pixels[0].min(), pixels[-1].min(), pixels[:, 0].min(), pixels[:, -1].min()) == 255
    assert paper_file(figure, style, "pdf").startswith(b"%PDF")
    assert b"</svg>" in paper_file(figure, style, "svg")


def test_the_script_draws_the_figure_alone(tmp_path: Path) -> None:
    style = PaperStyle(dpi=60, font="serif")
    (tmp_path / "figure.py").write_text(paper_script(bands(), style, "NaCl bands"), encoding="utf-8")
    subprocess.run([sys.executable, "-I", "figure.py"], cwd=tmp_path, check=True)
    assert {p.name for p in tmp_path.iterdir()} == {"figure.py", *(f"NaCl-bands.{e}" for e in ("pdf", "svg", "png"))}
    with (
        Image.open(tmp_path / "NaCl-bands.png") as theirs,
        Image.open(io.BytesIO(paper_file(bands(), style, "png"))) as ours,
    ):
        assert abs(theirs.size[0] - ours.size[0]) < 12
    assert "sus2" not in (tmp_path / "figure.py").read_text(encoding="utf-8")


def test_three_dimensions_are_refused_in_a_sentence() -> None:
    surface = surface_figure(c_gpa=C, quantity="youngs_modulus", resolution=8)
    assert not drawable(surface)
    with pytest.raises(Sus2Error, match="flat figures"):
        paper_file(surface, PaperStyle(), "png")
