"""The Structure page: view, symmetry, edits with undo, forces, neighbours and distances."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from streamlit.testing.v1 import AppTest

import sus2
from sus2.structures import content_key, describe, read_structure, sample, write_structure
from sus2.structures.edits import strain, supercell
from tests.ui.pages.test_pages import script


def opened(app: AppTest, crystal: str = "nacl", **query: str) -> AppTest:
    app.query_params["crystal"] = crystal
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    app.switch_page("pages/structure.py").run()
    assert not app.exception
    assert not app.error
    return app


def edit(app: AppTest, kind: str) -> AppTest:
    app.selectbox(key="edit_kind").set_value(kind).run()
    assert not app.exception
    return app


def widget(widgets: Any, start: str) -> Any:
    """The widget whose key begins so; the rest of it changes with every step."""
    (found,) = [w for w in widgets if (w.key or "").startswith(start)]
    return found


def table(app: AppTest, column: str) -> Any:
    """The table that has this column."""
    (found,) = [d.value for d in (*app.dataframe, *app.table) if column in d.value.columns]
    return found


def facts(app: AppTest) -> str:
    return " ".join(h.proto.body for h in app.get("html"))


def unfolded(app: AppTest, key: str) -> AppTest:
    """With a folded part open, which is drawn from then on."""
    app.session_state[key] = True
    return app.run()


def press(app: AppTest, key: str) -> AppTest:
    app.button(key=key).click().run()
    assert not app.exception
    return app


def test_it_opens_with_the_crystal(app: AppTest) -> None:
    opened(app)
    assert f"{describe(sample('nacl').atoms()).volume_a3:.3f}" in facts(app)
    assert table(app, "letter")["letter"].tolist() == ["a", "b"]
    assert all(app.button(key=k).disabled for k in ("edit_use", "edit_add", "edit_undo"))


def test_a_supercell_becomes_the_crystal_and_is_undone(app: AppTest) -> None:
    opened(app)
    widget(app.number_input, "a_supercell").set_value(2).run()
    assert not app.exception
    block = supercell(sample("nacl").atoms(), (2, 1, 1))
    assert f"{describe(block).volume_a3:.3f}" in facts(app)
    assert app.session_state["crystal_key"] == "nacl"
    press(app, "edit_use")
    assert app.session_state["crystal_key"] == content_key(block) == app.query_params["crystal"]
    assert any("16 atoms" in m.value for m in app.sidebar.markdown)
    assert any("supercell 2" in m.value for m in app.sidebar.markdown)
    assert app.button(key="edit_use").disabled
    press(app, "edit_undo")
    assert app.session_state["crystal_key"] == "nacl"
    assert app.button(key="edit_undo").disabled


def test_edits_add_up_and_are_undone_one_by_one(app: AppTest) -> None:
    opened(app)
    edit(app, "strain")
    widget(app.slider, "zz_strain").set_value(2.0).run()
    press(app, "edit_add")
    edit(app, "supercell")
    widget(app.number_input, "c_supercell").set_value(2).run()
    press(app, "edit_add")
    both = supercell(strain(sample("nacl").atoms(), (0, 0, 2, 0, 0, 0)), (1, 1, 2))
    assert f"{describe(both).volume_a3:.3f}" in facts(app)
    assert any("strain" in c.value and "supercell" in c.value for c in app.caption)
    (code,) = [c.value for c in unfolded(app, "fold_edits").code if "from sus2.structures.edits" in c.value]
    names: dict[str, Any] = {}
    exec(code, names)
    assert content_key(names["atoms"]) == content_key(both)
    press(app, "edit_undo")
    assert f"{describe(strain(sample('nacl').atoms(), (0, 0, 2, 0, 0, 0))).volume_a3:.3f}" in facts(app)
    press(app, "edit_use")
    press(app, "edit_undo")
    assert app.session_state["crystal_key"] == "nacl"
    # The edits that led there are back, so that they can be undone in turn.
    assert any("strain" in c.value for c in app.caption)
    press(app, "edit_undo")
    assert f"{describe(sample('nacl').atoms()).volume_a3:.3f}" in facts(app)


def test_another_crystal_begins_without_edits(app: AppTest) -> None:
    opened(app)
    edit(app, "remove")
    widget(app.selectbox, "site_remove").set_value(0).run()
    press(app, "edit_add")
    app.sidebar.selectbox[0].set_value("cu").run()
    assert not app.exception
    assert app.button(key="edit_undo").disabled
    assert "Fm" in facts(app)


def test_replace_remove_symmetrise_standardise(app: AppTest) -> None:
    opened(app)
    edit(app, "replace")
    widget(app.selectbox, "new_replace").set_value("K").run()
    assert "KCl" in facts(app).replace("<sub>", "").replace("</sub>", "")
    widget(app.selectbox, "what_replace").set_value(3).run()
    assert not app.exception
    press(app, "edit_add")
    edit(app, "remove")
    widget(app.selectbox, "site_remove").set_value(0).run()
    assert any("vacancy(atoms, 0)" in c.value for c in unfolded(app, "fold_edits").code)
    assert "Na<sub>3</sub>" in facts(app)
    press(app, "edit_undo")
    edit(app, "standardise")
    widget(app.segmented_control, "to_standardise").set_value("primitive").run()
    assert f"{describe(bulk('NaCl', 'rocksalt', 5.64)).volume_a3:.3f}" in facts(app)
    edit(app, "symmetrise")
    assert table(app, "within (Å)")["space group"].tolist() == ["Fm-3m (225)"] * 7
    widget(app.select_slider, "tolerance_symmetrise").set_value(0.1).run()
    assert not app.exception
    assert not app.error


def test_an_edit_that_makes_no_sense_says_so(app: AppTest) -> None:
    opened(app)
    for axis in "abc":
        widget(app.number_input, f"{axis}_supercell").set_value(9).run()
    assert any("at most 1,000" in e.value.replace("\\", "") for e in app.error)
    assert app.button(key="edit_use").disabled
    widget(app.segmented_control, "form_supercell").set_value("3 × 3 matrix").run()
    widget(app.number_input, "m00_supercell").set_value(0).run()
    assert any("one plane" in e.value for e in app.error)


def test_the_only_atom_cannot_be_removed(app: AppTest) -> None:
    opened(app, "cu")
    edit(app, "standardise")
    widget(app.segmented_control, "to_standardise").set_value("primitive").run()
    press(app, "edit_add")
    edit(app, "remove")
    assert any("nothing is left" in i.value for i in app.info)


def test_forces_are_those_of_the_model(app: AppTest) -> None:
    opened(app, "tio2", model="sus2-universal-pbe")
    app.toggle(key="show_forces").set_value(True).run()
    assert not app.exception
    found = sus2.load("sus2-universal-pbe").evaluate([sample("tio2").atoms()])[0]
    largest = np.linalg.norm(found.forces_ev_per_a, axis=1).max()
    assert largest > 1e-2
    assert any(f"{largest:.3f} eV/Å" in m.value for m in app.markdown)


def test_forces_that_vanish_are_not_drawn(app: AppTest) -> None:
    opened(app, "si", model="si-mlearn-pbe")
    app.toggle(key="show_forces").set_value(True).run()
    assert any("nothing to draw" in c.value for c in app.caption)


def test_neighbours_and_distances(app: AppTest) -> None:
    opened(app, "si", model="si-mlearn-pbe")
    near = table(app, "coordination")
    assert near["coordination"].tolist() == ["4"]
    assert "4 Si at 2.352" in near["shells (Å)"][0]
    assert table(app, "pair")["verdict"].tolist() == ["✓ inside"]
    # Squeezed by 10 % in length five times, the bonds are shorter than any that the model was trained on.
    for _ in range(4):
        edit(app, "strain")
        for axis in ("xx", "yy", "zz"):
            widget(app.slider, f"{axis}_strain").set_value(-10.0).run()
        press(app, "edit_add")
    for axis in ("xx", "yy", "zz"):
        widget(app.slider, f"{axis}_strain").set_value(-10.0).run()
    assert table(app, "pair")["verdict"].tolist() == ["✗ far below"]
    assert any("guess" in w.value for w in app.warning)


def test_elements_that_the_model_does_not_know(app: AppTest) -> None:
    opened(app, "si", model="si-mlearn-pbe")
    edit(app, "replace")
    widget(app.selectbox, "new_replace").set_value("C").run()
    assert not app.exception
    assert any("does not cover C" in e.value.replace("\\", "") for e in app.error)


def test_large_cells_are_listed_but_not_drawn(app: AppTest) -> None:
    opened(app)
    data = write_structure(bulk("Cu", cubic=True).repeat(6), "poscar").encode()
    app.sidebar.file_uploader[0].set_value(("big.vasp", data, "text/plain")).run()
    assert not app.exception
    assert any("more than 800 atoms" in i.value for i in app.info)
    assert read_structure("big.vasp", data).get_global_number_of_atoms() == 864


@pytest.mark.parametrize("labels", ["elements", "numbers"])
def test_labels(app: AppTest, labels: str) -> None:
    opened(app, "zno")
    widget(app.selectbox, "labels_").set_value(labels).run()
    assert not app.exception
    figure = app.session_state["figures"]["structure_view"][1]
    texts = {a.text for a in figure.layout.scene.annotations}
    assert texts == ({"Zn", "O"} if labels == "elements" else {"Zn1", "O2", "Zn3", "O4"})


def test_who_uploads_comes_here_unless_another_page_was_asked_for_before_the_file_came(app: AppTest) -> None:
    opened(app)
    app.switch_page(script("history")).run()
    file = ("mine.vasp", write_structure(bulk("Si", a=5.4), "poscar").encode(), "application/octet-stream")
    app.sidebar.file_uploader[0].set_value(file).run()
    assert app.title[0].value == "Structure"
    other = ("other.vasp", write_structure(bulk("Ge", a=5.7), "poscar").encode(), "application/octet-stream")
    app.sidebar.file_uploader[0].set_value(other)
    app.switch_page(script("eos")).run()
    assert app.title[0].value == "Equation of state"
    assert "Ge" in facts(app)
