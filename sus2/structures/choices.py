"""What a file leaves open, as an error that carries the choices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sus2.errors import StructureError


@dataclass(frozen=True)
class Choice:
    """One way to read a file: read_structure(name, data, **{argument: value}).

    Attributes
    ----------
    argument
        Of read_structure.
    value
        For it.
    label
        For people.
    """

    argument: Literal["block", "setting", "order"]
    value: str | bool
    label: str


class OpenChoiceError(StructureError):
    """A file can be read in several ways and does not say in which; choices are what read_structure takes."""

    def __init__(self, message: str, choices: Sequence[Choice]) -> None:
        super().__init__(message)
        self.choices = tuple(choices)
