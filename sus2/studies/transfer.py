"""From a PBE potential to an r2SCAN one: six ways, and how the error falls with the number of r2SCAN structures.

After Huang et al., npj Comput. Mater. 2025 (arXiv 2504.05565): 1 from scratch; 2 transfer with trainable elemental
references; 3 transfer with the references of PBE kept; 4 transfer after the references are refitted to r2SCAN. Beyond
the paper, both on shared descriptors: 5 multi-fidelity, one potential trained on both functionals at once, with the
functional as one more index of the readout of each element; 6 the change alone, which keeps the PBE potential and
solves the readouts for the change of the labels, as the shipped pair is made.

All potentials are of the form of the shipped ones: a readout of each element, and amplitudes of neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from sus2.comparison.agreement import agreement, regress_shifts
from sus2.potential.mtp import ModelSpec
from sus2.progress import Report
from sus2.studies.study import Effort, Material, descend, measured, ordinary, steps_of, study_config, train
from sus2.studies.tables import append_row, read_table, run_rows, table_path
from sus2.training.data.dataset import TrainingSet, split_of
from sus2.training.data.families import IONIC
from sus2.training.data.sets import load_set
from sus2.training.fit.config import Source
from sus2.training.fit.normal_equations import readout_curvature
from sus2.training.fit.objective import Objective
from sus2.training.fit.parameters import ParameterSpace
from sus2.training.fit.readouts import solved_readouts
from sus2.training.fit.sources import read_source
from sus2.types import Array
from sus2.units import EV_PER_A3_TO_GPA

METHODS: Final[Mapping[int, str]] = {
    1: "from scratch",
    2: "transfer, trainable references",
    3: "transfer, references of PBE kept",
    4: "transfer, references refitted first",
    5: "both functionals at once",
    6: "change of the readouts alone",
}
SIZES: Final = (100, 300, 1000, 3000)
# What the paper finds for methods 1 to 4 (CHGNet, 240,000 structures): energy, force and formation energy.
PAPER: Final[Mapping[int, tuple[float, float, float]]] = {
    1: (27.0, 45.0, 43.0),
    2: (26.0, 54.0, 52.0),
    3: (26.0, 52.0, 40.0),
    4: (17.0, 38.0, 29.0),
}
_OWN: Final = ("theta_element", "shift")  # of each functional where both are trained at once
# Structures that both functionals have labels of from their own teachers: the crystals that users know best.
_SET: Final = "crystals-2"
_SHARDS: Final = tuple(range(14))
_FORM: Final[Mapping[str, Any]] = {"readout": "element", "readout_prior": 1e-5, "amplitudes": True}
# A change of volume that is this small has no sign, as a pressure at rest.
_CHANGED_GPA: Final = 0.3
_ITERATIONS: Final = 30


@dataclass(eq=False)
class TransferStudy:
    """Both functionals on the same structures, and the PBE potential that methods 2 to 4 start from.

    Attributes
    ----------
    effort
        Of each training.
    """

    effort: Effort

    @cached_property
    def pbe(self) -> Material:
        """Structures with labels of PBE."""
        return transfer_material("PBE", self.effort.seed)

    @cached_property
    def r2scan(self) -> Material:
        """Structures with labels of r2SCAN."""
        return transfer_material("r2SCAN", self.effort.seed)

    @cached_property
    def pretrained(self) -> tuple[ParameterSpace, Array]:
        """The PBE potential: twice the updates of what follows."""
        space, x = self.pbe.start()
        longer = Effort(2 * self.effort.updates, self.effort.rate, self.effort.seed)
        return space, train(self.pbe, space, x, longer)

    def run(self, method: int, size: int) -> Mapping[str, Any]:
        """Train by one method and measure on the held-out compositions.

        Parameters
        ----------
        method
            From 1 to 6.
        size
            Number of structures; 0 for all.

        Returns
        -------
        dict
            Columns of the table.
        """
        chunks = -(-size // 100) if size else None
        if method == 1:
            space, x = self.r2scan.start(chunks=chunks)
            x = train(self.r2scan, space, x, self.effort, chunks=chunks)
        elif method == 5:
            space, x = self._both(chunks)
        elif method == 6:
            space, x = self._changed(chunks)
        else:
            space, x = self.pretrained
            trainable = np.ones(space.size, dtype=bool)
            if method == 3:
                trainable[space.slices()["shift"]] = False
            if method == 4:
                x = self._refitted(space, x, chunks)
            x = train(self.r2scan, space, x, self.effort, chunks=chunks, trainable=trainable)
        used = sum(len(c.data) for c in self.r2scan.chunks[:chunks])
        spec = space.unpack(x)
        return {"structures": used, **measured(self.r2scan.measure(spec)), **self._change(spec)}

    def _change(self, spec: ModelSpec) -> dict[str, float]:
        """Errors of the change of pressure of held-out crystals at rest, from the PBE potential to this one."""
        space, start = self.pretrained
        rest = np.flatnonzero(self.pbe.test.kind == "relaxed")
        volume = self.pbe.test.volumes_a3
        given = self.r2scan.held_out.predict(spec).virial_ev - self.pbe.held_out.predict(space.unpack(start)).virial_ev
        taught = self.r2scan.test.stress_ev_per_a3 - self.pbe.test.stress_ev_per_a3
        ours, theirs = (-EV_PER_A3_TO_GPA * x[rest, :3].mean(axis=1) for x in (given / volume[:, None], taught))
        large = np.abs(theirs) > _CHANGED_GPA
        return {
            "change_median_gpa": float(np.median(np.abs(ours - theirs))),
            "change_sign_percent": 100.0 * float((ours * theirs > 0.0)[large].mean()) if large.any() else float("nan"),
        }

    def _refitted(self, space: ParameterSpace, x: Array, chunks: int | None) -> Array:
        """The shifts of elements that fit the r2SCAN energies best, everything else as it is."""
        return _with_references(space, x, self.r2scan.chunks[:chunks])

    def _both(self, chunks: int | None) -> tuple[ParameterSpace, Array]:
        """One vector: the PBE potential's parameters and, behind them, the element-wise ones of r2SCAN."""
        space, start = self.pretrained
        own = np.concatenate([np.arange(space.size)[space.slices()[name]] for name in _OWN])
        x = np.concatenate([start, self._refitted(space, start, chunks)[own]])
        lower, upper = self.pbe.chunks, self.r2scan.chunks[:chunks]

        def as_r2scan(y: Array) -> Array:
            z = y[: space.size].copy()
            z[own] = y[space.size :]
            return z

        def gradient(y: Array, k: int) -> Array:
            out = np.zeros_like(y)
            below = _gradient(space, lower[k % len(lower)], y[: space.size])
            above = _gradient(space, upper[k % len(upper)], as_r2scan(y))
            out[: space.size] = below + above
            out[own] = below[own]
            out[space.size :] = above[own]
            return out

        steps = np.concatenate([steps_of(space), steps_of(space)[own]])
        x = descend(gradient, x, max(len(lower), len(upper)), steps, self.effort)
        return space, as_r2scan(x)

    def _changed(self, chunks: int | None) -> tuple[ParameterSpace, Array]:
        """The PBE potential with the readouts and references that the change of the labels asks for."""
        space, start = self.pretrained
        spec = space.unpack(start)
        parts = [self.r2scan.objective(c.data) for c in self.r2scan.chunks[:chunks]]
        norm = sum(part.norm for part in parts)
        for part, below in zip(parts, self.pbe.chunks, strict=False):
            part.learn_change(spec, below.data)
            part.norm = norm
        x = _with_references(space, start, parts)
        found = solved_readouts(
            space.unpack(x),
            parts,
            readout_curvature(parts, spec),
            prior=self.pbe.config.readout_prior,
            centre=spec.readout,
            iterations=_ITERATIONS,
        )
        blocks = space.blocks(x)
        blocks["theta_element"] += found.readout - spec.readout
        blocks["shift"][:] = found.shift_coeffs
        return space, x


