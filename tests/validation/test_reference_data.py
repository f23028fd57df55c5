"""A user's own reference: recognised by content, scored, and refused in one sentence where it makes no sense."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

import sus2
from sus2.errors import DataError, StructureError, Sus2Error
from sus2.potential.potential import Potential
from sus2.structures import write_structure
from sus2.validation.reference_data import Score, read_reference, score

SILICON = bulk("Si", a=5.43)


@pytest.fixture(scope="module")
def silicon() -> Potential:
    return sus2.load("si-mlearn-pbe")


def test_own_bands_come_back_without_error_and_scaled_ones_with_their_slope(silicon: Potential, tmp_path: Path) -> None:
    result = sus2.phonons(SILICON, silicon)
    result.write_files(tmp_path, points=40)
    raw = (tmp_path / "band.yaml").read_bytes()
    reference = read_reference(raw, "band.yaml")
    assert reference.kind == "bands"
    found = score(reference, silicon, SILICON)
    assert found.quantities["rmse_thz"] < 1e-4
    assert found.quantities["slope"] == pytest.approx(1.0, abs=1e-5)
    assert found.reference.shape == found.found.shape
    text = raw.decode()
    lines = [
        f"{line.split(':')[0]}: {1.25 * float(line.split(':')[1])}" if line.strip().startswith("frequency:") else line
        for line in text.splitlines()
    ]
    stiffer = score(read_reference("\n".join(lines).encode(), "band.yaml"), silicon, SILICON)
    assert stiffer.quantities["slope"] == pytest.approx(0.8, abs=1e-4)
    assert stiffer.quantities["mean_error_thz"] < 0
    with pytest.raises(DataError, match=r"band\.yaml: not valid YAML"):
        read_reference(b"phonon: [\nnqpoint: 3\n", "band.yaml")
    with pytest.raises(DataError, match=r"not a complete band\.yaml"):
        read_reference(b"nqpoint: 3\nphonon:\n- q-position: [0, 0, 0]\n", "band.yaml")


@pytest.mark.parametrize("atoms_in_table", [1, 2, 8])
def test_energies_of_any_cell_are_compared_per_atom(silicon: Potential, atoms_in_table: int) -> None:
    own = sus2.eos(SILICON, silicon)
    factor = atoms_in_table / own.n_atoms
    points = zip(own.volumes_a3, own.energies_ev, strict=True)
    rows = [f"{1.03 * v * factor:.6f}, {e * factor + 5.0:.8f}" for v, e in points]
    reference = read_reference(("volume,energy\n" + "\n".join(rows)).encode(), "ev.csv")
    assert reference.kind == "energies"
    found = score(reference, silicon, SILICON)
    assert found.quantities["v0_error_percent"] == pytest.approx(100 / 1.03 - 100, abs=0.01)
    assert found.quantities["b0_error_percent"] == pytest.approx(3.0, abs=0.2)  # the same energies over wider volumes
    assert 0 < found.quantities["rmse_mev_per_atom"] < 20
    assert len(found.x) == len(own.volumes_a3)


def test_energies_of_another_crystal_are_refused(silicon: Potential) -> None:
    rows = "\n".join(f"{v} {0.01 * (v - 30) ** 2}" for v in np.linspace(28, 32, 9))
    with pytest.raises(DataError, match=r"holds 1\.47 atoms"):
        score(read_reference(rows.encode(), "ev.dat"), silicon, SILICON)
    with pytest.raises(DataError, match="at least five rows"):
        read_reference(b"1 2\n2 3\n3 4\n", "ev.dat")
    with pytest.raises(DataError, match="at least five rows"):
        read_reference(b"-1 2\n2 3\n3 4\n4 5\n5 6\n", "ev.dat")


def test_elastic_constants(silicon: Potential) -> None:
    own = sus2.elastic(SILICON, silicon).c_gpa
    text = "\n".join(" ".join(f"{v:.6f}" for v in row) for row in own)
    found = score(read_reference(text.encode(), "cij.txt"), silicon, SILICON)
    assert found.kind == "elastic"
    assert found.quantities["largest_error_gpa"] < 1e-3
    twice = score(read_reference("\n".join(" ".join(str(2 * v) for v in r) for r in own).encode()), silicon, SILICON)
    assert twice.quantities["mean_relative_error_percent"] == pytest.approx(50.0, abs=0.1)
    k = [twice.quantities[f"k_voigt_{w}_gpa"] for w in ("reference", "found")]
    assert k[0] == pytest.approx(2 * k[1], rel=1e-6)
    with pytest.raises(DataError, match="not symmetric"):
        read_reference("\n".join("1 2 3 4 5 6" for _ in range(6)).encode())
    with pytest.raises(DataError, match="cannot be GPa"):
        read_reference("\n".join(" ".join(str(30 * v) for v in r) for r in own).encode())


def test_a_relaxed_structure(silicon: Potential) -> None:
    raw = write_structure(bulk("Si", a=5.53, cubic=True), "poscar").encode()
    reference = read_reference(raw, "CONTCAR")
    assert reference.kind == "structure"
    found = score(reference, silicon, SILICON)
    a0 = (4 * 2 * sus2.eos(SILICON, silicon).v0_a3_per_atom) ** (1 / 3)
    assert found.quantities["volume_error_percent"] == pytest.approx(100 * ((a0 / 5.53) ** 3 - 1), abs=0.05)
    assert found.quantities["largest_angle_error_deg"] < 1e-3
    assert found.quantities["rms_displacement_a"] < 1e-3
    assert found.to_dict()["kind"] == "structure"


@pytest.mark.parametrize("raw", [b"", b"\xff\xfe\x00", b"hello world", b"a,b\n1,x\n", b"!!python/object:os.system x"])
def test_other_files_are_refused_in_a_sentence(raw: bytes) -> None:
    with pytest.raises((DataError, StructureError)) as found:
        read_reference(raw, "x.dat")
    assert isinstance(found.value, Sus2Error)
    assert len(str(found.value).splitlines()) == 1


def test_yaml_that_stands_for_more_than_it_says_is_refused() -> None:
    bomb = ["a0: &a0 [0, 0, 0, 0, 0, 0, 0, 0, 0]"]
    bomb += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, 12)]
    text = "\n".join(["nqpoint: 1", *bomb, "phonon: *a11"])
    with pytest.raises(DataError, match="aliases"):
        read_reference(text.encode(), "band.yaml")


def test_a_quantity_that_does_not_exist_is_none_in_json() -> None:
    score = Score("bands", "p", {"slope": float("nan"), "rmse_thz": 0.5}, np.zeros(1), np.zeros(1), np.zeros(1), "")
    assert json.loads(json.dumps(score.to_dict(), allow_nan=False))["quantities"] == {"slope": None, "rmse_thz": 0.5}
