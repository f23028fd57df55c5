"""Relaxation of crystals: minimiser, symmetry, one structure or many."""
