"""Builds the API reference into build/docs and checks the documentation; a warning is a failure.

    python docs/scripts/api.py           check and build
    python docs/scripts/api.py --check   check alone

Checked: docstrings of public modules, classes and functions; links, anchors and images of every page; names of our
functions (`sus2.module.name`) and tests (`tests/test_x.py::test_y`) that pages mention.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent.parent
TARGET = ROOT / "build" / "docs"
# Programs that run in the teachers' own environment, and kernels for which only a GPU's torch has the compiler.
NOT_IMPORTED = (
    "sus2.training.teachers.worker",
    "sus2.training.teachers.tensornet",
    "sus2.training.teachers.half_edges",
    "sus2.training.teachers.nequix_worker",
    "sus2.training.teachers.second_opinion_worker",
    "sus2.training.teachers.sevennet_worker",
    "sus2.potential.backends.triton_kernels",
)
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)(?:\s+\"[^\"]*\")?\)")
_IMAGE = re.compile(r"!\[[^\]]*\]\(([^()\s]+)\)")
_FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"`([^`\n]+)`")
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*$", re.MULTILINE)
_NAME = re.compile(r"sus2(?:\.\w+)+")
_TEST = re.compile(r"(tests/[\w/]+\.py)(?:::(\w+))?")


def pages(root: Path = ROOT) -> list[Path]:
    """Every page of documentation."""
    return sorted([*root.glob("*.md"), *(root / "docs").rglob("*.md")])


def modules(root: Path = ROOT) -> list[str]:
    """Public modules, by name."""
    found = []
    for path in sorted((root / "sus2").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if not any(part.startswith("_") for part in parts[1:] if part != "__init__"):
            found.append(name)
    return found


def missing_docstrings(path: Path) -> Iterator[str]:
    """The module, and its public classes and functions, without a docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not ast.get_docstring(tree):
        yield f"{path.name}: the module has no docstring"
    for node in tree.body:
        kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        if isinstance(node, kinds) and not node.name.startswith("_") and not ast.get_docstring(node):
            yield f"{path.name}:{node.lineno}: {node.name} has no docstring"


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        plain = re.sub(r"[`*]|!?\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        name, k = slug, 0
        while name in found:
            k += 1
            name = f"{slug}-{k}"
        found.add(name)
    return found


def broken_links(page: Path, root: Path = ROOT) -> Iterator[str]:
    """Relative links of a page whose file or heading is not there."""
    text = page.read_text(encoding="utf-8")
    prose = _CODE.sub("", _FENCE.sub("", text))
    for target in dict.fromkeys(_LINK.findall(prose) + _IMAGE.findall(prose)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = unquote(target).partition("#")
        there = (page.parent / file).resolve() if file else page
        where = page.relative_to(root)
        if not there.exists():
            yield f"{where}: {target} leads nowhere"
        elif root not in there.parents:
            yield f"{where}: {target} leads out of the project"
        elif anchor and there.suffix == ".md" and anchor not in anchors(there.read_text(encoding="utf-8")):
            yield f"{where}: {target}: there is no such heading"


def unknown_names(page: Path, root: Path = ROOT) -> Iterator[str]:
    """Functions and tests that a page names and that do not exist."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    where = page.relative_to(root)
    for code in _CODE.findall(text):
        for file, test in _TEST.findall(code):
            path = root / file
            if not path.exists():
                yield f"{where}: there is no {file}"
            elif test and not re.search(rf"^(async )?def {test}\b", path.read_text(encoding="utf-8"), re.MULTILINE):
                yield f"{where}: {file} has no {test}"
        name = re.match(_NAME, code)
        if name and not _exists(name.group()):
            yield f"{where}: there is no {name.group()}"


def _exists(name: str) -> bool:
    if name in NOT_IMPORTED:
        return True
    parts = name.split(".")
    for k in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:k]))
        except ImportError:
            continue
        if _has(found, parts[k:]):
            return True
    return False


def _has(found: object, parts: list[str]) -> bool:
    for part in parts:
        if not hasattr(found, part) and part not in getattr(found, "__annotations__", {}):
            return False
        found = inspect.getattr_static(found, part, getattr(found, part, None))
    return True


def check(root: Path = ROOT) -> list[str]:
    """Everything that is wrong, one sentence each."""
    found = [
        text for name in modules(root) if name not in NOT_IMPORTED for text in missing_docstrings(_file(name, root))
    ]
    for page in pages(root):
        found += broken_links(page, root)
        if page.name != "CHANGELOG.md":
            found += unknown_names(page, root)
    return found


def _file(name: str, root: Path) -> Path:
    path = root.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def build(target: Path = TARGET, names: list[str] | None = None) -> list[str]:
    """The reference as pages of HTML; what pdoc warns of."""
    import pdoc

    shutil.rmtree(target, ignore_errors=True)
    import sus2

    # pdoc walks into what a package exports, and into packages that export nothing by name.
    inside = [n for n in modules() if n.count(".") > 1 or n.removeprefix("sus2.") in sus2.__all__]
    wanted = names or [n for n in modules() if n not in (*inside, *NOT_IMPORTED)]
    wanted += [f"!{n}" for n in NOT_IMPORTED]
    pdoc.render.configure(docformat="google", math=True, show_source=False, footer_text="SUS2 Explorer")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pdoc.pdoc(*wanted, output_directory=target)
    found = [" ".join(str(w.message).split()) for w in caught if "pdoc" in w.filename or "sus2" in str(w.message)]
    return [text for text in found if not text.startswith(tuple(f"Couldn't import {n}:" for n in NOT_IMPORTED))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="check alone, build nothing")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    found = check()
    if not options.check:
        found += build()
    for text in found:
        print(text)
    if found:
        raise SystemExit(f"{len(found)} warnings")
    print("The documentation is sound." if options.check else f"Wrote {TARGET.relative_to(ROOT)}.")


if __name__ == "__main__":
    main()
