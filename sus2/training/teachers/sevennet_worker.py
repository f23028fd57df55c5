"""SevenNet-MF-0 as a teacher; runs in the teachers' own environment (sevenn 0.13.0), never imported by the package.

The weights are the file that SUS2_SEVENNET names; tasks and files are those of ase_teacher.
"""

import os

from ase_teacher import serve  # type: ignore[import-not-found]
from sevenn.calculator import SevenNetCalculator


def _calculator(modal: str) -> SevenNetCalculator:
    return SevenNetCalculator(os.environ["SUS2_SEVENNET"], device="cpu", modal=modal)


if __name__ == "__main__":
    serve({"PBE": lambda: _calculator("PBE"), "r2SCAN": lambda: _calculator("R2SCAN")})
