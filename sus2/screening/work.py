"""What a worker does in a screening: properties of a batch of structures, relaxed together.

The numbers are those of sus2.relax, sus2.eos, sus2.elastic, sus2.phonons and sus2.thermal for each crystal alone, to
rounding; only the relaxations and equations of state of a batch share their steps.
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from ase import Atoms

from sus2.errors import CancelledError, Sus2Error
from sus2.jobs import executor as jobs
from sus2.jobs.calculation import Question, code_version
from sus2.potential.potential import Potential
from sus2.properties.elastic.calculate import RELAX_FMAX_EV_PER_A as ELASTIC_FMAX
from sus2.properties.elastic.calculate import RELAX_STRESS_GPA as ELASTIC_STRESS
from sus2.properties.elastic.calculate import SYMPREC_A, elastic
from sus2.properties.elastic.ieee_axes import primitive_cell
from sus2.properties.eos.calculate import eos
from sus2.properties.eos.many import eos_many
from sus2.properties.phonons.calculate import RELAX_FMAX_EV_PER_A as PHONON_FMAX
from sus2.properties.phonons.calculate import phonons
from sus2.properties.phonons.result import PhononResult
from sus2.properties.thermal.calculate import thermal
from sus2.properties.thermal.result import ThermalResult
from sus2.registry.reference import PotentialRef
from sus2.relaxation.relax import relax
from sus2.relaxation.relax_many import relax_many
from sus2.screening.columns import TEMPERATURE_K
from sus2.screening.tables import Outcome
from sus2.structures import elements_of, to_atoms

FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "relax": relax,
    "eos": eos,
    "elastic": elastic,
    "phonons": phonons,
    "thermal": thermal,
}
"""Properties of a screening, and the functions that give them."""

DEFAULTS: Final[dict[str, dict[str, Any]]] = {"elastic": {"cross_checks": False}}
"""Settings of a screening that are not the functions' own."""

_KJ_PER_MOL_TO_EV: Final = 1.0 / 96.48533212331


class OtherCodeError(Sus2Error):
    """A worker has other code than the run that asks it, so its numbers could differ."""


@dataclass(frozen=True, eq=False)
class Task:
    """One structure in one potential; wanted: property -> key of its question."""

    structure: str
    atoms: Atoms
    potential: PotentialRef
    wanted: Mapping[str, str]

    def outcome(self, name: str, *, ok: bool = False, **rest: Any) -> Outcome:
        """The outcome of one of its properties."""
        ref = self.potential
        return Outcome(self.wanted[name], self.structure, ref.name, ref.identity, name, ok, **rest)


def question(name: str, atoms: Atoms, potential: PotentialRef, settings: Mapping[str, Any]) -> Question:
    """The question that a property of a structure answers."""
    return Question.of(FUNCTIONS[name], atoms=atoms, potential=potential, **settings)


def compute(
    tasks: Sequence[Task], settings: Mapping[str, Mapping[str, Any]], code: str
) -> tuple[list[Outcome], float, float]:
    """All that is wanted of a batch, and the seconds that it took by the clock and of the processor.

    settings: by property; code: of who asks.

    A structure that fails has an outcome that says why. Raises OtherCodeError, and CancelledError (from progress).
    """
    if code != code_version():
        raise OtherCodeError(
            f"The worker on {socket.gethostname()} has another release ({code_version()}) than this program ({code}): "
            "install the same one everywhere."
        )
    started, processor = time.perf_counter(), time.process_time()
    outcomes: list[Outcome] = []
    for reference in dict.fromkeys(t.potential for t in tasks):
        mine = [t for t in tasks if t.potential == reference]
        outcomes += _with(reference, mine, settings)
    worker = f"{socket.gethostname()}:{os.getpid()}"
    done = [replace(o, worker=worker) for o in outcomes]
    return done, time.perf_counter() - started, time.process_time() - processor


def _with(reference: PotentialRef, tasks: Sequence[Task], settings: Mapping[str, Mapping[str, Any]]) -> list[Outcome]:
    try:
        potential = reference.load()
    except Sus2Error as error:
        return [t.outcome(name, reason=str(error)) for t in tasks for name in t.wanted]
    outcomes: list[Outcome] = []
    able = []
    for t in tasks:
        missing = [e for e in elements_of(t.atoms) if e not in potential.elements]
        if missing:
            why = f"{reference.name} does not know {', '.join(missing)}."
            outcomes += [t.outcome(name, reason=why) for name in t.wanted]
        else:
            able.append(t)
    for name in FUNCTIONS:
        some = [t for t in able if name in t.wanted]
        if not some:
            continue
        chosen = {**DEFAULTS.get(name, {}), **settings.get(name, {})}
        try:
            outcomes += _PROPERTIES[name](some, potential, chosen)
        except CancelledError:
            raise
        except Exception:  # one of the batch spoils the shared steps, whatever it raised: each alone then
            for t in some:
                outcomes += _alone(name, t, potential, chosen)
    return outcomes


