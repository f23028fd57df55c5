"""The scoreboard: its numbers are those of the property functions, and a run goes on where it was ended."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from typer.testing import CliRunner

import sus2
from sus2.errors import CancelledError, Sus2Error
from sus2.figures.textbook import grade, textbook_html, textbook_text
from sus2.registry.external import wrap_calculator
from sus2.trust.known_values.lookup import known_crystals
from sus2.validation.textbook import run
from sus2.validation.textbook.crystals import TEXTBOOK, crystals_of, score_crystal, softening_factor
from sus2.validation.textbook.result import QUANTITIES, Textbook
from sus2.validation.textbook.run import textbook


@pytest.fixture(scope="module")
def silicon(tmp_path_factory: pytest.TempPathFactory) -> tuple[Textbook, Path]:
    path = tmp_path_factory.mktemp("textbook") / "si.jsonl"
    return textbook(sus2.load("si-mlearn-pbe"), path=path, dynamics_ps=0.1), path


def test_every_crystal_is_known_with_values() -> None:
    crystals, left_out = crystals_of(tuple({s for n in TEXTBOOK for s in Atoms(n.split()[0]).get_chemical_symbols()}))
    assert left_out == ()
    assert len(crystals) >= 30
    assert set(crystals) <= set(known_crystals())


def test_the_numbers_are_those_of_the_properties(silicon: tuple[Textbook, Path]) -> None:
    report, _ = silicon
    (score,) = report.crystals
    potential = sus2.load("si-mlearn-pbe")
    relaxed = sus2.relax(bulk("Si"), potential, fmax=1e-4).atoms
    assert score.crystal == "Si diamond"
    assert score.values["b0_gpa"] == pytest.approx(sus2.eos(relaxed, potential, relaxed=True).b0_gpa, rel=1e-3)
    assert score.values["g_vrh_gpa"] == pytest.approx(
        sus2.elastic(relaxed, potential, relaxed=True, cross_checks=False).g_vrh_gpa, rel=1e-3
    )
    assert set(score.values) == set(QUANTITIES)
    assert score.elastically_stable
    assert score.dynamically_stable
    # Volume and bulk modulus of PBE silicon: 20.44 A^3 and 88.6 GPa.
    assert score.references["v0_a3_per_atom"][0] == pytest.approx(20.44, abs=0.05)
    assert abs(score.error_percent("v0_a3_per_atom")) < 1.0
    assert score.references["b0_gpa"][1] == "PBE"
    assert [d.pair for d in report.dimers] == ["Si-Si"]
    assert report.dimers[0].wall
    assert report.us_per_atom > 0.0
    assert "Cu fcc" in report.left_out
    assert not report.unstable
    assert {c.verdict for c in report.checks} == {"pass"}


def test_a_run_goes_on_where_it_was(silicon: tuple[Textbook, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    report, path = silicon
    path.write_text(path.read_text(encoding="utf-8") + '{"crystal": "cut', encoding="utf-8")

    def never(*arguments: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(run, "score_crystal", never)
    again = textbook(sus2.load("si-mlearn-pbe"), path=path, dynamics_ps=0.0)
    assert again.crystals == report.crystals
    with pytest.raises(Sus2Error, match="another potential"):
        textbook(sus2.load("ge-mlearn-pbe"), path=path)


def test_a_plug_in_says_how_far_it_is_and_stops_within_a_step(tmp_path: Path) -> None:
    class Counted(EMT):
        large = 0

        def calculate(self, atoms: Atoms, *arguments: object) -> None:  # type: ignore[override]
            Counted.large += len(atoms) > 100
            super().calculate(atoms, *arguments)

    potential = wrap_calculator(Counted(), name="counted", elements=["Al", "Cu"])
    told: list[tuple[str, float]] = []

    def progress(stage: str, fraction: float) -> None:
        told.append((str(stage), fraction))
        if stage == "Cu fcc: phonons: displacements":
            raise CancelledError("Enough.")

    path = tmp_path / "emt.jsonl"
    with pytest.raises(CancelledError):
        textbook(potential, path=path, dynamics_ps=0.0, progress=progress)
    stages = [stage for stage, _ in told]
    for part in ("relaxation: relaxing", "elastic constants: straining the cell", "phonons: displacements"):
        assert f"Al fcc: {part}" in stages
    fractions = [fraction for _, fraction in told]
    assert fractions == sorted(fractions)
    computed, Counted.large = Counted.large, 0
    assert computed == 1, "aluminium's one displacement; copper's was not begun"
    report = textbook(potential, path=path, dynamics_ps=0.0)
    assert [c.crystal for c in report.crystals] == ["Al fcc", "Cu fcc"]
    assert Counted.large == 1, "aluminium was kept"


def test_text_html_and_json(silicon: tuple[Textbook, Path]) -> None:
    report, _ = silicon
    text, page = textbook_text(report), textbook_html(report)
    for found in (text, page):
        assert "Si diamond" in found
        assert f"{report.crystals[0].values['b0_gpa']:.4g}" in found
        assert "Left out" in found
    json.dumps(report.to_dict(), allow_nan=False)
    hostile = replace(report, potential="<script>alert(1)</script>")
    assert "<script>" not in textbook_html(hostile)


def test_a_failed_step_is_a_sentence_and_the_rest_goes_on() -> None:
    class Hot(EMT):
        """Refuses large cells, as a program without memory would."""

        def calculate(self, atoms: Atoms | None = None, *arguments: object, **settings: object) -> None:
            if atoms is not None and len(atoms) > 20:
                raise RuntimeError("out of memory")
            super().calculate(atoms, *arguments, **settings)

    potential = wrap_calculator(Hot(), name="hot", elements=["Cu"], functional="none")
    score = score_crystal("Cu fcc", known_crystals()["Cu fcc"], potential)
    assert score.values["b0_gpa"] == pytest.approx(134.4, abs=2.0)
    assert score.dynamically_stable is None
    assert any(p.startswith("phonons: ") and "out of memory" in p for p in score.problems)


def test_softening_of_a_harmonic_and_of_a_soft_potential() -> None:
    class Springs:
        """Atoms held at their places by springs that lose a share of their stiffness with the displacement."""

        name, functional, elements = "springs", "none", ("Cu",)

        def __init__(self, soft: float) -> None:
            self.soft, self.home = soft, bulk("Cu").repeat((2, 2, 2)).positions

        def evaluate(self, structures: list[Atoms]) -> list[object]:
            out = []
            for atoms in structures:
                u = atoms.positions - self.home
                force = -u * (1.0 - self.soft * (u**2).sum() / len(u))
                out.append(type("E", (), {"forces_ev_per_a": force})())
            return out

    crystal = bulk("Cu").repeat((2, 2, 2))
    assert softening_factor(crystal, Springs(0.0)) == pytest.approx(1.0)  # type: ignore[arg-type]
    # u^2 is 0.04 A^2 on average at the large amplitude.
    assert softening_factor(crystal, Springs(10.0)) == pytest.approx(0.6 / (1 - 10 * 4e-4), rel=1e-6)  # type: ignore[arg-type]


def test_grades() -> None:
    assert [grade("v0_a3_per_atom", x) for x in (0.5, -2.0, 5.0, math.nan)] == ["pass", "warn", "fail", ""]
    assert [grade("b0_gpa", x) for x in (-9.0, 20.0, np.float64(-40.0))] == ["pass", "warn", "fail"]


def test_the_command_line(tmp_path: Path, silicon: tuple[Textbook, Path]) -> None:
    from sus2.cli.main import app

    page = tmp_path / "page.html"
    found = CliRunner().invoke(
        app, ["check", "si-mlearn-pbe", "--textbook", "--out", str(silicon[1]), "--html", str(page), "--json"]
    )
    assert found.exit_code == 0, found.output
    assert json.loads(found.output)["potential"] == "si-mlearn-pbe"
    assert "Si diamond" in page.read_text(encoding="utf-8")
