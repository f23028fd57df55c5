"""Every page and every error, by AppTest (which runs the scripts without a browser)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from ase import Atoms
from ase.build import bulk, molecule
from streamlit.testing.v1 import AppTest

import sus2
from pages._parts.widgets import plain
from sus2.potential.mtp import format_mtp
from sus2.structures import write_structure
from sus2.trust.digits import number_text
from tests.helpers_spec import random_spec
from tests.potential.formats import files

SILICON = write_structure(bulk("Si", "diamond", a=5.43, cubic=True), "cif").encode()


PAGES = Path(__file__).resolve().parents[3] / "pages"


def script(page: str) -> str:
    """The script of a page by its name, relative to app.py."""
    (path,) = [p for folder in (".", "properties", "potentials") for p in (PAGES / folder).glob(f"{page}.py")]
    return f"pages/{path.relative_to(PAGES).as_posix()}"


def opened(app: AppTest, page: str, **query: str) -> AppTest:
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    if page:
        app.switch_page(script(page)).run()
    assert not app.exception
    return app


def open_tab(app: AppTest, key: str, name: str | bool) -> AppTest:
    app.session_state[key] = name
    app.run()
    assert not app.exception
    return app


def upload(app: AppTest, name: str, data: bytes) -> AppTest:
    app.sidebar.file_uploader[0].set_value((name, data, "application/octet-stream"))
    app.run()
    assert not app.exception
    return app


def pages(root: Path) -> list[str]:
    return sorted(
        p.stem for folder in (".", "properties", "potentials") for p in (root / "pages" / folder).glob("[!_]*.py")
    )


def test_every_page_opens_with_something_to_see(app: AppTest, root: Path) -> None:
    app.run()
    for name in pages(root):
        app.switch_page(script(name)).run()
        assert not app.exception, name
        assert not app.error, name
        assert app.title, name


def test_the_equation_of_state_page_shows_the_numbers_of_the_function(app: AppTest) -> None:
    opened(app, "eos", crystal="si", model="si-mlearn-pbe")
    model = app.session_state["model_name"]
    result = sus2.eos(bulk("Si", "diamond", a=5.43, cubic=True), sus2.load(model))
    shown = " ".join(m.value for m in app.markdown) + " ".join(h.value for h in app.get("html") if hasattr(h, "value"))
    # The numbers end where their errors begin.
    for key, digits in (("v0_a3_per_atom", 3), ("b0_gpa", 2)):
        sigma = result.uncertainty[key]
        value, _, error = number_text(
            result.v0_a3 / 8 if key.startswith("v0") else result.b0_gpa, digits, sigma
        ).split()
        assert f">{value}<" in shown
        assert any(c.value.startswith(plain(f"± {error} ")) for c in app.caption)


def test_the_choice_stays_between_pages(app: AppTest) -> None:
    opened(app, "structure")
    app.sidebar.selectbox[0].set_value("cu").run()
    app.switch_page("pages/properties/eos.py").run()
    assert app.session_state["crystal_key"] == "cu"
    assert app.query_params["crystal"] == "cu"


def test_an_uploaded_crystal_is_computed(app: AppTest) -> None:
    opened(app, "eos")
    upload(app, "silicon.cif", SILICON)
    assert not app.error
    app.switch_page(script("eos")).run()
    app.button(key="compute_eos").click().run()
    assert not app.exception
    assert any("Computed in" in c.value for c in app.caption)


PARTIAL = b"""data_x
_cell_length_a 4
_cell_length_b 4
_cell_length_c 4
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Si1 Si 0 0 0 0.5
Ge1 Ge 0 0 0 0.5
"""


def large() -> bytes:
    atoms = bulk("Si", cubic=True) * (9, 9, 8)
    assert len(atoms) > 5000
    return write_structure(atoms, "poscar").encode()


def xyz(atoms: Atoms) -> bytes:
    rows = [f"{s} {x} {y} {z}" for s, (x, y, z) in zip(atoms.get_chemical_symbols(), atoms.positions, strict=True)]
    return "\n".join([str(len(atoms)), "", *rows]).encode()


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("empty.cif", b"", "empty"),
        ("broken.cif", SILICON[: len(SILICON) // 3], "cut off"),
        ("picture.png", bytes(range(256)), "not a text file"),
        ("poem.txt", b"Tyger Tyger, burning bright", "no format"),
        ("molecule.xyz", xyz(molecule("H2O")), "cell"),
        ("partial.cif", PARTIAL, "partially occupied"),
        ("large.vasp", large(), "5,184"),
        ("unknown.cif", SILICON.replace(b" Si ", b" Qq "), "element"),
        ("<script>alert(1)</script>.cif", b"", "empty"),
    ],
)
def test_uploads_that_cannot_be_used(app: AppTest, name: str, data: bytes, words: str) -> None:
    opened(app, "eos")
    before = app.session_state["crystal_key"]
    upload(app, name, data)
    assert len(app.error) == 1
    message = app.main.error[0].value
    assert words in message
    assert "Traceback" not in message
    assert "\n" not in message
    assert app.session_state["crystal_key"] == before  # nothing is lost


def test_elements_that_no_model_knows(app: AppTest) -> None:
    radon = bulk("Rn", "fcc", a=6.6, cubic=True)
    opened(app, "eos")
    upload(app, "radon.cif", write_structure(radon, "cif").encode())
    app.switch_page(script("eos")).run()
    assert not app.exception
    shown = " ".join(e.value for e in [*app.error, *app.warning])
    assert "Rn" in shown


def load_own(app: AppTest, data: bytes, elements: str) -> AppTest:
    app.file_uploader(key="own_file").set_value(("mine.mtp", data, "text/plain"))
    app.text_input(key="own_elements").set_value(elements)
    next(b for b in app.button if b.label == "Load").click()
    app.run()
    assert not app.exception
    return app


def test_a_model_of_ones_own(app: AppTest) -> None:
    opened(app, "models")
    load_own(app, format_mtp(random_spec(2)).encode(), "Si Ge")
    assert any("is loaded" in s.value for s in app.success)
    assert app.session_state["model_name"] == "mine"


@pytest.mark.parametrize(
    ("data", "elements", "words"),
    [
        (b"MTP\nversion = 1.1.0\n", "Si", "mine"),
        (b"hello", "Si", "no potential that can be read"),
        (format_mtp(random_spec(2)).encode(), "Si", "2 species"),
        (format_mtp(random_spec(2)).encode(), "Si Zz", "Zz"),
        (format_mtp(random_spec(2)).encode(), "", "elements"),
    ],
)
def test_models_that_cannot_be_used(app: AppTest, data: bytes, elements: str, words: str) -> None:
    opened(app, "models")
    load_own(app, data, elements)
    assert len(app.error) == 1
    assert words in app.error[0].value


def test_the_sample_library_is_large_enough() -> None:
    from sus2.structures import samples

    assert len(samples()) >= 12
    for s in samples():
        assert np.isfinite(s.atoms().positions).all()


def test_late_news_of_a_box_that_was_renewed_undoes_no_choice(app: AppTest) -> None:
    # A browser that is slow to draw sends the value of the old sample box with its next click.
    opened(app, "eos", crystal="cu")
    old = app.sidebar.selectbox[0]
    stale = old._widget_state
    assert old.key == "sample_box_0"
    upload(app, "odd.cif", SILICON)
    key = app.session_state["crystal_key"]
    assert len(key) == 40
    states = app._tree.get_widget_states()
    assert stale.id not in {w.id for w in states.widgets}
    states.widgets.append(stale)
    app._run(states)
    assert not app.exception
    assert app.session_state["crystal_key"] == key


def test_files_of_others_load_without_elements(app: AppTest) -> None:
    opened(app, "models")
    load_own(app, files.SW_SILICON.encode(), "")
    assert app.session_state["model_name"] == "mine"
    app.switch_page("pages/properties/phonons.py").run()
    assert not app.exception
    assert app.selectbox(key="phonon_method_finite").options == ["Finite displacements in a supercell (phonopy)"]


def test_pickles_are_never_loaded(app: AppTest) -> None:
    opened(app, "models")
    load_own(app, b"PK\x03\x04rest", "Si")
    assert "never loaded from an upload" in app.error[0].value


@pytest.mark.parametrize("cut", ["made.from_link", "models", "recommend"])
def test_a_page_that_is_asked_for_at_once_has_the_crystal_and_the_potential_of_the_link(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    """A click cuts the first run short, wherever it is, and the address of the page that opens names nothing."""
    app.query_params.update({"crystal": "ge", "model": "sus2-universal-pbe"})
    with monkeypatch.context() as patch:
        patch.setattr(f"pages._parts.sidebar.{cut}", lambda *_, **__: st.stop())
        app.run()
    app.query_params.clear()
    app.switch_page(script("eos")).run()
    assert not app.exception
    assert app.query_params["crystal"] == "ge"
    assert app.query_params["model"] == "sus2-universal-pbe"
