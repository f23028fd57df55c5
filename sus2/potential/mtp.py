"""The `.mtp` text file (SUS2-MLIP dialect) and its content as a frozen ModelSpec, numpy only.

The format is that of the MLIP-2 package with the keys that SUS2-MLIP adds (Hu et al., PNAS 2025,
doi 10.1073/pnas.2503439122): ``L``, ``scaling_map``, ``scal_coeffs`` and one shared radial block.
The file does not name its elements; they are carried by a card beside it (see sus2.registry.load).

Version 1.1.0 is the form of SUS2-MLIP. Version 2.0.0 is this package's: it may also hold an envelope (r - rc)^3
(``envelope_power``), an amplitude of each radial function and neighbour's element (``neighbour_coeffs``) and a readout
of each element (``element_moment_coeffs``, C x S, in place of ``moment_coeffs``). A spec without these is written as
version 1.1.0, so that SUS2-MLIP reads it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, TypeVar, cast, get_args

import numpy as np
from numpy.typing import NDArray

from sus2.errors import PotentialFileError

ScalingMap = Literal["K", "L", "LK"]
PUBLISHED_VERSION: Final = "1.1.0"
EXTENDED_VERSION: Final = "2.0.0"
ENVELOPE_POWERS: Final = (2, 3)
RADIAL_TYPES: Final = ("RBChebyshev_sss", "RBChebyshev_sss_lmp")
MAX_FILE_BYTES: Final = 256 * 1024 * 1024
# Far above any published potential; it keeps a hostile header from asking for terabytes.
_MAX_COUNT: Final = 1_000_000
_MAX_SPECIES: Final = 1024

Array = NDArray[np.float64]
Index = NDArray[np.int64]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class ModelSpec:
    """Everything that an `.mtp` file says.

    C species, R Chebyshev polynomials, M = (max_rank + 1) * K radial functions, kappa scaling blocks,
    nb basic moments, nt products, S scalars. Coefficients are None in an untrained file.
    Lengths in angstrom, energies in eV.
    """

    potential_name: str
    scaling: float
    max_rank: int
    scaling_map: ScalingMap
    species_count: int
    potential_tag: str
    radial_basis_type: str
    min_dist: float
    max_dist: float
    radial_basis_size: int
    radial_funcs_count: int
    e0: float | None
    moments_count: int
    basic: Index  # (nb, 4): mu, a, b, c
    times: Index  # (nt, 4): p, q, multiplier, target
    mapping: Index  # (S,)
    shift_coeffs: Array | None = None  # (C,) eV
    alpha: Array | None = None  # (kappa, C, C) 1/A, row = central species
    r0: Array | None = None  # (kappa, C, C) A
    radial_weights: Array | None = None  # (M, R)
    radial_species: Array | None = None  # (M, C); only row 0 enters the model
    species_coeffs: Array | None = None  # (C,) eV
    moment_coeffs: Array | None = None  # theta: (S,) of all elements, or (C, S) of each
    envelope_power: int = 2  # p of (r - rc)^p; 2 in published files
    neighbour_coeffs: Array | None = None  # (M, C): amplitude of each radial function by the neighbour; None: all one

    @property
    def trained(self) -> bool:
        """True where the file carries coefficients."""
        return self.moment_coeffs is not None

    @property
    def extended(self) -> bool:
        """True where the published form cannot hold the model."""
        return self.own_readout or self.neighbour_coeffs is not None or self.envelope_power != 2

    @property
    def own_readout(self) -> bool:
        """True where each element has a theta of its own."""
        return self.moment_coeffs is not None and self.moment_coeffs.ndim == 2

    @property
    def readout(self) -> Array:
        """Theta of each element, shape (C, S), whether the elements share it or not.

        Raises
        ------
        PotentialFileError
            The file is untrained.
        """
        if self.moment_coeffs is None:
            raise PotentialFileError(f"{self.potential_name or 'potential'}: an untrained file has no readout.")
        return np.broadcast_to(self.moment_coeffs, (self.species_count, len(self.mapping)))

    @property
    def scaling_blocks(self) -> int:
        """Number of (alpha, r0) tables: kappa(mu) runs below it."""
        return scaling_block(self.scaling_map, self.max_rank, np.arange(self.radial_funcs_count)).max() + 1

    @property
    def scaling_index(self) -> Index:
        """kappa for each radial function mu, shape (M,)."""
        return scaling_block(self.scaling_map, self.max_rank, np.arange(self.radial_funcs_count))

    @property
    def parameter_count(self) -> int:
        """Number of trainable numbers that enter the energy (unused rows are not counted)."""
        c = self.species_count
        return int(
            3 * c
            + 2 * self.scaling_blocks * c * c
            + self.radial_funcs_count * self.radial_basis_size
            + (len(self.mapping) if self.moment_coeffs is None else self.moment_coeffs.size)
            + (0 if self.neighbour_coeffs is None else self.neighbour_coeffs.size)
        )

    def with_species(self, index: Sequence[int]) -> ModelSpec:
        """The same potential for these of its species alone, in this order."""
        if any(a is None for a in (self.shift_coeffs, self.alpha, self.r0, self.radial_species, self.species_coeffs)):
            return replace(self, species_count=len(index))
        i = np.asarray(index, dtype=np.int64)
        pairs = np.ix_(np.arange(self.scaling_blocks), i, i)
        assert self.shift_coeffs is not None
        assert self.alpha is not None
        assert self.r0 is not None
        assert self.radial_species is not None
        assert self.species_coeffs is not None
        assert self.moment_coeffs is not None
        return replace(
            self,
            species_count=len(i),
            shift_coeffs=self.shift_coeffs[i],
            alpha=self.alpha[pairs],
            r0=self.r0[pairs],
            radial_species=self.radial_species[:, i],
            species_coeffs=self.species_coeffs[i],
            moment_coeffs=self.moment_coeffs[i] if self.moment_coeffs.ndim == 2 else self.moment_coeffs,
            neighbour_coeffs=None if self.neighbour_coeffs is None else self.neighbour_coeffs[:, i],
        )


def scaling_block(scaling_map: ScalingMap, max_rank: int, mu: Index) -> Index:
    """Scaling block kappa of each radial function mu = k * (max_rank + 1) + l."""
    if scaling_map == "K":
        return mu // (max_rank + 1)
    if scaling_map == "L":
        return mu % (max_rank + 1)
    return mu


class _Reader:
    """Cursor over the non-empty lines of one file; every error names the source and the line."""

    def __init__(self, text: str, source: str) -> None:
        self.source = source
        self.lines = [(n, s.strip()) for n, s in enumerate(text.splitlines(), 1) if s.strip()]
        self.at = 0

    def fail(self, message: str, line: int | None = None) -> PotentialFileError:
        where = f", line {line}" if line is not None else ""
        return PotentialFileError(f"{self.source}{where}: {message}")

    def peek(self) -> tuple[int, str]:
        if self.at >= len(self.lines):
            return (self.lines[-1][0] if self.lines else 0), ""
        return self.lines[self.at]

    def key(self) -> str:
        return self.peek()[1].split("=")[0].strip()

    def take(self, key: str) -> tuple[int, str]:
        """The value text of the next line, which must be ``key = value``."""
        line, text = self.peek()
        if not text:
            raise self.fail(f"the file ends before '{key}'; it is truncated, get a complete copy.", line)
        name, sep, value = text.partition("=")
        if name.strip() != key or not sep:
            raise self.fail(
                f"expected '{key} = ...' but found '{_short(text)}'; the file is damaged or of another program.",
                line,
            )
        self.at += 1
        return line, value.strip()

    def optional(self, key: str) -> tuple[int, str] | None:
        return self.take(key) if self.key() == key and "=" in self.peek()[1] else None

    def scalar(self, key: str, convert: Callable[[str], T], kind: str) -> T:
        line, value = self.take(key)
        return self.convert(line, key, value, convert, kind)

    def convert(self, line: int, key: str, value: str, convert: Callable[[str], T], kind: str) -> T:
        try:
            number = convert(_plain(value))
        except (ValueError, OverflowError):
            raise self.fail(f"'{key}' must be {kind}, found '{_short(value)}'.", line) from None
        if isinstance(number, float) and not np.isfinite(number):
            raise self.fail(f"'{key}' must be a finite number, found '{_short(value)}'.", line)
        return number

    def count(self, key: str, low: int, high: int) -> int:
        line = self.peek()[0]
        value = self.scalar(key, int, "a whole number")
        if not low <= value <= high:
            raise self.fail(f"'{key}' must lie between {low} and {high}, found {value}.", line)
        return value

    def floats(self, key: str, text: str, size: int, line: int) -> Array:
        """`{a, b, ...}` as float64, checked for its length and for finite values."""
        body = text.strip()
        if not (body.startswith("{") and body.endswith("}")):
            raise self.fail(f"'{key}' must be a list in braces; the line is cut or damaged.", line)
        parts = body[1:-1].split(",") if body[1:-1].strip() else []
        if len(parts) != size:
            raise self.fail(f"'{key}' must have {size} numbers, found {len(parts)}.", line)
        try:
            values = np.array([float(p) for p in _plain(body)[1:-1].split(",") if parts], dtype=np.float64)
        except ValueError:
            raise self.fail(f"'{key}' contains something that is not a number.", line) from None
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            raise self.fail(f"'{key}' contains {parts[bad[0]].strip()} at place {bad[0] + 1}.", line)
        return values

    def rows(self, key: str, count: int) -> Index:
        """`{{a, b, c, d}, ...}` as (count, 4) integers."""
        line, text = self.take(key)
        if not (text.startswith("{") and text.endswith("}")):
            raise self.fail(f"'{key}' must be a list in braces; the line is cut or damaged.", line)
        inner = text[1:-1]
        found = re.findall(r"\{([^{}]*)\}", inner)
        if re.sub(r"\{[^{}]*\}|[,\s]", "", inner):
            raise self.fail(f"'{key}' must be a list of four-number rows in braces.", line)
        if len(found) != count:
            raise self.fail(f"'{key}' must have {count} rows, as '{key}_count' says, found {len(found)}.", line)
        try:
            table = [[int(v) for v in _plain(row).split(",")] for row in found]
        except ValueError:
            raise self.fail(f"'{key}' contains something that is not a whole number.", line) from None
        for n, row in enumerate(table):
            if len(row) != 4:
                raise self.fail(f"'{key}' row {n + 1} must have 4 numbers, found {len(row)}.", line)
            if any(abs(v) > _MAX_COUNT for v in row):
                raise self.fail(f"'{key}' row {n + 1} has a number out of range: {row}.", line)
        return np.array(table, dtype=np.int64).reshape(count, 4)


def _short(text: str, limit: int = 40) -> str:
    printable = "".join(ch if ch.isprintable() else "?" for ch in text)
    return printable if len(printable) <= limit else printable[: limit - 3] + "..."


def _plain(text: str) -> str:
    """The text, unless Python would read more in it as a number than other programs do (1_000, other digits)."""
    if "_" in text or not text.isascii():
        raise ValueError(text)
    return text


def read_mtp(path: str | Path) -> ModelSpec:
    """Read an `.mtp` file. Raises PotentialFileError with one sentence that names the line or key."""
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
    """Parse the text of an `.mtp` file; `source` names it in errors.

    Raises PotentialFileError for a truncated, corrupted or foreign file (a plain MLIP-2 MTP, an SUS2-SH
    file), for numbers that are not finite, for counts that disagree and for indices out of range.
    """
    r = _Reader(text, source)
    line, first = r.peek()
    if first != "MTP":
        raise r.fail("the first line must be 'MTP'; this is not an .mtp potential.", line or 1)
    r.at += 1
    _refuse_foreign(r)
    line, version = r.take("version")
    if version not in (PUBLISHED_VERSION, EXTENDED_VERSION):
        raise r.fail(
            f"version {_short(version)} is not supported: SUS2-MLIP writes version {PUBLISHED_VERSION}, and version "
            f"{EXTENDED_VERSION} is the newest that this release knows; a newer release may read the file.",
            line,
        )
    extended = version == EXTENDED_VERSION
    name = r.optional("potential_name")
    scaling_item = r.optional("scaling")
    scaling = r.convert(scaling_item[0], "scaling", scaling_item[1], float, "a number") if scaling_item else 1.0
    max_rank = r.count("L", 0, 20)
    line, scaling_map = r.take("scaling_map")
    if scaling_map not in get_args(ScalingMap):
        raise r.fail(f"'scaling_map' must be K, L or LK, found '{_short(scaling_map)}'.", line)
    species = r.count("species_count", 1, _MAX_SPECIES)
    tag = r.optional("potential_tag")
    line, radial_type = r.take("radial_basis_type")
    if radial_type not in RADIAL_TYPES:
        raise r.fail(
            f"radial_basis_type '{_short(radial_type)}' is not of SUS2-MLIP ({' or '.join(RADIAL_TYPES)}).", line
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

    moments = r.count("alpha_moments_count", 1, _MAX_COUNT)
    n_basic = r.count("alpha_index_basic_count", 1, moments)
    basic = r.rows("alpha_index_basic", n_basic)
    n_times = r.count("alpha_index_times_count", 0, _MAX_COUNT)
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
        raise r.fail(f"unexpected text after the last key: '{_short(extra)}'.", line)

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


def _refuse_foreign(r: _Reader) -> None:
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


def _radial(r: _Reader, funcs: int, size: int, species: int) -> tuple[Array, Array]:
    line, text = r.peek()
    if text != "radial_coeffs":
        raise r.fail(f"expected 'radial_coeffs', found '{_short(text) or 'the end of the file'}'.", line)
    r.at += 1
    line, text = r.peek()
    if text != "0-0":
        raise r.fail(f"'radial_coeffs' must have the one block '0-0' of SUS2-MLIP, found '{_short(text)}'.", line)
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


def check_graph(spec: ModelSpec, source: str = "potential") -> None:
    """Check every index of the moment graph; raises PotentialFileError naming key and row."""

    def fail(key: str, row: int, why: str) -> PotentialFileError:
        return PotentialFileError(f"{source}: '{key}' row {row + 1} {why}.")

    for n, (mu, *powers) in enumerate(spec.basic):
        if not 0 <= mu < spec.radial_funcs_count:
            last = spec.radial_funcs_count - 1
            raise fail("alpha_index_basic", n, f"uses radial function {mu}, out of range 0..{last}")
        if min(powers) < 0 or sum(powers) > spec.max_rank:
            raise fail("alpha_index_basic", n, f"has powers {powers} outside tensor rank 0..{spec.max_rank}")
    nb = len(spec.basic)
    if nb > spec.moments_count:
        raise PotentialFileError(f"{source}: 'alpha_index_basic_count' {nb} exceeds 'alpha_moments_count'.")
    known = np.zeros(spec.moments_count, dtype=bool)
    known[:nb] = True
    used_as_factor = np.zeros(spec.moments_count, dtype=bool)
    for n, (p, q, _, t) in enumerate(spec.times):
        for index in (p, q, t):
            if not 0 <= index < spec.moments_count:
                raise fail("alpha_index_times", n, f"uses moment {index}, out of range 0..{spec.moments_count - 1}")
        if not (known[p] and known[q]):
            raise fail("alpha_index_times", n, "uses a moment before it is computed")
        if t < nb:
            raise fail("alpha_index_times", n, f"overwrites basic moment {t}")
        used_as_factor[[p, q]] = True
        if used_as_factor[t]:
            raise fail("alpha_index_times", n, f"changes moment {t} after its use")
        known[t] = True
    for n, m in enumerate(spec.mapping):
        if not 0 <= m < spec.moments_count:
            raise fail("alpha_moment_mapping", n, f"names moment {m}, out of range 0..{spec.moments_count - 1}")
        if not known[m]:
            raise fail("alpha_moment_mapping", n, f"names moment {m}, which nothing computes")


def format_mtp(spec: ModelSpec) -> str:
    """The `.mtp` text of a spec; parse_mtp of it gives the same numbers bit for bit (17 digits)."""

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
    """Write a spec as an `.mtp` file (see format_mtp)."""
    Path(path).write_text(format_mtp(spec), encoding="utf-8")
