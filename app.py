"""The app: router and frame. Run it with `sus2 app` or `streamlit run app.py`."""

from __future__ import annotations

import streamlit as st

from pages import _frame as frame
from pages._sign_in import require_sign_in

st.set_page_config(page_title="SUS2 Explorer", page_icon="💠", layout="wide")
require_sign_in()

page = st.navigation(
    {
        "": [
            st.Page("pages/start.py", title="Start", icon=":material/home:", default=True),
            st.Page("pages/structure.py", title="Structure", icon=":material/deployed_code:", url_path="structure"),
            st.Page("pages/history.py", title="History", icon=":material/history:", url_path="history"),
        ],
        "Properties": [
            st.Page("pages/eos.py", title="Equation of state", icon=":material/show_chart:", url_path="eos"),
            st.Page("pages/elasticity.py", title="Elasticity", icon=":material/compress:", url_path="elasticity"),
            st.Page("pages/phonons.py", title="Phonons", icon=":material/waves:", url_path="phonons"),
            st.Page("pages/thermal.py", title="Thermal properties", icon=":material/thermostat:", url_path="thermal"),
            st.Page("pages/batch.py", title="Many structures", icon=":material/stacks:", url_path="many"),
            st.Page("pages/screening.py", title="Screening", icon=":material/filter_alt:", url_path="screening"),
        ],
        "Potentials": [
            st.Page("pages/compare.py", title="Compare", icon=":material/compare_arrows:", url_path="compare"),
            st.Page("pages/check.py", title="Model check", icon=":material/fact_check:", url_path="check"),
            st.Page("pages/transfer.py", title="Transfer learning", icon=":material/school:", url_path="transfer"),
            st.Page("pages/models.py", title="Models", icon=":material/grid_view:", url_path="models"),
        ],
        "Learn": [
            st.Page("pages/learn.py", title="Learn", icon=":material/menu_book:", url_path="learn"),
        ],
    },
    expanded=True,
)
frame.sidebar()
page.run()
