"""The app: router and page frame. Run it with `sus2 app` or `streamlit run app.py`."""

from __future__ import annotations

import streamlit as st

from pages._parts import frame
from pages._parts.sign_in import require_sign_in

# section: (script below pages/, title, icon, path in the address)
PAGES = {
    "": (
        ("start", "Start", "home", ""),
        ("structure", "Structure", "deployed_code", "structure"),
        ("history", "History", "history", "history"),
    ),
    "Properties": (
        ("properties/eos", "Equation of state", "show_chart", "eos"),
        ("properties/elasticity", "Elasticity", "compress", "elasticity"),
        ("properties/phonons", "Phonons", "waves", "phonons"),
        ("properties/thermal", "Thermal properties", "thermostat", "thermal"),
        ("many_structures", "Many structures", "stacks", "many"),
        ("screening", "Screening", "filter_alt", "screening"),
    ),
    "Potentials": (
        ("potentials/compare", "Compare", "compare_arrows", "compare"),
        ("potentials/check", "Model check", "fact_check", "check"),
        ("potentials/transfer", "Transfer learning", "school", "transfer"),
        ("potentials/models", "Models", "grid_view", "models"),
    ),
    "Learn": (("learn", "Learn", "menu_book", "learn"),),
}

st.set_page_config(page_title="SUS2 Explorer", page_icon="💠", layout="wide")
require_sign_in()

page = st.navigation(
    {
        section: [
            st.Page(
                f"pages/{script}.py", title=title, icon=f":material/{icon}:", url_path=path or None, default=not path
            )
            for script, title, icon, path in scripts
        ]
        for section, scripts in PAGES.items()
    },
    expanded=True,
)
frame.sidebar()
page.run()
