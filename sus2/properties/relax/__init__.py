"""Relaxation as a property: the crystal at rest."""
