"""Potentials by name: weights, functional, elements and card; plug-ins; and a user's own files.

A potential is a file with a card beside it, `NAME.json`, which names the elements in type order where the file itself
does not, or a plug-in (sus2.registry.others.plugins).
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from sus2.errors import PotentialFileError, printable
from sus2.potential.card import Card, read_card
from sus2.potential.mtp.spec import MAX_FILE_BYTES
from sus2.registry.others import file_formats, plugins
from sus2.registry.others.known import missing

if TYPE_CHECKING:
    import torch

    from sus2.potential.evaluation import Calculates
    from sus2.potential.formats.site_potential import SitePotential
    from sus2.potential.potential import Potential

FOLDERS_VARIABLE = "SUS2_MODELS"
# Potentials that were shipped once and the better one that took their place.
REPLACED = {
    f"sus2-{family}-{functional}": f"sus2-universal-{functional}"
    for family in ("metals", "semiconductors", "ionic")
    for functional in ("pbe", "r2scan")
}


@lru_cache(maxsize=1)
def pretrained_folder() -> Path:
    """The folder of shipped weights: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "pretrained"
    return inside if inside.is_dir() else package.parent / "pretrained"


def model_folders() -> list[Path]:
    """Where potentials are found by name: the shipped ones, then the folders that SUS2_MODELS lists (as PATH does).

    Raises PotentialFileError where it lists what is no folder.
    """
    own = [Path(part) for part in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if part.strip()]
    for folder in own:
        # Unlike Path.is_dir this is False where nobody may look.
        if not os.path.isdir(folder):
            raise PotentialFileError(
                f"{FOLDERS_VARIABLE} names '{printable(folder)}', where there is no folder: make it, or correct it."
            )
    return [pretrained_folder(), *own]


def beside_weights(name: str, suffix: str) -> Path | None:
    """The file NAME + suffix of a potential found by name.

    Parameters
    ----------
    name
        Name of a potential; one with a folder in it finds nothing.
    suffix
        Ending of the file, with its dot.

    Returns
    -------
    Path or None
        Of the first folder that has one; None where none does.
    """
    for folder in model_folders():
        path = folder / f"{name}{suffix}"
        if path.parent == folder and path.is_file():
            return path
    return None


def models() -> list[Card]:
    """Cards of all potentials that are found by name: those with files, then the plug-ins, each sorted by name.

    Of two with one name the shipped one counts. A plug-in that is broken is left out (sus2.registry.others.plugins).
    Raises PotentialFileError for a folder of SUS2_MODELS that is missing, or a card in one that cannot be read or is
    not named as its file.
    """
    files = with_files()
    taken = {card.name for card in files}
    return [*files, *(card for card in plugins.found().cards if card.name not in taken)]


def with_files() -> list[Card]:
    """Cards of the potentials that are files: the shipped ones and those in the folders of SUS2_MODELS."""
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
    """The card that suits some elements best, and one sentence that says why.

    Attributes
    ----------
    card
        Of the potential.
    reason
        The sentence.
    """

    card: Card
    reason: str


def recommend(elements: Sequence[str], cards: Sequence[Card] | None = None) -> Recommendation | None:
    """The best of the cards that know all the elements, as ranking has them.

    Parameters
    ----------
    elements
        Chemical symbols.
    cards
        To choose from; by default those of potentials with files.

    Returns
    -------
    Recommendation or None
        None where no card covers them all.

    Raises
    ------
    PotentialFileError
        A card in a folder cannot be read, or is not named as its file; not where `cards` is given.
    """
    return next(iter(ranking(elements, cards)), None)


def ranking(elements: Sequence[str], cards: Sequence[Card] | None = None) -> list[Recommendation]:
    """The cards that know all the elements, best first.

    First those that are not for compounds only, where there is one element; then those whose data have every pair of
    the elements, then real DFT before a teacher's labels, PBE before other functionals, and the potential of the
    fewest elements, which has spent its parameters on these. Plug-ins come last.

    Parameters
    ----------
    elements
        Chemical symbols.
    cards
        To choose from; by default those of potentials with files.

    Returns
    -------
    list of Recommendation
        Empty where no card covers all the elements.

    Raises
    ------
    PotentialFileError
        As recommend does.
    """
    wanted = sorted(set(elements))
    covering = [c for c in (with_files() if cards is None else cards) if set(wanted) <= set(c.elements)]
    pairs = ["-".join(p) for p in combinations_with_replacement(wanted, 2)]

    def unseen(card: Card) -> list[str]:
        return [p for p in pairs if p not in card.shortest_distances_a]

    def reason(card: Card) -> str:
        if card.plugin:
            return f"{card.name} is a model of others ({card.functional}) that covers these elements."
        source = "trained on DFT itself" if card.teacher == "none" else f"distilled from {card.teacher}"
        names = " ".join(card.elements) if len(card.elements) <= 4 else f"{len(card.elements)} elements"
        words = f"{card.name} is {source}, for {names}"
        if missing := unseen(card):
            words += f"; its data have no {' or '.join(missing)} neighbours"
        elif len(covering) > 1:
            words += f"; the closest fit of {len(covering)} that know these elements"
        return words + "."

    def rank(card: Card) -> tuple[bool, bool, int, bool, bool, int, str]:
        foreign = card.compounds_only and len(wanted) == 1
        return (
            bool(card.plugin),
            foreign,
            len(unseen(card)),
            card.teacher != "none",
            card.functional != "PBE",
            len(card.elements),
            card.name,
        )

    order = sorted(covering, key=rank)
    return [Recommendation(card, reason(card)) for card in order]


