"""The report on one crystal: its numbers are those of the functions, and its page needs nothing else."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from ase.build import bulk

import sus2
from sus2.comparison.crystal_report import CrystalReport, key_numbers, largest_changes, worst
from sus2.errors import StructureError
from sus2.figures.report import report_html
from sus2.structures import sample
from sus2.trust.digits import number_text

MODEL = "si-mlearn-pbe"


@pytest.fixture(scope="module")
def silicon() -> CrystalReport:
    return sus2.report(sample("si").atoms(), sus2.load(MODEL), others=[], label="<b>mine</b>.cif")


def test_its_numbers_are_those_of_the_functions(silicon: CrystalReport) -> None:
    atoms, potential = sample("si").atoms(), sus2.load(MODEL)
    found = {n.key: n for n in silicon.numbers}
    eos, elastic = sus2.eos(atoms, potential), sus2.elastic(atoms, potential)
    assert found["b0_gpa"].value == eos.b0_gpa
    assert found["g_vrh_gpa"].value == elastic.g_vrh_gpa
    assert found["g_vrh_gpa"].sigma == pytest.approx(elastic.uncertainty["g_vrh_gpa"], nan_ok=True)
    assert found["g_vrh_gpa"].verdict == elastic.verdicts["g_vrh_gpa"]
    assert silicon.verdict == worst([n.verdict for n in silicon.numbers])
    assert silicon.comparison is None
    assert not silicon.problems


def test_as_json_it_is_finite_and_names_what_it_is_of(silicon: CrystalReport) -> None:
    told = json.loads(json.dumps(silicon.to_dict(), allow_nan=False))
    assert told["crystal"]["space_group_number"] == 227
    assert told["potential"]["name"] == MODEL
    assert set(told["results"]) == {"eos", "elastic", "phonons"}
    assert len(told["numbers"]) == len(silicon.numbers)


def test_the_page_needs_no_network_and_holds_markup_as_text(silicon: CrystalReport) -> None:
    page = report_html(report=silicon)
    shown = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert "<b>mine" not in shown
    assert "&lt;b&gt;mine" in shown
    assert not re.search(r"<(script|link|img|iframe)[^>]*\s(src|href)=", page)
    for n in silicon.numbers:
        assert number_text(n.value, n.digits, n.sigma) in shown
    assert page.count('class="plotly-graph-div"') == 4
    assert "@media print" in page


def test_what_fails_is_said_and_the_rest_is_there() -> None:
    # Nothing holds silicon together at this distance.
    far = bulk("Si", "diamond", a=14.0)
    found = sus2.report(far, sus2.load(MODEL), others=[])
    assert found.problems
    assert len(found.problems) + len(found.results) == 3
    page = report_html(report=found)
    assert "could not be computed" in page
    with pytest.raises(StructureError):
        sus2.report(far[:0], sus2.load(MODEL))


def test_the_largest_change_of_another_functional_comes_first() -> None:
    pair = [sus2.load("sus2-universal-pbe"), sus2.load("sus2-universal-r2scan")]
    comparison = sus2.compare(sample("cu").atoms(), pair, properties=("elastic",))
    rows = largest_changes(comparison)
    sizes = [abs(d.percent or 0.0) for d in rows]
    assert sizes == sorted(sizes, reverse=True)
    assert {"volume_a3_per_atom", "k_vrh_gpa"} <= {d.key for d in rows}
    assert not {"c11_gpa", "e_vrh_gpa"} & {d.key for d in rows}


def test_numbers_of_an_unstable_crystal_leave_out_what_it_has_not(silicon: CrystalReport) -> None:
    assert "lowest_frequency_thz" not in {n.key for n in silicon.numbers}
    elastic = silicon.results["elastic"]
    assert {n.key for n in key_numbers("elastic", elastic)} == {"k_vrh_gpa", "g_vrh_gpa", "e_vrh_gpa", "nu_vrh"}
    assert all(np.isfinite(n.value) for n in silicon.numbers)
