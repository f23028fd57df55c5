"""Limits and options of a server, in one place: each from the environment (SUS2_NAME), a TOML file, or its default.

Read by hand, on pydantic's types: pydantic-settings does not tell where a value came from, which `sus2 settings` shows
and every error names.
"""

from __future__ import annotations

import os
import re
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from sus2.errors import Sus2Error

FILE_VARIABLE: Final = "SUS2_SETTINGS"
POTENTIALS: Final = "potentials"

_Positive = Annotated[int, Field(ge=1)]
_Natural = Annotated[int, Field(ge=0)]
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.*-]+(:\d{1,5})?$")
_HOST = re.compile(r"(\*\.)?[A-Za-z0-9.-]+$|\[?[0-9a-fA-F:]+\]?$")
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


class Settings(BaseModel):
    """Limits of what one user may ask for, how much the server keeps, and who may come in."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    max_atoms: _Positive = Field(1000, description="atoms in a structure")
    max_upload_mb: _Positive = Field(5, description="size of an uploaded file, MiB")
    max_session_mb: _Positive = Field(200, description="size of all files that one session uploads, MiB")
    max_kept_uploads: _Positive = Field(200, description="uploaded crystals kept in memory so that links open again")
    workers: _Natural = Field(
        max(1, min(4, os.cpu_count() or 1)),
        description="processes that calculate; 0: a thread of the server itself",
    )
    max_seconds: _Positive = Field(900, description="seconds of one calculation")
    max_memory_mb: _Natural = Field(
        0, description="memory of one calculation, MiB, by an estimate before it starts; 0: what the computer has free"
    )
    max_jobs: _Positive = Field(8, description="calculations of one user that wait or run")
    max_hourly_seconds: _Natural = Field(
        0, description="seconds of all calculations of one user within an hour; 0: no limit"
    )
    max_store_mb: _Natural = Field(512, description="size of the store of results, MiB; 0: keep none on disk")
    patience_ms: _Natural = Field(300, description="how long a page waits for a result before it shows progress, ms")
    max_start_atoms: _Natural = Field(
        40, description="atoms in a crystal for which Start computes everything at once; 0: after its button alone"
    )
    max_structures: _Positive = Field(500, description="crystals in one run over many")
    max_archive_mb: _Positive = Field(32, description="size of an uploaded archive, MiB")
    max_archive_members: _Positive = Field(2000, description="files in an uploaded archive")
    max_unpacked_mb: _Positive = Field(100, description="size of an uploaded archive when unpacked, MiB")
    sign_in: bool = Field(
        False, description="whether the app asks for sign-in (OpenID Connect) before it shows anything"
    )
    hosts: str = Field("", description="names that the app answers to, such as 'sus2.example.org'; none: any")
    embedded_by: str = Field(
        "", description="web sites that may show the app in a frame, such as 'https://course.example.org'"
    )

    @field_validator("hosts")
    @classmethod
    def _names(cls, text: str) -> str:
        if not all(_HOST.match(word) for word in text.split()):
            raise ValueError("host")
        return " ".join(text.split())

    @field_validator("embedded_by")
    @classmethod
    def _origins(cls, text: str) -> str:
        for word in text.split():
            if not _ORIGIN.match(word):
                raise ValueError("origin")
        return " ".join(text.split())


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process. Raises Sus2Error with one sentence that names what is unknown or has no sense."""
    return read_settings()[0]


def read_settings() -> tuple[Settings, dict[str, str]]:
    """The settings and where each value comes from: the name of a variable, the path of the file, or 'default'.

    The environment wins over the file. Raises Sus2Error.
    """
    values: dict[str, Any] = {}
    sources = dict.fromkeys(Settings.model_fields, "default")
    path = settings_file()
    if path is not None:
        for name, value in _from_file(path).items():
            values[name], sources[name] = _checked(name, value, f"{name} in {path}"), str(path)
    for name in Settings.model_fields:
        variable = f"SUS2_{name.upper()}"
        text = os.environ.get(variable)
        if text is not None:
            value = _parsed(name, text.strip())
            values[name], sources[name] = _checked(name, value, f"The environment variable {variable}"), variable
    return Settings(**values), sources


def settings_file() -> Path | None:
    """The TOML file that is read: SUS2_SETTINGS (empty: none), else ~/.config/sus2/settings.toml where it exists."""
    named = os.environ.get(FILE_VARIABLE)
    if named is not None:
        return Path(named) if named.strip() else None
    try:
        usual = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "sus2" / "settings.toml"
        return usual if usual.is_file() else None
    except (OSError, RuntimeError):  # no home folder, or one that may not be entered
        return None


def potential_tables() -> dict[str, Any]:
    """The table [potentials] of the file: what sus2.registry.others.plugins is to list, by name; empty without a file.

    Raises Sus2Error for a file that cannot be read.
    """
    path = settings_file()
    return _tables(path, path.stat().st_mtime_ns) if path is not None and path.is_file() else {}


@lru_cache(maxsize=4)
def _tables(path: Path, modified: int) -> dict[str, Any]:
    found = _parsed_file(path).get(POTENTIALS, {})
    if not isinstance(found, dict) or not all(isinstance(v, dict) for v in found.values()):
        raise Sus2Error(f"In the file of settings {path} '{POTENTIALS}' must hold tables such as [{POTENTIALS}.name].")
    return found


def _parsed_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Sus2Error(
            f"The file of settings {path} cannot be read ({error.strerror}); correct {FILE_VARIABLE}."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Sus2Error(f"The file of settings {path} is not TOML: {error}.") from None


def _from_file(path: Path) -> dict[str, Any]:
    found = _parsed_file(path)
    unknown = sorted(set(found) - set(Settings.model_fields) - {POTENTIALS})
    if unknown:
        known = ", ".join(Settings.model_fields)
        raise Sus2Error(f"The file of settings {path} has an unknown key '{unknown[0]}'; there are: {known}.")
    return {name: value for name, value in found.items() if name != POTENTIALS}


def _parsed(name: str, text: str) -> Any:
    """What the text of a variable stands for; the text itself where it is of the wrong kind."""
    kind = Settings.model_fields[name].annotation
    if kind is bool:
        return True if text.lower() in _TRUE else False if text.lower() in _FALSE else text
    if kind is int:
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else text
    return text


def _checked(name: str, value: Any, what: str) -> Any:
    try:
        return getattr(Settings.model_validate({name: value}), name)
    except ValidationError:
        shown = value if len(str(value)) <= 60 else f"{str(value)[:60]}..."
        raise Sus2Error(f"{what} is '{shown}': give {_wanted(name)}.") from None


def _wanted(name: str) -> str:
    field = Settings.model_fields[name]
    if field.annotation is bool:
        return "true or false"
    if field.annotation is int:
        zero = any(getattr(limit, "ge", None) == 0 for limit in field.metadata)
        return "a whole number, 0 or more" if zero else "a positive whole number"
    if name == "hosts":
        return "names such as sus2.example.org with spaces between them"
    return "addresses such as https://course.example.org with spaces between them"
