"""Potentials by name: weights, functional, elements and card; and a user's own files.

A potential is an `.mtp` file, or a `.sus2` file in the compact binary form, with a card beside it, `NAME.json`. The
card names the elements in type order, which the file itself does not.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from sus2.errors import PotentialFileError, printable
from sus2.potential.card import Card, read_card
from sus2.potential.compact import MAGIC, SUFFIX, parse_compact
from sus2.potential.mtp import MAX_FILE_BYTES, parse_mtp

if TYPE_CHECKING:
    import torch

    from sus2.potential.potential import Potential

WEIGHTS: Final = (".mtp", SUFFIX)
"""Endings of files with weights: text, and the compact binary form."""
FOLDERS_VARIABLE = "SUS2_MODELS"


def pretrained_folder() -> Path:
    """The folder of shipped weights: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "pretrained"
    return inside if inside.is_dir() else package.parent / "pretrained"


def model_folders() -> list[Path]:
    """Where potentials are found by name: the shipped ones, then the folders that SUS2_MODELS lists (as PATH does)."""
    own = [Path(part) for part in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if part.strip()]
    return [pretrained_folder(), *own]


def beside_weights(name: str, suffix: str) -> Path | None:
    """The file NAME + suffix of a potential found by name; None where no folder has one."""
    for folder in model_folders():
        path = folder / f"{name}{suffix}"
        if path.parent == folder and path.is_file():
            return path
    return None


def weights_of(name: str) -> Path | None:
    """The weights of a potential found by name, in either form; None where no folder has them.

    Parameters
    ----------
    name
        Name of a potential, as its card has it.

    Returns
    -------
    Path or None
        The file NAME.mtp or NAME.sus2.
    """
    return next((path for ending in WEIGHTS if (path := beside_weights(name, ending)) is not None), None)


def models() -> list[Card]:
    """Cards of all potentials that are found by name, sorted; of two with one name the shipped one.

    Raises PotentialFileError for a card in a folder of SUS2_MODELS that cannot be read or is not named as its file.
    """
    found: dict[str, Card] = {}
    for folder in model_folders():
        for path in sorted(folder.glob("*.json")):
            card = read_card(path)
            if card.name != path.stem:
                raise PotentialFileError(f"{path.name}: the card names '{printable(card.name)}'; name both alike.")
            found.setdefault(card.name, card)
    return [found[name] for name in sorted(found)]


@dataclass(frozen=True)
class Recommendation:
    """The card that suits some elements best, and one sentence that says why."""

    card: Card
    reason: str


def recommend(elements: Sequence[str], cards: Sequence[Card] | None = None) -> Recommendation | None:
    """The best of the cards (default: the shipped ones) that know all the elements; None where none does."""
    return next(iter(ranking(elements, cards)), None)


def ranking(elements: Sequence[str], cards: Sequence[Card] | None = None) -> list[Recommendation]:
    """The cards (default: the shipped ones) that know all the elements, best first.

    First those that are not for compounds only, where there is one element; then those whose data have every pair of
    the elements, then real DFT before a teacher's labels, PBE before other functionals, and the potential of the
    fewest elements, which has spent its parameters on these.
    """
    wanted = sorted(set(elements))
    covering = [c for c in (models() if cards is None else cards) if set(wanted) <= set(c.elements)]
    pairs = ["-".join(p) for p in combinations_with_replacement(wanted, 2)]

    def unseen(card: Card) -> list[str]:
        return [p for p in pairs if p not in card.shortest_distances_a]

    def reason(card: Card) -> str:
        source = "trained on DFT itself" if card.teacher == "none" else f"distilled from {card.teacher}"
        names = " ".join(card.elements) if len(card.elements) <= 4 else f"{len(card.elements)} elements"
        words = f"{card.name} is {source}, for {names}"
        if missing := unseen(card):
            words += f"; its data have no {' or '.join(missing)} neighbours"
        elif len(covering) > 1:
            words += f"; the closest fit of {len(covering)} that know these elements"
        return words + "."

    def rank(card: Card) -> tuple[bool, int, bool, bool, int, str]:
        foreign = card.compounds_only and len(wanted) == 1
        return (
            foreign, len(unseen(card)), card.teacher != "none", card.functional != "PBE", len(card.elements), card.name
        )  # fmt: skip

    order = sorted(covering, key=rank)
    return [Recommendation(card, reason(card)) for card in order]


def load(
    name_or_path: str | Path,
    elements: Sequence[str] | None = None,
    *,
    functional: str | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Potential:
    """Load a shipped potential by name, or an `.mtp` or `.sus2` file with its elements in type order.

    A file without `elements` needs its card beside it. `device` defaults to the CPU, `dtype` to float64.
    Raises PotentialFileError: unknown name, unreadable file, wrong sha256, elements that do not fit.
    """
    path = Path(name_or_path)
    named = weights_of(str(name_or_path)) if path.suffix not in WEIGHTS else None
    if named is not None:
        path = named
    elif not path.is_file():
        names = ", ".join(c.name for c in models()) or "none"
        raise PotentialFileError(
            f"There is no potential '{name_or_path}': give a shipped name ({names}) or the path of an .mtp "
            "or .sus2 file."
        )
    if path.stat().st_size > MAX_FILE_BYTES:
        raise PotentialFileError(f"{path.name}: larger than {MAX_FILE_BYTES // 2**20} MiB, not a potential.")
    card_path = path.with_suffix(".json")
    card = None
    if elements is None:
        if not card_path.is_file():
            raise PotentialFileError(
                f"{path.name}: the file does not name its elements; pass elements=[...] in type order "
                f"or put the card {card_path.name} beside it."
            )
        card = read_card(card_path)
    raw = path.read_bytes()
    return load_bytes(
        raw, name=path.stem, elements=elements, card=card, functional=functional, device=device, dtype=dtype
    )


def load_bytes(
    raw: bytes,
    *,
    name: str,
    elements: Sequence[str] | None = None,
    card: Card | None = None,
    functional: str | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Potential:
    """A potential from the bytes of an `.mtp` or `.sus2` file (an upload) and its elements or card; see load."""
    from sus2.potential.potential import Potential

    digest = hashlib.sha256(raw).hexdigest()
    if card is not None and card.sha256 and card.sha256 != digest:
        raise PotentialFileError(
            f"{name}: the weights do not match the sha256 of their card; get both files again from one source."
        )
    if raw.startswith(MAGIC):
        spec = parse_compact(raw, source=name)
    else:
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise PotentialFileError(f"{name}: not a text file, so not an .mtp potential.") from None
        spec = parse_mtp(text, source=name)
    if card is None:
        if elements is None:
            raise PotentialFileError(f"{name}: the elements in type order are missing.")
        try:
            card = Card(name=name, functional=functional or "not stated", elements=tuple(elements), sha256=digest)
        except ValidationError as error:
            raise PotentialFileError(f"{name}: elements: {printable(error.errors()[0]['msg'])}.") from None
    if len(card.elements) != spec.species_count:
        raise PotentialFileError(
            f"{name}: the file has {spec.species_count} species but {len(card.elements)} elements are given."
        )
    return Potential(spec, card, device=device, dtype=dtype)
