"""Training: gradients, optimisers, runs that are stopped and go on, cards."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from sus2.errors import DataError
from sus2.potential.mtp import read_mtp
from sus2.registry.load import load
from sus2.training.data.dataset import TrainingSet
from sus2.training.fit.config import TrainConfig, read_config
from sus2.training.fit.least_squares import descend
from sus2.training.fit.objective import Objective
from sus2.training.fit.parameters import ParameterSpace
from sus2.training.fit.run import _Run, fit, training_data
from sus2.training.fit.run_folder import read_state
from sus2.training.fit.sources import read_source
from sus2.training.fit.start import initial_spec
from tests.training.fit.small_sets import ELEMENTS, TEACHER, config_file, labelled, structures, weights


def test_a_search_goes_on_from_the_best_of_its_starts(tmp_path: Path) -> None:
    stages = [{"kind": "search", "starts": 3, "iterations": 3, "share": 1.0}]
    changes = {"stages": stages, "element_space": "table", "validation_fraction": 0.0}
    config = read_config(config_file(tmp_path, **changes))
    run = _Run(config, 1)
    starts = [descend(run.space, run.random_start(k), run.parts, run.prior(run.start), 3) for k in range(3)]
    assert len({x.loss for x in starts}) == 3
    fit(config, folder=tmp_path / "whole", threads=1)
    state = read_state(tmp_path / "whole")
    assert state is not None
    assert np.array_equal(state.x, min(starts, key=lambda x: x.loss).x)


def test_a_distilled_set_without_held_out_structures_of_these_elements_trains_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elements are never held out: their structures in a distilled set have no validation split."""
    everything = labelled(10)

    def load_set(name: str, functional: str, families: object, split: str, shards: object) -> TrainingSet:
        return everything if split == "train" else everything.subset([])

    monkeypatch.setattr("sus2.training.fit.sources.load_set", load_set)
    file = {"kind": "file", "path": str(tmp_path / "labels.extxyz")}
    config = read_config(config_file(tmp_path, sources=[file, {"kind": "distilled", "name": "walls"}]))
    train, held, free = training_data(config)
    alone, held_alone, _ = training_data(read_config(config_file(tmp_path)))
    assert len(train) == len(alone) + 10
    assert held is not None
    assert held_alone is not None
    assert len(held) == len(held_alone)
    assert free == {"random"}
    with pytest.raises(DataError, match="has no structure made of"):
        read_source(config.sources[1], config, "test")


def test_stresses_of_a_kind_can_be_left_out(tmp_path: Path) -> None:
    source = {"kind": "file", "path": str(tmp_path / "labels.extxyz")}
    with_stress = training_data(read_config(config_file(tmp_path)))[0]
    kind = str(with_stress.kind[0])
    other = training_data(read_config(config_file(tmp_path, sources=[source | {"without_stress": ["elsewhere"]}])))[0]
    config = read_config(config_file(tmp_path, sources=[source | {"without_stress": [kind]}]))
    without = training_data(config)[0]
    assert np.isfinite(with_stress.stress_ev_per_a3).all()
    assert np.array_equal(other.stress_ev_per_a3, with_stress.stress_ev_per_a3)
    assert np.isnan(without.stress_ev_per_a3).all()
    assert np.array_equal(without.energy_ev, with_stress.energy_ev)
    part = Objective(without, ELEMENTS, 4.0, threads=1)
    assert not part.has_virial.any()
    assert not part.residual_scales(part.predict(TEACHER))[2].any()


def test_structures_without_some_elements_can_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = labelled(10)
    numbers = everything.numbers.copy()
    numbers[: everything.offsets[3]] = 33
    mixed = replace(everything, numbers=numbers)
    monkeypatch.setattr("sus2.training.fit.sources.load_set", lambda *_: mixed)
    source = {"kind": "distilled", "name": "any", "containing": ["Ga"]}
    config = read_config(config_file(tmp_path, sources=[source]))
    found = read_source(config.sources[0], config, "train")
    assert np.array_equal(found.energy_ev, everything.energy_ev[3:])
    both = read_config(config_file(tmp_path, sources=[source | {"containing": ["Ga", "As"]}]))
    assert len(read_source(both.sources[0], both, "train")) == 10


class Stop(Exception):
    pass


def test_a_run_that_is_stopped_after_every_step_ends_the_same(tmp_path: Path) -> None:
    config = read_config(config_file(tmp_path))
    whole = fit(config, folder=tmp_path / "whole", threads=1)
    assert whole.errors["train"].energy_mae_mev_per_atom > 0
    stops = 0

    def stop(text: str, fraction: float) -> None:
        raise Stop

    for _ in range(20):
        try:
            fit(config, folder=tmp_path / "parts", threads=1, progress=stop)
            break
        except Stop:
            stops += 1
    assert stops == 13  # 2 starts, 3 epochs, expand, 2 rounds, 2 iterations, release, 2 epochs
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")


def test_a_killed_run_goes_on(tmp_path: Path, root: Path) -> None:
    path = config_file(tmp_path, stages=[{"kind": "adam", "epochs": 40}])
    script = (
        "import sys; from pathlib import Path; from sus2.training.fit.config import read_config; "
        "from sus2.training.fit.run import fit; "
        "fit(read_config(sys.argv[1]), folder=Path(sys.argv[2]), threads=1)"
    )
    folder = tmp_path / "killed"
    run = subprocess.Popen([sys.executable, "-c", script, str(path), str(folder)], cwd=root)
    deadline = time.monotonic() + 60
    while not (folder / "state.npz").exists() and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.wait()
    fit(read_config(path), folder=folder, threads=1)
    fit(read_config(path), folder=tmp_path / "whole", threads=1)
    assert weights(folder) == weights(tmp_path / "whole")


