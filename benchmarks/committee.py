"""What error bars cost: a property with the spread of the committee and its calibration, beside the property alone.

Each from the crystal as a user brings it, with all that its page and command show: phonons with bands, density of
states and thermal functions.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from _harness import Suite, best
from ase import Atoms
from ase.build import bulk

import sus2
from sus2.properties.phonons.report import phonon_report
from sus2.properties.phonons.result import PhononResult

CRYSTALS: dict[str, Callable[[], Atoms]] = {
    "W": lambda: bulk("W", "bcc", a=3.18),
    "MgO": lambda: bulk("MgO", "rocksalt", a=4.25),
    "GaN": lambda: bulk("GaN", "wurtzite", a=3.22, c=5.24),
    "TiO2": lambda: sus2.structures.sample("tio2").atoms(),
}


def _phonons(atoms: Atoms, potential: sus2.Potential) -> PhononResult:
    report = phonon_report(atoms, potential)
    _ = report.dos, report.thermal
    return report.phonons


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--potential", default="sus2-universal-pbe")
    options = parser.parse_args()
    suite = Suite("committee", "Error bars")
    potential = sus2.load(options.potential)
    if potential.kernel is not None:
        potential.kernel.threads = 1
    for name, make in CRYSTALS.items():
        works: dict[str, Callable[[], Any]] = {
            "relaxation": lambda: sus2.relax(make(), potential),  # noqa: B023
            "equation of state": lambda: sus2.eos(make(), potential),  # noqa: B023
            "elastic constants": lambda: sus2.elastic(make(), potential),  # noqa: B023
            "phonons": lambda: _phonons(make(), potential),  # noqa: B023
        }
        for what, work in works.items():
            alone = best(work, 5)
            both = best(lambda: work().trust, 5)  # noqa: B023
            table = f"{what} and its error bars"
            suite.add(table, name, 1e3 * both, "ms", size=len(make()))
            suite.add(table, f"{name}, ratio to the property alone", both / alone, "", size=len(make()))
    suite.save()


if __name__ == "__main__":
    main()
