"""Fuzzes the reader of `.mtp` potentials."""

import atheris
from _harness import fuzz

with atheris.instrument_imports(include=["sus2.potential.mtp"]):
    from sus2.potential import mtp

from tests.bad_input import bases

KEYS = [line.split("=")[0].strip() for line in bases.potential().decode().splitlines() if "=" in line]


def parse(data: bytes) -> object:
    return mtp.parse_mtp(data.decode("utf-8", errors="replace"))


if __name__ == "__main__":
    short = b"".join(line for line in bases.potential().splitlines(keepends=True) if len(line) < 400)
    fuzz("potential", parse, [bases.potential(), short], KEYS)
