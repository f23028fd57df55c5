"""Reads the `.mtp` text file (SUS2-MLIP dialect)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast, get_args

import numpy as np

from sus2.errors import PotentialFileError
from sus2.potential.mtp.lines import Lines, shortened
from sus2.potential.mtp.spec import (
    ENVELOPE_POWERS,
    EXTENDED_VERSION,
    MAX_COUNT,
    MAX_FILE_BYTES,
    MAX_SPECIES,
    PUBLISHED_VERSION,
    RADIAL_TYPES,
    ModelSpec,
    ScalingMap,
    check_graph,
    scaling_block,
)
from sus2.types import Array


def read_mtp(path: str | Path) -> ModelSpec:
    """Read an `.mtp` file.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    ModelSpec
        Its content.

    Raises
    ------
    PotentialFileError
        As parse_mtp does, or the file cannot be read.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise PotentialFileError(f"{path.name}: larger than {MAX_FILE_BYTES // 2**20} MiB, not an .mtp file.")
        raw = path.read_bytes()
    except OSError as error:
        raise PotentialFileError(f"{path.name}: cannot be read ({error.strerror}); check the path.") from None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise PotentialFileError(f"{path.name}: not a text file, so not an .mtp potential.") from None
    return parse_mtp(text, source=path.name)


def parse_mtp(text: str, *, source: str = "potential") -> ModelSpec:
    """Parse the text of an `.mtp` file.

    Parameters
    ----------
    text
        The text.
    source
        What errors call it.

    Returns
    -------
    ModelSpec
        Its content.

    Raises
    ------
    PotentialFileError
        A truncated, corrupted or foreign file (a plain MLIP-2 MTP, an SUS2-SH file), numbers that are not finite,
        counts that disagree, indices out of range; one sentence that names the line or key.
    """
    r = Lines(text, source)
    line, first = r.peek()
    if first != "MTP":
        raise r.fail("the first line must be 'MTP'; this is not an .mtp potential.", line or 1)
    r.at += 1
    _refuse_foreign(r)
    line, version = r.take("version")
    if version not in (PUBLISHED_VERSION, EXTENDED_VERSION):
        raise r.fail(
            f"version {shortened(version)} is not supported: SUS2-MLIP writes version {PUBLISHED_VERSION}, and version "
            f"{EXTENDED_VERSION} is the newest that this release reads; a newer release may read the file.",
            line,
        )
    extended = version == EXTENDED_VERSION
    name = r.optional("potential_name")
    scaling_item = r.optional("scaling")
    scaling = r.convert(scaling_item[0], "scaling", scaling_item[1], float, "a number") if scaling_item else 1.0
    max_rank = r.count("L", 0, 20)
    line, scaling_map = r.take("scaling_map")
    if scaling_map not in get_args(ScalingMap):
        raise r.fail(f"'scaling_map' must be K, L or LK, found '{shortened(scaling_map)}'.", line)
    species = r.count("species_count", 1, MAX_SPECIES)
    tag = r.optional("potential_tag")
    line, radial_type = r.take("radial_basis_type")
    if radial_type not in RADIAL_TYPES:
        raise r.fail(
            f"radial_basis_type '{shortened(radial_type)}' is not of SUS2-MLIP ({' or '.join(RADIAL_TYPES)}).", line
        )
    power = 2
    if extended and r.key() == "envelope_power":
        power = r.count("envelope_power", min(ENVELOPE_POWERS), max(ENVELOPE_POWERS))
    min_dist = r.scalar("min_dist", float, "a number")
    line = r.peek()[0]
    max_dist = r.scalar("max_dist", float, "a number")
    if not 0.0 < max_dist <= 100.0:
        raise r.fail(f"'max_dist' must be a cutoff in angstrom between 0 and 100, found {max_dist:g}.", line)
    size = r.count("radial_basis_size", 1, 1000)
    line = r.peek()[0]
    funcs = r.count("radial_funcs_count", 1, 10000)
    if funcs % (max_rank + 1):
        raise r.fail(f"'radial_funcs_count' = {funcs} must be a multiple of L + 1 = {max_rank + 1}.", line)

    e0_item = r.optional("E0_")
    e0 = r.convert(e0_item[0], "E0_", e0_item[1].strip("{}"), float, "a number") if e0_item else None
    blocks = int(scaling_block(cast(ScalingMap, scaling_map), max_rank, np.arange(funcs)).max()) + 1
    shift = alpha = r0 = weights = radial_species = amplitudes = None
    trained = r.key() != "alpha_moments_count"
    if trained:
        line, value = r.take("shift_coeffs")
        shift = r.floats("shift_coeffs", value, species, line)
        line, value = r.take("scal_coeffs")
        table = r.floats("scal_coeffs", value, 2 * blocks * species * species, line)
        table = table.reshape(blocks, 2, species, species)
        alpha, r0 = table[:, 0].copy(), table[:, 1].copy()
        weights, radial_species = _radial(r, funcs, size, species)
        if extended and r.key() == "neighbour_coeffs":
            line, value = r.take("neighbour_coeffs")
            amplitudes = r.floats("neighbour_coeffs", value, funcs * species, line).reshape(funcs, species)

    moments = r.count("alpha_moments_count", 1, MAX_COUNT)
    n_basic = r.count("alpha_index_basic_count", 1, moments)
    basic = r.rows("alpha_index_basic", n_basic)
    n_times = r.count("alpha_index_times_count", 0, MAX_COUNT)
    times = r.rows("alpha_index_times", n_times)
    line = r.peek()[0]
    scalars = r.count("alpha_scalar_moments", 1, moments)
    mapping_line, value = r.take("alpha_moment_mapping")
    mapping = r.floats("alpha_moment_mapping", value, scalars, mapping_line)
    if np.any(mapping != np.round(mapping)):
        raise r.fail("'alpha_moment_mapping' must be whole numbers.", mapping_line)
    species_coeffs = moment_coeffs = None
    if trained:
        line, value = r.take("species_coeffs")
        species_coeffs = r.floats("species_coeffs", value, species, line)
        if extended and r.key() == "element_moment_coeffs":
            line, value = r.take("element_moment_coeffs")
            moment_coeffs = r.floats("element_moment_coeffs", value, species * scalars, line)
            moment_coeffs = moment_coeffs.reshape(species, scalars)
        else:
            line, value = r.take("moment_coeffs")
            moment_coeffs = r.floats("moment_coeffs", value, scalars, line)
    line, extra = r.peek()
    if extra:
        raise r.fail(f"unexpected text after the last key: '{shortened(extra)}'.", line)

    spec = ModelSpec(
        potential_name=name[1] if name else "",
        scaling=scaling,
        max_rank=max_rank,
        scaling_map=cast(ScalingMap, scaling_map),
        species_count=species,
        potential_tag=tag[1] if tag else "",
        radial_basis_type=radial_type,
        min_dist=min_dist,
        max_dist=max_dist,
        radial_basis_size=size,
        radial_funcs_count=funcs,
        e0=e0,
        moments_count=moments,
        basic=basic,
        times=times,
        mapping=mapping.astype(np.int64),
        shift_coeffs=shift,
        alpha=alpha,
        r0=r0,
        radial_weights=weights,
        radial_species=radial_species,
        species_coeffs=species_coeffs,
        moment_coeffs=moment_coeffs,
        envelope_power=power,
        neighbour_coeffs=amplitudes,
    )
    check_graph(spec, source)
    return spec


