"""A potential by what names it, and the potentials that this process has loaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final

from sus2.errors import Sus2Error, printable
from sus2.potential.card import Card, parse_card
from sus2.registry.load import load, load_bytes
from sus2.registry.others import plugins
from sus2.registry.others.known import missing

MAX_LOADED: Final = 12
_EXTERNAL: Final = "external "  # before the identity of a plug-in's card


@dataclass(frozen=True)
class PotentialRef:
    """A potential by name: shipped, of other people ("external"), or a user's own with its file and card.

    Attributes
    ----------
    name
        Its name.
    identity
        Equal for potentials that give equal results.
    raw
        The file of a user's own potential.
    card_json
        The card of a user's own potential.
    precision
        "float64" or "float32".
    """

    name: str
    identity: str
    raw: bytes | None = field(default=None, repr=False)
    card_json: str = field(default="", repr=False)
    precision: str = "float64"

    @classmethod
    def of(cls, card: Card, raw: bytes | None = None, *, precision: str = "float64") -> PotentialRef:
        """The reference to a shipped potential or a plug-in by its card, or to a user's own by its card and file.

        Parameters
        ----------
        card
            The card.
        raw
            The file of a user's own potential; None for the others.
        precision
            "float64" or "float32".

        Returns
        -------
        PotentialRef
            The reference.
        """
        if card.plugin and raw is None:
            return cls(card.name, f"{_EXTERNAL}{card.identity}", precision=precision)
        return cls(card.name, card.identity, raw, card.model_dump_json() if raw is not None else "", precision)

    @classmethod
    def external(cls, name: str) -> PotentialRef:
        """The reference to a plug-in by its name.

        Parameters
        ----------
        name
            Name of the plug-in.

        Returns
        -------
        PotentialRef
            The reference.

        Raises
        ------
        Sus2Error
            There is none of that name.
        """
        card = next((c for c in plugins.found().cards if c.name == name), None)
        if card is None:
            raise Sus2Error(missing(name) or f"There is no potential '{printable(name)}' of others here.")
        return cls.of(card)

    @property
    def kind(self) -> str:
        """What it is: shipped, external or own."""
        if self.raw is not None:
            return "own"
        return "external" if self.identity.startswith(_EXTERNAL) else "shipped"

    def load(self) -> Any:
        """The potential, loaded once in a process; raises PotentialFileError, and Sus2Error where it has changed."""
        return _loaded(self)


_POTENTIALS: dict[tuple[str, str], Any] = {}
_LOCK = Lock()


def _loaded(reference: PotentialRef) -> Any:
    key = (reference.identity, reference.precision)
    with _LOCK:
        if key not in _POTENTIALS:
            while len(_POTENTIALS) >= MAX_LOADED:
                _POTENTIALS.pop(next(iter(_POTENTIALS)))
            _POTENTIALS[key] = _load(reference)
        # The latest used comes last, so that the one given up is the one not used for longest.
        _POTENTIALS[key] = _POTENTIALS.pop(key)
        return _POTENTIALS[key]


def _load(reference: PotentialRef) -> Any:
    if reference.kind == "external":
        if PotentialRef.external(reference.name).identity != reference.identity:
            raise Sus2Error(f"The potential {reference.name} has changed on this computer; choose it again.")
        return plugins.load_plugin(reference.name)
    import torch

    dtype = torch.float32 if reference.precision == "float32" else torch.float64
    if reference.raw is not None:
        card = parse_card(reference.card_json.encode(), source=reference.name)
        return load_bytes(reference.raw, name=reference.name, card=card, dtype=dtype)
    potential = load(reference.name, dtype=dtype)
    if getattr(getattr(potential, "card", None), "identity", "") != reference.identity:
        raise Sus2Error(f"The potential {reference.name} has changed on disk; start the app again.")
    return potential
