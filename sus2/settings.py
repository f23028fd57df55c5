"""Limits that protect a server, in one place; each can be set in the environment as SUS2_NAME."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from functools import lru_cache

from sus2.errors import Sus2Error

_MAY_BE_ZERO = ("workers", "patience_ms", "max_store_mb")


@dataclass(frozen=True)
class Settings:
    """Limits of what one user may ask for, and how much the server keeps.

    max_atoms: atoms in a structure; max_upload_mb: size of an uploaded file, MiB; max_kept_uploads: uploads
    that a server keeps in memory so that their links open again; workers: processes that calculate, 0 for a thread of
    the server itself; max_seconds: of one calculation; max_jobs: calculations of one user that wait or run;
    max_store_mb: size of the store of results, MiB, 0 to keep none on disk; patience_ms: how long a page waits for a
    result before it shows progress instead, milliseconds;
    max_structures: crystals in one run over many; max_archive_mb, max_archive_members, max_unpacked_mb: size of an
    uploaded archive, MiB, how many files it may have, and their size together when unpacked, MiB.
    """

    max_atoms: int = 1000
    max_upload_mb: int = 5
    max_kept_uploads: int = 200
    workers: int = max(1, min(4, os.cpu_count() or 1))
    max_seconds: int = 900
    max_jobs: int = 8
    max_store_mb: int = 512
    patience_ms: int = 300
    max_structures: int = 500
    max_archive_mb: int = 20
    max_archive_members: int = 2000
    max_unpacked_mb: int = 100


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, from the environment (SUS2_MAX_ATOMS, ...) or the defaults.

    Raises Sus2Error for a value that is not a positive whole number (or 0, where that has a meaning).
    """
    values: dict[str, int] = {}
    for field in fields(Settings):
        name = f"SUS2_{field.name.upper()}"
        text = os.environ.get(name)
        if text is None:
            continue
        least = 0 if field.name in _MAY_BE_ZERO else 1
        if not text.isdecimal() or int(text) < least:
            what = "a whole number, 0 or more" if least == 0 else "a positive whole number"
            raise Sus2Error(f"The environment variable {name} is '{text}': give {what}.")
        values[field.name] = int(text)
    return Settings(**values)
