"""Read the public-domain CIF files with four readers and write the comparison into docs/structures.md.

Usage, from the root of the repository: SUS2_SHARED=FOLDER PYTHONPATH=. python docs/scripts/structures_table.py

FOLDER/data/crystals_public_domain.zip holds the files (OpenChemistry/crystals). A few minutes of one core. Crystals are
compared by composition, volume for each atom, and space group (spglib, 0.01 Å); occupancies count as they are.
"""

from __future__ import annotations

import io
import os
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import gemmi
import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from sus2.errors import StructureError
from sus2.structures import read_structure
from sus2.structures.choices import OpenChoiceError
from sus2.structures.symmetry import dataset, right_handed

PAGE: Final = Path("docs/structures.md")
BEGIN: Final = "<!-- begin: docs/scripts/structures_table.py -->"
END: Final = "<!-- end: docs/scripts/structures_table.py -->"
SYMPREC_A: Final = 0.01


@dataclass(frozen=True)
class Reading:
    """What a reader made of a file; space_group is 0 where sites are shared or partly filled."""

    fractions: Mapping[str, float]
    volume_a3_per_atom: float
    atoms: float
    space_group: int

    def says(self) -> str:
        """Formula, atoms in the cell and space group as text."""
        least = min(self.fractions.values())
        ratio = {s: x / least for s, x in sorted(self.fractions.items())}
        whole = all(abs(x - round(x)) < 0.02 for x in ratio.values())
        text = "".join(f"{s}{'' if round(x) == 1 else round(x)}" if whole else f"{s}{x:.2f}" for s, x in ratio.items())
        group = f", space group {self.space_group}" if self.space_group else ""
        return f"{text}, {self.atoms:g} atoms{group}"

    def differs(self, other: Reading) -> str:
        """In what two readings differ; empty where they are the same crystal."""
        if set(self.fractions) != set(other.fractions) or any(
            abs(x - other.fractions[s]) > 2e-3 for s, x in self.fractions.items()
        ):
            return "composition"
        if abs(self.volume_a3_per_atom / other.volume_a3_per_atom - 1.0) > 2e-3:
            return "number of atoms"
        if self.space_group and other.space_group and self.space_group != other.space_group:
            return "symmetry"
        return ""


def reading(symbols: list[str], occupancies: list[float], cell: np.ndarray, scaled: np.ndarray) -> Reading:
    """Of sites, each with its element and occupancy."""
    amount: Counter[str] = Counter()
    for symbol, occupancy in zip(symbols, occupancies, strict=True):
        amount["H" if symbol in ("D", "T") else symbol] += occupancy
    total = sum(amount.values())
    group = 0
    if all(abs(o - 1.0) < 1e-6 for o in occupancies) and len(symbols) <= 2000:
        numbers = [1 if s in ("D", "T") else atomic_numbers[s] for s in symbols]
        found = dataset(right_handed(Atoms(numbers, cell=cell, scaled_positions=scaled, pbc=True))[0], SYMPREC_A)
        group = 0 if found is None else int(found.number)
    fractions = {s: x / total for s, x in amount.items() if x > 0}
    return Reading(fractions, abs(float(np.linalg.det(cell))) / total, round(total, 3), group)


def of_atoms(atoms: Atoms) -> Reading:
    """Of a crystal with whole atoms."""
    return reading(atoms.get_chemical_symbols(), [1.0] * len(atoms), atoms.cell.array, atoms.get_scaled_positions())


def by_us(data: bytes) -> Reading:
    """sus2.read_structure."""
    return of_atoms(read_structure("file.cif", data))


def by_gemmi(data: bytes) -> Reading:
    """gemmi alone: its small-molecule structure, all sites of the cell."""
    block = gemmi.cif.read_string(data.decode("utf-8", "replace"))[0]
    small = gemmi.make_small_structure_from_block(block)
    if small.spacegroup is None:
        raise ValueError("no space group found")
    sites = small.get_all_unit_cell_sites()
    cell = np.array(small.cell.orth.mat.tolist()).T
    scaled = np.array([[s.fract.x, s.fract.y, s.fract.z] for s in sites])
    return reading([s.element.name for s in sites], [s.occ for s in sites], cell, scaled)


