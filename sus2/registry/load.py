"""Potentials by name: weights, functional, elements and card; and a user's own files.

A potential is an `.mtp` file with a card beside it, `NAME.json`. The card names the elements in type order,
which the file itself does not.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from pathlib import Path
from typing import TYPE_CHECKING

from ase.data import atomic_numbers
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from sus2.errors import PotentialFileError, printable
from sus2.potential.mtp import MAX_FILE_BYTES, parse_mtp

if TYPE_CHECKING:
    import torch

    from sus2.potential.potential import Potential

MAX_CARD_BYTES = 4 * 1024 * 1024
FOLDERS_VARIABLE = "SUS2_MODELS"


class Card(BaseModel):
    """What a potential is, what it was trained on, how wrong it is and where not to trust it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=200)
    functional: str = Field(max_length=200)
    elements: tuple[str, ...] = Field(min_length=1, max_length=118)
    summary: str = ""
    data: str = "not stated"
    data_sha256: str = ""
    teacher: str = "none"
    errors: dict[str, float] = Field(default_factory=dict)
    """Test errors, units in the keys, for example ``energy_mae_mev_per_atom``."""
    properties: dict[str, dict[str, float]] = Field(default_factory=dict)
    """Measured crystal properties beside their references, as ``{"Si": {"a0_a": ..., "a0_pbe_a": ...}}``."""
    reference_energies_ev: dict[str, float] = Field(default_factory=dict)
    """Energy per atom of each element's ground-state crystal in this potential's functional, eV."""
    shortest_distances_a: dict[str, float] = Field(default_factory=dict)
    """Shortest distance in the training data for each pair ``A-B`` (alphabetical), angstrom."""
    repulsion: tuple[float, float] | None = None
    """Fractions of the sum of covalent radii between which a fixed short-range repulsion (see
    sus2.potential.repulsion), added to what the `.mtp` file says, fades out; None: there is none."""
    repulsion_strength: float = Field(default=1.0, gt=0.0, le=100.0)
    """Factor on that repulsion; what is more than once acts only at distances shorter than any in the data."""
    compounds_only: bool = False
    """Whether crystals of one element are outside its data: the app takes another potential for them."""
    limits: str = "not stated"
    command: str = ""
    licence: str = "not stated"
    sha256: str = ""
    version: str = ""

    @cached_property
    def identity(self) -> str:
        """Equal for potentials that give equal results: SHA-256 of the whole card, which names that of the weights."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @field_validator("repulsion")
    @classmethod
    def _radii_in_order(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not 0.0 <= value[0] < value[1] <= 1.0:
            raise ValueError("the inner fraction must lie below the outer one, both from 0 to 1")
        return value

    @field_validator("elements")
    @classmethod
    def _known_elements(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for symbol in value:
            if atomic_numbers.get(symbol, 0) < 1:
                raise ValueError(f"'{symbol}' is not a chemical element")
        if len(set(value)) != len(value):
            raise ValueError("an element appears twice")
        return value


def read_card(path: str | Path) -> Card:
    """Read a card; raises PotentialFileError with one sentence that names the key."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_CARD_BYTES + 1)
    except OSError as error:
        raise PotentialFileError(f"{path.name}: the card cannot be read ({error.strerror}).") from None
    return parse_card(raw, source=path.name)


def parse_card(raw: bytes, *, source: str = "card") -> Card:
    """Parse the JSON of a card; raises PotentialFileError with one sentence that names the key."""
    if len(raw) > MAX_CARD_BYTES:
        raise PotentialFileError(f"{source}: larger than {MAX_CARD_BYTES // 2**20} MiB, not a potential's card.")
    try:
        content = json.loads(raw.decode("utf-8"))
        # Halves of characters, which JSON can spell, could be read but not be written again.
        json.dumps(content, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise PotentialFileError(f"{source}: the card is not valid JSON; correct it.") from None
    try:
        return Card.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(k) for k in first["loc"]) or "the card"
        raise PotentialFileError(f"{source}: key '{printable(key)}': {printable(first['msg'])}.") from None


def write_card(card: Card, path: str | Path) -> None:
    """Write a card as readable JSON."""
    Path(path).write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")


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
    """Load a shipped potential by name, or an `.mtp` file with its elements in type order.

    A file without `elements` needs its card beside it. `device` defaults to the CPU, `dtype` to float64.
    Raises PotentialFileError: unknown name, unreadable file, wrong sha256, elements that do not fit.
    """
    path = Path(name_or_path)
    named = beside_weights(str(name_or_path), ".mtp") if path.suffix != ".mtp" else None
    if named is not None:
        path = named
    elif not path.is_file():
        names = ", ".join(c.name for c in models()) or "none"
        raise PotentialFileError(
            f"There is no potential '{name_or_path}': give a shipped name ({names}) or the path of an .mtp file."
        )
    if path.stat().st_size > MAX_FILE_BYTES:
        raise PotentialFileError(f"{path.name}: larger than {MAX_FILE_BYTES // 2**20} MiB, not an .mtp file.")
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
    """A potential from the bytes of an `.mtp` file (an upload) and its elements or card; see load."""
    from sus2.potential.potential import Potential

    digest = hashlib.sha256(raw).hexdigest()
    if card is not None and card.sha256 and card.sha256 != digest:
        raise PotentialFileError(
            f"{name}: the weights do not match the sha256 of their card; get both files again from one source."
        )
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
