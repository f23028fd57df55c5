"""Modules that lie in a package now: their old names still import for one release, with a DeprecationWarning."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# Old name -> new one, below sus2.
MOVED = {
    "archive": "jobs.archive",
    "batch": "potential.batch",
    "board": "jobs.queue",
    "calculator": "potential.calculator",
    "check_cli": "cli.check",
    "choice": "registry.recommendation",
    "cli_common": "cli.common",
    "compare": "comparison.compare",
    "compare_batch": "comparison.compare_batch",
    "compare_cli": "cli.compare",
    "contractions": "potential.moments.contractions",
    "crystal": "structures.crystal",
    "distances": "structures.shells",
    "edits": "structures.edits",
    "elastic": "properties.elastic.calculate",
    "elastic_compare": "properties.elastic.methods_compared",
    "elastic_directions": "properties.elastic.directions",
    "eos": "properties.eos.calculate",
    "eos_many": "properties.eos.many",
    "eos_models": "properties.eos.equations",
    "examples": "jobs.examples",
    "external": "registry.external",
    "extrapolation": "registry.applicability",
    "figures.compare": "figures.comparison.compare",
    "figures.compare_report": "figures.comparison.report",
    "figures.elastic": "figures.properties.elastic",
    "figures.eos": "figures.properties.eos",
    "figures.learn": "figures.lessons.curves",
    "figures.learn_waves": "figures.lessons.waves",
    "figures.many": "figures.properties.table",
    "figures.phonons": "figures.properties.phonons",
    "figures.thermal": "figures.properties.thermal",
    "figures.training": "figures.studies.training",
    "figures.transfer": "figures.studies.transfer",
    "follow": "properties.phonons.follow_mode",
    "graph": "potential.moments.graph",
    "head": "potential.moments.quadratic_form",
    "kernels": "native.kernels",
    "limits": "jobs.memory",
    "many": "properties.property_table",
    "model": "potential.model",
    "mtp": "potential.mtp",
    "packed": "potential.packed",
    "phonon_report": "properties.phonons.report",
    "phonons": "properties.phonons.calculate",
    "potential.compact": "potential.mtp.compact",
    "potential.contractions": "potential.moments.contractions",
    "potential.graph": "potential.moments.graph",
    "potential.quadratic_form": "potential.moments.quadratic_form",
    "potential.torch_sweep": "potential.backends.torch_sweep",
    "potential.triton_kernels": "potential.backends.triton_kernels",
    "pretrained": "registry.load",
    "properties_cli": "cli.properties",
    "questions": "jobs.calculation",
    "reference_data": "validation.reference_data",
    "references": "comparison.references",
    "relax": "relaxation.relax",
    "relax_many": "relaxation.relax_many",
    "reproduce": "jobs.reproduce",
    "repulsion": "potential.repulsion",
    "samples": "structures.samples",
    "sanity": "validation.model_check",
    "screen_cli": "cli.screening",
    "screen_columns": "screening.columns",
    "screen_files": "screening.files",
    "screen_plan": "screening.plan",
    "screen_read": "screening.read",
    "screen_run": "screening.run",
    "screen_store": "screening.store",
    "screen_tables": "screening.tables",
    "screen_work": "screening.work",
    "server_cli": "cli.server",
    "skin": "potential.verlet_list",
    "store": "jobs.store",
    "structure_archives": "structures.archives",
    "structure_files": "structures.files",
    "study_tables": "studies.tables",
    "thermal": "properties.thermal.calculate",
    "torch_sweep": "potential.backends.torch_sweep",
    "triton_kernels": "potential.backends.triton_kernels",
    "universal_eos": "properties.eos.universal",
}

# Old name -> other modules, below sus2, where parts of what it held lie now.
SPLIT = {
    "batch": ("native.neighbours",),
    "calculator": ("potential.evaluation",),
    "compare": ("comparison.result",),
    "crystal": ("structures.description",),
    "distances": ("registry.distances",),
    "elastic": ("properties.elastic.result",),
    "figures.learn": ("figures.lessons.universal",),
    "figures.learn_waves": ("figures.lessons.functionals", "figures.lessons.symmetry"),
    "figures.phonons": ("figures.properties.modes",),
    "eos": ("properties.eos.result", "properties.eos.equations", "properties.eos.volumes"),
    "kernels": ("native.neighbours",),
    "mtp": ("potential.mtp.spec",),
    "phonons": ("properties.phonons.result",),
    "pretrained": ("potential.card",),
    "questions": ("registry.reference",),
    "relax": ("relaxation.result", "relaxation.symmetry", "relaxation.criteria", "relaxation.minimiser"),
    "relax_many": ("relaxation.minimiser",),
    "sanity": ("validation.result", "validation.behaviour"),
    "thermal": ("properties.thermal.result",),
}
# Modules that still have their name, but no longer hold these: name -> module below sus2.
LEFT = {
    "checks": {
        "check": "validation.model_check",
        "check_applicability": "registry.checks",
        "check_distances": "registry.checks",
        "check_elements": "registry.checks",
        "check_eos": "properties.eos.checks",
        "check_pairs": "registry.checks",
        "check_phonons": "properties.phonons.checks",
        "check_relaxation": "relaxation.checks",
        "check_shells": "registry.checks",
        "shells_near_cutoff": "registry.checks",
        "untrained_pairs": "registry.checks",
        "SHELL_WIDTH_A": "registry.checks",
        "UPHILL_MEV_PER_ATOM": "relaxation.checks",
    },
    "derivatives": {
        "Modes": "derivatives.lattice_dynamics",
        "SecondDerivatives": "derivatives.second_order",
        "second_derivatives": "derivatives.second_order",
    },
    "derivatives.second_order": {"Modes": "derivatives.lattice_dynamics"},
    "figures.lessons.waves": {
        "errors_figure": "figures.lessons.functionals",
        "functional_figure": "figures.lessons.functionals",
        "pattern_figure": "figures.lessons.symmetry",
        "stress_figure": "figures.lessons.symmetry",
    },
    "figures.properties.phonons": {"mode_figure": "figures.properties.modes"},
    "jobs": {
        "InlineExecutor": "jobs.executor",
        "JobFuture": "jobs.executor",
        "LocalExecutor": "jobs.executor",
        "STOP_GRACE_S": "jobs.executor",
        "error_of": "jobs.executor",
        "report": "jobs.reporting",
        "set_reporter": "jobs.reporting",
    },
    "native.kernels": {"find_edges": "native.neighbours", "refresh": "native.neighbours"},
    "potential": {
        "Calculates": "potential.evaluation",
        "Evaluation": "potential.evaluation",
        "MAX_EDGES_PER_CHUNK": "potential.potential",
        "Potential": "potential.potential",
        "split": "potential.evaluation",
    },
    "potential.batch": {
        "MAX_BOX_IN_CUTOFFS": "native.neighbours",
        "by_vesin": "native.neighbours",
        "neighbours_of": "native.neighbours",
    },
    "potential.mtp": {
        "ENVELOPE_POWERS": "potential.mtp.spec",
        "EXTENDED_VERSION": "potential.mtp.spec",
        "MAX_FILE_BYTES": "potential.mtp.spec",
        "PUBLISHED_VERSION": "potential.mtp.spec",
        "RADIAL_TYPES": "potential.mtp.spec",
    },
    "screening": {"reference_of": "screening.start", "screen": "screening.start"},
    "structures.crystal": {
        "CrystalInfo": "structures.description",
        "CrystalSystem": "structures.description",
        "Orbit": "structures.description",
        "crystal_system": "structures.description",
        "describe": "structures.description",
        "standardise": "structures.description",
    },
    "training.data": {
        "read_cfg": "training.data.readers",
        "read_extxyz": "training.data.readers",
        "read_json": "training.data.readers",
        "read_training_set": "training.data.readers",
    },
    "training.fit": {
        "HELD_OUT": "training.fit.start",
        "TrainResult": "training.fit.run",
        "as_trained": "training.fit.run",
        "fit": "training.fit.run",
        "initial_spec": "training.fit.start",
        "training_data": "training.fit.run",
        "weighted": "training.fit.run",
    },
}


def left(module: str, name: str) -> Any:
    """Return what a module held under a name, with a DeprecationWarning; for the module's own `__getattr__`.

    Parameters
    ----------
    module
        The module, below sus2.
    name
        What is looked for in it.

    Returns
    -------
    object
        What lies elsewhere now.

    Raises
    ------
    AttributeError
        The module never held such a name.
    """
    place = LEFT[module].get(name)
    if place is None:
        raise AttributeError(f"module 'sus2.{module}' has no attribute '{name}'")
    warnings.warn(
        f"sus2.{module}.{name} is sus2.{place}.{name} now; the old name goes with the next release.",
        DeprecationWarning,
        stacklevel=3,
    )
    return getattr(import_module(f"sus2.{place}"), name)


class _Alias(Loader):
    """Hands out the module under its new name."""

    def __init__(self, target: str, rest: Sequence[str]) -> None:
        self.target = target
        self.rest = rest

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module of the new name itself."""
        warnings.warn(
            f"{spec.name} is {self.target} now; the old name goes with the next release.",
            DeprecationWarning,
            stacklevel=2,
        )
        alias = ModuleType(spec.name)
        for place in (*(f"sus2.{s}" for s in self.rest), self.target):
            alias.__dict__.update({k: v for k, v in vars(import_module(place)).items() if not k.startswith("__")})
        return alias

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: the module has run under its new name."""


class _Finder(MetaPathFinder):
    """Finds the old names; last on the path, so it is asked for nothing that exists."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A spec for an old name, else None."""
        old = fullname.removeprefix("sus2.")
        new = MOVED.get(old) if fullname.startswith("sus2.") else None
        return None if new is None else ModuleSpec(fullname, _Alias(f"sus2.{new}", SPLIT.get(old, ())))


def install() -> None:
    """Make the old names importable."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