def load(
    name_or_path: str | Path,
    elements: Sequence[str] | None = None,
    *,
    functional: str | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Calculates:
    """Load a potential by name (shipped, in a folder of SUS2_MODELS, or a plug-in), or a file.

    A name of REPLACED that no folder has gives its successor, with a FutureWarning.

    Parameters
    ----------
    name_or_path
        A name, or the path of a file.
    elements
        In type order; needed for a file that does not name its elements (`.mtp`) and has no card beside it.
    functional
        Of a file without a card, for the card that is made.
    device
        Where it is computed, by default the CPU; for moment potentials and plug-ins.
    dtype
        Its arithmetic, by default float64; for moment potentials.

    Returns
    -------
    Calculates
        The potential.

    Raises
    ------
    PotentialFileError
        Unknown name, unreadable file, wrong sha256, or elements that do not fit.
    Sus2Error
        A plug-in that cannot be made, or a device or dtype that cannot be used.
    """
    successor = REPLACED.get(str(name_or_path))
    if successor is not None and weights_of(str(name_or_path)) is None:
        warnings.warn(
            f"{name_or_path} is shipped no longer: {successor}, which is better for its crystals, is loaded instead.",
            FutureWarning,
            stacklevel=2,
        )
        name_or_path = successor
    path = Path(name_or_path)
    named = None if path.suffix in file_formats.SUFFIXES else weights_of(str(name_or_path))
    if named is not None:
        path = named
    elif not path.is_file():
        name = str(name_or_path)
        if name in plugins.found().plugins:
            return plugins.load_plugin(name, device=None if device is None else str(device))
        if sentence := missing(name):
            raise PotentialFileError(sentence)
        names = ", ".join(c.name for c in models()) or "none"
        raise PotentialFileError(
            f"There is no potential '{printable(name)}': give a name ({names}) or the path of a file."
        )
    if path.stat().st_size > MAX_FILE_BYTES:
        raise PotentialFileError(f"{path.name}: larger than {MAX_FILE_BYTES // 2**20} MiB, not a potential's file.")
    card_path = path.with_suffix(".json")
    card = read_card(card_path) if elements is None and card_path.is_file() else None
    raw = path.read_bytes()
    return load_bytes(
        raw, name=path.stem, elements=elements, card=card, functional=functional, device=device, dtype=dtype
    )


def load_moments(name_or_path: str | Path) -> Potential:
    """Load a potential as load does where its basic moments are needed, as for training and its summaries.

    Parameters
    ----------
    name_or_path
        A name, or the path of a file.

    Returns
    -------
    Potential
        The potential.

    Raises
    ------
    PotentialFileError
        As load does, and for a potential of another kind.
    """
    from sus2.potential.potential import Potential

    found = load(name_or_path)
    if not isinstance(found, Potential):
        raise PotentialFileError(f"{found.name} is no SUS2 potential, which is needed here.")
    return found


def weights_of(name: str) -> Path | None:
    """The weights of a potential found by name, in any form; None where no folder has them.

    Parameters
    ----------
    name
        Name of a potential, as its card has it.

    Returns
    -------
    Path or None
        The file NAME.mtp, NAME.sus2 or of another of the endings that are read.
    """
    return next((p for s in file_formats.SUFFIXES if (p := beside_weights(name, s)) is not None), None)


def load_bytes(
    raw: bytes,
    *,
    name: str,
    elements: Sequence[str] | None = None,
    card: Card | None = None,
    functional: str | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Potential | SitePotential:
    """A potential from the bytes of a file (an upload) and its elements or card; see load.

    What the file is, is told by its content (sus2.registry.others.file_formats); only text and our own compact
    form are read.

    Parameters
    ----------
    raw
        The content of the file.
    name
        What the potential and errors are called.
    elements
        In type order, where there is neither a card nor names of elements in the file.
    card
        By default one is made of the other arguments.
    functional
        For a card that is made.
    device
        Where a moment potential is computed; by default the CPU.
    dtype
        Its arithmetic; by default float64.

    Returns
    -------
    Potential or SitePotential
        As file_formats.made has it.

    Raises
    ------
    PotentialFileError
        A file that cannot be read, another sha256 than the card's, or elements that do not fit.
    Sus2Error
        A device or dtype that cannot be used.
    """
    digest = hashlib.sha256(raw).hexdigest()
    if card is not None and card.sha256 and card.sha256 != digest:
        raise PotentialFileError(
            f"{name}: the weights do not match the sha256 of their card; get both files again from one source."
        )
    content = file_formats.parse(raw, name)
    own = file_formats.elements_in(content)
    if card is None:
        if own is not None and elements is not None and set(own) != set(elements):
            raise PotentialFileError(f"{name}: the file names its elements itself ({' '.join(own)}); leave them out.")
        if own is None and elements is None:
            raise PotentialFileError(
                f"{name}: the file does not name its elements; pass elements=[...] in type order or put the card "
                f"{name}.json beside it."
            )
        try:
            card = Card(
                name=name,
                functional=functional or "not stated",
                elements=own or tuple(elements or ()),
                sha256=digest,
                summary=file_formats.described(content),
            )
        except ValidationError as error:
            raise PotentialFileError(f"{name}: elements: {printable(error.errors()[0]['msg'])}.") from None
    if own is not None and card.elements != own:
        raise PotentialFileError(f"{name}: the card must name the elements as the file does, {' '.join(own)}.")
    if own is None and len(card.elements) != content.species_count:
        raise PotentialFileError(
            f"{name}: the file has {content.species_count} species but {len(card.elements)} elements are given."
        )
    return file_formats.made(content, card, device=device, dtype=dtype)
