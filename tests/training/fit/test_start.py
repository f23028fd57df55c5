"""Where a training run starts: weights of other elements."""

from __future__ import annotations

import numpy as np
import pytest

from sus2.errors import DataError
from sus2.registry.load import load_moments
from sus2.training.fit.start import starting_point


def test_an_unknown_element_starts_as_the_nearest_known_one() -> None:
    known = load_moments("sus2-universal-pbe")
    assert "Po" not in known.elements
    spec = starting_point("sus2-universal-pbe", ("O", "Po", "Mg"))
    place = {e: known.elements.index(e) for e in ("O", "Bi", "Mg")}
    want = known.spec.with_species([place["O"], place["Bi"], place["Mg"]])
    assert spec.alpha is not None
    assert want.alpha is not None
    np.testing.assert_array_equal(spec.alpha, want.alpha)


def test_a_start_that_shares_no_element_is_refused() -> None:
    with pytest.raises(DataError, match="does not cover W, Ta"):
        starting_point("si-mlearn-pbe", ("W", "Ta"))
