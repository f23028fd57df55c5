"""What the lessons open with is right physics: potential and reference agree on what the lesson says of the crystal."""

from __future__ import annotations

import pytest

import sus2
from sus2.lessons.first import UNIVERSAL_MODEL, body_centred_hafnium
from sus2.lessons.soft import KNOWN_INSTABILITIES, soft_mode
from sus2.structures.samples import sample


def known(key: str, quantity: str, functional: str) -> float:
    values = sus2.known_values(sample(key).atoms())
    return next(v.value for v in values if v.quantity == quantity and v.functional == functional)


def test_the_curve_of_copper_is_that_of_copper() -> None:
    found = sus2.eos(sample("cu").atoms(), sus2.load("sus2-universal-pbe"))
    assert found.v0_a3_per_atom == pytest.approx(known("cu", "v0_a3_per_atom", "PBE"), rel=0.02)
    assert found.b0_gpa == pytest.approx(known("cu", "b0_gpa", "PBE"), rel=0.1)
    assert found.b0_prime == pytest.approx(known("cu", "b0_prime", "PBE"), rel=0.25)


@pytest.mark.parametrize(("key", "name", "rel"), [("si", "si-mlearn-pbe", 0.15), ("al", "sus2-universal-pbe", 0.3)])
def test_stiffness_and_sound_are_those_of_the_crystal(key: str, name: str, rel: float) -> None:
    c = sus2.elastic(sample(key).atoms(), sus2.load(name), cross_checks=False).c_gpa
    for label, value in (("c11_gpa", c[0, 0]), ("c12_gpa", c[0, 1]), ("c44_gpa", c[3, 3])):
        assert value == pytest.approx(known(key, label, "experiment"), rel=rel), label


def test_the_mode_of_bcc_hafnium_leads_to_hcp() -> None:
    found = soft_mode(body_centred_hafnium(), sus2.load(UNIVERSAL_MODEL))
    assert KNOWN_INSTABILITIES["hafnium"].agrees(found)
    assert not KNOWN_INSTABILITIES["neighborite"].agrees(found)
    assert found.followed_lowest_thz > -0.1, "the way down ends at the phase that nature has"


def test_gallium_arsenide_shrinks_towards_experiment_in_r2scan() -> None:
    a = []
    for name in ("sus2-universal-pbe", "sus2-universal-r2scan"):
        a.append(sus2.relax(sample("gaas").atoms(), sus2.load(name)).atoms.get_volume() ** (1 / 3))
    assert known("gaas", "a0_a", "experiment") < a[1] < a[0]
    assert a[0] == pytest.approx(known("gaas", "a0_a", "PBE"), rel=0.01)
