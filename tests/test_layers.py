"""Imports go one way: the core knows no screen, pages and figures know no torch, pages hold no physics."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

# Each room may import those before it (and its own); a module that is not listed belongs to the first room that
# its imports allow, so only the rooms that matter are named.
ROOMS: list[set[str]] = [
    {"units", "errors", "plain_yaml", "settings", "contractions", "head", "eos_models", "repulsion", "study_tables"},
    {"mtp", "graph", "crystal", "structure_files", "structure_archives", "structures", "samples", "edits", "distances"},
    {"_kernel_build", "batch", "kernels", "packed"},
    {"model", "torch_sweep", "triton_kernels"},
    {"pretrained", "potential", "skin", "calculator", "external"},
    {"derivatives", "elastic_directions", "_local_hessian", "_elastic_tensors", "_folding"},
    {"relax", "relax_many", "eos", "checks", "elastic", "phonons", "follow", "thermal", "_ieee", "_elastic_methods"},
    {"extrapolation", "eos_many"},
    {"sanity", "reference_data"},
    {"references", "_compare_energies", "_compare_rows", "_compare_words", "_compare_export"},
    {"compare", "compare_batch", "many", "phonon_report", "elastic_compare"},
    {"archive", "questions", "reproduce"},
    {"limits", "jobs", "_worker", "store"},
    {"board", "examples"},
    {"screen_columns", "screen_files", "screen_tables", "screen_store", "screen_work", "screen_plan", "screen_run"},
    {"screen_read", "screening"},
    {"universal_eos", "lessons"},
    {"training"},
    {"figures"},
    {
        "cli",
        "cli_common",
        "properties_cli",
        "compare_cli",
        "check_cli",
        "screen_cli",
        "server_cli",
        "_headers",
        "_serve",
    },
]
PLACE = {name: k for k, room in enumerate(ROOMS) for name in room}


def imported(path: Path) -> set[str]:
    """Names of modules that a file imports when it is imported (type-checking blocks and functions left out)."""
    found: set[str] = set()

    def visit(body: list[ast.stmt]) -> None:
        for node in body:
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module)
                found.update(f"{node.module}.{alias.name}" for alias in node.names)
            elif (isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.dump(node.test)) or isinstance(node, ast.Try):
                visit(node.body)

    visit(ast.parse(path.read_text(encoding="utf-8")).body)
    return found


def roots(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(path)}


def room_of(path: Path, root: Path) -> int | None:
    return PLACE.get(path.relative_to(root / "sus2").parts[0].removesuffix(".py"))


@pytest.fixture
def modules(root: Path) -> list[Path]:
    return sorted((root / "sus2").rglob("*.py"))


def test_imports_go_one_way(root: Path, modules: list[Path]) -> None:
    wrong = []
    for path in modules:
        here = room_of(path, root)
        for name in imported(path):
            parts = name.split(".")
            if here is None or parts[0] != "sus2" or len(parts) < 2:
                continue
            there = PLACE.get(parts[1])
            if there is not None and there > here:
                wrong.append(f"{path.relative_to(root)} imports {name}")
    assert not wrong


def test_the_core_knows_no_screen(root: Path, modules: list[Path]) -> None:
    for path in modules:
        if "figures" in path.parts or path.name == "_serve.py":
            continue
        assert not roots(path) & {"plotly", "streamlit"}, path


def test_figures_and_pages_know_no_torch(root: Path) -> None:
    for path in [*(root / "sus2" / "figures").glob("*.py"), *(root / "pages").rglob("*.py"), root / "app.py"]:
        assert not roots(path) & {"torch", "scipy", "phonopy", "spglib"}, path


def test_figures_know_no_streamlit(root: Path) -> None:
    for path in (root / "sus2" / "figures").glob("*.py"):
        assert "streamlit" not in roots(path), path