def by_pymatgen(data: bytes) -> Reading:
    """CifParser of pymatgen."""
    from pymatgen.io.cif import CifParser

    (structure, *_) = CifParser(io.StringIO(data.decode("utf-8", "replace"))).parse_structures(primitive=False)
    symbols, occupancies, scaled = [], [], []
    for site in structure:
        for species, amount in site.species.items():
            symbols.append(species.symbol)
            occupancies.append(float(amount))
            scaled.append(site.frac_coords)
    return reading(symbols, occupancies, structure.lattice.matrix, np.array(scaled))


def by_ase(data: bytes) -> Reading:
    """ase.io.read, which takes the first element of a shared site."""
    from ase.io import read

    return of_atoms(read(io.StringIO(data.decode("utf-8", "replace")), format="cif"))


READERS: Final[Mapping[str, Callable[[bytes], Reading]]] = {"gemmi": by_gemmi, "pymatgen": by_pymatgen, "ASE": by_ase}


def attempt(reader: Callable[[bytes], Reading], data: bytes) -> Reading | str:
    """A reading, or why there is none, in one line."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return reader(data)
        except Exception as error:  # of whatever kind another program raises
            return " ".join((str(error) or type(error).__name__).split())


def ours(data: bytes) -> tuple[Reading | str, Reading | None]:
    """Our reading as the file is, or our sentence; and the ordered crystal that we offer for a disordered one."""
    first = attempt(by_us, data)
    if isinstance(first, Reading):
        return first, None
    try:
        read_structure("file.cif", data)
    except OpenChoiceError:
        return first, of_atoms(read_structure("file.cif", data, order=True))
    except StructureError:
        pass
    return first, None


def main() -> None:
    """Read every file with every reader and write the tables."""
    path = Path(os.environ["SUS2_SHARED"]) / "data" / "crystals_public_domain.zip"
    counts: dict[str, Counter[str]] = {name: Counter() for name in READERS}
    differences, refused = [], []
    whole = ordered = 0
    with zipfile.ZipFile(path) as archive:
        names = sorted(archive.namelist())
        for name in names:
            data = archive.read(name)
            mine, offered = ours(data)
            short = name.rsplit("/", 1)[-1].removesuffix(".cif")
            whole += isinstance(mine, Reading)
            ordered += offered is not None
            others = {who: attempt(reader, data) for who, reader in READERS.items()}
            for who, theirs in others.items():
                if isinstance(theirs, str):
                    word = "refused"
                elif isinstance(mine, str):
                    word = "read where we refuse"
                else:
                    word = mine.differs(theirs) or "the same crystal"
                counts[who][word] += 1
                if isinstance(mine, Reading) and not isinstance(theirs, str) and word != "the same crystal":
                    differences.append((short, mine.says(), who, word, theirs.says()))
            if isinstance(mine, str):
                offer = f"; with `order=True`: {offered.says()}" if offered else ""
                seen = [f"{w}: {r.says() if isinstance(r, Reading) else 'refused'}" for w, r in others.items()]
                refused.append((short, mine.removeprefix("file.cif: ") + offer, "; ".join(seen)))
    words = ["the same crystal", "composition", "number of atoms", "symmetry", "read where we refuse", "refused"]
    out = [
        BEGIN,
        f"Of {len(names)} files {whole} are read as they are, {ordered} are disordered and read with `order=True`, and "
        f"{len(names) - whole - ordered} are refused.",
        "",
        "| other reader | the same crystal | other composition | other number of atoms | other symmetry "
        "| reads what we refuse or ask about | refuses |",
        "|---|--:|--:|--:|--:|--:|--:|",
        *(f"| {who} | " + " | ".join(str(counts[who][w]) for w in words) + " |" for who in READERS),
        "",
        "| file | here | elsewhere, and what differs |",
        "|---|---|---|",
    ]
    grouped: dict[tuple[str, str], list[str]] = {}
    for short, mine_says, who, word, theirs_says in differences:
        grouped.setdefault((short, mine_says), []).append(f"{who}: {theirs_says} ({word})")
    out += [f"| {short} | {says} | {'; '.join(lines)} |" for (short, says), lines in grouped.items()]
    out += ["", "| not read as it is | our sentence | the others |", "|---|---|---|"]
    out += [f"| {short} | {says.replace('|', '/')} | {seen} |" for short, says, seen in refused]
    out.append(END)
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    PAGE.write_text(before + "\n".join(out) + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
