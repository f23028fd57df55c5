"""The `.mtp` file: its content as a frozen ModelSpec, its text and its compact binary form; numpy only.

The format is that of the MLIP-2 package with the keys that SUS2-MLIP adds (Hu et al., PNAS 2025,
doi 10.1073/pnas.2503439122): ``L``, ``scaling_map``, ``scal_coeffs`` and one shared radial block.
The file does not name its elements; they are carried by a card beside it (see sus2.registry.load).
"""

from __future__ import annotations

from typing import Any

from sus2 import _moved
from sus2.potential.mtp.read import parse_mtp, read_mtp
from sus2.potential.mtp.spec import ModelSpec, ScalingMap, check_graph, scaling_block
from sus2.potential.mtp.write import format_mtp, write_mtp

__all__ = [
    "ModelSpec",
    "ScalingMap",
    "check_graph",
    "format_mtp",
    "parse_mtp",
    "read_mtp",
    "scaling_block",
    "write_mtp",
]


def __getattr__(name: str) -> Any:
    return _moved.left("potential.mtp", name)