def _alone(name: str, task: Task, potential: Any, settings: Mapping[str, Any]) -> list[Outcome]:
    try:
        return _PROPERTIES[name]([task], potential, settings)
    except CancelledError:
        raise
    except MemoryError:
        return [task.outcome(name, reason="The calculation needs more memory than there is.")]
    except Exception as error:  # recorded with the structure; a traceback would help nobody there
        return [task.outcome(name, reason=_words(error))]


def _words(error: Exception) -> str:
    if isinstance(error, Sus2Error):
        return str(error)
    return f"The calculation failed ({type(error).__name__}: {' '.join(str(error).split())[:160].rstrip('.')})."


def _each(
    name: str, tasks: Sequence[Task], work: Callable[[int], tuple[dict[str, float], dict[str, str]]], shared_s: float
) -> list[Outcome]:
    """work(k) for each task; shared_s: of each one's share of what was computed together."""
    outcomes = []
    for k, t in enumerate(tasks):
        jobs.report(f"{name} of {t.atoms.get_chemical_formula('metal')}", 0.0)
        started = time.perf_counter()
        try:
            numbers, words = work(k)
            found = t.outcome(name, ok=True, numbers={c: _finite(v) for c, v in numbers.items()}, words=words)
        except CancelledError:
            raise
        except (Sus2Error, ArithmeticError, ValueError) as error:
            # ArithmeticError and ValueError: what numpy and scipy raise for numbers out of range.
            found = t.outcome(name, reason=_words(error))
        outcomes.append(replace(found, seconds=shared_s / len(tasks) + time.perf_counter() - started))
    return outcomes


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


# Properties ---------------------------------------------------------------------------------------------------------

_RELAX_NAMES: Final = ("fmax", "stress_gpa", "symmetry", "max_steps")


def _relax(tasks: Sequence[Task], potential: Any, settings: Mapping[str, Any]) -> list[Outcome]:
    started = time.perf_counter()
    found = relax_many([t.atoms for t in tasks], potential, progress=jobs.report, **settings)

    def numbers(k: int) -> tuple[dict[str, float], dict[str, str]]:
        r = found[k].require_converged()
        n = len(r.atoms)
        a, b, c = (float(x) for x in r.atoms.cell.lengths())
        values = {
            "relaxed_energy_ev_per_atom": r.energy_ev / n,
            "relaxed_volume_a3_per_atom": r.volume_a3 / n,
            "volume_change_percent": r.volume_change_percent,
            "relaxed_a_a": a,
            "relaxed_b_a": b,
            "relaxed_c_a": c,
            "relaxation_steps": float(r.steps),
        }
        return values, {"relaxed_space_group": r.spacegroup_after}

    return _each("relax", tasks, numbers, time.perf_counter() - started)


def _eos(tasks: Sequence[Task], potential: Any, settings: Mapping[str, Any]) -> list[Outcome]:
    started = time.perf_counter()
    rest = dict(settings)
    if rest.pop("relaxed", False):
        return _each("eos", tasks, lambda k: _eos_numbers(eos(tasks[k].atoms, potential, **settings)), 0.0)
    first = {name: rest[name] for name in _RELAX_NAMES if name in rest}
    relaxed = relax_many([t.atoms for t in tasks], potential, progress=jobs.report, **first)
    found = eos_many(relaxed, potential, progress=jobs.report, **rest)

    def numbers(k: int) -> tuple[dict[str, float], dict[str, str]]:
        e = found[k]
        if isinstance(e, Sus2Error):
            raise e
        return _eos_numbers(e)

    return _each("eos", tasks, numbers, time.perf_counter() - started)


def _eos_numbers(e: Any) -> tuple[dict[str, float], dict[str, str]]:
    names = ("v0_a3_per_atom", "b0_gpa", "b0_gpa_error", "b0_prime", "e0_ev_per_atom")
    return {name: getattr(e, name) for name in names}, {}


