"""The card of a potential: what it is, what it was trained on, how wrong it is and where not to trust it.

A card lies beside the weights as `NAME.json`; it names the elements in type order, which an `.mtp` file does not.
"""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from pathlib import Path

from ase.data import atomic_numbers
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from sus2.errors import PotentialFileError, Sus2Error, printable

MAX_CARD_BYTES = 4 * 1024 * 1024


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
    plugin: str = ""
    """What makes the potential of a plug-in (sus2.registry.others.plugins); empty for one that is a file."""

    @cached_property
    def identity(self) -> str:
        """Equal for potentials that give equal results: SHA-256 of the whole card, which names that of the weights."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @cached_property
    def shortest_by_pair(self) -> dict[tuple[str, str], float]:
        """The shortest distances by alphabetical pair of elements; parsed once, for every result is checked by them."""
        found = {}
        for pair, distance in self.shortest_distances_a.items():
            a, b = sorted(pair.split("-"))
            found[a, b] = distance
        return found

    @field_validator("repulsion")
    @classmethod
    def _radii_in_order(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not 0.0 <= value[0] < value[1] <= 1.0:
            raise ValueError("the inner fraction must lie below the outer one, both from 0 to 1")
        return value

    @field_validator("shortest_distances_a")
    @classmethod
    def _pairs_of_elements(cls, value: dict[str, float]) -> dict[str, float]:
        for pair in value:
            if pair.count("-") != 1:
                raise ValueError(f"'{pair}' is not a pair of elements such as Na-Cl")
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


class OfCard:
    """What a potential says of itself by its card.

    Attributes
    ----------
    card
        The card.
    """

    card: Card

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {len(self.elements)} elements, {self.functional})"

    @property
    def name(self) -> str:
        """The name on its card."""
        return self.card.name

    @property
    def functional(self) -> str:
        """The density functional whose energies it was fitted to."""
        return self.card.functional

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols in type order."""
        return self.card.elements


def read_card(path: str | Path) -> Card:
    """Read a card.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Card
        Its content.

    Raises
    ------
    PotentialFileError
        The file cannot be read or is no card; the sentence names the key.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_CARD_BYTES + 1)
    except OSError as error:
        raise PotentialFileError(f"{path.name}: the card cannot be read ({error.strerror}).") from None
    return parse_card(raw, source=path.name)


def parse_card(raw: bytes, *, source: str = "card") -> Card:
    """Parse the JSON of a card.

    Parameters
    ----------
    raw
        The bytes of the file.
    source
        What errors call it.

    Returns
    -------
    Card
        Its content.

    Raises
    ------
    PotentialFileError
        It is no card; the sentence names the key.
    """
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


def write_weights(folder: str | Path, text: str, card: Card) -> Path:
    """Write weights as NAME.mtp and their card as NAME.json.

    Parameters
    ----------
    folder
        Where; made if it is not there.
    text
        The weights, as an .mtp file has them.
    card
        Its name is that of the files.

    Returns
    -------
    Path
        The file of weights, which sus2.load takes.

    Raises
    ------
    Sus2Error
        The folder cannot be written to.
    """
    target = Path(folder)
    path = target / f"{card.name}.mtp"
    try:
        target.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        write_card(card, path.with_suffix(".json"))
    except OSError as error:
        raise Sus2Error(f"The potential cannot be written to {target} ({error.strerror}).") from None
    return path


def write_card(card: Card, path: str | Path) -> None:
    """Write a card as readable JSON.

    Parameters
    ----------
    card
        The card.
    path
        The file, which is overwritten.
    """
    Path(path).write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")
