"""Results of a screening as a table."""

from __future__ import annotations

import json
from pathlib import Path

from tests.helpers_screening import rows


def results(out: Path) -> dict[tuple[str, str], tuple[bool, str, dict[str, float]]]:
    """(name, property) -> ok, reason, numbers."""
    joined = "results r JOIN sources s ON s.structure = r.structure"
    found = rows(out, f"SELECT s.name, r.property, r.ok, r.reason, r.numbers FROM {joined}")
    return {(name, prop): (bool(ok), reason, json.loads(numbers)) for name, prop, ok, reason, numbers in found}