def test_the_run_folder_tells_everything(tmp_path: Path) -> None:
    result = fit(read_config(config_file(tmp_path)), folder=tmp_path / "run", threads=1)
    for name in ("config.json", "revision.txt", "history.csv", "curves.html", "small.mtp", "small.json"):
        assert (tmp_path / "run" / name).stat().st_size > 0
    card = result.card
    assert card.sha256 == hashlib.sha256(weights(tmp_path / "run")).hexdigest()
    assert set(card.shortest_distances_a) == {"As-As", "As-Ga", "Ga-Ga"}
    assert card.errors["train_energy_mae_mev_per_atom"] == pytest.approx(
        result.errors["train"].energy_mae_mev_per_atom, abs=1e-4
    )
    assert load(tmp_path / "run" / "small.mtp").elements == ELEMENTS


def test_released_structures_count_as_much_as_those_of_their_source(tmp_path: Path) -> None:
    path = tmp_path / "labels.extxyz"
    config_file(tmp_path)
    other = path.rename(tmp_path / "other.extxyz")
    config_file(tmp_path)
    sources = [{"kind": "file", "path": str(path), "weight": 3.0, "emphasis": {"": 2.0}}]
    test = [{"kind": "file", "path": str(path)}, {"kind": "file", "path": str(other)}]
    run = _Run(read_config(config_file(tmp_path, sources=sources, test=test)), 1)
    before, after = len(run.train) + len(run.validation or ()), run.released().train
    assert len(after) == before + 48
    assert after.weight.tolist() == [6.0] * (before + 24) + [1.0] * 24


def test_after_a_release_the_card_keeps_the_errors_of_the_state_before(tmp_path: Path) -> None:
    path = config_file(tmp_path)
    stages = yaml.safe_load(path.read_text())["stages"]
    released = fit(read_config(path), folder=tmp_path / "long", threads=1)
    before = fit(read_config(config_file(tmp_path, stages=stages[:-2])), folder=tmp_path / "short", threads=1)
    assert released.errors["train"].energy_mae_mev_per_atom == pytest.approx(
        before.errors["train"].energy_mae_mev_per_atom, rel=0.5
    )
    assert released.card.data_sha256 != before.card.data_sha256  # the held-out structures are in it
    assert not np.array_equal(released.spec.moment_coeffs, before.spec.moment_coeffs)
    with np.load(tmp_path / "short" / "state.npz") as state:
        last = ParameterSpace(before.spec).unpack(state["x"])
    assert read_mtp(tmp_path / "long" / "held-out.mtp").moment_coeffs == pytest.approx(last.moment_coeffs, abs=0)


def test_a_folder_of_another_configuration_is_refused(tmp_path: Path) -> None:
    fit(read_config(config_file(tmp_path)), folder=tmp_path / "run", threads=1)
    with pytest.raises(DataError, match="another configuration"):
        fit(read_config(config_file(tmp_path, seed=5)), folder=tmp_path / "run", threads=1)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    config = read_config(config_file(tmp_path))
    fit(config, folder=tmp_path / "run", threads=1)
    (tmp_path / "run" / "state.npz").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"state\.npz"):
        fit(config, folder=tmp_path / "run", threads=1)


def test_a_second_set_finds_its_own_zero_of_energy(tmp_path: Path) -> None:
    data = labelled(16, seed=4)
    atoms = structures(16, seed=4)
    for k, a in enumerate(atoms):
        shift = 100.0 * a.get_chemical_symbols().count("Ga")
        a.calc = SinglePointCalculator(
            a, energy=data.energy_ev[k] + shift, forces=data.forces_ev_per_a[data.offsets[k] : data.offsets[k + 1]]
        )
    write(tmp_path / "other.extxyz", atoms, format="extxyz")
    path = config_file(tmp_path, stages=[{"kind": "lbfgs", "rounds": 4, "iterations": 60}])
    alone = fit(read_config(path), folder=tmp_path / "alone", threads=1)
    content = yaml.safe_load(path.read_text())
    content["sources"].append({"kind": "file", "path": str(tmp_path / "other.extxyz")})
    path.write_text(yaml.safe_dump(content))
    both = fit(read_config(path), folder=tmp_path / "both", threads=1)
    one, two = alone.errors["train"].energy_mae_mev_per_atom, both.errors["train"].energy_mae_mev_per_atom
    assert two < one + 50  # the other zero is 50 eV/atom away


def test_starting_model_is_that_of_the_paper() -> None:
    content = {"name": "x", "functional": "f", "elements": ["Si"], "sources": [{"kind": "nacl"}]}
    config = TrainConfig.model_validate(content | {"stages": [{"kind": "project"}]})
    spec = initial_spec(config)
    assert spec.alpha is not None
    assert spec.alpha[0, 0, 0] == pytest.approx(6.6 / 3.5)
    assert np.array_equal(initial_spec(config).radial_weights, spec.radial_weights)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"cutoff_a": -1}, "cutoff_a"), ({"stages": [{"kind": "magic"}]}, "stages"), ({"colour": 1}, "colour")],
)
def test_bad_configurations_name_the_key(tmp_path: Path, change: dict[str, object], words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_config(config_file(tmp_path, **change))


def test_every_shipped_configuration_reads(root: Path) -> None:
    for path in (root / "pretrained").glob("*.yaml"):
        assert read_config(path).name == path.stem
