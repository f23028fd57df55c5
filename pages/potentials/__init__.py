"""Pages on potentials."""
