"""Which potential the app and the command line take for a crystal."""

from __future__ import annotations

from pathlib import Path

import pytest
from ase import Atoms
from ase.build import bulk
from typer.testing import CliRunner

import sus2
from sus2.cli.main import app
from sus2.potential.card import Card
from sus2.registry import recommendation as choice
from sus2.registry.applicability import FAIL, extrapolation_grade
from sus2.registry.load import load, models, ranking, recommend
from sus2.registry.recommendation import recommend_for
from sus2.structures import write_structure


def graphite() -> Atoms:
    return Atoms(
        "C4",
        cell=[2.46, 2.46, 6.7, 90, 90, 120],
        pbc=True,
        scaled_positions=[[0, 0, 0.25], [0, 0, 0.75], [1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]],
    )


def test_the_fit_of_diamond_is_not_taken_for_graphite() -> None:
    diamond = recommend_for(bulk("C"))
    other = recommend_for(graphite())
    assert diamond is not None
    assert other is not None
    first = recommend(["C"])
    assert first is not None
    assert diamond == first
    assert other.card.name != first.card.name
    assert extrapolation_grade(load(other.card.name), [graphite()]).largest < FAIL
    grade = extrapolation_grade(load(first.card.name), [graphite()]).largest
    assert grade > FAIL
    assert first.card.name in other.reason
    assert f"{grade:.1f}" in other.reason


def test_where_every_potential_is_far_outside_the_first_is_taken() -> None:
    strange = bulk("Si", a=2.6)
    found = recommend_for(strange)
    assert found is not None
    assert all(extrapolation_grade(load(r.card.name), [strange]).largest > FAIL for r in ranking(["Si"]))
    assert found == recommend(["Si"])


def test_a_potential_of_a_users_own_has_no_summary_and_is_not_passed_over() -> None:
    own = Card(name="not-a-file", functional="PBE", elements=("C",), shortest_distances_a={"C-C": 1.2})
    assert ranking(["C"], [*models(), own])[0].card is own
    found = recommend_for(graphite(), [*models(), own])
    assert found is not None
    assert found.card is own
    alone = recommend_for(graphite(), [own])
    assert alone is not None
    assert alone.card is own


@pytest.mark.parametrize(
    ("atoms", "asked"), [(bulk("Cu"), True), (bulk("Cu") * (10, 10, 10), False), (bulk("Cu", a=0.2), False)]
)
def test_a_crystal_of_very_many_neighbours_is_chosen_for_by_its_elements(
    monkeypatch: pytest.MonkeyPatch, atoms: Atoms, asked: bool
) -> None:
    """The page waits for the choice: a dense cell of a thousand atoms would take minutes and gigabytes."""
    calls = []
    monkeypatch.setattr(choice, "extrapolation_grade", lambda *a: calls.append(a) or extrapolation_grade(*a))
    assert recommend_for(atoms) == recommend(["Cu"])
    assert bool(calls) is asked


def test_none_where_no_potential_knows_the_elements() -> None:
    assert recommend_for(bulk("Rn", "fcc", a=6.6)) is None
    assert ranking(["Rn"]) == []


def test_the_command_line_says_which_one_it_takes_for_each_crystal(tmp_path: Path) -> None:
    for name, atoms in (("silicon", bulk("Si")), ("copper", bulk("Cu"))):
        (tmp_path / f"{name}.cif").write_text(write_structure(atoms, "cif"))
    said = CliRunner().invoke(app, ["relax", str(tmp_path / "silicon.cif"), str(tmp_path / "copper.cif"), "--json"])
    assert said.exit_code == 0, said.output
    lines = [line for line in said.stderr.splitlines() if line.startswith("Model: ")]
    assert len(lines) == 2
    assert lines[0].startswith("Model: si-mlearn-pbe has the smallest predicted error for this crystal")
    taken = sus2.recommend(bulk("Cu"), functional="PBE").card.name
    assert taken != "si-mlearn-pbe"
    assert lines[1].startswith(f"Model: {taken} is distilled from")
    assert "its predicted error for this crystal is" in lines[1]


@pytest.mark.parametrize("element", ["Na", "K", "Sr", "Cs"])
def test_no_metal_is_taken_for_an_ionic_crystal(element: str) -> None:
    pbe = next(c for c in models() if c.name == "sus2-universal-pbe")
    cards = [pbe, pbe.model_copy(update={"name": "salts", "compounds_only": True})]
    found = recommend_for(bulk(element), cards)
    assert found is not None
    assert found.card.name == "sus2-universal-pbe"
    salt = recommend_for(bulk(f"{element}Cl", "rocksalt", a=6.0), cards)
    assert salt is not None
    assert salt.card.name == "salts"
