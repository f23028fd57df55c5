"""Sign-in: nothing is shown before it, and it works with a provider that speaks OpenID Connect."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from playwright.sync_api import Browser
from streamlit.testing.v1 import AppTest

from sus2.settings import settings
from tests.helpers_oidc import CLIENT_ID, CLIENT_SECRET, provider
from tests.helpers_server import free_port, serving
from tests.ui.conftest import settled
from tests.ui.pages.test_pages import opened

AUTH = {"redirect_uri": "http://localhost/oauth2callback", "cookie_secret": "x" * 40, "client_id": "a"}


class User(dict[str, Any]):
    """As st.user is: a mapping whose entries are attributes too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


@pytest.fixture
def guarded(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("SUS2_SIGN_IN", "1")
    settings.cache_clear()
    return app


def visible(app: AppTest) -> list[Any]:
    kinds = (app.sidebar.selectbox, app.selectbox, app.dataframe, app.file_uploader, app.caption, app.tabs, app.metric)
    return [element for kind in kinds for element in kind]


def test_nothing_is_shown_before_sign_in(guarded: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    guarded.secrets["auth"] = AUTH
    for user in (User(is_logged_in=False), User(), User(is_logged_in="yes")):
        monkeypatch.setattr(st, "user", user)
        guarded.query_params["crystal"] = "cu"
        guarded.run()
        assert not guarded.exception
        assert [t.value for t in guarded.title] == ["SUS2 Explorer"]
        assert [b.label for b in guarded.button] == ["Sign in"]
        assert visible(guarded) == []
        assert "crystal_key" not in guarded.session_state, "nothing was even read"


def test_without_a_provider_nobody_comes_in(guarded: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "user", User())
    guarded.run()
    assert not guarded.exception
    assert len(guarded.error) == 1
    assert "names no provider" in guarded.error[0].value
    assert not guarded.button
    assert visible(guarded) == []


def test_who_is_signed_in_sees_the_app_and_has_a_history_of_ones_own(
    guarded: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded.secrets["auth"] = AUTH
    owners = set()
    for name in ("Ann <b>", "Bob"):
        monkeypatch.setattr(st, "user", User(is_logged_in=True, sub=name, name=name))
        session = AppTest.from_file(guarded._script_path, default_timeout=120)
        session.secrets["auth"] = AUTH
        opened(session, "history")
        assert any(f"Signed in as {name[:3]}" in c.value for c in session.caption)
        assert not any("<b>" in c.value for c in session.caption)
        assert "Sign out" in [b.label for b in session.sidebar.button]
        owners.add(session.session_state["owner"])
    assert len(owners) == 2


def test_off_by_default(app: AppTest) -> None:
    opened(app, "start")
    assert "Sign out" not in [b.label for b in app.sidebar.button]
    assert "crystal_key" in app.session_state


@pytest.fixture
def signed(root: Path, tmp_path: Path) -> Iterator[str]:
    """A server that asks for sign-in at a provider of our own."""
    port = free_port()
    with provider() as issuer:
        secrets = tmp_path / ".streamlit" / "secrets.toml"
        secrets.parent.mkdir()
        secrets.write_text(
            f'[auth]\nredirect_uri = "http://localhost:{port}/oauth2callback"\ncookie_secret = "{"s" * 48}"\n'
            f'client_id = "{CLIENT_ID}"\nclient_secret = "{CLIENT_SECRET}"\n'
            f'server_metadata_url = "{issuer}/.well-known/openid-configuration"\n'
        )
        with serving(root, tmp_path, port=port, sign_in="1") as address:
            yield address


@pytest.mark.browser
def test_sign_in_at_a_provider_and_out_again(signed: str, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(120_000)
    refused: list[str] = []
    page.on("console", lambda m: refused.append(m.text) if "Content Security Policy" in m.text else None)
    page.goto(f"{signed}/?crystal=cu")
    page.get_by_role("button", name="Sign in").wait_for()
    assert "Copper" not in page.content()
    assert page.locator("[data-testid=stSidebarNav]").count() == 0
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("Signed in as Marie Example").wait_for()
    page.get_by_text("Your own crystal").wait_for()
    settled(page)
    assert page.url.startswith(signed)

    stranger = browser.new_page()
    stranger.goto(signed)
    stranger.get_by_role("button", name="Sign in").wait_for(timeout=120_000)
    assert "Marie" not in stranger.content()
    stranger.close()

    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Sign in").wait_for()
    assert "Marie" not in page.inner_text("body")
    assert refused == []
    context.close()