def _with_references(space: ParameterSpace, x: Array, parts: Sequence[Objective]) -> Array:
    """A vector with the shifts of elements that fit the energies of some structures best."""
    spec = space.unpack(x)
    rows = np.concatenate([c.counts / c.sizes[:, None] for c in parts])
    miss = np.concatenate([(c.data.energy_ev - c.predict(spec).energy_ev) / c.sizes for c in parts])
    known = rows.any(axis=0)
    found, *_ = np.linalg.lstsq(rows[:, known], miss, rcond=None)
    out = x.copy()
    shift = out[space.slices()["shift"]]
    shift[known] += found
    # An element without structures here moves with the others.
    shift[~known] += found.mean() if known.any() else 0.0
    return out


def transfer_material(functional: str, seed: int) -> Material:
    """Ionic crystals that both teachers have labelled, a fifth of their compositions held out.

    The set itself holds few of these crystals out, because users know them best.

    Parameters
    ----------
    functional
        "PBE" or "r2SCAN".
    seed
        Of the order of the chunks.

    Returns
    -------
    Material
        Ready to be trained on.
    """
    source = Source(kind="distilled", name=_SET, families=("c",), shards=_SHARDS, functional=functional)
    config = study_config(**{"elements": IONIC, **_FORM, "sources": [source.model_dump()]})
    data = ordinary(TrainingSet.concatenate([read_source(source, config, s) for s in ("train", "test")]))
    held_out = np.array([split_of(c) != "train" for c in data.composition.tolist()])
    return Material(config, data.subset(np.flatnonzero(~held_out)), data.subset(np.flatnonzero(held_out)), seed)


