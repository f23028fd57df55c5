"""Fuzzes the readers of structures that are ours (JSON, POSCAR, extended XYZ); CIF is read by pymatgen."""

import atheris
from _harness import fuzz

with atheris.instrument_imports(include=["sus2.structures.files", "sus2.structures.crystal"]):
    from sus2.structures import files as structure_files

from tests.bad_input import bases


def parse(data: bytes) -> object:
    if b"data_" in data.lower():
        return None
    return structure_files.read_structure("fuzz", data)


if __name__ == "__main__":
    seeds = [data for kind, (_, data) in bases.structures().items() if "cif" not in kind]
    words = ["Direct", "Cartesian", "Selective", "Lattice=", "Properties=", "species:S:1:pos:R:3", "pbc=", "lattice"]
    fuzz("structure", parse, seeds, [*words, "sites", "species", "element", "occu", "abc", "numbers", "positions"])
