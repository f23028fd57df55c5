"""Settings: from the environment, from a file, and by default; what is refused, and in which words."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sus2.cli.main import app
from sus2.errors import Sus2Error
from sus2.settings import Settings, read_settings, settings, settings_file


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"SUS2_{name.upper()}", raising=False)
    monkeypatch.delenv("SUS2_SETTINGS", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nowhere"))
    settings.cache_clear()
    yield
    settings.cache_clear()


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_defaults_and_their_source() -> None:
    values, sources = read_settings()
    assert values == Settings()
    assert set(sources.values()) == {"default"}
    assert settings_file() is None


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "s.toml", 'max_atoms = 50\nmax_jobs = 3\nsign_in = true\nembedded_by = "https://a.org"\n')
    monkeypatch.setenv("SUS2_SETTINGS", str(path))
    monkeypatch.setenv("SUS2_MAX_ATOMS", "60")
    monkeypatch.setenv("SUS2_SIGN_IN", "off")
    values, sources = read_settings()
    assert (values.max_atoms, values.max_jobs, values.sign_in, values.embedded_by) == (60, 3, False, "https://a.org")
    assert sources["max_atoms"] == "SUS2_MAX_ATOMS"
    assert sources["max_jobs"] == str(path)
    assert sources["max_seconds"] == "default"
    assert settings() == values


def test_the_usual_place_is_read_unless_told_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = write(tmp_path / "sus2" / "settings.toml", "max_atoms = 7\n")
    assert settings_file() == path
    assert settings().max_atoms == 7
    monkeypatch.setenv("SUS2_SETTINGS", "")
    assert settings_file() is None
    assert read_settings()[0].max_atoms == 1000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max_atom = 5", "unknown key 'max_atom'; there are: max_atoms, "),
        ("[limits]\nmax_atoms = 5", "unknown key 'limits'"),
        ('max_atoms = "5"', "max_atoms in .* is '5': give a positive whole number"),
        ("max_atoms = 5.5", "max_atoms in .* is '5.5'"),
        ("max_atoms = true", "max_atoms in .* is 'True'"),
        ("max_atoms = 0", "max_atoms in .* is '0': give a positive whole number"),
        ("workers = -1", "workers in .* is '-1': give a whole number, 0 or more"),
        ("sign_in = 1", "sign_in in .* is '1': give true or false"),
        ("max_jobs = [1]", r"max_jobs in .* is '\[1\]'"),
        ('embedded_by = "javascript:x"', "embedded_by in .* is 'javascript:x': give addresses"),
        ("embedded_by = \"https://a.org; script-src 'unsafe-inline'\"", "embedded_by in"),
        ('hosts = "https://a.org"', "hosts in .* is 'https://a.org': give names"),
        ("max_atoms = ", "is not TOML"),
    ],
)
def test_a_file_that_is_wrong_is_refused(
    text: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUS2_SETTINGS", str(write(tmp_path / "s.toml", text)))
    with pytest.raises(Sus2Error, match=words) as caught:
        settings()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("MAX_ATOMS", "many", "SUS2_MAX_ATOMS is 'many': give a positive whole number"),
        ("MAX_ATOMS", "-3", "SUS2_MAX_ATOMS is '-3'"),
        ("MAX_ATOMS", "", "SUS2_MAX_ATOMS is ''"),
        ("MAX_JOBS", "9" * 5000, "SUS2_MAX_JOBS is '9{60}...'"),
        ("MAX_JOBS", "²", "SUS2_MAX_JOBS is '²'"),
        ("SIGN_IN", "maybe", "SUS2_SIGN_IN is 'maybe': give true or false"),
        ("SETTINGS", "/no/such/file.toml", "/no/such/file.toml cannot be read"),
    ],
)
def test_a_variable_that_is_wrong_is_refused(
    name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"SUS2_{name}", value)
    with pytest.raises(Sus2Error, match=words):
        settings()


def test_zero_has_a_meaning_for_some(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("workers", "max_store_mb", "patience_ms", "max_hourly_seconds"):
        monkeypatch.setenv(f"SUS2_{name.upper()}", "0")
        assert getattr(read_settings()[0], name) == 0


def test_the_command_prints_values_and_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "s.toml", "max_jobs = 3\n")
    monkeypatch.setenv("SUS2_SETTINGS", str(path))
    monkeypatch.setenv("SUS2_MAX_ATOMS", "60")
    done = CliRunner().invoke(app, ["settings", "--json"])
    rows = {r["name"]: r for r in map(json.loads, done.output.splitlines())}
    assert list(rows) == list(Settings.model_fields)
    assert (rows["max_atoms"]["value"], rows["max_atoms"]["source"]) == (60, "SUS2_MAX_ATOMS")
    assert (rows["max_jobs"]["value"], rows["max_jobs"]["source"]) == (3, str(path))
    assert rows["sign_in"]["value"] is False
    assert all(r["meaning"] for r in rows.values())
    table = CliRunner().invoke(app, ["settings"]).output
    assert str(path) in table
    assert re.search(r"max_atoms +60 +SUS2_MAX_ATOMS +atoms in a structure", table)


def test_the_server_does_not_start_with_wrong_settings(tmp_path: Path, root: Path) -> None:
    path = write(tmp_path / "s.toml", "max_atom = 3\n")
    done = subprocess.run(
        [sys.executable, "-m", "sus2.cli", "app", "--port", "1"],
        cwd=root,
        capture_output=True,
        text=True,
        env={**os.environ, "SUS2_SETTINGS": str(path)},
        check=False,
    )
    assert done.returncode == 2
    assert "unknown key 'max_atom'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_documentation_lists_every_setting(root: Path) -> None:
    text = (root / "docs" / "deployment.md").read_text(encoding="utf-8")
    for name, field in Settings.model_fields.items():
        default = str(field.default).lower() if isinstance(field.default, bool) else str(field.default) or "none"
        shown = "cores, at most 4" if name == "workers" else default
        assert f"| `{name}` | {shown} | {field.description} |" in text, name
