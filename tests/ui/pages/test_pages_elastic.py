"""The pages of elasticity and thermal properties show the numbers of their functions."""

from __future__ import annotations

from ase.build import bulk
from streamlit.testing.v1 import AppTest

import sus2
from sus2.trust.digits import digits_of
from tests.ui.pages.test_pages import open_tab, script


def opened(app: AppTest, page: str) -> AppTest:
    app.query_params["crystal"] = "si"
    app.query_params["model"] = "si-mlearn-pbe"
    app.run()
    app.switch_page(script(page)).run()
    assert not app.exception
    assert not app.error
    return app


def shown(app: AppTest) -> str:
    return " ".join(m.value for m in app.markdown)


def test_elasticity(app: AppTest) -> None:
    opened(app, "elasticity")
    result = sus2.elastic(bulk("Si", cubic=True, a=5.43), sus2.load("si-mlearn-pbe"), cross_checks=False)
    sigma = result.uncertainty["k_vrh_gpa"]
    assert sigma > 0.1
    assert f"{result.k_vrh_gpa:.{digits_of(2, sigma)}f}" in shown(app)  # no digit that its error makes meaningless
    assert f"{result.k_vrh_gpa:.2f}" not in shown(app)
    assert "compute_other_methods" not in [b.key for b in app.button]  # only the open tab is drawn
    open_tab(app, "elastic_tab", "Methods compared")
    app.button(key="compute_other_methods").click().run()
    assert not app.exception
    assert any("difference, Finite strain, pymatgen" in d.value.columns for d in app.dataframe)
    open_tab(app, "elastic_tab", "Directions")
    for quantity in ("poissons_ratio", "shear_modulus", "compressibility"):
        app.selectbox(key="elastic_quantity").set_value(quantity).run()
        assert not app.exception
    open_tab(app, "elastic_tab", "Tensor")
    open_tab(app, "elastic_tab", "Directions")
    assert app.selectbox(key="elastic_quantity").value == "compressibility"  # kept while its tab was closed
    open_tab(app, "elastic_tab", "Tensor")
    before = shown(app)
    app.number_input(key="elastic_pressure").set_value(5.0).run()
    assert not app.exception
    assert any("Birch" in s.value for s in app.success)
    assert shown(app) != before


def test_thermal(app: AppTest) -> None:
    opened(app, "thermal")
    axis = [float(t) for t in range(0, 1001, 10)]
    result = sus2.thermal(bulk("Si"), sus2.load("si-mlearn-pbe"), mesh=50.0, temperatures_k=axis)
    assert f"{result.at('bulk_modulus_gpa', 300.0):.1f}" in shown(app)
    app.slider(key="thermal_t_1000").set_value(700).run()
    assert f"{result.at('bulk_modulus_gpa', 700.0):.1f}" in shown(app)
    for name in ("Thermal expansion", "Bulk modulus", "Heat capacity", "Grüneisen", "Free energy"):
        open_tab(app, "thermal_tab", name)
    assert any("phonopy" in c.value for c in app.caption)
    app.slider(key="thermal_highest").set_value(400).run()
    assert not app.exception
