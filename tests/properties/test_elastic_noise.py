"""Elastic constants by finite strain of a potential whose forces scatter like those of single precision."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ase.build import bulk

import sus2
from sus2.errors import Sus2Error
from sus2.properties.elastic.finite_strain import force_noise_ev_per_a


def test_forces_that_scatter_like_single_precision_do_not_stop_it() -> None:
    """Asked for less than its scatter, each strained cell would take its last step and fail."""

    class Scattered:
        name, functional, elements, cutoff = "scattered", "PBE", ("Si",), 5.0

        def __init__(self, size: float) -> None:
            self.inner, self.size, self.calls = sus2.load("si-mlearn-pbe"), size, 0

        def evaluate(self, structures: Any) -> list[Any]:
            out = []
            for e, atoms in zip(self.inner.evaluate(structures), structures, strict=True):
                self.calls += 1
                rng = np.random.default_rng(int(abs(atoms.positions).sum() * 1e9) % 2**32)
                noise = rng.uniform(-self.size, self.size, e.forces_ev_per_a.shape)
                out.append(replace(e, forces_ev_per_a=e.forces_ev_per_a + noise - noise.mean(axis=0)))
            return out

    crystal = sus2.relax(bulk("Si"), sus2.load("si-mlearn-pbe"), fmax=1e-5).atoms
    quiet, loud = Scattered(0.0), Scattered(5e-5)
    settings: dict[str, Any] = {"relaxed": True, "method": "finite", "cross_checks": False}
    assert force_noise_ev_per_a(crystal, quiet) < 1e-9
    assert 3e-5 < force_noise_ev_per_a(crystal, loud) < 1.1e-4
    a, b = (sus2.elastic(crystal, p, **settings).c_gpa for p in (quiet, loud))
    np.testing.assert_allclose(a, b, atol=0.01 * a.max())
    assert loud.calls < 2 * quiet.calls
    with pytest.raises(Sus2Error, match="force"):
        sus2.elastic(crystal, Scattered(2e-2), **settings)
