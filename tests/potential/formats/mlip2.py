"""The equations of MLIP-2 in plain numpy, atom by atom and pair by pair: what the reader's model is compared with.

Novikov et al., Mach. Learn.: Sci. Technol. 2, 025002 (2021), equations 1 to 6. It shares nothing with the package: it
reads the file by itself and finds neighbours by running over images of the cell.
"""

from __future__ import annotations

import itertools
import json

import numpy as np


def read(text: str) -> dict[str, object]:
    """Keys and values of a file; radial coefficients as an array (C, C, M, R)."""
    keys: dict[str, object] = {}
    blocks: list[list[list[float]]] = []
    for line in text.splitlines():
        key, equals, value = (p.strip() for p in line.partition("="))
        if equals:
            try:
                keys[key] = json.loads(value.replace("{", "[").replace("}", "]"))
            except ValueError:
                keys[key] = value
        elif line.strip()[:1].isdigit():
            blocks.append([])
        elif line.strip().startswith("{"):
            blocks[-1].append(json.loads(line.strip().replace("{", "[").replace("}", "]")))
    c = int(keys["species_count"])  # type: ignore[call-overload]
    keys["radial"] = np.array(blocks).reshape(c, c, len(blocks[0]), -1)
    return keys


def energy(keys: dict, types: np.ndarray, positions: np.ndarray, cell: np.ndarray) -> float:
    """Total energy of a periodic structure, eV."""
    low, high = keys["min_dist"], keys["max_dist"]
    reach = np.ceil(high * np.linalg.norm(np.linalg.inv(cell), axis=0)).astype(int) + 1
    images = [np.array(n) @ cell for n in itertools.product(*(range(-k, k + 1) for k in reach))]
    total = 0.0
    for i, zi in enumerate(types):
        moments = np.zeros(keys["alpha_moments_count"])
        for j, zj in enumerate(types):
            for image in images:
                v = positions[j] + image - positions[i]
                r = np.linalg.norm(v)
                if not 1e-8 < r < high:
                    continue
                xi = (2.0 * r - (low + high)) / (high - low)
                # T_n(x) = cos(n arccos x), continued below -1 by cosh with a sign.
                size = keys["radial_basis_size"]
                chebyshev = np.polynomial.chebyshev.chebval(xi, np.eye(size))
                radial = keys["scaling"] * (high - r) ** 2 * keys["radial"][zi, zj] @ chebyshev
                for k, (mu, a, b, c) in enumerate(keys["alpha_index_basic"]):
                    moments[k] += radial[mu] * v[0] ** a * v[1] ** b * v[2] ** c / r ** (a + b + c)
        for p, q, factor, target in keys["alpha_index_times"]:
            moments[target] += factor * moments[p] * moments[q]
        total += keys["species_coeffs"][zi] + np.dot(keys["moment_coeffs"], moments[keys["alpha_moment_mapping"]])
    return total
