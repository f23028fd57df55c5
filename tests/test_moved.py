"""Old import names still work for one release, and warn."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from sus2 import _moved


@pytest.mark.parametrize("old", sorted(_moved.MOVED))
def test_an_old_module_gives_what_it_held(old: str) -> None:
    sys.modules.pop(f"sus2.{old}", None)
    with pytest.warns(DeprecationWarning, match="old name goes"):
        alias = import_module(f"sus2.{old}")
    new = import_module(f"sus2.{_moved.MOVED[old]}")
    assert vars(new).items() <= {**vars(alias), **{k: v for k, v in vars(new).items() if k.startswith("__")}}.items()
    sys.modules.pop(f"sus2.{old}", None)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("relax", "RelaxResult"),
        ("relax", "KeepSymmetry"),
        ("relax_many", "Options"),
        ("batch", "neighbours_of"),
        ("kernels", "find_edges"),
        ("crystal", "describe"),
        ("figures.phonons", "mode_figure"),
        ("eos", "EosResult"),
        ("eos", "fit_eos"),
        ("elastic", "ElasticResult"),
        ("phonons", "PhononResult"),
        ("thermal", "ThermalResult"),
        ("pretrained", "Card"),
        ("distances", "pair_distances"),
        ("questions", "PotentialRef"),
        ("sanity", "dimer_curves"),
    ],
)
def test_names_that_lie_apart_now_are_found_where_they_were(module: str, name: str) -> None:
    sys.modules.pop(f"sus2.{module}", None)
    with pytest.warns(DeprecationWarning, match="old name goes"):
        assert hasattr(import_module(f"sus2.{module}"), name)
    sys.modules.pop(f"sus2.{module}", None)


@pytest.mark.parametrize(("module", "name"), [(m, n) for m, names in _moved.LEFT.items() for n in names])
def test_what_a_module_no_longer_holds_is_found_through_it(module: str, name: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"sus2.{module}.{name} is"):
        found = getattr(import_module(f"sus2.{module}"), name)
    assert found is getattr(import_module(f"sus2.{_moved.LEFT[module][name]}"), name)


def test_a_name_that_never_was_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        import_module("sus2.potential").nothing  # noqa: B018


def test_functions_stay_in_front_of_the_modules_that_had_their_names(root: Path) -> None:
    script = (
        "import warnings; warnings.simplefilter('ignore'); import sus2; import sus2.relax, sus2.eos;"
        "assert callable(sus2.relax) and callable(sus2.eos); from sus2.relax import relax; assert relax is sus2.relax"
    )
    subprocess.run([sys.executable, "-c", script], cwd=root, check=True)
