"""Fuzzes the reader of zip archives of structures."""

import atheris
from _harness import fuzz

with atheris.instrument_imports(include=["sus2.structures.archives", "sus2.structures.files", "zipfile"]):
    from sus2.structures import archives as structure_archives

from tests.bad_input import bases
from tests.bad_input.archives import zipped


def parse(data: bytes) -> object:
    found = structure_archives.read_structures([("x.zip", data)])
    for text in found.problems.values():
        assert text.isprintable(), text
        assert len(text) <= 500, text
    return found


if __name__ == "__main__":
    poscar = bases.structures()["poscar"][1]
    fuzz(
        "archive",
        parse,
        [zipped(("a.vasp", poscar)), zipped(("a.vasp", poscar), method=0)],
        ["PK\x03\x04", "PK\x01\x02"],
    )