def shifts_of_elements() -> tuple[dict[str, float], list[dict[str, Any]], dict[str, float]]:
    """Shifts of elements from PBE to r2SCAN.

    Formation energies are those of the teachers' own relaxed elements, on the same (PBE) structures.

    Returns
    -------
    tuple
        Shifts by element, a row for each relaxed crystal, and how the functionals agree.
    """
    one, two = relaxed_crystals("PBE"), relaxed_crystals("r2SCAN")
    atoms = [one.to_atoms(i) for i in range(len(one))]
    sizes = one.sizes
    raw = [d.energy_ev / sizes for d in (one, two)]
    fraction = one.counts() / sizes[:, None]
    regression = regress_shifts(atoms, raw[1] - raw[0])
    pure = fraction == 1.0
    formation = []
    for energy in raw:
        lowest = np.where(pure, energy[:, None], np.inf).min(axis=0)
        formation.append(energy - fraction @ np.where(np.isfinite(lowest), lowest, 0.0))
    # Compounds of an element that no relaxed crystal consists of have no formation energy.
    compound = np.flatnonzero((fraction.max(axis=1) < 1.0) & ~fraction[:, ~pure.any(axis=0)].any(axis=1))
    before = agreement(raw[0][compound], raw[1][compound])
    after = agreement(formation[0][compound], formation[1][compound])
    rows = [
        {
            "formula": atoms[i].get_chemical_formula(),
            "raw_pbe_ev_per_atom": float(raw[0][i]),
            "raw_r2scan_ev_per_atom": float(raw[1][i]),
            "formation_pbe_ev_per_atom": float(formation[0][i]),
            "formation_r2scan_ev_per_atom": float(formation[1][i]),
        }
        for i in compound[:: max(1, len(compound) // 400)]
    ]
    summary = {
        "crystals": float(before.n),
        "raw_pearson_r": before.pearson_r,
        "raw_mae_ev_per_atom": before.mae,
        "formation_pearson_r": after.pearson_r,
        "formation_mae_ev_per_atom": after.mae,
        "shift_residual_ev_per_atom": regression.rms_residual_ev_per_atom,
    }
    return dict(regression.shifts_ev), rows, summary


def relaxed_crystals(functional: str) -> TrainingSet:
    """All crystals at rest that both teachers have labelled, of any element.

    Parameters
    ----------
    functional
        "PBE" or "r2SCAN".

    Returns
    -------
    TrainingSet
        The same crystals in the same order for both.
    """
    data = load_set(_SET, functional, split="train", shards=_SHARDS)
    return data.subset(np.flatnonzero(data.kind == "relaxed"))


def _gradient(space: ParameterSpace, part: Objective, x: Array) -> Array:
    _, tables, shift = part.value_and_gradient(space.unpack(x))
    return space.gradient(x, tables, shift)


def planned(seeds: int) -> Iterator[dict[str, Any]]:
    """Rows of the study: all methods on all data, and the scaling law of methods 1, 4, 5 and 6.

    Parameters
    ----------
    seeds
        How many of each.

    Yields
    ------
    dict[str, Any]
        Keys of a row.
    """
    for seed in range(seeds):
        for method in METHODS:
            yield {"method": method, "size": 0, "seed": seed}
        for size in SIZES:
            for method in (1, 4, 5, 6):
                yield {"method": method, "size": size, "seed": seed}


def run_transfer(effort: Effort, seeds: int = 1, report: Report = print) -> None:
    """Measure what the committed tables have not got yet.

    Parameters
    ----------
    effort
        Of each training.
    seeds
        How many of each row.
    report
        Told what is done.

    Raises
    ------
    DataError
        The distillation set is not built.
    """
    studies: dict[int, TransferStudy] = {}

    def work(row: Mapping[str, Any]) -> Mapping[str, Any]:
        seed = int(row["seed"])
        study = studies.setdefault(seed, TransferStudy(Effort(effort.updates, effort.rate, seed)))
        return {"updates": effort.updates, **study.run(int(row["method"]), int(row["size"]))}

    run_rows(table_path("transfer.csv"), planned(seeds), work, report)
    if not read_table(table_path("transfer_shifts.csv")):
        shifts, rows, summary = shifts_of_elements()
        for element, value in shifts.items():
            append_row(table_path("transfer_shifts.csv"), {"element": element, "shift_ev_per_atom": value})
        for row in rows:
            append_row(table_path("transfer_energies.csv"), row)
        for key, value in summary.items():
            append_row(table_path("transfer_agreement.csv"), {"quantity": key, "value": value})
