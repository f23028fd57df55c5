"""The columns of a screening's tables."""

from __future__ import annotations

from sus2.properties.catalogue import catalogue, columns
from sus2.properties.property import Quantity


def screen_columns() -> dict[str, Quantity]:
    """List the columns of numbers, by key."""
    return {key: quantity for key, (_, quantity) in columns().items()}


def word_titles() -> dict[str, str]:
    """List the titles of the columns of words, by key."""
    return {c.key: c.title for entry in catalogue().values() for c in entry.categories}
