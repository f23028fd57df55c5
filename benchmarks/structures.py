"""Reading CIF files beside gemmi alone, which parses them for us (one thread, best of N).

    SUS2_SHARED=FOLDER OMP_NUM_THREADS=1 python benchmarks/structures.py

FOLDER/data/crystals_public_domain.zip holds 524 files. What we do beyond gemmi:
settings that a name leaves open, the file against itself, disorder, overlaps.
"""

from __future__ import annotations

import os
import zipfile
from contextlib import suppress
from pathlib import Path

import gemmi
import numpy as np
from _harness import Suite, best

from sus2.errors import StructureError
from sus2.structures import read_structure

EVERY = 8


def by_gemmi(data: bytes) -> None:
    small = gemmi.make_small_structure_from_block(gemmi.cif.read_string(data.decode("utf-8", "replace"))[0])
    small.get_all_unit_cell_sites()


def by_us(data: bytes) -> None:
    with suppress(StructureError):
        read_structure("file.cif", data)


def main() -> None:
    suite = Suite("structures", "Reading CIF files")
    with zipfile.ZipFile(Path(os.environ["SUS2_SHARED"]) / "data" / "crystals_public_domain.zip") as archive:
        files = [archive.read(name) for name in sorted(archive.namelist())[::EVERY]]
    table = f"{len(files)} files of common crystals"
    theirs = [1e3 * best(lambda data=data: by_gemmi(data), 3) for data in files]
    ours = [1e3 * best(lambda data=data: by_us(data), 3) for data in files]
    for name, part in (("median", 50), ("95 %", 95)):
        mine = f"sus2.read_structure, {name}"
        suite.add(table, mine, float(np.percentile(ours, part)), "ms")
        suite.add(table, f"gemmi alone, {name}", float(np.percentile(theirs, part)), "ms", against=mine)
    ratio = float(np.median(np.array(ours) / np.array(theirs)))
    print(f"  median of the ratios: {ratio:.1f}")
    suite.save()


if __name__ == "__main__":
    main()
