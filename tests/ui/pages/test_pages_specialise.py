"""The page Make a potential: teachers and what is missing, bad frames in one sentence, a fit that can be chosen."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from streamlit.testing.v1 import AppTest

from sus2.jobs.queue import Job
from sus2.structures import content_key, sample
from tests.ui.pages.test_pages import open_tab, opened


def frames(count: int) -> bytes:
    """Rattled copper with the labels of EMT, as extended XYZ."""
    rng = np.random.default_rng(0)
    made = []
    for k in range(count):
        atoms = bulk("Cu", "fcc", a=3.6 * (0.98 + 0.01 * (k % 4))) * (2, 1, 1)
        atoms.positions += rng.normal(scale=0.05, size=(len(atoms), 3))
        atoms.calc = EMT()
        results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(), "stress": atoms.get_stress()}
        atoms.calc = SinglePointCalculator(atoms, **results)
        made.append(atoms)
    out = io.StringIO()
    write(out, made, format="extxyz")
    return out.getvalue().encode()


def test_teachers_that_are_not_there_say_how_to_get_them(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUS2_SHARED", raising=False)
    monkeypatch.delenv("SUS2_TEACHERS", raising=False)
    opened(app, "specialise", crystal="si")
    box = app.selectbox(key="specialise_teacher")
    assert box.value == "sus2-universal-pbe"
    assert any("nequix-omat-1 (not installed)" in o for o in box.options)
    assert [b.label for b in app.button if b.key == "compute_specialise"] == ["Compute"]
    box.set_value("nequix-omat-1").run()
    assert not app.exception
    assert not [b for b in app.button if b.key == "compute_specialise"]
    assert "teacher" in " ".join(i.value for i in app.info)


def test_bad_frames_are_one_sentence_and_good_ones_a_potential(app: AppTest) -> None:
    opened(app, "specialise", crystal="cu")
    open_tab(app, "specialise_tab", "From my own data")
    app.file_uploader(key="frames_file").set_value(("frames.xyz", frames(3), "text/plain")).run()
    app.button(key="compute_fit_frames").click().run()
    assert not app.exception
    assert "3 usable of 3 frames" in " ".join(e.value for e in app.error)
    app.selectbox(key="frames_graph").set_value("l2k2")
    app.checkbox(key="frames_curve").set_value(False)
    app.file_uploader(key="frames_file").set_value(("mine.xyz", frames(24), "text/plain")).run()
    app.button(key="compute_fit_frames").click().run()
    assert not app.exception
    assert not app.error
    assert "meV/Å" in " ".join(m.value for m in app.markdown)
    # All sessions of this server may know the result, this one alone the potential.
    assert set(app.session_state["own_models"]) == {"mine"}
    assert app.session_state["model_name"] != "mine"
    app.button(key="use_frames").click().run()
    assert not app.exception
    assert app.session_state["model_name"] == "mine"
    card = app.session_state["own_models"]["mine"].card
    assert card.elements == ("Cu",)
    assert card.errors["held_out_force_mae_mev_per_a"] > 0

    # It is first for its crystal, with the reason, where one was made for a crystal.
    made = app.session_state["own_models"]["mine"]
    here = content_key(sample("cu").atoms())
    app.session_state["own_models"]["mine"] = replace(
        made, origin=replace(made.origin, crystal=here, reason="As meant.")
    )
    app.run()
    assert "Chosen: As meant." in [c.value for c in app.caption]
    assert next(b for b in app.selectbox if b.label == "Potential").options[0] == "mine"

    # The address opens it for whoever has it, and for nobody else.
    link = {name: one(app.query_params[name]) for name in ("crystal", "model", "made")}
    assert any(f"made={link['made']}" in c.value for c in app.caption)
    guest, stranger, wrong = (AppTest.from_file(app._script_path, default_timeout=120) for _ in range(3))
    opened(guest, "models", **link)
    assert guest.session_state["model_name"] == "mine"
    assert guest.session_state["own_models"]["mine"].raw == made.raw
    opened(stranger, "models", crystal="cu", model="mine")
    opened(wrong, "models", **(link | {"made": "0" * 64}))
    for session in (stranger, wrong):
        assert "own_models" not in session.session_state or not session.session_state["own_models"]
        assert session.session_state["model_name"] != "mine"


def test_labels_and_predictions_are_drawn_while_it_goes_on(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUS2_PATIENCE_MS", "0")
    monkeypatch.setattr(Job, "over", property(lambda job: False))
    monkeypatch.setattr(
        Job, "points", property(lambda job: [{"seconds": 1.0, "energy_mev_per_atom": 2.0, "force_mev_per_a": 30.0}])
    )
    pairs = {"Energy (eV/atom)": ([-3.0, -2.9], [-3.1, -2.9]), "Force (eV/Å)": ([0.1, 0.2, 0.3], [0.1, 0.2, 0.4])}
    monkeypatch.setattr(Job, "parity", property(lambda job: pairs))
    opened(app, "specialise", crystal="cu")
    open_tab(app, "specialise_tab", "From my own data")
    app.file_uploader(key="frames_file").set_value(("going.xyz", frames(40), "text/plain")).run()
    app.button(key="compute_fit_frames").click().run()
    assert not app.exception
    drawn = {chart.proto.id.split("-")[-1]: json.loads(chart.proto.spec) for chart in app.get("plotly_chart")}
    # One point is no curve of errors yet.
    assert sorted(drawn) == ["parity_live_energy", "parity_live_force"]
    marks = drawn["parity_live_force"]["data"][1]
    assert marks["mode"] == "markers"
    for axis, values in zip("xy", pairs["Force (eV/Å)"], strict=True):
        assert np.frombuffer(base64.b64decode(marks[axis]["bdata"]), marks[axis]["dtype"]).tolist() == list(values)


def one(value: str | list[str]) -> str:
    """A value of an address, which streamlit's test kit gives alone or in a list."""
    return value if isinstance(value, str) else value[0]
