"""The model report: a sane potential passes, and each way of being insane fails its own check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator

import sus2
from sus2.errors import CancelledError, Sus2Error
from sus2.figures.check import report_html
from sus2.potential.evaluation import Evaluation
from sus2.potential.potential import Potential
from sus2.structures import sample
from sus2.validation.behaviour import derivative_checks, dimer_curves, invariance_checks, smoothness_checks
from sus2.validation.model_check import check
from sus2.validation.result import ModelCheck

SILICON = bulk("Si", a=5.47)


@pytest.fixture(scope="module")
def silicon() -> Potential:
    return sus2.load("si-mlearn-pbe")


@pytest.fixture(scope="module")
def report(silicon: Potential) -> ModelCheck:
    return check(SILICON, silicon, dynamics_ps=0.2)


@dataclass
class Broken:
    """A potential with one fault."""

    inner: Potential
    fault: str

    name = "broken"
    functional = "none"

    @property
    def elements(self) -> tuple[str, ...]:
        return self.inner.elements

    @property
    def cutoff(self) -> float:
        return self.inner.cutoff

    def calculator(self) -> Calculator:
        return self.inner.calculator()

    def evaluate(self, structures: Sequence[Any]) -> list[Evaluation]:
        return [self._spoilt(a, r) for a, r in zip(structures, self.inner.evaluate(structures), strict=True)]

    def _spoilt(self, atoms: Atoms, r: Evaluation) -> Evaluation:
        if self.fault == "forces":
            return replace(r, forces_ev_per_a=1.05 * r.forces_ev_per_a)
        if self.fault == "stress":
            return replace(r, stress_ev_per_a3=r.stress_ev_per_a3 + 0.01)
        if self.fault == "rotation":
            return replace(r, energy_ev=r.energy_ev + 1e-3 * float((atoms.positions[:, 0] ** 2).sum()))
        if self.fault == "order":
            return replace(r, energy_ev=r.energy_ev + 1e-2 * float(atoms.positions[0] @ atoms.positions[0]))
        if self.fault == "size":
            return replace(r, energy_ev=r.energy_ev + 0.1 * len(atoms) ** 2)
        if self.fault == "kink":
            strain = (atoms.get_volume() / SILICON.get_volume()) ** (1 / 3) - 1.0
            return replace(r, energy_ev=r.energy_ev + 10.0 * abs(strain - 0.0013))
        raise AssertionError


def verdicts(checks) -> dict[str, str]:
    return {c.name: c.verdict for c in checks}


def test_a_sane_potential_passes_and_says_so(report: ModelCheck, silicon: Potential) -> None:
    found = verdicts(report.checks)
    for name in (
        "Residual force",
        "Residual stress",
        "B0' plausible",
        "Elements covered",
        "Extrapolation grade",
        "Forces against energy",
        "Stress against energy",
        "Rotation invariance",
        "Permutation invariance",
        "Size extensivity",
        "Two atoms far apart",
        "Kinks of the energy",
        "Jumps of the stiffness",
        "Pairs without a repulsive wall",
        "Minima of E(V)",
        "Elastic stability",
        "Acoustic sum rule",
        "Imaginary modes on the mesh",
        "Energy drift in dynamics",
    ):
        assert found[name] == "pass", name
    assert len(found) == len(report.checks)  # no check twice
    assert report.verdict == "pass"
    assert f"{len(found)} checks pass" in report.summary
    assert set(report.dimers) == {"Si-Si"}
    assert report.wide is not None
    low = report.wide.x[report.wide.energies_ev.argmin()]
    assert low == pytest.approx(report.atoms.get_volume(), rel=0.02)
    content = report.to_dict()
    assert content["verdict"] == "pass"
    assert len(content["dimers"]["Si-Si"]["energy_ev"]) == len(report.dimers["Si-Si"].x)


@pytest.mark.parametrize(
    ("fault", "work", "name"),
    [
        ("forces", derivative_checks, "Forces against energy"),
        ("stress", derivative_checks, "Stress against energy"),
        ("rotation", invariance_checks, "Rotation invariance"),
        ("order", invariance_checks, "Permutation invariance"),
        ("size", invariance_checks, "Size extensivity"),
        ("size", invariance_checks, "Two atoms far apart"),
        ("kink", smoothness_checks, "Kinks of the energy"),
    ],
)
def test_each_fault_fails_its_own_check(silicon: Potential, fault: str, work, name: str) -> None:
    assert verdicts(work(SILICON, silicon))[name] == "pass"
    assert verdicts(work(SILICON, Broken(silicon, fault)))[name] == "fail"


def test_a_potential_without_a_wall_or_with_two_minima_fails(silicon: Potential) -> None:
    spec = silicon.spec
    assert spec.moment_coeffs is not None
    bare = silicon.card.model_copy(update={"repulsion": None})
    upside_down = Potential(replace(spec, moment_coeffs=-spec.moment_coeffs), bare)
    without_wall = Potential(spec, bare)
    for potential, wrong in ((without_wall, "Pairs without a repulsive wall"), (upside_down, "Minima of E(V)")):
        found = check(SILICON, potential, relaxed=True, dynamics_ps=0.0)
        assert found.verdict == "fail"
        assert wrong in {c.name for c in found.checks if c.verdict == "fail"}
        assert "fail" in found.summary
        assert found.dynamics is None


def test_a_kink_in_the_cutoff_shows_as_a_jump_of_the_stiffness(silicon: Potential) -> None:
    # A shell of neighbours crosses the cutoff inside the path.
    shell = float(np.sort(np.unique(SILICON.repeat(4).get_distances(0, range(1, 128), mic=True).round(4)))[2])
    near = Potential(replace(silicon.spec, max_dist=1.001 * shell), silicon.card)
    jumps = [c.value for p in (silicon, near) for c in smoothness_checks(SILICON, p) if "stiffness" in c.name]
    assert jumps[1] > 10 * jumps[0]


def test_dimers_reach_from_the_wall_to_the_cutoff(silicon: Potential) -> None:
    curve = dimer_curves(silicon, ("Si",))["Si-Si"]
    assert curve.x[0] == pytest.approx(0.5 * 2 * 1.11)
    assert curve.x[-1] == pytest.approx(silicon.cutoff)
    assert (np.diff(curve.x) > 0).all()


def test_an_element_that_is_not_known_and_a_cancelled_report(silicon: Potential) -> None:
    found = check(bulk("Cu"), silicon)
    assert [c.name for c in found.checks] == ["Elements covered"]
    assert found.verdict == "fail"

    def stop(text: str, share: float) -> None:
        raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        check(SILICON, silicon, progress=stop)


def test_a_calculator_of_another_kind_gets_what_it_can(silicon: Potential) -> None:
    from sus2.registry.external import wrap_calculator

    other = wrap_calculator(silicon.calculator(), name="other", elements=("Si",), functional="PBE")
    found = verdicts(check(SILICON, other, dynamics_ps=0.0).checks)
    assert found["Forces against energy"] == "pass"
    assert found["Extrapolation grade"] == "warn"
    assert "Acoustic sum rule" not in found


class Stepping:
    """A potential whose forces jump as atoms move, while a uniform strain moves none of them off its line."""

    def __init__(self, original: Potential) -> None:
        self.name, self.functional, self.elements = original.name, original.functional, original.elements
        self._original = original

    def calculator(self) -> Any:
        return self._original.calculator()

    def evaluate(self, structures: Any) -> list[Evaluation]:
        out = []
        for atoms, e in zip(structures, self._original.evaluate(structures), strict=True):
            s = atoms.cell.scaled_positions(atoms.positions)
            moved = float(((s - np.round(8 * s) / 8) ** 2).sum())
            bent = e.energy_ev + (20.0 * (moved - 1e-3) if moved > 1e-3 else 0.0)
            slope = 40.0 * (s - np.round(8 * s) / 8) @ np.linalg.inv(atoms.cell.array).T if moved > 1e-3 else 0.0
            out.append(Evaluation(bent, e.energies_ev, e.forces_ev_per_a - slope, e.stress_ev_per_a3))
        return out


def test_forces_that_jump_as_atoms_move_are_found() -> None:
    potential = sus2.load("si-mlearn-pbe")
    crystal = sus2.relax(sample("si").atoms(), potential).atoms
    assert {c.verdict for c in smoothness_checks(crystal, potential)} == {"pass"}
    found = {c.name: c.verdict for c in smoothness_checks(crystal, Stepping(potential))}
    assert found["Jumps of the stiffness"] == "fail"


def test_the_check_of_rotation_turns_and_does_not_reflect(monkeypatch: pytest.MonkeyPatch) -> None:
    potential = sus2.load("si-mlearn-pbe")
    seen: list[float] = []
    original = Potential.evaluate

    def watched(self: Potential, structures: Any, **options: Any) -> list[Evaluation]:
        seen.extend(float(np.linalg.det(a.cell.array)) for a in structures if a.cell.rank == 3)
        return original(self, structures, **options)

    monkeypatch.setattr(Potential, "evaluate", watched)
    for seed in range(6):
        invariance_checks(sample("si").atoms(), potential, seed)
    assert all(volume > 0 for volume in seen)


def test_the_report_holds_the_run_of_dynamics() -> None:
    report = sus2.check(sample("si").atoms(), sus2.load("si-mlearn-pbe"), dynamics_ps=0.2)
    curve = report.to_dict()["dynamics"]
    assert len(curve["time_ps"]) == len(curve["total_energy_ev"]) == 20
    assert "Dynamics at constant energy" in report_html(report=report)


def test_the_old_name_warns_and_gives_the_same_report(silicon: Potential) -> None:
    new = sus2.check(SILICON, silicon, quick=True)
    with pytest.warns(DeprecationWarning, match=r"sus2\.check\(atoms, potential\)"):
        old = sus2.sanity(silicon, SILICON, quick=True)
    assert [c.to_dict() for c in old.checks] == [c.to_dict() for c in new.checks]


def test_swapped_arguments_are_refused(silicon: Potential) -> None:
    with pytest.raises(Sus2Error, match="structure first"):
        sus2.check(silicon, SILICON)  # type: ignore[arg-type]


def test_a_quick_check_is_part_of_the_whole(silicon: Potential, report: ModelCheck) -> None:
    quick = check(SILICON, silicon, quick=True)
    whole = [c for c in report.checks if c.name in {q.name for q in quick.checks}]
    assert list(quick.checks) == whole
    assert quick.dynamics is None
