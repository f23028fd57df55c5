"""Modes of a crystal: irreducible representations at Gamma, and the file that viewers of phonons read."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ase.build import bulk

import sus2
from sus2.derivatives.supercell import supercell_sites
from sus2.properties.phonons.calculate import phonons
from sus2.properties.phonons.entry import modes_json
from sus2.properties.phonons.follow_mode import mode_motion
from sus2.properties.phonons.irreps import gamma_modes
from sus2.properties.phonons.report import PhononReport
from sus2.properties.phonons.result import PhononResult
from sus2.structures import sample
from sus2.units import THZ_TO_INV_CM
from tests.helpers_spec import random_potential


@pytest.fixture(scope="module")
def result() -> PhononResult:
    return phonons(bulk("NaCl", "cesiumchloride", a=3.2), random_potential(), mesh=[6, 6, 6])


def test_representations_at_gamma(result):
    """CsCl: two T1u, which infrared light excites; diamond: T2g, of the Raman line (any textbook)."""
    acoustic, optical = gamma_modes(result)
    assert (acoustic.activity, acoustic.label) == ("acoustic", "T1u")
    assert (optical.activity, optical.label, optical.branches) == ("IR", "T1u", (3, 4, 5))
    diamond = phonons(bulk("C", "diamond", a=3.2), random_potential(elements=("C",)), mesh=[2, 2, 2], relaxed=True)
    assert {m.label: m.activity for m in gamma_modes(diamond) if not m.acoustic} == {"T2g": "Raman"}


def test_the_viewer_of_phonons_moves_the_atoms_as_we_do(result):
    report = PhononReport(result, result.band_structure(points=40))
    found = json.loads(modes_json(report))
    q = report.bands.path.q_fractional
    assert np.allclose(found["qpoints"], q)
    assert np.allclose(found["eigenvalues"], THZ_TO_INV_CM * report.bands.frequencies_thz, atol=1e-3)
    assert found["line_breaks"] == [[s.start, s.stop] for s in report.bands.path.segments]
    assert dict(found["highsym_qpts"])[0] == report.bands.path.ticks[0][1]
    k, branch = 7, 4
    _, u = mode_motion(result, q[k], branch, cells=(2, 2, 2))
    vectors = np.array(found["vectors"])[k, branch]
    # The viewer: the displacement of an atom times the phase of its cell.
    atom_of, cell_of = supercell_sites(result.atoms, np.diag([2, 2, 2]))
    theirs = (vectors[..., 0] + 1j * vectors[..., 1])[atom_of] * np.exp(2j * np.pi * cell_of @ q[k])[:, None]
    scale = (theirs.conj() * u).sum() / (np.abs(theirs) ** 2).sum()
    assert np.allclose(scale * theirs, u, atol=1e-5 * np.abs(u).max())


def test_imaginary_optical_modes_are_not_taken_for_sound() -> None:
    # Cubic barium titanate: the three lowest frequencies next to Γ are its ferroelectric modes.
    found = sus2.elastic(sample("batio3").atoms(), sus2.load("sus2-universal-pbe"))
    (check,) = [c for c in found.checks if c.name == "Speeds of sound and acoustic slopes"]
    assert check.verdict == "pass"
    waves = sus2.phonons(found.atoms, sus2.load("sus2-universal-pbe"), relaxed=True)
    assert waves.frequencies_thz([[0, 0, 0]])[0, 0] < -1.0
