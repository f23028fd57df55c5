"""Potentials of others: files that are safe to read, plug-ins, and models known by name."""
