"""The lessons, by AppTest: each opens from its address, and shows the numbers of the functions of the core."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from ase.build import bulk
from streamlit.testing.v1 import AppTest

import sus2
from pages._parts import frame
from sus2.jobs.calculation import Calculation
from sus2.jobs.queue import Job, JobQueue
from sus2.lessons.classroom import is_class
from sus2.lessons.curves import energy_curve, equation_of, fit_ranges
from sus2.lessons.first import lesson_calculations
from sus2.lessons.functionals import functional_change
from sus2.lessons.pairs import shared_scaling
from sus2.lessons.soft import soft_mode, wrong_cell
from sus2.lessons.sound import sound, supercell_study
from sus2.lessons.symmetry import strain_response
from sus2.properties.eos.universal import universal_eos
from sus2.structures.samples import sample, samples
from sus2.training.specialise.learning import learning_calculations, learning_study
from tests.ui.pages.test_pages import open_tab

LESSONS = range(1, 9)


def opened(app: AppTest, lesson: object) -> AppTest:
    app.query_params["lesson"] = str(lesson)
    app.run()
    app.switch_page("pages/learn.py").run()
    return checked(app)


def checked(app: AppTest) -> AppTest:
    assert not app.exception
    assert not app.error
    return app


def cards(app: AppTest) -> dict[str, str]:
    """Label -> value of the numbers on the page; of equal labels the last one."""
    pattern = re.compile(
        r"font-size:0.92rem'>(.*?)</div><div [^>]*><span style='white-space:nowrap'>(.*?)</span>", re.DOTALL
    )
    return {label: value for m in app.markdown for label, value in pattern.findall(m.value)}


def number(text: str) -> float:
    return float(text.replace("−", "-").replace(",", ""))


def words(app: AppTest) -> str:
    return " ".join(m.value for m in [*app.markdown, *app.caption])


@pytest.mark.parametrize("lesson", LESSONS)
def test_every_lesson_is_a_link_and_complete(app: AppTest, root: Path, lesson: int) -> None:
    opened(app, lesson)
    assert app.header[0].value.startswith(f"{lesson} ·")
    assert app.query_params["lesson"] in (str(lesson), [str(lesson)])
    assert {"Questions", "Break it", "Go on with the live pages"} <= {s.value for s in app.subheader}
    answers = [e for e in app.expander if e.label.endswith("?") or e.label.endswith(".")]
    assert 3 <= len(answers) <= 4
    assert all(a.markdown and len(a.markdown[0].value) > 60 for a in answers)
    assert app.get("plotly_chart")
    assert "nan" not in " ".join(cards(app).values())
    links = [urlsplit(b.proto.url) for b in app.get("link_button")]
    assert len(links) == 3
    keys, names = {s.key for s in samples()}, {c.name for c in sus2.models()}
    for link in links:
        query = parse_qs(link.query)
        assert any((root / "pages").rglob(f"{link.path}.py"))
        assert query["crystal"][0] in keys or re.fullmatch(r"[0-9a-f]{40}", query["crystal"][0])
        assert query["model"][0] in names


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_server_knows_what_a_lesson_asks_first(app: AppTest, lesson: int, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {q.key for q in [*lesson_calculations(), *learning_calculations()]}
    asked: list[Calculation] = []
    ask = JobQueue.submit

    def noted(queue: JobQueue, calculation: Calculation, owner: str) -> Job:
        asked.append(calculation)
        return ask(queue, calculation, owner)

    monkeypatch.setattr(JobQueue, "submit", noted)
    opened(app, lesson)
    assert asked
    assert {q.key for q in asked} <= known, [q.function for q in asked if q.key not in known]


def test_the_latest_lesson_comes_back(app: AppTest) -> None:
    opened(app, 4)
    app.switch_page("pages/start.py").run()
    app.query_params.clear()
    app.switch_page("pages/learn.py").run()
    assert checked(app).header[0].value.startswith("4 ·")


@pytest.mark.parametrize("text", ["9", "0", "x", "-1", "99999999999999999999", "<script>"])
def test_a_lesson_that_does_not_exist_opens_the_first(app: AppTest, text: str) -> None:
    opened(app, text)
    assert app.header[0].value.startswith("1 ·")


def test_one_lesson_leads_to_the_next(app: AppTest) -> None:
    opened(app, 1)
    app.button(key="lesson_after").click().run()
    assert checked(app).header[0].value.startswith("2 ·")
    app.button(key="lesson_before").click().run()
    assert checked(app).header[0].value.startswith("1 ·")


def test_lesson_1_shows_the_curve(app: AppTest) -> None:
    opened(app, 1)
    potential = sus2.load("sus2-universal-pbe")
    atoms = sample("cu").atoms()
    curve = energy_curve(atoms, potential)
    app.slider(key="l1_volume").set_value(0.8)
    app.slider(key="l1_b0_prime").set_value(3.0)
    found = cards(checked(app.run()))
    v0 = curve.fit.v0_a3
    assert number(found["Pressure, −dE/dV"]) == pytest.approx(curve.pressure_gpa(0.8 * v0), abs=0.06)
    assert number(found["Bulk modulus here"]) == pytest.approx(curve.bulk_modulus_gpa(0.8 * v0), abs=0.6)
    assert number(found["with B₀′ = 3.0"]) == pytest.approx(float(equation_of(curve.fit, 3.0, 0.85 * v0)[1]), abs=0.06)
    # The damage beside the right number.
    double, single = fit_ranges(atoms, potential)
    assert number(found["B₀′ from ± 6 %, float64"]) == pytest.approx(double.reference.b0_prime, abs=0.006)
    assert number(found["B₀′ from your settings"]) == pytest.approx(single.b0_prime[0], rel=0.01)
    assert abs(single.b0_prime[0] - double.reference.b0_prime) > 1.0
    app.select_slider(key="l1_range").set_value(40.0).run()
    found = cards(checked(app))
    assert number(found["B₀ from your settings"]) == pytest.approx(single.b0_gpa[-1], abs=0.06)


def test_lesson_2_collapses_the_curves(app: AppTest) -> None:
    opened(app, 2)
    app.segmented_control(key="l2_model").set_value("sus2-universal-pbe").run()
    right = universal_eos(sus2.load("sus2-universal-pbe"))
    before = number(cards(checked(app))["Spread at your sliders"])
    assert before == pytest.approx(right.spread_percent(0.0, 0.0), abs=0.06)
    app.slider(key="l2_length").set_value(1.0)
    app.slider(key="l2_energy").set_value(1.0)
    app.slider(key="l2_share").set_value(50).run()
    found = cards(checked(app))
    assert number(found["Spread at your sliders"]) == pytest.approx(right.spread_percent(), abs=0.06)
    assert number(found["Spread at your sliders"]) < 0.25 * before
    assert f"**{np.median(right.depth_ratios):.2f}**" in words(app)
    changed = shared_scaling(sample("cu").atoms(), sus2.load("sus2-universal-pbe"), share=0.5)
    assert number(found["Change"]) == pytest.approx(changed.volume_error_percent, abs=0.06)


def test_lesson_2_breaks_only_when_asked(app: AppTest) -> None:
    opened(app, 2)
    app.segmented_control(key="l2_model").set_value("sus2-universal-pbe").run()
    assert "45 %, all crystals kept" not in cards(checked(app))
    app.button(key="compute_learn_universal_far").click().run()
    found = cards(checked(app))
    assert number(found["45 %, all crystals kept"]) > number(found["Spread, 30 % stretch"])


def test_lesson_3_shows_stress_symmetry_and_the_clamped_ions(app: AppTest) -> None:
    opened(app, 3)
    potential = sus2.load("si-mlearn-pbe")
    c = sus2.elastic(sample("si").atoms(), potential, cross_checks=False)
    app.slider(key="l3_yz").set_value(1.0)
    app.slider(key="l3_xx").set_value(0.0).run()
    found = cards(checked(app))
    response = strain_response(c, potential, [0, 0, 0, 1, 0, 0])
    assert found["Strained"] == response.symmetry.system == "orthorhombic"
    assert number(found["C₄₄, exact, ions at rest"]) == pytest.approx(c.c_gpa[3, 3], abs=0.06)
    assert number(found["C₄₄ from your stress"]) == pytest.approx(c.clamped_c_gpa[3, 3], rel=0.01)
    assert number(found["Off by"]) > 5
    app.toggle(key="l3_hold").set_value(False).run()
    assert abs(number(cards(checked(app))["Off by"])) < 2


def test_lesson_4_finds_sound_both_ways(app: AppTest) -> None:
    opened(app, 4)
    potential = sus2.load("sus2-universal-pbe")
    s = sound(sample("al").atoms(), potential)
    app.slider(key="l4_springs").set_value(8).run()
    found = cards(checked(app))
    assert number(found["Compression: slope at Γ"]) == pytest.approx(s.slope_m_per_s[2], abs=0.6)
    assert number(found["from the elastic constants"]) == pytest.approx(s.elastic_m_per_s[2], abs=0.6)
    assert number(found["Speed of sound of the chain"]) == pytest.approx(s.slope_m_per_s[2], rel=0.01)
    study = supercell_study(sample("al").atoms(), potential)
    exact, wrong = study.worst_thz(1)
    assert number(found["Where it is worst: exact"]) == pytest.approx(exact, abs=0.006)
    assert number(found["in your supercell"]) == pytest.approx(wrong, abs=0.006)
    assert abs(exact - wrong) > 0.1


def test_lesson_5_follows_a_mode_and_makes_a_false_one(app: AppTest) -> None:
    opened(app, 5)
    # Told by its name, because the lesson also has crystals that newer weights may make stable.
    checked(app.segmented_control(key="l5_crystal").set_value("Aluminium, bcc").run())
    s = soft_mode(bulk("Al", "bcc", a=3.24), sus2.load("sus2-universal-pbe"))
    app.slider(key="l5_amplitude_1").set_value(0.1)
    app.slider(key="l5_off").set_value(5.0).run()
    found = cards(checked(app))
    assert found[f"Frequency at {s.mode.label}"] == f"{abs(s.mode.frequency_thz):.2f} i"
    assert number(found["Energy here"]) == pytest.approx(s.energy_mev_per_atom(0.1), abs=0.006)
    assert frame.space_groups(s.followed.spacegroup_relaxed) in words(app)
    w = wrong_cell(sample("caf2").atoms(), sus2.load("sus2-universal-pbe"), strain_percent=5.0)
    assert number(found["Highest, relaxed"]) == pytest.approx(w.highest_thz[0], abs=0.06)
    assert number(found["Pressure you forgot"]) == pytest.approx(w.pressure_gpa, abs=0.06)
    assert abs(w.pressure_gpa) > 1.0


def test_lesson_6_separates_volume_and_force_constants(app: AppTest) -> None:
    opened(app, 6)
    f = functional_change(sample("gaas").atoms(), [sus2.load("sus2-universal-pbe"), sus2.load("sus2-universal-r2scan")])
    found, text = cards(app), words(app)
    total, same, rest = f.frequency_shares_percent
    for value in (total, same, rest):
        assert f"{value:+.1f}".replace("-", "−") in text
    raw = f.raw_ev_per_atom
    assert number(found["Their difference"]) == pytest.approx(raw[1] - raw[0], abs=6e-4)
    right = f.formation_ev_per_atom[1] - f.formation_ev_per_atom[0]
    assert number(found["Change of the formation energy"]) == pytest.approx(right, abs=6e-4)
    assert abs(raw[1] - raw[0]) > 3 * abs(right)


def test_lesson_8_shows_what_a_student_learns(app: AppTest) -> None:
    opened(app, 8)
    small, large = (q.arguments["graph"] for q in learning_calculations())
    assert [b.key for b in app.button if b.key == f"compute_learn_learning_{large}"]
    app.button(key="l8_guess_Silicon_show").click().run()
    study = learning_study(sample("si").atoms(), sus2.load("sus2-universal-pbe"), graph=small, counts=(10, 30))
    app.select_slider(key="l8_count").set_value(30).run()
    found = cards(checked(app))
    assert number(found["Forces, other structures"]) == pytest.approx(study.fits[1].held_out_mev_per_a, abs=0.06)
    assert number(found["Frequencies, off by"]) == pytest.approx(study.frequency_error_thz(study.fits[1]), abs=0.006)
    assert f"{study.parameters} free numbers" in words(app)


@pytest.mark.parametrize(
    ("lesson", "key"),
    [(1, "l1_crystal"), (3, "l3_crystal"), (4, "l4_crystal"), (5, "l5_crystal"), (6, "l6_crystal")],
)
def test_every_crystal_of_a_lesson_opens(app: AppTest, lesson: int, key: str) -> None:
    opened(app, lesson)
    for label in app.segmented_control(key=key).options:
        app.segmented_control(key=key).set_value(label).run()
        checked(app)


def test_the_sliders_of_a_lesson_are_in_its_address(app: AppTest) -> None:
    app.query_params["l1_volume"] = "0.8"
    app.query_params["l1_b0_prime"] = "3.0"
    opened(app, 1)
    assert app.slider(key="l1_volume").value == 0.8
    assert app.slider(key="l1_b0_prime").value == 3.0


def test_a_class_sees_the_first_guesses_of_all(kept: AppTest) -> None:
    opened(kept, 1)
    open_tab(kept, "fold_class", True)
    kept.button(key="make_class").click().run()
    key = checked(kept).query_params["class"]
    assert is_class(key if isinstance(key, str) else key[0])
    kept.text_input(key="class_name").set_value("Ada").run()
    guess = next(n for n in kept.number_input if "guess" in (n.key or ""))
    guess.set_value(20.0).run()
    kept.number_input(key=guess.key).set_value(30.0).run()
    open_tab(checked(kept), "fold_answers", True)
    (table,) = [t.value for t in kept.table if "guess" in t.value.columns]
    assert list(table["name"]) == ["Ada"]
    assert table["guess"].iloc[0].startswith("20")


def test_a_link_to_no_class_says_so(app: AppTest) -> None:
    app.query_params["class"] = "<b>x</b>"
    app.query_params["lesson"] = "1"
    app.run()
    app.switch_page("pages/learn.py").run()
    assert not app.exception
    assert any("names no class" in e.value for e in app.error)


def test_the_glossary_is_on_the_page(app: AppTest) -> None:
    opened(app, 1)
    open_tab(app, "fold_glossary", True)
    assert "**Bulk modulus B₀**" in words(app)
