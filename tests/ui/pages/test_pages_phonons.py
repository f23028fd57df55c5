"""The page of phonons: bands with their errors, modes in motion side by side, an imaginary mode followed."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from streamlit.testing.v1 import AppTest

import sus2
from sus2.lessons.first import body_centred_hafnium
from sus2.properties.phonons.report import phonon_report
from sus2.structures import sample, write_structure
from tests.ui.pages.test_pages import open_tab, opened, script, upload


def words(app: AppTest) -> str:
    return " ".join(e.value for e in (*app.markdown, *app.caption, *app.success, *app.warning))


def test_modes_move_side_by_side_and_have_names(app: AppTest) -> None:
    opened(app, "phonons", crystal="si", model="si-mlearn-pbe")
    assert "LO-TO" not in words(app)  # silicon is not polar
    open_tab(app, "phonon_tab", "Modes in motion")
    labels = app.selectbox(key="phonon_branch").options
    assert any("T2g, Raman" in option for option in labels)
    app.multiselect(key="phonon_beside_Γ_5").set_value([0]).run()
    app.toggle(key="phonon_motion_arrows").set_value(True).run()
    assert not app.exception
    assert "Mode 6" in words(app)
    assert "Mode 1" in words(app)


def test_thermal_functions_have_their_errors_in_numbers_and_bands(app: AppTest) -> None:
    opened(app, "phonons", crystal="si", model="sus2-universal-pbe")
    report = phonon_report(sample("si").atoms(), sus2.load("sus2-universal-pbe"))
    sigma = report.thermal_sigma
    assert report.thermal is not None
    assert np.isfinite(sigma["entropy_j_per_k_mol"]).all()
    open_tab(app, "phonon_tab", "Thermal functions")
    k = int(np.argmin(np.abs(report.thermal.temperatures_k - 300.0)))
    said = words(app).replace("\\", "")
    for spread in sigma.values():
        assert f"± {spread[k] / report.thermal.formula_units:.2g}" in said
    _, draw = app.session_state["figures"]["phonon_thermal"]
    figure = draw() if callable(draw) else draw
    assert sum(trace["name"] == "± 1 σ" for trace in figure.to_dict()["data"] if "name" in trace) == 3


def test_an_imaginary_mode_is_followed_from_its_warning(app: AppTest) -> None:
    cubic: Atoms = body_centred_hafnium()
    opened(app, "phonons", model="sus2-universal-pbe")
    upload(app, "hafnium.cif", write_structure(cubic, "cif").encode())
    app.switch_page(script("phonons")).run()  # an upload leads to the page of the structure
    app.button(key="compute_phonon_report").click().run()
    assert any("Imaginary modes" in w.value for w in app.warning)
    app.button(key="compute_follow_strongest").click().run()
    assert not app.exception
    assert "meV/atom below" in words(app)
    app.button(key="phonon_lowerfollow_strongest").click().run()
    assert not app.exception
