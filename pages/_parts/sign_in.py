"""Sign-in by Streamlit's own OpenID Connect, where the server asks for it (the setting sign_in)."""

from __future__ import annotations

import streamlit as st

from pages._parts.widgets import error, plain
from sus2.settings import settings


def require_sign_in() -> None:
    """Show nothing of the app, and end the run, until the user is signed in; called by the router before all else."""
    if not settings().sign_in:
        return
    if getattr(st.user, "is_logged_in", False) is True:
        return
    st.title("SUS2 Explorer")
    if not (st.secrets.load_if_toml_exists() and "auth" in st.secrets):
        error(
            "This server asks for sign-in but names no provider: add the section [auth] to .streamlit/secrets.toml, or "
            "set sign_in to false."
        )
        st.stop()
    st.markdown("This server is open to signed-in users.")
    st.button("Sign in", type="primary", icon=":material/login:", on_click=st.login)
    st.stop()


def signed_in_panel() -> None:
    """Who is signed in, and a way out; at the end of the panel at the left."""
    if not settings().sign_in:
        return
    name = str(st.user.get("name") or st.user.get("email") or "")
    st.caption(f"Signed in as {plain(name)}" if name else "Signed in")
    st.button("Sign out", icon=":material/logout:", on_click=st.logout)
