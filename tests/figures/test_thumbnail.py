"""Small pictures of crystals: every atom is there, inside the picture, those in front over those behind."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from urllib.parse import unquote

import numpy as np
import pytest

from sus2.figures.thumbnail import data_address, thumbnail_svg
from sus2.structures import sample, samples

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(("key", "atoms"), [("cscl", 9), ("cu", 14), ("mgo", 27)])
def test_atoms_of_the_cell_and_their_images_on_its_faces_are_drawn(key: str, atoms: int) -> None:
    discs = ElementTree.fromstring(thumbnail_svg(atoms=sample(key).atoms())).findall(f"{SVG}circle")
    assert len(discs) == atoms
    assert len({d.get("fill") for d in discs}) == len(sample(key).elements)


def test_every_sample_fits_its_picture_and_the_address_is_the_picture() -> None:
    for s in samples():
        text = thumbnail_svg(atoms=s.atoms())
        for disc in ElementTree.fromstring(text).findall(f"{SVG}circle"):
            x, y, r = (float(disc.get(name, "nan")) for name in ("cx", "cy", "r"))
            assert np.all([x - r >= 0, x + r <= 256, y - r >= 0, y + r <= 256]), s.key
        address = data_address(text)
        assert unquote(address).removeprefix("data:image/svg+xml,") == text
        assert not set('"#<>') & set(address), s.key


def test_what_is_nearer_to_the_viewer_is_drawn_later() -> None:
    discs = ElementTree.fromstring(thumbnail_svg(atoms=sample("cscl").atoms())).findall(f"{SVG}circle")
    order = [d.get("fill") for d in discs]
    (only,) = [k for k, fill in enumerate(order) if order.count(fill) == 1]
    assert only == 4  # four corners lie behind the atom in the middle of the cell, four before it