def _elastic(tasks: Sequence[Task], potential: Any, settings: Mapping[str, Any]) -> list[Outcome]:
    started = time.perf_counter()
    rest = {"method": "exact" if isinstance(potential, Potential) else "finite", **settings}
    pressure = rest.get("pressure_gpa", 0.0)
    starts: list[Atoms | Sus2Error] = [_or_error(lambda a: primitive_cell(a, SYMPREC_A), t.atoms) for t in tasks]
    if not rest.pop("relaxed", False):
        starts = _relaxed(
            starts, potential, fmax=ELASTIC_FMAX, stress_gpa=ELASTIC_STRESS, pressure_gpa=pressure
        )  # fmt: skip

    def numbers(k: int) -> tuple[dict[str, float], dict[str, str]]:
        c = elastic(_sound(starts[k]), potential, relaxed=True, **rest)
        names = ("k_vrh_gpa", "g_vrh_gpa", "e_vrh_gpa", "nu_vrh", "universal_anisotropy", "debye_temperature_vrh_k")
        values = {name: float(getattr(c, name)) for name in names}
        values["smallest_eigenvalue_gpa"] = float(c.eigenvalues_gpa[0])
        return values, {"elastically": "stable" if c.stable else "unstable", "relaxed_space_group": c.space_group}

    return _each("elastic", tasks, numbers, time.perf_counter() - started)


def _phonons(tasks: Sequence[Task], potential: Any, settings: Mapping[str, Any]) -> list[Outcome]:
    started = time.perf_counter()
    rest = {"method": "exact" if isinstance(potential, Potential) else "finite", **settings}
    starts: list[Atoms | Sus2Error] = [t.atoms for t in tasks]
    if not rest.pop("relaxed", False):
        starts = _relaxed(starts, potential, fmax=PHONON_FMAX)

    def numbers(k: int) -> tuple[dict[str, float], dict[str, str]]:
        return _phonon_numbers(phonons(_sound(starts[k]), potential, relaxed=True, **rest))

    return _each("phonons", tasks, numbers, time.perf_counter() - started)


def _phonon_numbers(f: PhononResult) -> tuple[dict[str, float], dict[str, str]]:
    bands, mesh = f.band_structure().frequencies_thz, f.mesh_frequencies_thz
    heat = f.thermal([TEMPERATURE_K])
    values = {
        "lowest_frequency_thz": float(min(bands.min(), mesh.min())),
        "highest_frequency_thz": float(max(bands.max(), mesh.max())),
        "zero_point_ev_per_atom": heat.zero_point_energy_kj_per_mol * _KJ_PER_MOL_TO_EV / heat.n_atoms,
        "cv_300k_j_per_k_mol_atoms": float(heat.heat_capacity_j_per_k_mol[0]) / heat.n_atoms,
    }
    return values, {"dynamically": "stable" if f.stable else "unstable"}


def _thermal(tasks: Sequence[Task], potential: Any, settings: Mapping[str, Any]) -> list[Outcome]:
    def numbers(k: int) -> tuple[dict[str, float], dict[str, str]]:
        t: ThermalResult = thermal(tasks[k].atoms, potential, progress=jobs.report, **settings)
        values = {
            "thermal_expansion_300k_1e6_per_k": 1e6 * t.at("thermal_expansion_per_k", TEMPERATURE_K),
            "volume_300k_a3_per_atom": t.at("volumes_t_a3", TEMPERATURE_K) / t.n_atoms,
            "bulk_modulus_300k_gpa": t.at("bulk_modulus_gpa", TEMPERATURE_K),
            "cp_300k_j_per_k_mol_atoms": float(
                np.interp(TEMPERATURE_K, t.temperatures_k, np.asarray(t.cp_j_per_k_mol_atoms))
            ),
        }
        return values, {}

    return _each("thermal", tasks, numbers, 0.0)


def _relaxed(starts: Sequence[Atoms | Sus2Error], potential: Any, **options: Any) -> list[Atoms | Sus2Error]:
    """Each relaxed, together; an error in its place where that failed."""
    good = [k for k, a in enumerate(starts) if isinstance(a, Atoms)]
    results = relax_many([_sound(starts[k]) for k in good], potential, progress=jobs.report, **options)
    out = list(starts)
    for k, r in zip(good, results, strict=True):
        out[k] = _or_error(lambda r: r.require_converged().atoms, r)
    return out


def _or_error(work: Callable[[Any], Atoms], value: Any) -> Atoms | Sus2Error:
    try:
        return work(to_atoms(value) if isinstance(value, Atoms) else value)
    except Sus2Error as error:
        return error


def _sound(value: Atoms | Sus2Error) -> Atoms:
    if isinstance(value, Sus2Error):
        raise value
    return value


_PROPERTIES: Final = {"relax": _relax, "eos": _eos, "elastic": _elastic, "phonons": _phonons, "thermal": _thermal}
