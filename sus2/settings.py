"""Limits that protect a server, in one place; each can be set in the environment as SUS2_NAME."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from functools import lru_cache

from sus2.errors import Sus2Error


@dataclass(frozen=True)
class Settings:
    """Limits of what one user may ask for.

    max_atoms: atoms in a structure; max_upload_mb: size of an uploaded file, MiB; max_kept_uploads: uploads
    that a server keeps in memory so that their links open again.
    """

    max_atoms: int = 1000
    max_upload_mb: int = 5
    max_kept_uploads: int = 200


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, from the environment (SUS2_MAX_ATOMS, ...) or the defaults.

    Raises Sus2Error for a value that is not a positive whole number.
    """
    values: dict[str, int] = {}
    for field in fields(Settings):
        name = f"SUS2_{field.name.upper()}"
        text = os.environ.get(name)
        if text is None:
            continue
        if not text.isdecimal() or int(text) < 1:
            raise Sus2Error(f"The environment variable {name} is '{text}': give a positive whole number.")
        values[field.name] = int(text)
    return Settings(**values)
