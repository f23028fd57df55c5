"""SUS2 Explorer: what an interatomic potential says about your crystal, and how far to trust it."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from sus2.errors import Sus2Error

if TYPE_CHECKING:
    from sus2.checks import check as check
    from sus2.compare import compare as compare
    from sus2.compare_batch import compare_batch as compare_batch
    from sus2.elastic import elastic as elastic
    from sus2.eos import eos as eos
    from sus2.follow import follow_mode as follow_mode
    from sus2.many import evaluate_many as evaluate_many
    from sus2.phonons import phonons as phonons
    from sus2.pretrained import load as load
    from sus2.pretrained import models as models
    from sus2.relax import relax as relax
    from sus2.relax_many import relax_many as relax_many
    from sus2.sanity import sanity as sanity
    from sus2.thermal import thermal as thermal

__version__ = "0.1.0"

# Public name -> module; loaded at first use so that importing one part does not import torch.
_PUBLIC = {
    "load": "sus2.pretrained",
    "models": "sus2.pretrained",
    "relax": "sus2.relax",
    "relax_many": "sus2.relax_many",
    "sanity": "sus2.sanity",
    "eos": "sus2.eos",
    "check": "sus2.checks",
    "compare": "sus2.compare",
    "compare_batch": "sus2.compare_batch",
    "elastic": "sus2.elastic",
    "evaluate_many": "sus2.many",
    "phonons": "sus2.phonons",
    "follow_mode": "sus2.follow",
    "thermal": "sus2.thermal",
}

__all__ = [
    "Sus2Error",
    "__version__",
    "check",
    "compare",
    "compare_batch",
    "elastic",
    "eos",
    "evaluate_many",
    "follow_mode",
    "load",
    "models",
    "phonons",
    "relax",
    "relax_many",
    "sanity",
    "thermal",
]


class _Package(ModuleType):
    """Keeps the public functions in front of the submodules that share their names (sus2.relax, sus2.eos)."""

    def __getattr__(self, name: str) -> Any:
        if name in _PUBLIC:
            value = getattr(import_module(_PUBLIC[name]), name)
            setattr(self, name, value)
            return value
        raise AttributeError(f"module 'sus2' has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        # The import system binds a submodule on its package; the function of that name is what users mean.
        if isinstance(value, ModuleType) and _PUBLIC.get(name) == value.__name__:
            value = getattr(value, name)
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted(__all__)


sys.modules[__name__].__class__ = _Package
