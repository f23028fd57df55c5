"""What error bars cost: a property with the spread of the committee and its calibration, beside the property alone."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from _harness import Suite, best
from ase import Atoms
from ase.build import bulk

import sus2

CRYSTALS: dict[str, Callable[[], Atoms]] = {
    "W": lambda: bulk("W", "bcc", a=3.18),
    "MgO": lambda: bulk("MgO", "rocksalt", a=4.25),
    "GaN": lambda: bulk("GaN", "wurtzite", a=3.22, c=5.24),
    "TiO2": lambda: sus2.structures.sample("tio2").atoms(),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--potential", default="sus2-universal-pbe")
    options = parser.parse_args()
    suite = Suite("committee", "Error bars")
    potential = sus2.load(options.potential)
    if potential.kernel is not None:
        potential.kernel.threads = 1
    for name, make in CRYSTALS.items():
        crystal = sus2.relax(make(), potential, fmax=1e-4).atoms
        works: dict[str, Callable[[], Any]] = {
            "relaxation": lambda: sus2.relax(make(), potential),  # noqa: B023
            "equation of state": lambda: sus2.eos(crystal, potential, relaxed=True),  # noqa: B023
            "elastic constants": lambda: sus2.elastic(crystal, potential, relaxed=True),  # noqa: B023
            "phonons, bands and mesh": lambda: sus2.phonons(crystal, potential, relaxed=True).band_structure(),  # noqa: B023
        }
        for what, work in works.items():
            alone = best(work, 3)
            if what.startswith("phonons"):
                waves = sus2.phonons(crystal, potential, relaxed=True)
                # A result keeps its trust, so each run asks a new one.
                both = alone + best(lambda: type(waves).trust.func(waves), 3)  # type: ignore[attr-defined] # noqa: B023
            else:
                both = best(lambda: work().trust, 3)  # noqa: B023
            table = f"{what} and its error bars"
            suite.add(table, name, 1e3 * both, "ms", size=len(crystal))
            suite.add(table, f"{name}, ratio to the property alone", both / alone, "", size=len(crystal))
    suite.save()


if __name__ == "__main__":
    main()
