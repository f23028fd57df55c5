"""Modules that lie in a package now: their old names still import for one release, with a DeprecationWarning."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

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
    "contractions": "potential.contractions",
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
    "graph": "potential.graph",
    "head": "potential.quadratic_form",
    "kernels": "native.kernels",
    "limits": "jobs.memory",
    "many": "properties.property_table",
    "model": "potential.model",
    "mtp": "potential.mtp",
    "packed": "potential.packed",
    "phonon_report": "properties.phonons.report",
    "phonons": "properties.phonons.calculate",
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
    "torch_sweep": "potential.torch_sweep",
    "triton_kernels": "potential.triton_kernels",
    "universal_eos": "properties.eos.universal",
}


class _Alias(Loader):
    """Hands out the module under its new name."""

    def __init__(self, target: str) -> None:
        self.target = target

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module of the new name itself."""
        warnings.warn(f"{spec.name} is {self.target} now; the old name goes with the next release.",
                      DeprecationWarning, stacklevel=2)  # fmt: skip
        alias = ModuleType(spec.name)
        alias.__dict__.update({k: v for k, v in vars(import_module(self.target)).items() if not k.startswith("__")})
        return alias

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: the module has run under its new name."""


class _Finder(MetaPathFinder):
    """Finds the old names; last on the path, so it is asked for nothing that exists."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A spec for an old name, else None."""
        new = MOVED.get(fullname.removeprefix("sus2.")) if fullname.startswith("sus2.") else None
        return None if new is None else ModuleSpec(fullname, _Alias(f"sus2.{new}"))


def install() -> None:
    """Make the old names importable."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
