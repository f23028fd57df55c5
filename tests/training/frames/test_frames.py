"""A user's own frames: every format, every fault in one sentence, a split that does not leak, and a fit that learns."""

from __future__ import annotations

import gzip
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from ase.units import Hartree

import sus2
from sus2.errors import CancelledError, DataError
from sus2.jobs import archive
from sus2.progress import Stage
from sus2.training.data.dataset import TrainingSet, make_set
from sus2.training.frames.check import MOST_ATOMS, check_frames, two_zeros
from sus2.training.frames.files import read_frames
from sus2.training.frames.fit import Point, fit_frames, how_much_data


def frames(count: int, seed: int = 0, symbol: str = "Cu") -> list[Atoms]:
    """Rattled cells at several volumes with the labels of EMT."""
    rng = np.random.default_rng(seed)
    made = []
    for k in range(count):
        atoms = bulk(symbol, "fcc", a=3.6 * (0.97 + 0.06 * (k % 7) / 6)) * (2, 2, 1)
        atoms.positions += rng.normal(scale=0.06, size=(len(atoms), 3))
        atoms.calc = EMT()
        results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(), "stress": atoms.get_stress()}
        atoms.calc = SinglePointCalculator(atoms, **results)
        made.append(atoms)
    return made


def as_set(made: list[Atoms]) -> TrainingSet:
    """The same with their labels."""
    return make_set(
        made,
        [a.get_potential_energy() for a in made],
        [a.get_forces() for a in made],
        [a.get_stress() for a in made],
        set_name="emt",
    )


def extxyz(made: list[Atoms]) -> bytes:
    out = io.StringIO()
    write(out, made, format="extxyz")
    return out.getvalue().encode()


@pytest.fixture(scope="module")
def emt() -> list[Atoms]:
    return frames(48)


# Files ------------------------------------------------------------------------------------------------------------


def test_extended_xyz_with_any_name_and_compressed(emt: list[Atoms]) -> None:
    raw = extxyz(emt[:3])
    for content in (raw, gzip.compress(raw)):
        found = read_frames("anything.txt", content)
        assert found.energy_ev == pytest.approx([a.get_potential_energy() for a in emt[:3]])
        assert found.stress_ev_per_a3[0] == pytest.approx(emt[0].get_stress())


