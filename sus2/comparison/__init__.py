"""Functionals and potentials side by side, and energies made comparable."""
