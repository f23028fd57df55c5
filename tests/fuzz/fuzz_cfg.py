"""Fuzzes the reader of labelled sets in MLIP-2's `.cfg`, with the checks of its labels."""

import atheris
from _harness import fuzz

with atheris.instrument_imports(
    include=["sus2.training.data.readers", "sus2.training.data.dataset", "sus2.structures.crystal"]
):
    from sus2.training.data import readers as reader

from tests.bad_input import bases


def parse(data: bytes) -> object:
    found = reader.read_cfg(data.decode("utf-8", errors="replace"), ["Si", "O"], name="train")
    return reader.checked(found, "refuse", source="train.cfg")


if __name__ == "__main__":
    words = {w for line in bases.CFG.splitlines() for w in line.split() if w[0].isalpha()}
    fuzz("training", parse, [bases.CFG.encode()], sorted(words))