def _refuse_foreign(r: Lines) -> None:
    """Name the two dialects that look alike, before a missing key would confuse their owners."""
    keys = {text.split("=")[0].strip() for _, text in r.lines}
    if any(k.lower().startswith(("sh_", "lmax", "sus2_sh")) for k in keys) or any(
        "spherical" in text[:80].lower() or text.startswith("SUS2-SH") for _, text in r.lines[:20]
    ):
        raise r.fail(
            "this is an SUS2-SH potential (spherical harmonics); only the moment-tensor dialect of "
            "SUS2-MLIP can be read.",
            r.lines[0][0],
        )
    if "scaling_map" not in keys and "species_count" in keys and "scal_coeffs" not in keys:
        raise r.fail(
            "key 'scaling_map' is missing: this is a plain MLIP-2 MTP or not a SUS2 file; only potentials "
            "of SUS2-MLIP can be read.",
            r.lines[0][0],
        )


def _radial(r: Lines, funcs: int, size: int, species: int) -> tuple[Array, Array]:
    line, text = r.peek()
    if text != "radial_coeffs":
        raise r.fail(f"expected 'radial_coeffs', found '{shortened(text) or 'the end of the file'}'.", line)
    r.at += 1
    line, text = r.peek()
    if text != "0-0":
        raise r.fail(f"'radial_coeffs' must have the one block '0-0' of SUS2-MLIP, found '{shortened(text)}'.", line)
    r.at += 1
    rows = []
    for mu in range(funcs):
        line, text = r.peek()
        if not text.startswith("{"):
            raise r.fail(f"'radial_coeffs' must have {funcs} rows, as 'radial_funcs_count' says, found {mu}.", line)
        rows.append(r.floats(f"radial_coeffs row {mu + 1}", text, size + species, line))
        r.at += 1
    line, text = r.peek()
    if text.startswith("{") or re.fullmatch(r"\d+-\d+", text):
        raise r.fail(
            f"'radial_coeffs' has more than the {funcs} rows of one block: a plain MLIP-2 MTP or a damaged file.",
            line,
        )
    table = np.array(rows)
    return table[:, :size].copy(), table[:, size:].copy()
