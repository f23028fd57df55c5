"""The page of phonons: bands with their errors, modes in motion side by side, an imaginary mode followed."""

from __future__ import annotations

from ase import Atoms
from streamlit.testing.v1 import AppTest

from sus2.lessons.first import neighborite
from sus2.structures import write_structure
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


def test_an_imaginary_mode_is_followed_from_its_warning(app: AppTest) -> None:
    cubic: Atoms = neighborite()
    opened(app, "phonons", model="sus2-ionic-pbe")
    upload(app, "neighborite.cif", write_structure(cubic, "cif").encode())
    app.switch_page(script("phonons")).run()  # an upload leads to the page of the structure
    app.button(key="compute_phonon_report").click().run()
    assert any("Imaginary modes" in w.value for w in app.warning)
    app.button(key="compute_follow_strongest").click().run()
    assert not app.exception
    assert "meV/atom below" in words(app)
    app.button(key="phonon_lowerfollow_strongest").click().run()
    assert not app.exception
