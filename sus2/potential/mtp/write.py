"""Writes a ModelSpec as an `.mtp` text file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sus2.potential.mtp.spec import EXTENDED_VERSION, PUBLISHED_VERSION, ModelSpec
from sus2.types import Array, Index


def format_mtp(spec: ModelSpec) -> str:
    """Write the `.mtp` text of a spec.

    Parameters
    ----------
    spec
        Trained or not.

    Returns
    -------
    str
        parse_mtp of it gives the same numbers bit for bit (17 digits).
    """

    def number(x: float) -> str:
        return f"{x:.16e}"

    def braces(values: Array | Index) -> str:
        if values.dtype == np.int64:
            return "{" + ", ".join(str(v) for v in values) + "}"
        return "{" + ", ".join(number(v) for v in values) + "}"

    def table(rows: Index) -> str:
        return "{" + ", ".join(braces(row) for row in rows) + "}"

    out = [
        "MTP",
        f"version = {EXTENDED_VERSION if spec.extended else PUBLISHED_VERSION}",
        f"potential_name = {spec.potential_name}",
        f"scaling = {number(spec.scaling)}",
        f"L = {spec.max_rank}",
        f"scaling_map = {spec.scaling_map}",
        f"species_count = {spec.species_count}",
        f"potential_tag = {spec.potential_tag}",
        f"radial_basis_type = {spec.radial_basis_type}",
        *([f"envelope_power = {spec.envelope_power}"] if spec.envelope_power != 2 else []),
        f"\tmin_dist = {number(spec.min_dist)}",
        f"\tmax_dist = {number(spec.max_dist)}",
        f"\tradial_basis_size = {spec.radial_basis_size}",
        f"\tradial_funcs_count = {spec.radial_funcs_count}",
    ]
    if spec.e0 is not None:
        out.append(f"E0_ = {number(spec.e0)}")
    if spec.moment_coeffs is not None:
        assert spec.shift_coeffs is not None
        assert spec.alpha is not None
        assert spec.r0 is not None
        assert spec.radial_weights is not None
        assert spec.radial_species is not None
        out.append(f"shift_coeffs = {braces(spec.shift_coeffs)}")
        scal = np.stack([spec.alpha, spec.r0], axis=1).reshape(-1)
        out.append(f"scal_coeffs = {braces(scal)}")
        out += ["\tradial_coeffs", "\t\t0-0"]
        out += [
            "\t\t\t" + braces(np.concatenate(row)) for row in zip(spec.radial_weights, spec.radial_species, strict=True)
        ]
        if spec.neighbour_coeffs is not None:
            out.append(f"neighbour_coeffs = {braces(spec.neighbour_coeffs.ravel())}")
    out += [
        f"alpha_moments_count = {spec.moments_count}",
        f"alpha_index_basic_count = {len(spec.basic)}",
        f"alpha_index_basic = {table(spec.basic)}",
        f"alpha_index_times_count = {len(spec.times)}",
        f"alpha_index_times = {table(spec.times)}",
        f"alpha_scalar_moments = {len(spec.mapping)}",
        f"alpha_moment_mapping = {braces(spec.mapping)}",
    ]
    if spec.moment_coeffs is not None:
        assert spec.species_coeffs is not None
        out.append(f"species_coeffs = {braces(spec.species_coeffs)}")
        key = "element_moment_coeffs" if spec.moment_coeffs.ndim == 2 else "moment_coeffs"
        out.append(f"{key} = {braces(spec.moment_coeffs.ravel())}")
    return "\n".join(out) + "\n"


def write_mtp(spec: ModelSpec, path: str | Path) -> None:
    """Write a spec as an `.mtp` file (see format_mtp).

    Parameters
    ----------
    spec
        Trained or not.
    path
        The file, which is overwritten.
    """
    Path(path).write_text(format_mtp(spec), encoding="utf-8")
