"""Fuzzes the reader of kept results: the first byte says whether the rest is the archive or the tree inside it."""

import io
import zipfile

import atheris
from _harness import fuzz

with atheris.instrument_imports(include=["sus2.jobs.archive"]):
    from sus2.jobs import archive

from tests.bad_input import bases


def parse(data: bytes) -> object:
    if data[:1] == b"{":
        out = io.BytesIO(bases.result())
        with zipfile.ZipFile(out) as whole:
            arrays = {name: whole.read(name) for name in whole.namelist() if name != "tree.json"}
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as changed:
            changed.writestr("tree.json", data)
            for name, content in arrays.items():
                changed.writestr(name, content)
        data = out.getvalue()
    return archive.unpack(data, lambda wanted: None)


if __name__ == "__main__":
    with zipfile.ZipFile(io.BytesIO(bases.result())) as file:
        tree = file.read("tree.json")
    names = ["$", "array", "dataclass", "fields", "kept", "phonopy", "second", "atoms", "slice", "bytes", "potential"]
    fuzz("result", parse, [bases.result(), tree], names)
