"""Is what is installed what was pinned, does it fit together, is anything known to be unsafe? `make audit`.

The pins are compared with constraints.txt, and pip checks that the requirements are met. pip-audit then asks its
service for advisories; where none can be reached, one line says so and the rest still counts. Exit code 1 where
something is wrong.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from licences import installed
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
# Which build of torch is right depends on the machine, and setuptools comes with torch.
FREE = {"setuptools", "triton"}


def pins(text: str) -> dict[str, str]:
    """Version by name, from the text of a file of constraints."""
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return {canonicalize_name(n): v for n, v in (line.split("==", 1) for line in lines if "==" in line)}


def compared(wanted: dict[str, str], found: dict[str, str], needed: set[str]) -> list[str]:
    """A sentence for each package that differs from its pin, or that is needed and has none."""
    other = [
        f"{name} {found[name]} is installed, but constraints.txt has {version}: install again, or change the pin."
        for name, version in wanted.items()
        if name in found and found[name] != version
    ]
    free = [f"{name} is needed but has no pin in constraints.txt: add {name}=={found[name]}." for name in needed]
    return other + sorted(line for line in free if line.split()[0] not in wanted)


def advisories(report: str) -> tuple[list[str], list[str]]:
    """From pip-audit's JSON: names in its database, and a sentence for each vulnerability of theirs."""
    try:
        found = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return [], []
    # A mirror may answer and yet know nothing: pip-audit skips what it does not find, without failing.
    known = [d for d in found if "skip_reason" not in d]
    vulnerable = [
        f"{d['name']} {d['version']}: {v['id']}, "
        + (f"repaired in {', '.join(v['fix_versions'])}." if v.get("fix_versions") else "not repaired yet.")
        for d in known
        for v in d.get("vulns", ())
    ]
    return [d["name"] for d in known], vulnerable


def ask() -> tuple[list[str], list[str]]:
    """What pip-audit says of the pins: as advisories; nothing where it or its service cannot be reached."""
    with tempfile.TemporaryDirectory() as folder:
        got = subprocess.run(
            [*PIP, "install", "-qq", "--target", folder, "pip-audit"], capture_output=True, check=False
        )
        if got.returncode != 0:
            return [], []
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(ROOT / "constraints.txt"), "--no-deps"]
        command += ["--disable-pip", "--format", "json", "--progress-spinner", "off", "--timeout", "20"]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": folder}
        )
    return advisories(done.stdout)


def main() -> int:
    met = subprocess.run([*PIP, "check"], capture_output=True, text=True, check=False)
    problems = met.stdout.strip().splitlines() if met.returncode else []
    needed = {canonicalize_name(e.name) for e in installed() if e.asked_by != ("lint",)} - FREE
    found = {canonicalize_name(d.name): d.version.split("+")[0] for d in distributions() if d.name}
    problems += compared(pins((ROOT / "constraints.txt").read_text(encoding="utf-8")), found, needed)
    looked_up, vulnerable = ask()
    for line in (*problems, *vulnerable):
        print(line)
    wanted = len(pins((ROOT / "constraints.txt").read_text(encoding="utf-8")))
    if not looked_up:
        print("No service of advisories can be reached: known vulnerabilities were not looked up.")
    else:
        print(f"{len(looked_up)} of {wanted} pins looked up: {len(vulnerable) or 'no'} known vulnerabilities.")
    if not problems:
        print(f"{len(found)} packages are installed, fit together and have their pinned versions.")
    return 1 if problems or vulnerable else 0


if __name__ == "__main__":
    sys.exit(main())
