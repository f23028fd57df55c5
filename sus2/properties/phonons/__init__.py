"""Phonons: frequencies, bands, densities of states, modes followed."""
