"""Figures of single properties."""
