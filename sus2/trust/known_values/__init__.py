"""What is known of a crystal from elsewhere: committed values with functional, temperature and source."""

from sus2.trust.known_values.lookup import KnownValue, known_crystals, known_values
from sus2.trust.known_values.reference import Reference, references

__all__ = ["KnownValue", "Reference", "known_crystals", "known_values", "references"]
