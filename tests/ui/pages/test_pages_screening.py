"""Screening: databases of the server's folder and of one's own, filters, plots, failures, the way to a structure."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from streamlit.testing.v1 import AppTest

from sus2.figures.screening import MANY, parallel_figure, screening_figure
from sus2.jobs.executor import InlineExecutor
from sus2.screening.read import MAX_RESULTS, read_atoms, read_screening, screens
from sus2.screening.start import screen
from sus2.structures import content_key

MODEL = "si-mlearn-pbe"
CRYSTALS: dict[str, Any] = {
    "set/cubic": bulk("Si", "diamond", a=5.5, cubic=True),
    "set/primitive": bulk("Si", "diamond", a=5.4),
    "set/squeezed": bulk("Si", "diamond", a=2.5),
    "set/copper": bulk("Cu"),
    "set/molecule": Atoms("Si2", positions=[[0, 0, 0], [0, 0, 2.3]]),
    "<b>bold</b> $x$": bulk("Si", "diamond", a=5.45),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("screens")
    executor = InlineExecutor()
    screen(CRYSTALS, MODEL, properties=["relax", "elastic"], out=folder / "silicon.db", executor=executor)
    executor.shutdown()
    return folder


@pytest.fixture
def folder(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SUS2_SCREENS", str(made))
    return made


def opened(app: AppTest) -> AppTest:
    app.query_params["crystal"] = "si"
    app.query_params["model"] = MODEL
    app.run()
    app.switch_page("pages/screening.py").run()
    assert not app.exception
    assert not app.error
    return app


def table(app: AppTest, column: str) -> Any:
    (found,) = [d.value for d in app.dataframe if column in d.value.columns]
    return found.set_index("name")


def figure(app: AppTest, key: str) -> Any:
    made = app.session_state["figures"][key][1]
    return made() if callable(made) else made


def test_without_a_folder_it_asks_for_a_file(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUS2_SCREENS", raising=False)
    opened(app)
    assert any("sus2 screen" in i.value for i in app.info)
    assert not [s for s in app.selectbox if s.label == "Database of this server"]


def test_a_database_of_the_server(app: AppTest, folder: Path) -> None:
    opened(app)
    assert app.selectbox(key="screen_file").options == ["silicon.db"]
    found = table(app, "k_vrh_gpa")
    expected = read_screening(folder / "silicon.db")
    assert list(found.index) == [row.name for row in expected.rows]
    k = found.loc["set/cubic", "k_vrh_gpa"]
    assert 80 < k < 110
    assert np.isnan(found.loc["set/copper", "k_vrh_gpa"])
    why = table(app, "property")
    assert "does not cover Cu" in why.loc["set/copper", "reason"].iloc[0]
    assert set(why.loc["set/squeezed", "property"]) == {"relax", "elastic"}
    unread = [d.value for d in app.dataframe if list(d.value.columns) == ["name", "reason"]]
    assert list(unread[0]["name"]) == ["set/molecule"]
    points = figure(app, "screen_scatter").data[0]
    assert k in points.y
    lines = figure(app, "screen_parallel").data[0]
    assert lines.type == "parcoords"


def test_filters(app: AppTest, folder: Path) -> None:
    opened(app)
    app.text_input(key="screen_search").set_value("cubic").run()
    assert list(table(app, "k_vrh_gpa").index) == ["set/cubic"]
    app.text_input(key="screen_search").set_value("").run()
    app.multiselect(key="screen_elements").set_value(["Cu"]).run()
    assert list(table(app, "problems").index) == ["set/copper"]
    app.multiselect(key="screen_elements").set_value([]).run()
    app.multiselect(key="screen_limited").set_value(["k_vrh_gpa"]).run()
    app.number_input(key="screen_low_k_vrh_gpa").set_value(1e9).run()
    assert any("No structure passes" in i.value for i in app.info)
    app.number_input(key="screen_low_k_vrh_gpa").set_value(80.0).run()
    assert not app.exception
    assert set(table(app, "k_vrh_gpa").index) >= {"set/cubic", "set/primitive"}


def test_a_structure_is_taken_to_the_other_pages(app: AppTest, folder: Path) -> None:
    opened(app)
    atoms = CRYSTALS["set/cubic"]
    row = next(r for r in read_screening(folder / "silicon.db").rows if r.name == "set/cubic")
    assert row.structure == content_key(atoms)
    app.session_state["screen_picked"] = (row.structure, row.potential)
    app.run()
    assert not app.exception
    app.button(key="screen_open").click().run()
    assert not app.exception
    assert app.session_state["crystal_key"] == content_key(atoms)
    assert app.query_params["crystal"] == content_key(atoms)
    app.switch_page("pages/structure.py").run()
    assert not app.exception
    assert not app.error
    assert app.session_state["own_crystals"][content_key(atoms)][0] == "set/cubic"


def test_a_database_of_ones_own(app: AppTest, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUS2_SCREENS", raising=False)
    opened(app)
    data = (made / "silicon.db").read_bytes()
    app.main.file_uploader(key="screen_upload").set_value([("mine.db", data, "application/x-sqlite3")]).run()
    assert not app.exception
    assert not app.error
    assert 80 < table(app, "k_vrh_gpa").loc["set/primitive", "k_vrh_gpa"] < 110
    for rubbish in (b"nothing", b"SQLite format 3\x00" + b"\xff" * 5000, data[: len(data) // 2]):
        app.main.file_uploader(key="screen_upload").set_value([("bad.db", rubbish, "application/x-sqlite3")]).run()
        assert not app.exception
        assert len(app.error) == 1


# Databases that somebody has made to do harm --------------------------------------------------------------------


def changed(made: Path, tmp_path: Path, *statements: str) -> Path:
    path = tmp_path / "changed.db"
    path.write_bytes((made / "silicon.db").read_bytes())
    db = sqlite3.connect(path)
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()
    return path


@pytest.mark.parametrize("as_bytes", [False, True])
def test_hostile_databases_are_refused(made: Path, tmp_path: Path, as_bytes: bool) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    view = f"CREATE VIEW results AS SELECT i AS structure, i AS potential FROM ({endless})"
    for statements in (
        ("DROP TABLE results", view),
        ("DROP TABLE results", "CREATE VIRTUAL TABLE results USING fts5(structure, potential)"),
        ("DROP TABLE about",),
        ("UPDATE about SET value = '99'",),
    ):
        path = changed(made, tmp_path, *statements)
        with pytest.raises(Exception, match=r"not of a screening|another release"):
            read_screening(path.read_bytes() if as_bytes else path)


def test_strange_values_are_left_out(made: Path, tmp_path: Path) -> None:
    path = changed(
        made,
        tmp_path,
        """UPDATE results SET numbers = '{"k_vrh_gpa": 1e999, "evil": 3, "g_vrh_gpa": "x", "nu_vrh": true}'""",
        "UPDATE results SET words = '[[[[', reason = zeroblob(100000)",
        "UPDATE structures SET atoms = '{\"numbers\": [\"x\"]}', n_atoms = 'many'",
        "CREATE TRIGGER harm AFTER INSERT ON results BEGIN DELETE FROM results; END",
    )
    found = read_screening(path.read_bytes())
    assert found.columns == ()
    assert all(row.n_atoms == 0 and not row.words for row in found.rows)
    with pytest.raises(Exception, match="damaged"):
        read_atoms(path.read_bytes(), found.rows[0].structure)


def test_links_out_of_the_folder_are_left_out(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = tmp_path / "shown"
    shown.mkdir()
    (shown / "link.db").symlink_to(made / "silicon.db")
    (shown / "own.db").write_bytes((made / "silicon.db").read_bytes())
    (shown / "notes.txt").write_text("nothing")
    monkeypatch.setenv("SUS2_SCREENS", str(shown))
    assert list(screens()) == ["own.db"]


# Figures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_figures_of_many_points(mode: Any) -> None:
    rng = np.random.default_rng(0)
    n = 10 * MANY
    x, y = rng.normal(size=n), rng.normal(size=n)
    y[::7] = np.nan
    kinds = [f"kind {k % 12}" for k in range(n)]
    fig = screening_figure(x=x, y=y, names=kinds, groups=kinds, x_title="a", y_title="b", mode=mode)
    assert {t.type for t in fig.data} == {"scattergl"}
    assert len(fig.data) <= 7
    shown = np.concatenate([t.customdata[:, 0] for t in fig.data])
    assert sorted(shown) == np.flatnonzero(np.isfinite(y)).tolist()
    for t in fig.data:
        assert np.array_equal(t.y, y[t.customdata[:, 0]])
    lines = parallel_figure(columns={"a": x, "b": y}, mode=mode).data[0]
    assert np.array_equal(lines.dimensions[0]["values"], x[np.isfinite(y)])
    assert np.array_equal(lines.line.color, y[np.isfinite(y)])


def test_the_number_of_results_that_are_read_is_limited(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sus2.screening.read.MAX_RESULTS", 3)
    assert read_screening(made / "silicon.db").cut
    assert MAX_RESULTS >= 30_000
