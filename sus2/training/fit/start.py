"""Where a training run starts: an untrained model, or another potential in the form that the run asks for."""

from __future__ import annotations

import warnings
from collections.abc import Sequence, Set
from dataclasses import replace
from typing import Final

import numpy as np
from ase.data import atomic_numbers, covalent_radii
from pymatgen.core import Element

from sus2.errors import DataError
from sus2.native.build import cache_folder
from sus2.potential.card import read_card
from sus2.potential.moments.graph import graph
from sus2.potential.mtp import ModelSpec, ScalingMap, read_mtp
from sus2.registry.load import load_moments
from sus2.training.fit.config import TrainConfig
from sus2.training.fit.objective import Objective
from sus2.types import Array

HELD_OUT: Final = "held-out.mtp"
# Kinds of structures that are made to be far from any crystal at rest.
EXTREME: Final = ("dimer", "wall", "atom")


def starting_point(name: str, elements: tuple[str, ...]) -> ModelSpec:
    """Weights by name or file, or what run:NAME left from before it released its held-out compositions.

    A potential of more elements gives those that are wanted. An element that it does not cover starts as a copy of the
    one with the nearest atomic number, of two the lighter.

    Parameters
    ----------
    name
        A potential's name, a file, or run:NAME.
    elements
        Chemical symbols of the model that starts.

    Returns
    -------
    ModelSpec
        The weights for these elements, in this order.

    Raises
    ------
    DataError
        The run has not ended here, or the potential shares no element with those that are wanted.
    """
    if name.startswith("run:"):
        folder = cache_folder() / "runs" / name[4:]
        if not (folder / HELD_OUT).exists():
            raise DataError(f"The run {name[4:]} has not ended here; train it first with 'sus2 train'.")
        known = TrainConfig.model_validate_json((folder / "config.json").read_text(encoding="utf-8")).elements
        spec = read_mtp(folder / HELD_OUT)
    else:
        potential = load_moments(name)
        known, spec = potential.elements, potential.spec
    if not set(elements) & set(known):
        raise DataError(f"Nothing to start from: {name} does not cover {', '.join(elements)}.")
    numbers = [atomic_numbers[e] for e in known]
    return spec.with_species([_nearest(atomic_numbers[e], numbers) for e in elements])


def distances_of_start(name: str) -> dict[str, float]:
    """The shortest distances of the labels that a starting point was trained on.

    Parameters
    ----------
    name
        As in starting_point.

    Returns
    -------
    dict
        Angstrom by pair; empty where its card states none.
    """
    if name.startswith("run:"):
        path = cache_folder() / "runs" / name[4:] / f"{name[4:]}.json"
        return dict(read_card(path).shortest_distances_a) if path.exists() else {}
    return dict(load_moments(name).card.shortest_distances_a)


def _nearest(number: int, known: Sequence[int]) -> int:
    """Place of the nearest atomic number, of two equally near ones the smaller."""
    return min(range(len(known)), key=lambda k: (abs(known[k] - number), known[k]))


def initial_spec(config: TrainConfig) -> ModelSpec:
    """An untrained model: random radial weights, and a scaling that spreads every pair over [-1, 1].

    alpha = 6.6 / (rc - rmin) and r0 = (rc + rmin) / 2, as the authors' program starts.

    Parameters
    ----------
    config
        Of the training.

    Returns
    -------
    ModelSpec
        Without shifts.
    """
    moments = graph(config.graph)
    rng = np.random.default_rng(config.seed)
    c, m, r = len(config.elements), moments.radial_funcs_count, config.radial_basis_size
    scaling_map: ScalingMap = config.scaling_map
    spec = ModelSpec(
        potential_name=config.name,
        scaling=config.scaling,
        max_rank=moments.max_rank,
        scaling_map=scaling_map,
        species_count=c,
        potential_tag="",
        radial_basis_type="RBChebyshev_sss",
        min_dist=config.min_distance_a,
        max_dist=config.cutoff_a,
        radial_basis_size=r,
        radial_funcs_count=m,
        e0=None,
        moments_count=moments.moments_count,
        basic=moments.basic,
        times=moments.times,
        mapping=moments.mapping,
        envelope_power=config.envelope_power,
    )
    reach = config.cutoff_a - config.min_distance_a
    blocks = spec.scaling_blocks
    return replace(
        spec,
        shift_coeffs=np.zeros(c),
        alpha=np.full((blocks, c, c), 6.6 / reach),
        r0=np.full((blocks, c, c), config.min_distance_a + 0.5 * reach),
        radial_weights=rng.normal(size=(m, r)) / np.sqrt(1.0 + np.arange(r)),
        radial_species=np.ones((m, c)),
        species_coeffs=np.ones(c),
        moment_coeffs=np.zeros((c, len(moments.mapping)) if config.readout != "common" else len(moments.mapping)),
        neighbour_coeffs=np.ones((m, c)) if config.amplitudes else None,
    )


