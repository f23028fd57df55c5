"""Time and memory from 1 to 100,000 atoms; each size in a process of its own, so that its peak memory is its own."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from _harness import Suite, best
from ase.build import bulk

import sus2

SIZES = {
    1: None,
    2: None,
    8: (1, 1, 1),
    64: (2, 2, 2),
    512: (4, 4, 4),
    4096: (8, 8, 8),
    13824: (12, 12, 12),
    32768: (16, 16, 16),
    97336: (23, 23, 23),
}


def peak_kb(*, reset: bool = False) -> float:
    """Largest resident memory so far, kB; with reset that of now, from which Linux then counts again."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return float(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def measure(name: str, count: int, calculator: bool) -> dict[str, float]:
    """Microseconds for each atom, and kilobytes for each atom above the memory held before the call."""
    potential = sus2.load(name)
    if potential.kernel is not None:
        potential.kernel.threads = 1
    repeat = SIZES[count]
    atoms = bulk("Si", "sc", a=2.6) if count == 1 else bulk("Si") if repeat is None else bulk("Si", cubic=True) * repeat
    atoms.rattle(0.03, seed=0)
    potential.evaluate([bulk("Si")])
    first = bulk("Si")  # what the first call imports is not of the size measured here
    first.calc = potential.calculator()
    first.get_forces()
    if calculator:
        atoms.calc = potential.calculator()

    def work() -> None:
        if not calculator:
            potential.evaluate([atoms])
            return
        atoms.positions[0, 0] += 1e-4
        atoms.get_forces()

    before = peak_kb(reset=True)
    seconds = best(work, 5)
    grown = peak_kb() - before
    return {"us": 1e6 * seconds / count, "kb": grown / count}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", nargs=3, metavar=("POTENTIAL", "ATOMS", "CALCULATOR"))
    options = parser.parse_args()
    if options.measure:
        name, count, calculator = options.measure
        print(json.dumps(measure(name, int(count), calculator == "1")))
        return
    suite = Suite("scaling", "From 1 to 100,000 atoms, neighbour list included")
    for name in ("si-mlearn-pbe", "sus2-universal-pbe"):
        for count in SIZES:
            for calculator, row in ((False, "evaluate"), (True, "calculator with its kept list")):
                if calculator and count < 64:
                    continue
                done = subprocess.run(
                    [sys.executable, __file__, "--measure", name, str(count), str(int(calculator))],
                    capture_output=True,
                    text=True,
                    check=True,
                )
                found = json.loads(done.stdout.splitlines()[-1])
                suite.add(name, row, found["us"], "us/atom", size=count)
                if count >= 4096:
                    suite.add(name, f"{row}: peak memory", found["kb"], "kB/atom", size=count)
    suite.save()


if __name__ == "__main__":
    main()