def test_vasprun_xml() -> None:
    cell = "<varray name='basis'><v>4 0 0</v><v>0 4 0</v><v>0 0 4</v></varray>"
    places = "<varray name='positions'><v>0 0 0</v><v>0.5 0.5 0.5</v></varray>"
    energy = (
        "<energy><i name='e_fr_energy'>-7.5</i><i name='e_wo_entrp'>-7.4</i><i name='e_0_energy'>-7.45</i></energy>"
    )
    step = (
        f"<calculation><scstep>{energy}</scstep><structure><crystal>{cell}</crystal>{places}</structure>"
        "<varray name='forces'><v>0.1 0 0</v><v>-0.1 0 0</v></varray>"
        f"<varray name='stress'><v>10 0 0</v><v>0 20 0</v><v>0 0 30</v></varray>{energy}</calculation>"
    )
    text = (
        "<?xml version='1.0'?><modeling><kpoints><varray name='kpointlist'><v>0 0 0</v></varray>"
        "<varray name='weights'><v>1</v></varray></kpoints><parameters></parameters>"
        "<atominfo><array name='atoms'><set><rc><c>Na</c><c>1</c></rc><rc><c>Cl</c><c>2</c></rc></set></array>"
        "</atominfo>"
        f"<structure name='initialpos'><crystal>{cell}</crystal>{places}</structure>{step}{step}</modeling>"
    )
    found = read_frames("vasprun.xml", text.encode())
    assert len(found) == 2
    assert found.energy_ev.tolist() == [-7.5, -7.5]
    assert found.forces_ev_per_a[0].tolist() == [0.1, 0.0, 0.0]
    # VASP prints kBar, positive in compression.
    assert found.stress_ev_per_a3[0, :3] == pytest.approx(-np.array([10, 20, 30]) * 0.1 / 160.21766208, rel=1e-6)
    with pytest.raises(DataError, match="declares entities"):
        read_frames("vasprun.xml", b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'b'>]><modeling></modeling>")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.pdf", b"%PDF-1.4 something", "none of the files that are read"),
        ("a.xyz", b"\xff\xfe\x00", "cannot be read as text"),
        ("a.xyz.gz", b"\x1f\x8b broken", "cannot be read as text"),
        ("a.cfg", b"BEGIN_CFG\nEND_CFG\n", "say which elements"),
        ("a.json", b"{]", "not valid JSON"),
        ("vasprun.xml", b"<?xml version='1.0'?><modeling>", "vasprun.xml"),
        ("OUTCAR", b"POTCAR: PAW_PBE X\n TOTAL-FORCE (eV/Angst)\n", "OUTCAR"),
    ],
)
def test_what_is_no_set_of_frames(name: str, content: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_frames(name, content)


# Faults -----------------------------------------------------------------------------------------------------------


def test_bad_frames_are_named_and_left_out(emt: list[Atoms]) -> None:
    data = as_set(emt)
    energy, forces, positions = data.energy_ev.copy(), data.forces_ev_per_a.copy(), data.positions.copy()
    energy[3] /= Hartree
    energy[3] -= 40.0  # EMT's energies are near zero: real ones are not
    energy -= 100.0 * data.sizes
    energy[3] = (data.energy_ev[3] - 100.0 * data.sizes[3]) / Hartree
    forces[data.offsets[5] : data.offsets[6]] = np.nan
    positions[data.offsets[7]] = positions[data.offsets[7] + 1] + 0.01
    found = check_frames(replace(data, energy_ev=energy, forces_ev_per_a=forces, positions=positions))
    assert [b.index for b in found.bad] == [3, 5, 7]
    assert "Hartree" in found.bad[0].reason
    assert "forces are missing" in found.bad[1].reason
    assert "on top of each other" in found.bad[2].reason
    assert len(found.data) == len(emt) - 3
    assert "3 of 48 frames are left out: frame 3" in found.notices[0]


def test_two_functionals_in_one_file(emt: list[Atoms]) -> None:
    data = as_set(emt)
    assert two_zeros(data) is None
    shift = np.where(np.arange(len(data)) >= 20, 1.5, 0.0) * data.sizes
    mixed = replace(data, energy_ev=data.energy_ev - shift)
    with pytest.raises(DataError, match=r"28 of 48 frames \(20-47\).*two functionals"):
        check_frames(mixed)
    found = check_frames(mixed, zeros="each")
    assert "shifted onto each other" in " ".join(found.notices)
    assert found.data.energy_ev / found.data.sizes == pytest.approx(data.energy_ev / data.sizes, abs=0.05)


def test_a_group_at_another_volume_is_no_second_zero() -> None:
    near = frames(24)
    far = []
    for atoms in frames(24, seed=1):
        big = atoms.copy()
        big.set_cell(atoms.cell.array * 1.25, scale_atoms=True)
        big.calc = EMT()
        results = {"energy": big.get_potential_energy(), "forces": big.get_forces(), "stress": big.get_stress()}
        big.calc = SinglePointCalculator(big, **results)
        far.append(big)
    assert two_zeros(as_set(near + far)) is None


def test_few_and_many(emt: list[Atoms]) -> None:
    with pytest.raises(DataError, match="4 usable of 4 frames"):
        check_frames(as_set(emt[:4]))
    found = check_frames(as_set(emt[:10]))
    assert any("10 frames are few" in n for n in found.notices)
    one = as_set(emt[:1])
    many = one.subset(np.zeros(50_000, dtype=np.int64))
    rng = np.random.default_rng(0)
    many = replace(many, energy_ev=many.energy_ev + rng.normal(scale=0.01, size=len(many)))
    places = check_frames_fast(many)
    assert int(many.sizes[places].sum()) <= MOST_ATOMS
    assert places.max() > 0.99 * len(many) * 0.8


def test_of_very_many_frames_all_are_checked_and_a_part_is_fitted(emt: list[Atoms]) -> None:
    few = as_set(emt)
    many = few.subset(np.arange(12_000) % len(few))
    forces = many.forces_ev_per_a.copy()
    forces[many.offsets[11_000] : many.offsets[11_001]] = np.nan
    pulses: list[int] = []
    found = check_frames(replace(many, forces_ev_per_a=forces), pulse=lambda: pulses.append(1))
    assert [b.index for b in found.bad] == [11_000]
    assert len(found.data) == 11_999
    assert int(found.data.sizes[found.train].sum()) <= MOST_ATOMS
    assert any("10,000, spread evenly over the file, are fitted: together 40,000 atoms" in n for n in found.notices)
    assert len(pulses) > 40

    def stop() -> None:
        raise CancelledError("Stopped.")

    with pytest.raises(CancelledError):
        check_frames(many, pulse=stop)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("Hartree", "frame 4: its energy .* as if it were in Hartree"),
        ("forces", "frame 4: its forces are missing"),
        ("on top", "frame 4: atoms .* lie on top of each other"),
    ],
)
def test_a_bad_frame_of_a_file_is_one_sentence_of_the_result(emt: list[Atoms], spoil: str, words: str) -> None:
    """Through the whole of fit_frames: the frame is named and left out, the others are fitted."""
    made = []
    for k, atoms in enumerate(emt[:40]):
        bad, one = k == 4, atoms.copy()
        given = dict(atoms.calc.results)
        # Energies of real programs are far from zero.
        given["energy"] = (given["energy"] - 100.0 * len(atoms)) / (Hartree if bad and spoil == "Hartree" else 1.0)
        if bad and spoil == "forces":
            del given["forces"]
        if bad and spoil == "on top":
            one.positions[0] = one.positions[1] + 0.01
        one.calc = SinglePointCalculator(one, **given)
        made.append(one)
    found = fit_frames(extxyz(made), graph="l2k1", cutoff_a=4.0, budget_s=1.0, learning=False)
    said = [n for n in found.notices if "left out" in n]
    assert len(said) == 1
    assert re.search(rf"^1 of 40 frames is left out: {words}", said[0])
    assert sum(found.frames) == 39


