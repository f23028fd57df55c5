"""Quasi-harmonic thermal properties."""
