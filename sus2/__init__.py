"""SUS2 Explorer: what an interatomic potential says about your crystal, and how far to trust it."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import lazy_loader

from sus2 import _moved

__version__ = "0.1.0"

# The public names are those of __init__.pyi, each loaded at first use: importing one part does not import torch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]


class _Package(ModuleType):
    """Keeps the public functions in front of the old modules that had their names (sus2.relax, sus2.eos)."""

    def __setattr__(self, name: str, value: Any) -> None:
        # The import system binds a submodule on its package; the function of that name is what users mean.
        if isinstance(value, ModuleType) and name in _moved.MOVED and name in __all__:
            value = getattr(value, name)
        super().__setattr__(name, value)


_moved.install()
sys.modules[__name__].__class__ = _Package