def check_frames_fast(data: TrainingSet) -> Any:
    """The frames that are fitted of very many; their labels are not checked here, which takes a minute."""
    from sus2.training.frames.check import _within

    return _within(data, np.arange(len(data)))


def test_frames_that_follow_each_other_are_not_torn_apart(emt: list[Atoms]) -> None:
    found = check_frames(as_set(emt))
    assert found.split == "time"
    assert not set(found.train.tolist()) & set(found.held.tolist())
    # Held-out frames come in stretches, not one by one between others.
    runs = np.split(found.held, np.flatnonzero(np.diff(found.held) > 1) + 1)
    assert len(runs) <= 10


# Fit --------------------------------------------------------------------------------------------------------------


def test_a_fit_learns_and_its_result_is_kept(emt: list[Atoms], tmp_path: Path) -> None:
    (tmp_path / "copper.xyz").write_bytes(extxyz(emt))
    firsts, points = [], []
    stages: list[Stage] = []
    found = fit_frames(
        tmp_path / "copper.xyz",
        functional="EMT",
        graph="l2k1",
        cutoff_a=5.0,
        budget_s=600.0,
        first=firsts.append,
        live=points.append,
        progress=lambda stage, fraction: stages.append(stage if isinstance(stage, Stage) else Stage(stage)),
    )
    assert firsts[0].evaluate([emt[0]])[0].forces_ev_per_a.shape == (len(emt[0]), 3)
    assert [p.force_mev_per_a for p in points] == [p.force_mev_per_a for p in found.history]
    assert found.history[-1].force_mev_per_a <= found.history[0].force_mev_per_a
    rms = float(np.sqrt(np.mean(as_set(emt).forces_ev_per_a ** 2)))
    assert found.learning[-1].force_mev_per_a < 0.15 * 1e3 * rms
    assert [p.frames for p in found.learning] == sorted(p.frames for p in found.learning)
    assert np.abs(found.forces_ev_per_a[0] - found.forces_ev_per_a[1]).mean() * 1e3 == pytest.approx(
        found.learning[-1].force_mev_per_a, rel=1e-6
    )
    # What is drawn while it goes on: after each step labels and predictions of what is held out, once.
    seen = [s.parity for s in stages if s.parity]
    assert len(seen) == len(points)
    assert set(seen[-1]) == {"Energy (eV/atom)", "Force (eV/Å)", "Stress (GPa)"}
    labels, predicted = (np.array(v) for v in seen[-1]["Energy (eV/atom)"])
    assert labels == pytest.approx(found.energies_ev_per_atom[0])
    assert 1e3 * np.abs(predicted - labels).mean() == pytest.approx(points[-1].energy_mev_per_atom, rel=1e-9)
    assert all(str(s) for s in stages)
    path = found.write(tmp_path)
    assert path.name == "copper.mtp"
    assert sus2.load(str(path)).functional == "EMT"
    again = archive.unpack(archive.pack(found), lambda wanted: None)
    assert again.potential.evaluate([emt[0]])[0].energy_ev == found.potential.evaluate([emt[0]])[0].energy_ev

    def stop(stage: str, fraction: float) -> None:
        if "fit" in stage:
            raise CancelledError("Stopped.")

    with pytest.raises(CancelledError):
        fit_frames(as_set(emt), graph="l2k1", progress=stop)


def test_one_seed_one_fit_and_cancel_is_asked_at_every_step(emt: list[Atoms]) -> None:
    data = as_set(emt[:14])
    asked: list[str] = []

    def fitted(seed: int) -> str:
        return fit_frames(
            data,
            graph="l2k1",
            cutoff_a=3.0,
            budget_s=600.0,
            learning=False,
            seed=seed,
            progress=lambda stage, fraction: asked.append(stage),
        ).text

    one = fitted(0)
    steps = {s.split(" · ")[0] for s in asked}
    assert {"start 1 of 2", "start 2 of 2", "readout on all labels", "fit, step 1", "fit, step 2"} <= steps
    assert fitted(0) == one
    assert fitted(1) != one
    for word in ("neighbours", "start 2", "fit, step 2"):
        seen: list[str] = []

        def cancel(word: str = word, seen: list[str] = seen) -> bool:
            return any(word in s for s in seen)

        with pytest.raises(CancelledError):
            fit_frames(
                data,
                graph="l2k1",
                cutoff_a=3.0,
                learning=False,
                cancel=cancel,
                progress=lambda stage, fraction, seen=seen: seen.append(stage),
            )
        # Nothing new was begun after it was asked for.
        assert word in seen[-1]


def test_what_a_learning_curve_says() -> None:
    points = [Point(0.0, n, 1.0, 100.0 * (n / 100.0) ** -0.5, 1.0) for n in (25, 50, 100)]
    assert "about 400 frames would halve it" in how_much_data(points)
    assert "would not help" in how_much_data([replace(p, force_mev_per_a=50.0) for p in points])
    assert "too few" in how_much_data(points[:2])
