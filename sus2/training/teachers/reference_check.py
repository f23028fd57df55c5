"""Hand check of the teachers: relaxed base crystals beside volumes that do not come from them.

Elements and oxides are compared with the all-electron averages of ACWF, binary crystals with the volumes of
the Materials Project. Bases that are far off are kept, but flagged.
"""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path

import numpy as np

from sus2.training.data.reference_sets import acwf_all_electron, binary_crystals

# Relative deviation of the volume beyond which a base is not trusted. ACWF is not magnetic and has the f
# electrons in the valence, and its prototypes are often far from stable, so it is given more room.
ALL_ELECTRON_TOLERANCE, MATERIALS_PROJECT_TOLERANCE = 0.12, 0.08
_UNARY = {"fcc": "FCC", "bcc": "BCC", "sc": "SC", "diamond": "Diamond"}
_OXIDE = {"rocksalt": "XO", "fluorite": "XO2", "ReO3": "XO3"}


@lru_cache(maxsize=1)
def reference_volumes() -> dict[str, tuple[float, float]]:
    """Volumes of the base crystals that have a reference.

    Returns
    -------
    dict
        Name of the base -> volume, A^3/atom, and relative deviation beyond which a base is not trusted.
    """
    found = {
        name: (atoms.get_volume() / len(atoms), MATERIALS_PROJECT_TOLERANCE) for name, atoms, _, _ in binary_crystals()
    }
    for key, (volume, _, _) in acwf_all_electron().items():
        element, prototype = key.split("-")
        names = [f"{ours}:{element}" for ours, theirs in _UNARY.items() if prototype == f"X/{theirs}"]
        names += [f"{ours}:{element}-O" for ours, theirs in _OXIDE.items() if prototype == theirs]
        if prototype == "X2O":
            names.append(f"fluorite:O-{element}")
        for name in names:
            found[name] = (volume, ALL_ELECTRON_TOLERANCE)
    return found


def _known_volumes() -> dict[str, tuple[float, float]]:
    """reference_volumes, or none where SUS2_SHARED names no reference data, as with a teacher of one's own."""
    return reference_volumes() if os.environ.get("SUS2_SHARED") else {}


def volume_deviations(structures: Path) -> dict[str, float]:
    """Relative deviation of the relaxed volume of every base in a shard that has a reference.

    Parameters
    ----------
    structures
        File of the shard.

    Returns
    -------
    dict
        Name of the base -> volume over reference, less one.
    """
    reference = _known_volumes()
    with np.load(structures, allow_pickle=False) as stored:
        relaxed = stored["kind"] == "relaxed"
        bases = stored["base"][relaxed].tolist()
        volumes = np.abs(np.linalg.det(stored["cells"][relaxed])) / np.diff(stored["offsets"])[relaxed]
    return {
        base: float(volume / reference[base][0] - 1.0)
        for base, volume in zip(bases, volumes, strict=True)
        if base in reference
    }


def write_check(structures: Path, target: Path) -> None:
    """Write the deviations of a shard and the bases that are not trusted, as JSON.

    Parameters
    ----------
    structures
        File of the shard.
    target
        The file to write, whole or not at all.
    """
    deviations = volume_deviations(structures)
    reference = _known_volumes()
    distrusted = sorted(base for base, value in deviations.items() if abs(value) > reference[base][1])
    content = {"distrusted": distrusted, "deviations": {k: round(v, 5) for k, v in sorted(deviations.items())}}
    partial = target.with_name(f".{target.name}.partial")
    partial.write_text(json.dumps(content) + "\n")
    partial.replace(target)
