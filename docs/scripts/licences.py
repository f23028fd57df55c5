"""Name, version and licence of everything that is installed, and who asks for it; makes docs/licences.md.

Run: python docs/scripts/licences.py [--check]. With --check nothing is written; the exit code is 1 where something that
the package or its app needs has a licence that would bind who passes it on (GPL or AGPL), or none that is known.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PACKAGE = "sus2"
BASE = ("", "app", "sign-in")  # what a server needs; the other extras are for whoever chooses them
PAGE = Path(__file__).resolve().parents[1] / "licences.md"
BINDING = re.compile(r"(?<!L)\bA?GPL|(?<!Lesser )General Public Licen[sc]e", re.I)


@dataclass(frozen=True)
class Entry:
    """One distribution; asked_by: the extras of ours that lead to it, '' for the package itself."""

    name: str
    version: str
    licence: str
    home: str
    asked_by: tuple[str, ...]

    @property
    def needed(self) -> bool:
        """Whether the package, its app or sign-in needs it."""
        return bool(set(self.asked_by) & set(BASE))

    @property
    def binding(self) -> bool:
        """GPL or AGPL, with no other licence to choose."""
        return bool(BINDING.search(self.licence)) and " OR " not in self.licence


def licence_of(dist: Distribution) -> str:
    """The licence expression, else the classifiers, else the first line of the licence field or file."""
    metadata = dist.metadata
    if expression := metadata.get("License-Expression"):
        return str(expression)
    classifiers = [c.split(" :: ")[-1] for c in metadata.get_all("Classifier") or () if c.startswith("License :: ")]
    named = [c for c in classifiers if c != "OSI Approved"]
    if named:
        return "; ".join(dict.fromkeys(named))
    text = str(metadata.get("License") or "").strip()
    for file in dist.files or () if not text else ():
        if re.fullmatch(r"LICEN[CS]E(\.\w+)?", file.name) and ".dist-info" in file.parts[0]:
            text = file.read_text().strip()
    return text.splitlines()[0].strip()[:60] if text else "unknown"


def home_of(dist: Distribution) -> str:
    urls = dict(u.split(", ", 1) for u in dist.metadata.get_all("Project-URL") or () if ", " in u)
    for label in ("Homepage", "homepage", "Home", "Source", "Repository", "repository", "Source Code"):
        if label in urls:
            return urls[label]
    return str(dist.metadata.get("Home-page") or next(iter(urls.values()), ""))


def needs(dist: Distribution, extras: Iterable[str]) -> list[Requirement]:
    """What a distribution requires here, with some of its extras."""
    found = []
    for text in dist.requires or ():
        requirement = Requirement(text)
        chosen = [*extras, ""]
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": e}) for e in chosen):
            found.append(requirement)
    return found


def reached(extra: str) -> set[str]:
    """Names of all installed distributions that an extra of ours leads to ('': the package alone)."""
    seen: set[tuple[str, tuple[str, ...]]] = set()
    names: set[str] = set()
    todo = [(PACKAGE, (extra,) if extra else ())]
    while todo:
        step = todo.pop()
        if step in seen:
            continue
        seen.add(step)
        try:
            dist = distribution(step[0])
        except PackageNotFoundError:
            continue
        names.add(canonicalize_name(dist.name))
        todo += [(r.name, tuple(sorted(r.extras))) for r in needs(dist, step[1])]
    return names - {PACKAGE}


def installed() -> list[Entry]:
    """Everything that is installed and that some extra of ours leads to, by name."""
    ours = distribution(PACKAGE)
    extras = ["", *(ours.metadata.get_all("Provides-Extra") or ())]
    by_name: dict[str, list[str]] = {}
    for extra in extras:
        for name in reached(extra):
            by_name.setdefault(name, []).append(extra)
    entries = []
    for name, asked in sorted(by_name.items()):
        dist = distribution(name)
        # What the package itself needs, every extra needs too.
        asked_by = ("",) if "" in asked else tuple(asked)
        entries.append(Entry(dist.name, dist.version.split("+")[0], licence_of(dist), home_of(dist), asked_by))
    return entries


def page(entries: list[Entry]) -> str:
    """The text of docs/licences.md."""
    lines = [
        "# Licences",
        "",
        "SUS2 Explorer is under the BSD 3-Clause licence ([LICENSE](../LICENSE)). This is everything that is installed",
        "with it in the environment of its tests; `python docs/scripts/licences.py` makes the page again. Nothing that",
        "the package, its app or sign-in needs is under the GPL or AGPL (`tests/docs/test_licences.py`): what is stays",
        "an extra that you choose.",
        "",
        "| package | version | licence | asked for by |",
        "|---|---|---|---|",
    ]
    for e in entries:
        name = f"[{e.name}]({e.home})" if e.home.startswith("http") else e.name
        asked = ", ".join("the package" if x == "" else f"extra `{x}`" for x in e.asked_by)
        lines.append(
            f"| {name} | {e.version} | {e.licence.replace('|', '/')}{' **(an extra)**' * e.binding} | {asked} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="Write nothing.")
    check = parser.parse_args().check
    entries = installed()
    wrong = [e for e in entries if e.needed and (e.binding or e.licence == "unknown")]
    for e in wrong:
        print(f"{e.name} {e.version} ({e.licence}) is needed by the package or its app; make it an extra.")
    if not check:
        PAGE.write_text(page(entries), encoding="utf-8")
    print(
        f"{len(entries)} packages, {sum(e.needed for e in entries)} of them needed by the package, its app or sign-in."
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
