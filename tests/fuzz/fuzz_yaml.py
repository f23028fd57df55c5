"""Fuzzes the reader of training configurations and of band.yaml."""

import atheris
from _harness import fuzz

with atheris.instrument_imports(
    include=["sus2.plain_yaml", "sus2.validation.reference_data", "sus2.training.fit.config"]
):
    from sus2.validation import reference_data

from tests.bad_input import bases


def parse(data: bytes) -> object:
    return reference_data.read_reference(data, "band.yaml")


if __name__ == "__main__":
    words = [
        "phonon:",
        "nqpoint",
        "q-position",
        "band",
        "frequency",
        "lattice",
        "points",
        "symbol",
        "coordinates",
        "!!",
    ]
    fuzz("reference", parse, [data for _, data in bases.references().values()], words)
