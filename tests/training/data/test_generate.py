"""Perturbed structures follow their seed, stay within their ranges and cover the families."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sus2.training.data import generate
from sus2.training.data.decorations import decorations
from sus2.training.data.families import FAMILIES, families_of, recipes, teacher_flag
from sus2.training.data.generate import Base, arrays_of, dimers, dynamics_starts, free_atoms, perturbed, supercell
from sus2.training.data.prototypes import PROTOTYPES, build


@pytest.fixture(scope="module")
def made() -> list[generate.Made]:
    rng = np.random.default_rng(5)
    base = Base("rocksalt:Mg-O", build("rocksalt", ["Mg", "O"]), 300)
    return perturbed(base, rng)


def test_perturbations_start_with_the_base_and_keep_their_ranges(made: list[generate.Made]) -> None:
    base = build("rocksalt", ["Mg", "O"])
    volume = base.get_volume() / 2
    assert len(made) == 300
    assert made[0].kind == "relaxed"
    assert np.allclose(made[0].atoms.positions, base.positions)
    ranges = {
        "volume": (0.75, 1.35),
        "wall": (0.62, 0.75),
        "strain": (0.94, 1.06),
        "rattle": (0.92, 1.09),
        "rattle-volume": (0.76, 1.34),
        "displaced": (0.97, 1.03),
        "relaxed": (1.0, 1.0),
    }
    seen = {m.kind for m in made}
    assert seen == set(ranges)
    for m in made:
        low, high = ranges[m.kind]
        assert low - 1e-9 <= m.volume_ratio <= high + 1e-9
        assert m.atoms.get_volume() / len(m.atoms) == pytest.approx(m.volume_ratio * volume, rel=1e-9)
        assert len(m.atoms) <= 20
    volumes = [m.volume_ratio for m in made if m.kind == "volume"]
    assert min(volumes) < 0.8
    assert max(volumes) > 1.3


def test_perturbations_follow_the_seed() -> None:
    base = Base("x", build("wurtzite", ["Zn", "S"]), 20)
    first, second, other = (perturbed(base, np.random.default_rng(k)) for k in (1, 1, 2))
    for a, b in zip(first, second, strict=True):
        assert a.kind == b.kind
        assert np.array_equal(a.atoms.positions, b.atoms.positions)
    assert any(not np.array_equal(a.atoms.cell, b.atoms.cell) for a, b in zip(first, other, strict=True))


def test_supercell_grows_along_short_vectors() -> None:
    cell = supercell(build("hcp", ["Mg"]), 8)
    assert len(cell) == 8
    assert cell.cell.lengths().max() / cell.cell.lengths().min() < 1.4
    assert len(supercell(build("spinel", ["Mg", "Al", "O"]), 8)) == 14


def test_dimers_and_atoms() -> None:
    pairs = dimers(["Cu", "O"], np.random.default_rng(0), per_pair=4)
    assert len(pairs) == 12
    assert all(len(p.atoms) == 2 and p.kind == "dimer" for p in pairs)
    assert all(p.atoms.cell.lengths().min() > 12.0 for p in pairs)
    assert [m.atoms.get_chemical_formula() for m in free_atoms(["Cu", "O"])] == ["Cu", "O"]


def test_dynamics_starts() -> None:
    bases = [Base("a", build("fcc", ["Cu"]), 10), Base("b", build("rocksalt", ["Na", "Cl"]), 2)]
    starts = dynamics_starts(bases, np.random.default_rng(0), 5)
    assert [s.base for s, _ in starts] == ["a"]
    assert 300.0 <= starts[0][1] <= 2200.0
    assert len(starts[0][0].atoms) in (8, 12, 16)


def test_arrays(made: list[generate.Made]) -> None:
    arrays = arrays_of(made)
    assert arrays["offsets"][-1] == len(arrays["numbers"]) == len(arrays["positions"])
    assert set(arrays["composition"].tolist()) == {"MgO"}
    assert set(arrays["families"].tolist()) == {"cd"}
    assert not any(array.dtype == object for array in arrays.values())


@pytest.mark.parametrize(
    ("symbols", "letters"),
    [
        (["Al", "Cu"], "ad"),
        (["Ga", "As"], "bd"),
        (["Mg", "O"], "cd"),
        (["Zn", "O"], "bcd"),
        (["Si"], "bcd"),
        (["C"], "d"),
        (["Na"], "d"),
        (["Zr", "Ti"], "ad"),
        (["O", "S"], "bd"),
        (["Xe"], ""),
    ],
)
def test_families_of(symbols: list[str], letters: str) -> None:
    assert families_of(symbols) == letters


def test_families_are_large_enough_and_recipes_valid() -> None:
    sizes = {letter: len(set(family.elements)) for letter, family in FAMILIES.items()}
    assert sizes["a"] >= 24
    assert sizes["b"] >= 16
    assert sizes["c"] >= 24
    assert sizes["d"] >= 80
    found = recipes(0)
    assert len(found) == len(set(found)) > 5000
    assert found == recipes(0)
    for name, elements in found:
        assert PROTOTYPES[name].species == len(elements) == len(set(elements))
        assert families_of(elements)
    covered = {symbol for _, elements in found for symbol in elements}
    assert covered == set(FAMILIES["d"].elements)


def test_teacher_flags() -> None:
    assert teacher_flag(["K"]) == teacher_flag(["C"]) == "weak"
    assert teacher_flag(["Fe", "O"]) == "magnetic"
    assert teacher_flag(["K", "Cl"]) == teacher_flag(["Si"]) == ""


def test_base_crystals(shared: Path) -> None:
    bases = generate.base_crystals()
    names = [b.name for b in bases]
    assert len(names) == len(set(names))
    assert sum(name.startswith("mp-") for name in names) > 1700
    assert sum(b.count for b in bases) > 60_000
    assert max(len(b.atoms) for b in bases) <= 20
    first = bases[: len(bases) // 10]
    for letter in "abcd":
        everywhere = np.mean([letter in families_of(b.atoms.get_chemical_symbols()) for b in bases])
        early = np.mean([letter in families_of(b.atoms.get_chemical_symbols()) for b in first])
        assert early == pytest.approx(everywhere, rel=0.35)


def test_decorations_cover_three_families_with_many_compositions() -> None:
    found = decorations(0)
    assert found == decorations(0) != decorations(1)
    assert len(set(found)) == len(found) > 6000
    letters = [families_of(elements) for _, elements in found]
    for letter in "abc":
        assert sum(letter in given for given in letters) > 2000, letter
    assert len({tuple(sorted(elements)) for _, elements in found}) > 2500
    for base in generate.decorated_crystals(0)[::50]:
        assert base.count == 4
        assert len(base.atoms) <= 20