def alikeness(elements: Sequence[str], rank: int, seed: int) -> Array:
    """Where the mixtures of readouts start: properties that make elements alike, and random numbers beyond those.

    Parameters
    ----------
    elements
        Chemical symbols.
    rank
        Number of mixtures.
    seed
        Of the random numbers.

    Returns
    -------
    ndarray, shape (C, rank)
        Electronegativity (Pauling), covalent radius, period, group and the block s, p, d or f, each with mean zero and
        variance one.
    """
    found = [Element(e) for e in elements]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No Pauling electronegativity")
        known = [e.X for e in found]
    columns = [
        np.nan_to_num(known, nan=float(np.nanmean(known)) if np.isfinite(known).any() else 0.0),
        [covalent_radii[e.Z] for e in found],
        [e.row for e in found],
        [e.group for e in found],
        *([float(e.block == b) for e in found] for b in "spdf"),
    ]
    out = np.random.default_rng((seed, rank)).normal(size=(len(found), rank))
    for k, column in enumerate(columns[:rank]):
        values = np.asarray(column, dtype=float)
        spread = values.std()
        if spread > 0.0:
            out[:, k] = (values - values.mean()) / spread
    return out


def in_form(config: TrainConfig, spec: ModelSpec) -> ModelSpec:
    """A model to start from with the readout and the amplitudes that the configuration asks for.

    Parameters
    ----------
    config
        Of the training.
    spec
        The model.

    Returns
    -------
    ModelSpec
        In that form.

    Raises
    ------
    DataError
        The model has what the configuration leaves out, or another envelope.
    """
    if spec.envelope_power != config.envelope_power:
        raise DataError(
            f"The model to start from has 'envelope_power: {spec.envelope_power}', the configuration "
            f"{config.envelope_power}: make them equal."
        )
    own = spec.moment_coeffs is not None and spec.moment_coeffs.ndim == 2
    if (own and config.readout == "common") or (spec.neighbour_coeffs is not None and not config.amplitudes):
        raise DataError(
            "The model to start from has a readout of each element or amplitudes: set 'readout: element' and "
            "'amplitudes: true' as it has them."
        )
    if config.readout != "common":
        spec = replace(spec, moment_coeffs=spec.readout.copy())
    if config.amplitudes and spec.neighbour_coeffs is None:
        spec = replace(spec, neighbour_coeffs=np.ones((spec.radial_funcs_count, spec.species_count)))
    return spec


def aligned(spec: ModelSpec, parts: Sequence[Objective], iterations: int = 30) -> ModelSpec:
    """The model with shifts that bring its energies onto those of a set: one offset for each element.

    Parameters
    ----------
    spec
        A trained model.
    parts
        The set; what is far from any crystal at rest does not count.
    iterations
        Of the reweighting that makes the fit robust (least absolute deviations from 0.03 eV/atom on).

    Returns
    -------
    ModelSpec
        The same with other `shift_coeffs`.
    """
    fractions, miss = [], []
    for part in parts:
        usual = ~np.isin(part.data.kind, EXTREME)
        rest = (part.data.energy_ev - part.predict(spec).energy_ev) / part.sizes
        fractions.append((part.counts / part.sizes[:, None])[usual])
        miss.append(rest[usual])
    a, y = np.concatenate(fractions), np.concatenate(miss)
    weight: Array = np.ones(len(y))
    offset: Array = np.zeros(a.shape[1])
    for _ in range(iterations):
        normal = a.T @ (weight[:, None] * a) + 1e-4 * np.eye(a.shape[1])
        offset = np.asarray(np.linalg.solve(normal, a.T @ (weight * y)), dtype=np.float64)
        weight = np.asarray(1.0 / np.maximum(np.abs(y - a @ offset), 0.03), dtype=np.float64)
    assert spec.shift_coeffs is not None
    return replace(spec, shift_coeffs=spec.shift_coeffs + offset)


def align_zeros(parts: Sequence[Objective], checks: Objective | None, spec: ModelSpec, free: Set[str]) -> None:
    """Move the energies of sets with a zero of their own onto a model's: one offset for each element, in place.

    Parameters
    ----------
    parts
        The set.
    checks
        What is held out; None for nothing.
    spec
        The model.
    free
        Names of these sets.
    """
    everything = [*parts, *([checks] if checks is not None else [])]
    miss = [part.predict(spec).energy_ev - part.data.energy_ev for part in everything]
    for name in sorted(free):
        inside = [part.data.set_name == name for part in everything]
        trained = list(zip(parts, miss, inside, strict=False))
        rows = np.concatenate([p.counts[m] / p.energy_scale[m, None] for p, _, m in trained])
        right = np.concatenate([e[m] / p.energy_scale[m] for p, e, m in trained])
        offset = np.linalg.solve(rows.T @ rows + 1e-6 * np.eye(rows.shape[1]), rows.T @ right)
        for part, m in zip(everything, inside, strict=True):
            part.data = replace(part.data, energy_ev=part.data.energy_ev + m * (part.counts @ offset))
